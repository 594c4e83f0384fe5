/** Numbers, times and levels as people read them. */

export const LEVELS = ["HEALTHY", "UNPRICED", "WARNING", "MARGIN_CALL", "LIQUIDATION", "BANKRUPT"];
export const WORDS = {
  HEALTHY: "Healthy",
  UNPRICED: "Unpriced",
  WARNING: "Warning",
  MARGIN_CALL: "Margin call",
  LIQUIDATION: "Liquidation",
  BANKRUPT: "Bankrupt",
};
export const NONE = "—";

const formats = new Map();

/** A number with so many decimals, grouped. */
export function number(value, decimals = 0) {
  if (value === null || value === undefined) return NONE;
  if (!formats.has(decimals)) {
    const options = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
    formats.set(decimals, new Intl.NumberFormat("en-US", options));
  }
  return formats.get(decimals).format(value);
}

/** Money: whole above 10,000, else as many decimals as tell it apart from nothing. */
export function money(value, asset = "") {
  if (value === null || value === undefined) return NONE;
  const size = Math.abs(value);
  const decimals = size >= 10_000 || size === 0 ? 0 : size >= 1 ? 2 : size >= 0.01 ? 4 : 6;
  return asset ? `${number(value, decimals)} ${asset}` : number(value, decimals);
}

/** Money in three digits: 1.23 m, for heads and axes. */
export function short(value) {
  if (value === null || value === undefined) return NONE;
  for (const [unit, word] of [
    [1e12, "tn"],
    [1e9, "bn"],
    [1e6, "m"],
    [1e3, "k"],
  ]) {
    if (Math.abs(value) >= unit) return `${(value / unit).toPrecision(3)} ${word}`;
  }
  return number(value, Math.abs(value) < 10 && value !== 0 ? 2 : 0);
}

/** A price in six to seven digits, as tickers have them. */
export function price(value) {
  if (value === null || value === undefined) return NONE;
  const whole = Math.floor(Math.log10(Math.abs(value) || 1)) + 1;
  return number(value, Math.min(8, Math.max(whole >= 6 ? 1 : 2, 6 - whole)));
}

export const percent = (value, decimals = 1) =>
  value === null || value === undefined ? NONE : `${number(value, decimals)} %`;

/** A margin ratio as percent of the liquidation line. */
export const ratio = (value) => (value === null || value === undefined ? "no equity" : percent(value * 100));

/** How long ago, in the unit that one would say. */
export function age(ms) {
  if (ms === null || ms === undefined) return NONE;
  const s = Math.max(0, ms) / 1000;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 120) return `${Math.round(s)} s`;
  return s < 7200 ? `${Math.round(s / 60)} min` : `${Math.round(s / 3600)} h`;
}

const clocks = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** The time of day here. */
export const clock = (ms) => (ms === null || ms === undefined ? NONE : clocks.format(ms));

/** A code of the API in words: "already_liquidatable" -> "already liquidatable". */
export const words = (code) => (code ? String(code).replaceAll("_", " ") : "");

/** A pool by the name that people use: one of a symbol is isolated. */
export function poolName(pool) {
  return pool.kind === "cross" ? `cross ${pool.settle}` : `${pool.symbol} ${pool.side}`;
}

/** The position that is liquidated first: the one with the smallest distance, if any has one. */
export function nearest(positions) {
  let found = null;
  for (const one of positions) {
    if (one.distancePct !== null && (found === null || one.distancePct < found.distancePct)) found = one;
  }
  return found;
}
