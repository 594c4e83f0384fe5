/**
 * Accounts, worst first: as the monitors rank them, a page at a time, and alive where one looks.
 *
 * The service searches and ranks, so a million accounts are no more work here than a hundred. The
 * figures of the rows in the window come by the stream's `risk` channel. While the first rows are
 * seen the order is asked for again and again; it is held while one is further down.
 */

import { COLUMNS, fillRow, makeRow } from "./account_row.js";
import { call, reason } from "./api.js";
import { announce, el, write } from "./dom.js";
import { clock, LEVELS, number, WORDS } from "./format.js";
import { VirtualList } from "./list.js";

const PAGE = 200;
const NEXT_PAGE = 1000;
const EVERY_MS = 2000;
const LONGEST_MS = 10_000;
const AGAIN_MS = 500; // after a call that failed
const SHARE = 10; // a ranking is asked for again after ten times as long as it took
const TYPING_MS = 120;
const SETTLED_MS = 120;
const KEPT = 2000; // accounts whose figures are remembered
const UNFIT = /[^A-Za-z0-9._:@-]/g; // no id has these
const narrow = matchMedia("(max-width: 720px)");
// Kept from one visit of the view to the next.
const chosen = { level: "HEALTHY", match: "" };
const risks = new Map(); // by account: {risk, at}

/** Open the view; returns what closes it. */
export function openAccounts(root, { stream }) {
  const view = new Accounts(stream);
  root.replaceChildren(view.node);
  view.start();
  return () => view.end();
}

class Accounts {
  #items = [];
  #cursor = null;
  #counts = null;
  #loading = null; // what stops the call that is under way
  #timer = null;
  #unsubscribe = () => {};
  #watched = "";
  #window = [0, 0];
  #settle = null;

  constructor(stream) {
    this.stream = stream;
    this.search = el("input", {
      type: "search",
      placeholder: "Part of an account id",
      "aria-label": "Search accounts by a part of their id",
      autocomplete: "off",
      spellcheck: "false",
      maxlength: 128,
      value: chosen.match,
      on: { input: () => this.#typed() },
    });
    this.tiles = this.#makeTiles();
    this.status = el("p.status", { role: "status" });
    this.list = new VirtualList({
      label: "Accounts, worst first",
      columns: COLUMNS,
      rowHeight: () => (narrow.matches ? 60 : 34),
      make: makeRow,
      fill: (row, item) => fillRow(row, item, risks.get(item.id)),
      open: (item) => (location.hash = `#/accounts/${encodeURIComponent(item.id)}`),
      seen: (first, end) => this.#seen(first, end),
    });
    const tools = el("div.toolbar", {}, this.tiles.node, el("div.search", {}, this.search));
    this.node = el(
      "div.accounts.fill-view",
      {},
      el("h1.sr-only", {}, "Accounts, worst first"),
      tools,
      this.list.node,
      this.status,
    );
  }

  start() {
    this.ticking = setInterval(() => this.list.refresh(), 1000); // ages go on
    this.onLive = () => this.#loading === null && this.#load();
    this.stream.addEventListener("live", this.onLive);
    this.#load();
  }

  end() {
    clearInterval(this.ticking);
    clearTimeout(this.#timer);
    clearTimeout(this.#settle);
    this.#loading?.abort();
    this.stream.removeEventListener("live", this.onLive);
    this.#unsubscribe();
    this.list.end();
  }

  #makeTiles() {
    const tiles = ["HEALTHY", ...LEVELS.slice(1).toReversed()].map((level) => {
      const count = el("b", {}, "–");
      const input = el("input", {
        type: "radio",
        name: "level",
        value: level,
        on: { change: () => this.#choose(level) },
      });
      input.checked = level === chosen.level;
      const said = level === "HEALTHY" ? "All" : WORDS[level];
      const title = level === "HEALTHY" ? "Every account" : `${WORDS[level]} or worse`;
      return {
        level,
        count,
        node: el("label.tile", { "data-level": level, title }, input, el("span", {}, said), count),
      };
    });
    const legend = el("legend.sr-only", {}, "Accounts at this level or worse");
    return { tiles, node: el("fieldset.tiles", {}, legend, ...tiles.map((tile) => tile.node)) };
  }

  #choose(level) {
    chosen.level = level;
    this.list.toTop();
    this.#load();
  }

  #typed() {
    const fit = this.search.value.replace(UNFIT, "");
    if (fit === chosen.match) return;
    chosen.match = fit;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.list.toTop();
      this.#load().then(() => announce(`${number(this.#total())} accounts match`));
    }, TYPING_MS);
  }

  /** How many accounts there are to see, as far as they were counted. */
  #total() {
    if (this.#counts === null) return this.#items.length;
    const from = LEVELS.indexOf(chosen.level);
    return LEVELS.slice(from).reduce((sum, level) => sum + this.#counts[level], 0);
  }

  async #load() {
    clearTimeout(this.#timer);
    this.#loading?.abort();
    const stop = (this.#loading = new AbortController());
    const started = performance.now();
    let failed = false;
    try {
      const held = this.list.first > PAGE / 2;
      const page = await this.#ask({ limit: held ? 1 : PAGE, counts: true }, stop.signal);
      this.#counts = page.counts;
      if (!held) {
        [this.#items, this.#cursor] = [page.accounts, page.cursor];
        this.orderedAt = Date.now();
      }
      this.#show();
    } catch (error) {
      if (error.name === "AbortError") return;
      this.#say(reason(error));
      failed = true;
    }
    this.#loading = null;
    const wait = failed
      ? AGAIN_MS
      : Math.min(LONGEST_MS, Math.max(EVERY_MS, SHARE * (performance.now() - started)));
    this.#timer = setTimeout(
      () => (document.hidden || !this.stream.live ? this.#later() : this.#load()),
      wait,
    );
  }

  #later() {
    this.#timer = setTimeout(
      () => (document.hidden || !this.stream.live ? this.#later() : this.#load()),
      EVERY_MS,
    );
  }

  #ask({ limit, counts = false, cursor = null }, signal) {
    const query = new URLSearchParams({ level: chosen.level, limit: String(limit) });
    if (counts) query.set("counts", "true");
    if (cursor !== null) query.set("cursor", cursor);
    if (chosen.match) query.set("match", chosen.match);
    return call("GET", `/v1/accounts?${query}`, undefined, { signal });
  }

  /** Fetch the page behind the last one; who moved meanwhile is not shown twice. */
  async #more() {
    if (this.#cursor === null || this.adding) return;
    this.adding = true;
    const items = this.#items;
    try {
      const page = await this.#ask({ limit: NEXT_PAGE, cursor: this.#cursor });
      if (items !== this.#items) return; // another order came meanwhile: below it is begun anew
      const known = new Set(items.map((item) => item.id));
      for (const item of page.accounts) if (!known.has(item.id)) items.push(item);
      this.#cursor = page.cursor;
      this.#show();
    } catch (error) {
      this.#say(reason(error));
    } finally {
      this.adding = false;
      if (items !== this.#items && this.#isNearEnd()) this.#more();
    }
  }

  #show() {
    for (const { level, count } of this.tiles.tiles) {
      const counted = this.#counts?.[level] ?? null;
      const all =
        level === "HEALTHY" ? LEVELS.reduce((sum, one) => sum + (this.#counts?.[one] ?? 0), 0) : counted;
      write(count, all === null ? "–" : number(all));
    }
    this.list.show(this.#items, this.#total());
    this.#say(this.#items.length ? "" : "No account is here.");
  }

  #say(trouble) {
    const total = this.#total();
    const shown =
      this.#items.length < total
        ? `${number(this.#items.length)} of ${number(total)} loaded`
        : `${number(total)} accounts`;
    const order = this.orderedAt ? ` · order of ${clock(this.orderedAt)}` : "";
    const held = this.list.first > PAGE / 2 ? ", held while you are here" : "";
    write(this.status, trouble || `${shown}${order}${held}`);
  }

  #isNearEnd() {
    return this.#window[1] + PAGE / 2 > this.#items.length;
  }

  #seen(first, end) {
    this.#window = [first, end];
    if (this.#isNearEnd()) this.#more();
    clearTimeout(this.#settle);
    // The first rows have their figures at once; a scroll passes many that nobody reads.
    if (this.#watched === "") this.#watch();
    else this.#settle = setTimeout(() => this.#watch(), SETTLED_MS);
  }

  /** Have the stream tell of the accounts in the window, and of no others. */
  #watch() {
    const ids = this.#items.slice(...this.#window).map((item) => item.id);
    const name = ids.toSorted().join(" ");
    if (name === this.#watched) return;
    this.#watched = name;
    const before = this.#unsubscribe;
    this.#unsubscribe = ids.length
      ? this.stream.subscribe({ channel: "risk", accounts: ids }, (frame) => this.#take(frame))
      : () => {};
    before();
    this.#say("");
  }

  #take(frame) {
    if (frame.type !== "risk") return;
    const at = Date.now();
    const told = new Set();
    for (const { accountId, risk } of frame.accounts) {
      risks.delete(accountId); // to the end: the oldest are forgotten first
      if (risk !== null) risks.set(accountId, { risk, at });
      told.add(accountId);
    }
    while (risks.size > KEPT) risks.delete(risks.keys().next().value);
    this.list.refresh((item) => told.has(item.id));
  }
}
