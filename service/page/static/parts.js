/** What several views show alike: a level, a ratio against its lines, what would mend a pool. */

import { el, mark, write } from "./dom.js";
import { LEVELS, money, number, percent, ratio, WORDS, words } from "./format.js";

const FULL = 1.25; // the ratio at the right end of a bar
const LINES = { warning: 0.5, marginCall: 0.8 };

/** A level by colour and by word. */
export function chip(level) {
  return setChip(el("span.chip"), level);
}

export function setChip(node, level) {
  mark(node, "data-level", level);
  write(node, WORDS[level] ?? level);
  return node;
}

/** A bar of a margin ratio; the lines are the account's own, the last one the liquidation line. */
export function ratioBar(thresholds = null) {
  const fill = el("i.fill");
  const lines = [thresholds?.warning, thresholds?.marginCall].map(
    (line, index) => line ?? Object.values(LINES)[index],
  );
  const ticks = [...lines, 1].map((line) => {
    const tick = el("i.tick");
    tick.style.insetInlineStart = `${(100 * line) / FULL}%`;
    return tick;
  });
  return el("span.ratio-bar", { "aria-hidden": "true" }, fill, ...ticks);
}

/** `value` null: no equity is left, or it has no price, which the level says. */
export function setRatioBar(bar, value, level) {
  mark(bar, "data-level", level);
  const known = value ?? (level === "UNPRICED" ? 0 : FULL);
  bar.firstChild.style.transform = `scaleX(${Math.min(1, known / FULL).toFixed(4)})`;
}

/** The ratio in words: a pool without a price has none. */
export const ratioText = (value, level) =>
  value === null && level === "UNPRICED" ? "no price" : ratio(value);

/** The pool that makes the account's level. */
export function worstPool(pools) {
  const rank = (pool) => LEVELS.indexOf(pool.level) * 1e6 + Math.min(pool.marginRatio ?? 1e5, 1e5);
  return pools.reduce((worst, pool) => (rank(pool) > rank(worst) ? pool : worst), pools[0]) ?? null;
}

/** Where the monitor has an account: its worst pool's level. */
export function monitoredLevel(states) {
  return LEVELS[Math.max(0, ...states.map((state) => LEVELS.indexOf(state.level)))];
}

/** What brings a pool back below its warning line: one of these. */
export function restoring(toRestore, asset) {
  const found = [];
  if (toRestore.deposit > 0) found.push(`deposit ${money(toRestore.deposit, asset)}`);
  for (const { symbol, side, contracts } of toRestore.reduce) {
    if (contracts > 0) found.push(`close ${number(contracts, digits(contracts))} ${symbol} ${side}`);
  }
  return found;
}

const digits = (value) => (value >= 1000 ? 0 : value >= 1 ? 2 : 4);

/** A finding's figure with its unit. */
export function measured(value, unit) {
  if (value === null) return "endless";
  const said = {
    ratio: () => number(value, 2),
    price: () => money(value),
    money: () => money(value),
    standard_deviations: () => `${number(value, 1)} σ`,
    hours: () => `${number(value, 1)} h`,
    milliseconds: () => `${number(value / 1000, 1)} s`,
  }[unit];
  return said ? said() : percent(value);
}

const CHANGES = {
  deposit: (amount) => `deposit ${money(amount)}`,
  reduce: (amount) => `close ${number(amount, digits(amount))} contracts`,
  reduce_pool: (amount) => `close ${percent(100 * amount)} of each position of the pool`,
  reduce_coin: (amount) => `close ${percent(100 * amount)} of each position in the coin`,
  set_stop: (amount) => `set the stop at ${money(amount)}`,
};

/** A change that clears a finding, in words. */
export function change({ action, amount }) {
  return amount !== null && CHANGES[action] ? CHANGES[action](amount) : words(action);
}

/** A figure with its name above it. */
export function figure(name, value, title = null) {
  return el("div.figure", { title }, el("dt", {}, name), el("dd", {}, value));
}
