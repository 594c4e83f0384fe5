/** Insurance funds with what is asked of them now, and the lights of the deleveraging queues. */

import { call, Problem, reason } from "./api.js";
import { choice, el, panel, row, table } from "./dom.js";
import { clock, money, number, words } from "./format.js";

const EVERY_MS = 5000;
const QUEUE_SHOWN = 50;

/** Open the view; returns what closes it. */
export function openFunds(root) {
  const funds = el("div", {}, el("p.muted", {}, "Asking…"));
  const queue = el("div", {}, el("p.muted", {}, "Choose a contract."));
  const asked = { market: null, side: "long" };
  const readQueue = () => asked.market && fill(queue, () => queueOf(asked));
  const [markets, select] = choice("Contract", "market", [], (value) => {
    asked.market = value;
    readQueue();
  });
  const [sides] = choice(
    "Side",
    "side",
    [
      ["long", "longs"],
      ["short", "shorts"],
    ],
    (value) => {
      asked.side = value;
      readQueue();
    },
  );
  root.replaceChildren(
    el(
      "div.funds",
      {},
      el("h1.sr-only", {}, "Insurance funds and deleveraging"),
      panel("Insurance funds", funds),
      panel("Auto-deleveraging queue", el("div.toolbar", {}, markets, sides), queue),
    ),
  );
  const readAll = () => {
    if (document.hidden) return;
    fill(funds, fundTable);
    readQueue();
  };
  listMarkets(select).then((first) => {
    asked.market = first;
    readQueue();
  });
  readAll();
  const timer = setInterval(readAll, EVERY_MS);
  return () => clearInterval(timer);
}

async function fill(place, make) {
  try {
    place.replaceChildren(await make());
  } catch (error) {
    place.replaceChildren(el("p.muted", {}, reason(error)));
  }
}

async function fundTable() {
  const { funds } = await call("GET", "/v1/funds");
  if (!funds.length)
    return el("p.muted", {}, "No fund is set: the operator puts one by PUT /v1/funds/{venue}/{asset}.");
  const rows = funds.map((fund) => {
    const share =
      fund.claimed === null || fund.balance === 0 ? null : Math.min(1, fund.claimed / fund.balance);
    return row(
      fund.venue,
      fund.asset,
      [money(fund.balance), "right"],
      [fund.claimed === null ? words(fund.reason) : money(fund.claimed), "right"],
      el("meter", {
        min: 0,
        max: 1,
        low: 0.5,
        high: 0.8,
        optimum: 0,
        value: share ?? 0,
        "aria-label": `Share of ${fund.venue} ${fund.asset} that is claimed`,
      }),
      [money(fund.free), "right"],
      [el("span", { class: fund.missing > 0 ? "loss" : null }, money(fund.missing)), "right"],
      [number(fund.claims), "right"],
      [clock(fund.asOf), "right"],
    );
  });
  const right = true;
  const columns = [
    { title: "Venue" },
    { title: "Asset" },
    { title: "Balance", right },
    { title: "Claimed", right },
    { title: "Share" },
    { title: "Free", right },
    { title: "Missing", right },
    { title: "Pools that claim", right },
    { title: "As of", right },
  ];
  return table("Insurance funds", columns, rows);
}

/** Fill the select with the contracts there are; returns the first. */
async function listMarkets(select) {
  try {
    const { instruments } = await call("GET", "/v1/instruments");
    const pairs = instruments.map(({ venue, symbol }) => [
      `${venue ?? "generic"} ${symbol}`,
      `${symbol} at ${venue ?? "generic"}`,
    ]);
    select.append(...pairs.map(([value, said]) => el("option", { value }, said)));
    return pairs[0]?.[0] ?? null;
  } catch {
    return null; // the funds' own call says what is wrong
  }
}

async function queueOf({ market, side }) {
  const [venue, symbol] = market.split(" ");
  const query = new URLSearchParams({ venue, side, limit: String(QUEUE_SHOWN) });
  let page;
  try {
    page = await call("GET", `/v1/adl/${encodeURIComponent(symbol)}?${query}`);
  } catch (error) {
    if (error instanceof Problem && error.status === 422)
      return el("p.muted", {}, `${venue} has no such queue: ${error.message}`);
    throw error;
  }
  const rows = page.queue.map((one) =>
    row(
      [number(one.rank), "right"],
      lights(one.lights),
      el("a", { href: `#/accounts/${encodeURIComponent(one.accountId)}` }, one.accountId),
      one.marginMode,
      [number(one.score, 4), "right"],
      [money(one.size), "right"],
    ),
  );
  const right = true;
  const columns = [
    { title: "Rank", right },
    { title: "Lights" },
    { title: "Account" },
    { title: "Margin" },
    { title: "Score", right },
    { title: "Size", right },
  ];
  const head = el(
    "p.muted",
    {},
    `${number(page.positions)} positions, ${number(page.size, 2)} in all; five lights are the first to be reduced.`,
  );
  return el(
    "div",
    {},
    head,
    rows.length ? table("The first of the queue", columns, rows) : el("p.muted", {}, "Nobody is in it."),
  );
}

/** Five lights, by word for who does not see them. */
function lights(count) {
  const dots = Array.from({ length: 5 }, (_, index) => el("i", { class: index < count ? "on" : null }));
  return el(
    "span.lights",
    { role: "img", "aria-label": `${count} of 5 lights`, "data-count": count },
    ...dots,
  );
}
