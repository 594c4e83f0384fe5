/**
 * A list of any length, of which only what is seen is in the document.
 *
 * A grid by ARIA: the arrow keys, Page Up and Down, Home and End move, Enter opens. Rows are made
 * once and written anew as the list scrolls; `fill` must write every cell.
 *
 * Rows are written when a frame is drawn, as many as the last frames had time for, the rest in the
 * next one: a slow machine shows them later and is never held up. Most of a row's time is layout and
 * paint, which come behind the writing, so the whole frame is timed. What is measured (where it is
 * scrolled to, how high it is) is measured before anything is written, for a measurement behind a
 * write costs a layout of its own.
 */

import { el, mark } from "./dom.js";

const SPARE = 6; // rows beyond each edge
const FRAME_MS = 12; // that writing rows, laying them out and painting them may take of a frame
const FEWEST = 4; // rows a frame, however long one takes
const MOST = 64;
let lists = 0;

export class VirtualList {
  #items = [];
  #rows = []; // by place: index modulo how many there are; made when they are first needed
  #count = 0;
  #unwritten = new Set(); // indices in the window whose rows are still to be written
  #allowed = 16; // rows a frame
  #painted = new MessageChannel(); // its messages come behind a frame's layout and paint
  #body;
  #head;
  #space;
  #active = 0;
  #asked = 0; // the frame that was asked for
  #scrolled = false; // since the last frame
  #top = 0; // how far
  #room = 0; // height of the window below the heads, which stay on top
  #name = `list-${++lists}`;
  #range = [0, 0];
  #changed = false; // other items, since the last frame

  /**
   * @param {object} options
   * @param {string} options.label
   * @param {[string, string][]} options.columns titles and classes
   * @param {() => number} options.rowHeight in pixels, at the width there is now
   * @param {() => HTMLElement} options.make a row with its cells
   * @param {(row: HTMLElement, item: any) => void} options.fill
   * @param {(item: any) => void} [options.open]
   * @param {(first: number, end: number) => void} [options.seen] what is in the window now
   */
  constructor(options) {
    this.options = options;
    const heads = options.columns.map(([title, style]) =>
      el("span", { role: "columnheader", class: style }, title),
    );
    this.#space = el("div.list-space", { role: "rowgroup" });
    this.#head = el("div.list-head", { role: "rowgroup" }, el("div.row", { role: "row" }, ...heads));
    const attributes = { role: "grid", "aria-label": options.label, tabindex: 0 };
    this.#body = el("div.list-body", attributes, this.#head, this.#space);
    this.node = el("div.list", {}, this.#body);
    this.#body.addEventListener("scroll", () => this.#scrolls(), { passive: true });
    this.#body.addEventListener("keydown", (event) => this.#key(event));
    this.#painted.port1.onmessage = ({ data }) => this.#pace(data);
    this.watcher = new ResizeObserver(() => this.#resized());
    this.watcher.observe(this.#body);
  }

  /** The index of the first row in the window. */
  get first() {
    return Math.floor(this.#top / this.options.rowHeight());
  }

  /** Show other items; `total` is how many there are, where not all are here. */
  show(items, total = items.length) {
    this.#items = items;
    this.#active = Math.min(this.#active, Math.max(0, items.length - 1));
    mark(this.#body, "aria-rowcount", String(total + 1));
    this.#layout();
  }

  toTop() {
    if (this.#top !== 0) this.#body.scrollTop = this.#top = 0;
    this.#active = 0;
  }

  /** Write the rows of these items anew; without `wanted` all that are in the window. */
  refresh(wanted = null) {
    for (const row of this.#rows) {
      if (row && !row.hidden && (wanted === null || wanted(row.item))) this.#unwritten.add(row.index);
    }
    if (this.#unwritten.size) this.#soon();
  }

  end() {
    this.watcher.disconnect();
    cancelAnimationFrame(this.#asked);
    this.#painted.port1.close();
  }

  #scrolls() {
    this.#scrolled = true;
    this.#soon();
  }

  /** Take the window's new size; the observer calls when all is laid out. */
  #resized() {
    this.#room = this.#body.clientHeight - this.#head.offsetHeight;
    this.#layout();
  }

  #layout() {
    const height = this.options.rowHeight();
    this.#space.style.height = `${this.#items.length * height}px`;
    this.#count = Math.max(this.#count, Math.ceil(this.#room / height) + 2 * SPARE);
    this.#changed = true;
    this.#soon();
  }

  #soon() {
    this.#asked ||= requestAnimationFrame(() => {
      this.#asked = 0;
      if (this.#scrolled) this.#top = this.#body.scrollTop;
      this.#scrolled = false;
      this.#draw();
    });
  }

  #draw() {
    const height = this.options.rowHeight();
    const lowest = Math.max(0, this.#items.length * height - this.#room);
    this.#top = Math.min(this.#top, lowest); // as the browser does when items are gone
    const first = Math.max(0, this.first - SPARE);
    const end = Math.min(this.#items.length, first + this.#count);
    this.#plan(first, end);
    this.#write(height);
    this.#point();
    const seen = [this.first, Math.min(end, this.first + Math.ceil(this.#room / height) + 1)];
    if (this.#changed || seen[0] !== this.#range[0] || seen[1] !== this.#range[1]) {
      this.#range = seen;
      this.#changed = false;
      this.options.seen?.(...seen);
    }
  }

  /** Find what is to be written: each index has a row of its own, so a scroll by one writes one. */
  #plan(first, end) {
    for (const index of this.#unwritten) if (index < first || index >= end) this.#unwritten.delete(index);
    for (let index = first; index < first + this.#count; index++) {
      const row = this.#rows[index % this.#count];
      if (index >= end) {
        if (row && !row.hidden) row.node.hidden = row.hidden = true;
      } else if (this.#changed || !row || row.hidden || row.index !== index) {
        this.#unwritten.add(index);
      }
    }
  }

  /** Write as many rows as are allowed; those that are left have the next frame. */
  #write(height) {
    const began = performance.now();
    const indices = [...this.#unwritten].sort((a, b) => a - b).slice(0, this.#allowed);
    for (const index of indices) {
      const row = (this.#rows[index % this.#count] ??= this.#made());
      this.#unwritten.delete(index);
      if (row.index !== index || row.height !== height) {
        [row.index, row.height] = [index, height];
        row.node.style.transform = `translateY(${index * height}px)`;
        row.node.setAttribute("aria-rowindex", String(index + 2));
      }
      row.item = this.#items[index];
      this.options.fill(row.node, row.item);
      if (row.hidden) row.node.hidden = row.hidden = false;
    }
    if (indices.length) this.#painted.port2.postMessage([indices.length, began]);
    if (this.#unwritten.size) this.#soon();
  }

  /** Allow as many rows as a frame has time for, going by the one that has just been painted. */
  #pace([rows, began]) {
    const took = performance.now() - began;
    if (took > FRAME_MS) this.#allowed = Math.max(FEWEST, Math.floor((rows * FRAME_MS) / took));
    else if (rows === this.#allowed) this.#allowed = Math.min(MOST, 2 * rows);
  }

  #made() {
    const row = { node: this.options.make(), item: null, index: -1, height: 0, hidden: true };
    row.node.setAttribute("role", "row");
    row.node.id = `${this.#name}-${this.#space.childElementCount}`;
    row.node.hidden = true;
    row.node.addEventListener("click", (event) => {
      if (event.target.closest("button, a")) return;
      this.#move(row.index);
      this.options.open?.(row.item);
    });
    this.#space.append(row.node);
    return row;
  }

  #point() {
    const here = this.#rows.find((row) => row && !row.hidden && row.index === this.#active);
    mark(this.#body, "aria-activedescendant", here?.node.id ?? null);
    for (const row of this.#rows) row?.node.classList.toggle("active", row === here);
  }

  #key(event) {
    if (event.target !== this.#body) return; // a button inside has its own keys
    const page = Math.max(1, Math.floor(this.#room / this.options.rowHeight()) - 1);
    const last = this.#items.length - 1;
    const to = {
      ArrowDown: this.#active + 1,
      ArrowUp: this.#active - 1,
      PageDown: this.#active + page,
      PageUp: this.#active - page,
      Home: 0,
      End: last,
    }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      this.#move(Math.max(0, Math.min(last, to)));
    } else if (event.key === "Enter" && this.#items.length) {
      this.options.open?.(this.#items[this.#active]);
    }
  }

  #move(index) {
    this.#active = index;
    const height = this.options.rowHeight();
    const top = index * height;
    if (top < this.#top) this.#body.scrollTop = top;
    else if (top + height > this.#top + this.#room) this.#body.scrollTop = top + height - this.#room;
    this.#scrolls();
  }
}
