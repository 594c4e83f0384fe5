/**
 * A list of any length, of which only what is seen is in the document.
 *
 * A grid by ARIA: the arrow keys, Page Up and Down, Home and End move, Enter opens. Rows are made
 * once and written anew as the list scrolls; `fill` must write every cell.
 */

import { el, mark } from "./dom.js";

const SPARE = 6; // rows beyond each edge
let lists = 0;

export class VirtualList {
  #items = [];
  #rows = [];
  #body;
  #head;
  #space;
  #active = 0;
  #asked = false;
  #name = `list-${++lists}`;
  #range = [0, 0];

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
    this.#body.addEventListener("scroll", () => this.#soon(), { passive: true });
    this.#body.addEventListener("keydown", (event) => this.#key(event));
    this.watcher = new ResizeObserver(() => this.#layout());
    this.watcher.observe(this.#body);
  }

  get items() {
    return this.#items;
  }

  /** The index of the first row in the window. */
  get first() {
    return Math.floor(this.#body.scrollTop / this.options.rowHeight());
  }

  /** The height of the window below the heads, which stay on top. */
  get #room() {
    return this.#body.clientHeight - this.#head.offsetHeight;
  }

  /** Show other items; `total` is how many there are, where not all are here. */
  show(items, total = items.length) {
    this.#items = items;
    this.#active = Math.min(this.#active, Math.max(0, items.length - 1));
    this.#body.setAttribute("aria-rowcount", String(total + 1));
    this.#layout();
  }

  toTop() {
    this.#body.scrollTop = 0;
    this.#active = 0;
  }

  /** Write the rows of these items anew; without `wanted` all that are in the window. */
  refresh(wanted = null) {
    for (const row of this.#rows) {
      const item = row.hidden ? undefined : this.#items[row.index];
      if (item !== undefined && (wanted === null || wanted(item))) this.options.fill(row.node, item);
    }
  }

  end() {
    this.watcher.disconnect();
  }

  #soon() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      this.#draw(false);
    });
  }

  #layout() {
    const height = this.options.rowHeight();
    this.#space.style.height = `${this.#items.length * height}px`;
    const needed = Math.ceil(this.#room / height) + 2 * SPARE;
    while (this.#rows.length < needed) this.#add();
    this.#draw(true);
  }

  #add() {
    const row = { node: this.options.make(), index: -1, hidden: true };
    row.node.setAttribute("role", "row");
    row.node.id = `${this.#name}-${this.#rows.length}`;
    row.node.hidden = true;
    row.node.addEventListener("click", (event) => {
      if (event.target.closest("button, a")) return;
      this.#move(row.index);
      this.options.open?.(this.#items[row.index]);
    });
    this.#rows.push(row);
    this.#space.append(row.node);
  }

  /** Put each index into the row that is its own, so that a scroll by one rewrites one. */
  #draw(all) {
    const height = this.options.rowHeight();
    const count = this.#rows.length;
    const first = Math.max(0, this.first - SPARE);
    const end = Math.min(this.#items.length, first + count);
    for (let index = first; index < first + count; index++) {
      const row = this.#rows[index % count];
      const there = index < end;
      if (row.hidden === there) row.node.hidden = row.hidden = !there;
      if (!there || (!all && row.index === index)) continue;
      row.index = index;
      row.node.style.transform = `translateY(${index * height}px)`;
      row.node.setAttribute("aria-rowindex", String(index + 2));
      this.options.fill(row.node, this.#items[index]);
    }
    this.#point();
    const seen = [this.first, Math.min(end, this.first + Math.ceil(this.#room / height) + 1)];
    if (all || seen[0] !== this.#range[0] || seen[1] !== this.#range[1]) {
      this.#range = seen;
      this.options.seen?.(...seen);
    }
  }

  #point() {
    const here = this.#rows.find((row) => !row.hidden && row.index === this.#active);
    mark(this.#body, "aria-activedescendant", here?.node.id ?? null);
    for (const row of this.#rows) row.node.classList.toggle("active", row === here);
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
    const body = this.#body;
    if (top < body.scrollTop) body.scrollTop = top;
    else if (top + height > body.scrollTop + this.#room) body.scrollTop = top + height - this.#room;
    this.#draw(false);
  }
}
