/** A row of the list of accounts: by what the stream says of it, until then by the list's own figures. */

import { el, write } from "./dom.js";
import { age, money, nearest, percent, price, words } from "./format.js";
import { chip, monitoredLevel, ratioBar, ratioText, setChip, setRatioBar, worstPool } from "./parts.js";

/** Titles and styles of the cells. */
export const COLUMNS = [
  ["Level", "c-level"],
  ["Account", "c-id"],
  ["Margin ratio", "c-ratio"],
  ["Equity", "c-equity right"],
  ["Nearest liquidation", "c-near"],
  ["Distance", "c-distance right"],
  ["Mark age", "c-age right"],
];

/** Make a row with its cells. */
export function makeRow() {
  const cells = COLUMNS.map(([, style]) => el("span", { role: "gridcell", class: style }));
  const [level, id, share] = cells;
  level.append(chip("HEALTHY"));
  id.append(el("a", { tabindex: -1 }));
  share.append(ratioBar(), el("span.ratio-text"));
  return el("div.row", {}, ...cells);
}

/** Write a row; `known` is {risk, at} or undefined. */
export function fillRow(row, item, known) {
  const [level, id, share, equity, near, distance, old] = row.children;
  const risk = known?.risk ?? null;
  const pool = risk === null ? null : worstPool(risk.pools);
  const at = risk === null ? item.level : monitoredLevel(risk.monitored);
  const value = pool === null ? item.marginRatio : pool.marginRatio;
  row.setAttribute("data-level", at);
  setChip(level.firstChild, at);
  write(id.firstChild, item.id);
  id.firstChild.setAttribute("href", `#/accounts/${encodeURIComponent(item.id)}`);
  setRatioBar(share.firstChild, value, at);
  write(share.lastChild, ratioText(value, at));
  const there = risk === null ? null : (risk.positions.find(isPast) ?? nearest(risk.positions));
  write(equity, risk === null ? "" : money(risk.equity, risk.currency));
  write(near, risk === null ? "" : nearText(there, risk.positions));
  write(distance, there === null || isPast(there) ? "" : percent(there.distancePct, 2));
  write(old, risk === null ? "" : oldest(risk.positions, Date.now() - known.at));
  old.classList.toggle("stale", risk?.stale === true);
}

/** Whether a position's pool is beyond its line already: nothing is nearer than that. */
const isPast = (position) => position.liquidationPriceReason === "already_liquidatable";

function nearText(there, positions) {
  const told = there ?? positions[0];
  if (told === undefined) return "";
  return `${told.symbol} ${told.liquidationPrice === null ? words(told.liquidationPriceReason) : price(told.liquidationPrice)}`;
}

/** The age of the oldest mark that the account hangs on. */
function oldest(positions, sinceMs) {
  const ages = positions.map((position) => position.markAgeMs).filter((ms) => ms !== null);
  return ages.length ? age(Math.max(...ages) + sinceMs) : "";
}
