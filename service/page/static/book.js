/** The whole book against a move: what is liquidated, who falls short, who owes. */

import { call, callLines, reason } from "./api.js";
import { Chart } from "./charts.js";
import { choice, el, panel, row, table, write } from "./dom.js";
import { clock, money, number, percent, short } from "./format.js";

const ALL = "";
const WIDTHS = [
  [10, "±10 %"],
  [30, "±30 %"],
  [60, "±60 %"],
];
const POINTS = 121;
const PAYERS = [
  ["fund", "Fund"],
  ["deleveraged", "Deleveraged"],
  ["socialised", "Socialised"],
  ["venuePays", "Venue"],
  ["owed", "Owed"],
];

/** Open the view; returns what closes it. */
export function openBook(root) {
  const view = new Book();
  root.replaceChildren(view.node);
  view.start();
  return () => view.end();
}

class Book {
  #symbol = ALL;
  #width = 30;
  #asking = null;
  #map = null;

  constructor() {
    [this.symbols, this.symbolSelect] = choice("Symbol", "symbol", [[ALL, "all at once"]], (value) =>
      this.#choose({ symbol: value }),
    );
    const [widths, widthSelect] = choice("Move", "width", WIDTHS, (value) =>
      this.#choose({ width: Number(value) }),
    );
    widthSelect.value = String(this.#width);
    this.again = el("button", { type: "button", on: { click: () => this.draw() } }, "Draw again");
    this.progress = el("progress", { max: 1, value: 0, "aria-label": "Shards done" });
    this.status = el("p.status", { role: "status" });
    this.fallen = new Chart("Notional liquidated and accounts liquidated against the move");
    this.missing = new Chart("Money missing and money owed against the move");
    this.move = el("input", {
      type: "range",
      min: 0,
      max: POINTS - 1,
      value: 0,
      "aria-label": "Move shown in the table",
      on: { input: () => this.#drawPoint() },
    });
    this.point = el("div");
    this.pointTitle = el("p.point-title");
    this.node = el(
      "div.book",
      {},
      el("h1.sr-only", {}, "The book against a move"),
      el("div.toolbar", {}, this.symbols, widths, this.again, this.progress),
      this.status,
      el(
        "div.charts",
        {},
        panel("Liquidated against the move", this.fallen.node),
        panel("Missing and owed against the move", this.missing.node),
      ),
      panel("Who pays at a move", this.move, this.pointTitle, this.point),
    );
  }

  async start() {
    this.draw();
    try {
      const { marks } = await call("GET", "/v1/marks");
      const symbols = [...new Set(marks.map((mark) => mark.symbol))]
        .filter((symbol) => symbol.includes(":"))
        .sort();
      this.symbolSelect.append(...symbols.map((symbol) => el("option", { value: symbol }, symbol)));
    } catch {
      // the map's own call says what is wrong
    }
  }

  end() {
    this.#asking?.abort();
    this.fallen.end();
    this.missing.end();
  }

  #choose({ symbol = this.#symbol, width = this.#width }) {
    [this.#symbol, this.#width] = [symbol, width];
    this.draw();
  }

  /** Have the monitors make the map; it says how far it is on the way. */
  async draw() {
    this.#asking?.abort();
    const stop = (this.#asking = new AbortController());
    const asked = { fromPct: -this.#width, toPct: this.#width, points: POINTS, symbol: this.#symbol || null };
    this.progress.hidden = false;
    this.progress.value = 0;
    write(this.status, "The monitors are drawing the map…");
    try {
      await callLines(
        "POST",
        "/v1/simulate",
        { accounts: "monitored", map: asked },
        (line) => this.#take(line),
        { signal: stop.signal },
      );
    } catch (error) {
      if (error.name !== "AbortError") write(this.status, reason(error));
    }
    if (stop === this.#asking) this.progress.hidden = true;
  }

  #take({ progress, result, problem }) {
    if (progress) this.progress.value = progress.done / progress.total;
    else if (problem) write(this.status, problem.detail);
    else if (result) this.#show(result);
  }

  #show(map) {
    this.#map = map;
    const unpriced = map.unpricedPools
      ? `, ${number(map.unpricedPools)} pools without a price are in no figure`
      : "";
    write(
      this.status,
      `${number(map.accounts)} accounts, ${number(map.pools)} pools, as of ${clock(map.timestamp)}${unpriced}`,
    );
    const moves = map.points.map((point) => point.movePct);
    const line =
      (name, field, tint, { dash = "solid", ...more }) =>
      (colour) => ({
        type: "scatter",
        mode: "lines",
        name,
        x: moves,
        y: map.points.map((point) => point[field]),
        line: { color: colour(tint), width: 2, dash },
        ...more,
      });
    const of =
      (...lines) =>
      (colour) =>
        lines.map((make) => make(colour));
    const xaxis = { ticksuffix: " %", hoverformat: "+.1f" };
    const dollars = { tickprefix: "$", exponentformat: "B" };
    const failed = (error) => write(this.status, error.message);
    this.fallen
      .show(
        of(
          line("Notional liquidated", "notionalUsd", "--liquidation", { fill: "tozeroy" }),
          line("Accounts liquidated", "accounts", "--accent", { yaxis: "y2", dash: "dot" }),
        ),
        {
          xaxis,
          yaxis: dollars,
          yaxis2: { tickmode: "auto", nticks: 6, separatethousands: true, hoverformat: ",d" },
        },
      )
      .catch(failed);
    this.missing
      .show(
        of(
          line("Missing (shortfall)", "shortfallUsd", "--margin-call", { fill: "tozeroy" }),
          line("Owed by traders", "owedUsd", "--bankrupt", { fill: "tozeroy" }),
        ),
        { xaxis, yaxis: dollars },
      )
      .catch(failed);
    this.move.value = String(Math.round(POINTS / 4));
    this.#drawPoint();
  }

  #drawPoint() {
    const point = this.#map?.points[Number(this.move.value)];
    if (point === undefined) return;
    const move = `${point.movePct > 0 ? "+" : ""}${percent(point.movePct)}`;
    this.move.setAttribute("aria-valuetext", move);
    const [closed, missing, owed] = [point.notionalUsd, point.shortfallUsd, point.owedUsd].map(short);
    const fallen = `${number(point.accounts)} accounts liquidated, $${closed} closed`;
    const left = `$${missing} missing of ${number(point.accountsShort)} accounts, $${owed} owed by traders`;
    write(this.pointTitle, `At ${move}: ${fallen}, ${left}`);
    const right = true;
    const columns = [
      { title: "Venue" },
      { title: "Asset" },
      { title: "Pools", right },
      { title: "Longs closed", right },
      { title: "Shorts closed", right },
      { title: "Missing", right },
      ...PAYERS.map(([, title]) => ({ title, right })),
    ];
    const rows = point.byAsset.map((one) =>
      row(
        one.venue,
        one.asset,
        [number(one.pools), "right"],
        [money(one.longNotional), "right"],
        [money(one.shortNotional), "right"],
        [money(one.shortfall), "right"],
        ...PAYERS.map(([field]) => [money(one[field]), "right"]),
      ),
    );
    this.point.replaceChildren(
      rows.length ? table(`Who pays at ${move}`, columns, rows) : el("p.muted", {}, "Nothing is liquidated."),
    );
  }
}
