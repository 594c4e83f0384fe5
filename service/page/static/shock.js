/**
 * What if? The account as it is stored, at the newest marks, moved by so much: POST /v1/simulate.
 *
 * A strip shows the level at each move, by one call for all of them; the slider asks for one move
 * and says who would pay.
 */

import { call, reason } from "./api.js";
import { choice, el, mark, svg, write } from "./dom.js";
import { money, percent, poolName, words } from "./format.js";
import { chip } from "./parts.js";

const MOST = 50; // percent, either way
const STEP = 1; // of the strip
const SETTLED_MS = 60;
const STRIP_MS = 15_000;
const ALL = "";
const PAYERS = [
  ["fund", "insurance fund"],
  ["deleveraged", "others, deleveraged"],
  ["socialised", "everybody"],
  ["venue", "the venue"],
  ["owed", "the trader"],
];

export class Shock {
  #account = null;
  #symbol = ALL;
  #asking = null;
  #timer = null;

  constructor() {
    [this.field, this.select] = choice("If", "shocked", [[ALL, "all symbols"]], (symbol) => {
      this.#symbol = symbol;
      this.#drawStrip();
      this.#ask();
    });
    this.slider = el("input", {
      type: "range",
      min: -MOST,
      max: MOST,
      step: 0.5,
      value: 0,
      id: "shock",
      "aria-label": "Move of the mark in percent",
      on: { input: () => this.#moved() },
    });
    this.said = el("output", { for: "shock", class: "shock-move" }, "0 %");
    this.strip = svg("svg", {
      viewBox: `0 0 ${(2 * MOST) / STEP + 1} 1`,
      preserveAspectRatio: "none",
      class: "strip",
      role: "img",
      "aria-label": "Level at each move",
    });
    this.outcome = el("div.outcome", { "aria-live": "polite" }, el("p.muted", {}, "Move the slider."));
    const head = el("div.shock-head", {}, this.field, el("span", {}, "moves by"), this.said);
    const ends = el(
      "div.shock-ends",
      { "aria-hidden": "true" },
      el("span", {}, `−${MOST} %`),
      el("span", {}, "0"),
      el("span", {}, `+${MOST} %`),
    );
    this.node = el("div.shock", {}, head, this.strip, this.slider, ends, this.outcome);
    this.redrawing = setInterval(() => this.#drawStrip(), STRIP_MS);
  }

  /** Take the account as it is stored. */
  show(account) {
    const { version, ...rest } = account;
    this.#account = rest;
    const symbols = [...new Set(account.positions.map((position) => position.symbol))].sort();
    if (!symbols.includes(this.#symbol)) this.#symbol = ALL;
    const pairs = [[ALL, "all symbols"], ...symbols.map((symbol) => [symbol, symbol])];
    this.select.replaceChildren(...pairs.map(([value, said]) => el("option", { value }, said)));
    this.select.value = this.#symbol;
    this.#drawStrip();
  }

  end() {
    clearInterval(this.redrawing);
    clearTimeout(this.#timer);
    this.#asking?.abort();
  }

  #moved() {
    const move = Number(this.slider.value);
    const said = `${move > 0 ? "+" : ""}${percent(move)}`;
    write(this.said, said);
    mark(this.slider, "aria-valuetext", said);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), SETTLED_MS);
  }

  #shocks(move) {
    return this.#symbol === ALL ? { allPct: move } : { pct: { [this.#symbol]: move } };
  }

  #simulate(moves, signal) {
    const scenarios = moves.map((move) => ({ shocks: this.#shocks(move) }));
    return call("POST", "/v1/simulate", { accounts: [this.#account], scenarios }, { signal });
  }

  async #drawStrip() {
    if (this.#account === null || document.hidden) return;
    const moves = Array.from({ length: (2 * MOST) / STEP + 1 }, (_, index) => index * STEP - MOST);
    try {
      const { scenarios } = await this.#simulate(moves);
      const cells = scenarios.map((scenario, index) =>
        svg("rect", { x: index, y: 0, width: 1.02, height: 1, "data-level": scenario.accounts[0].level }),
      );
      this.strip.replaceChildren(...cells);
    } catch {
      this.strip.replaceChildren(); // the slider's own call says what is wrong
    }
  }

  async #ask() {
    if (this.#account === null) return;
    this.#asking?.abort();
    const stop = (this.#asking = new AbortController());
    try {
      const { scenarios } = await this.#simulate([Number(this.slider.value)], stop.signal);
      this.outcome.replaceChildren(...outcome(scenarios[0]));
    } catch (error) {
      if (error.name !== "AbortError") this.outcome.replaceChildren(el("p.trouble", {}, reason(error)));
    }
  }
}

/** What a scenario leaves of the one account, pool by pool. */
function outcome(scenario) {
  const [account] = scenario.accounts;
  const head = el(
    "p",
    {},
    "It would be at ",
    chip(account.level),
    account.liquidated ? " and liquidated:" : "; nothing is liquidated.",
  );
  const pools = scenario.liquidations.map((one) => {
    const { settle } = one.pool;
    const left =
      one.shortfall > 0 ? `${money(one.shortfall, settle)} missing` : `${money(one.kept, settle)} left`;
    const payers = PAYERS.filter(([field]) => one[field] > 0).map(
      ([field, who]) => `${who} pays ${money(one[field], settle)}`,
    );
    const closed = `${poolName(one.pool)}, ${one.whole ? "whole" : "in part"}: ${money(one.notional, settle)} closed`;
    return el("li", {}, `${closed}, ${left}`, payers.length ? `; ${payers.join(", ")}` : "");
  });
  const owed = account.money.filter((one) => one.owed > 0).map((one) => money(one.owed, one.asset));
  const debt = owed.length
    ? el("p.trouble", {}, `The trader would owe ${owed.join(" and ")}.`)
    : el("p.muted", {}, "Nobody would owe money.");
  const unrest = scenario.atRest ? null : el("p.muted", {}, words("not_at_rest"));
  return [head, pools.length ? el("ul.plain", {}, ...pools) : null, debt, unrest].filter(Boolean);
}
