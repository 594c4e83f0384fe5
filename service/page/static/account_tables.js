/** The tables of an account's page. */

import { el, row, table } from "./dom.js";
import { age, money, number, percent, poolName, price, words } from "./format.js";
import { chip, ratioBar, ratioText, setRatioBar } from "./parts.js";

/** The pools, each with its ratio against the lines of `stored`, once that was read. */
export function poolsTable(risk, stored) {
  const rows = risk.pools.map((pool) => {
    const bar = ratioBar(stored?.thresholds);
    setRatioBar(bar, pool.marginRatio, pool.level);
    const share = el("span.ratio-cell", {}, bar, el("span", {}, ratioText(pool.marginRatio, pool.level)));
    const reach = pool.gapToLiquidationPct;
    return row(
      poolName(pool),
      chip(pool.level),
      share,
      [money(pool.equity, pool.settle), "right"],
      [money(pool.maintenanceMargin, pool.settle), "right"],
      [reach === null ? words(pool.gapToLiquidationReason) : percent(reach, 2), "right"],
      [pool.gapToOwePct === null ? words(pool.gapToOweReason) : percent(pool.gapToOwePct, 2), "right"],
    );
  });
  const right = true;
  const columns = [
    { title: "Pool" },
    { title: "Level" },
    { title: "Margin ratio" },
    { title: "Equity", right },
    { title: "Maintenance", right },
    { title: "Liquidated after", right },
    { title: "In debt after", right },
  ];
  return table("Margin pools", columns, rows);
}

/** The positions with their prices of liquidation and bankruptcy. */
export function positionsTable(risk) {
  const rows = risk.positions.map((position) =>
    row(
      el("b", {}, position.symbol),
      el("span.side", { "data-side": position.side }, `${position.side} ${position.marginMode}`),
      [number(position.contracts, position.contracts < 100 ? 4 : 0), "right"],
      [price(position.markPrice), "right"],
      [el("span", { class: position.stale ? "stale" : null }, age(position.markAgeMs)), "right"],
      [money(position.notional), "right"],
      [
        el("span", { class: position.unrealizedPnl < 0 ? "loss" : "gain" }, money(position.unrealizedPnl)),
        "right",
      ],
      [
        position.liquidationPrice === null
          ? words(position.liquidationPriceReason)
          : price(position.liquidationPrice),
        "right",
      ],
      [percent(position.distancePct, 2), "right"],
      [price(position.bankruptcyPrice), "right"],
    ),
  );
  const right = true;
  const columns = [
    { title: "Symbol" },
    { title: "Side" },
    { title: "Contracts", right },
    { title: "Mark", right },
    { title: "Age", right },
    { title: "Notional", right },
    { title: "Unrealised", right },
    { title: "Liquidation", right },
    { title: "Distance", right },
    { title: "Bankruptcy", right },
  ];
  return table("Positions", columns, rows);
}
