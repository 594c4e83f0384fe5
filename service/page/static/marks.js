/** Every mark with its age and quality: what all figures hang on. */

import { call, reason } from "./api.js";
import { el, write } from "./dom.js";
import { age, number, percent, price } from "./format.js";

const READ_MS = 5000;
const AGES_MS = 250;
// What accounts may be raised to by a mark that is not good enough for all.
const ALLOWS = { evaluate: "only evaluate", warn: "warn", call: "call, not liquidate" };
const COLUMNS = [
  ["Venue", ""],
  ["Symbol", ""],
  ["Mark", "right"],
  ["Index", "right"],
  ["Basis", "right"],
  ["Funding", "right"],
  ["Source", ""],
  ["Age", "right"],
  ["Quality", ""],
];

/** Open the view; returns what closes it. */
export function openMarks(root, { stream }) {
  const view = new Marks(stream);
  root.replaceChildren(view.node);
  view.start();
  return () => view.end();
}

class Marks {
  #rows = new Map(); // by "venue symbol": {mark, at, stale, quality, node, cells}
  #moved = new Set();
  #drawing = false;

  constructor(stream) {
    this.stream = stream;
    this.search = el("input", {
      type: "search",
      placeholder: "Symbol or venue",
      "aria-label": "Filter by symbol or venue",
      on: { input: () => this.#filter() },
    });
    this.body = el("tbody");
    this.status = el("p.status", { role: "status" });
    const heads = COLUMNS.map(([title, style]) => el("th", { scope: "col", class: style || null }, title));
    const node = el(
      "table",
      {},
      el("caption.sr-only", {}, "Marks"),
      el("thead", {}, el("tr", {}, ...heads)),
      this.body,
    );
    this.node = el(
      "div.marks.fill-view",
      {},
      el("h1.sr-only", {}, "Marks"),
      el("div.toolbar", {}, el("div.search", {}, this.search)),
      el("div.scroller.tall", { tabindex: 0, role: "region", "aria-label": "Marks" }, node),
      this.status,
    );
  }

  start() {
    this.unsubscribe = this.stream.subscribe({ channel: "marks" }, (frame) => {
      if (frame.type === "marks") for (const mark of frame.marks) this.#hear(mark);
    });
    this.onNotice = ({ detail }) => this.#notice(detail);
    this.stream.addEventListener("notice", this.onNotice);
    this.reading = setInterval(() => document.hidden || this.#read(), READ_MS);
    this.ageing = setInterval(() => this.#rows.forEach(writeAge), AGES_MS);
    this.#read();
  }

  end() {
    this.unsubscribe();
    this.stream.removeEventListener("notice", this.onNotice);
    clearInterval(this.reading);
    clearInterval(this.ageing);
  }

  /** Read what the stream does not say: quality, and how old each is by the service's clock. */
  async #read() {
    try {
      const { marks } = await call("GET", "/v1/marks");
      for (const mark of marks) {
        const row = this.#take(mark, Date.now() - mark.ageMs);
        row.stale = mark.stale;
        row.quality = mark.quality ?? null;
        row.allows = mark.allows ?? null;
        writeAge(row);
      }
      const stale = marks.filter((mark) => mark.stale).length;
      write(
        this.status,
        `${number(marks.length)} marks${stale ? `, ${number(stale)} stale` : ", all fresh"}`,
      );
    } catch (error) {
      write(this.status, reason(error));
    }
  }

  /** Take a mark of the stream, which says a quality only where it is less than good. */
  #hear(mark) {
    const row = this.#take(mark);
    if (row.quality !== null) row.quality = mark.quality ?? "good";
  }

  #take(mark, at = Date.now()) {
    const name = `${mark.venue} ${mark.symbol}`;
    let row = this.#rows.get(name);
    if (row === undefined) this.#rows.set(name, (row = this.#add(mark, name)));
    if (row.mark !== null && mark.markPrice !== row.mark.markPrice)
      row.rising = mark.markPrice > row.mark.markPrice;
    row.mark = mark;
    row.at = at;
    this.#moved.add(row);
    if (!this.#drawing) {
      this.#drawing = true;
      requestAnimationFrame(() => this.#draw());
    }
    return row;
  }

  #add(mark, name) {
    const cells = COLUMNS.map(([, style]) => el("td", { class: style || null }));
    const node = el("tr", {}, ...cells);
    const row = {
      mark: null,
      at: 0,
      stale: false,
      quality: null,
      allows: null,
      rising: null,
      node,
      cells,
      name,
    };
    const after = [...this.#rows.entries()].find(([other]) => other > name);
    this.body.insertBefore(node, after?.[1].node ?? null);
    this.#rows = new Map([...this.#rows, [name, row]].sort(([a], [b]) => (a < b ? -1 : 1)));
    node.hidden = !this.#wanted(row);
    return this.#rows.get(name);
  }

  #draw() {
    this.#drawing = false;
    for (const { mark, cells, rising } of this.#moved) {
      const [venue, symbol, markPrice, index, basis, funding, source] = cells;
      write(venue, mark.venue);
      write(symbol, mark.symbol);
      write(markPrice, price(mark.markPrice));
      markPrice.dataset.move = rising === null ? "" : rising ? "up" : "down";
      write(index, price(mark.indexPrice));
      write(basis, mark.indexPrice ? percent(100 * (mark.markPrice / mark.indexPrice - 1), 3) : "");
      write(
        funding,
        mark.fundingRate === undefined || mark.fundingRate === null ? "" : percent(100 * mark.fundingRate, 4),
      );
      write(source, mark.source ?? "");
    }
    this.#moved.clear();
  }

  #notice({ notice, venue, symbol }) {
    const row = this.#rows.get(`${venue} ${symbol}`);
    if (row === undefined || !(notice === "stale" || notice === "fresh")) return;
    row.stale = notice === "stale";
    writeAge(row);
  }

  #wanted({ name }) {
    return name.toLowerCase().includes(this.search.value.trim().toLowerCase());
  }

  #filter() {
    for (const row of this.#rows.values()) row.node.hidden = !this.#wanted(row);
  }
}

/** Write how old a mark is, and its quality as the service says it: what that allows, where not all. */
function writeAge(row) {
  const [old, quality] = row.cells.slice(-2);
  write(old, row.at ? age(Date.now() - row.at) : "");
  const said = row.quality ?? (row.stale ? "stale" : "fresh");
  const less =
    row.allows !== null && row.allows !== "liquidate" ? `, may ${ALLOWS[row.allows] ?? row.allows}` : "";
  write(quality, said + less);
  quality.dataset.quality = said;
}
