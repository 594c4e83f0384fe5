/** The alert feed as a list, the newest first: filter, hold, acknowledge, silence. */

import { acknowledgeButton, acknowledgedAt, openSilence } from "./acknowledging.js";
import { call, reason } from "./api.js";
import { announce, el, panel, row, table, write } from "./dom.js";
import { clock, LEVELS, money, nearest, number, percent, poolName, WORDS, words } from "./format.js";
import { VirtualList } from "./list.js";
import { chip, ratioText, setChip } from "./parts.js";

const SILENCES_MS = 10_000;
const COLUMNS = [
  ["Time", "a-time"],
  ["Level", "a-level"],
  ["Account", "a-id"],
  ["Pool", "a-pool"],
  ["Change", "a-change"],
  ["Ratio", "a-ratio right"],
  ["Would fix it", "a-fix"],
  ["", "a-do right"],
];
const narrow = matchMedia("(max-width: 720px)");
const chosen = { levels: new Set(["MARGIN_CALL", "LIQUIDATION", "BANKRUPT"]), unseen: false };

/** Open the view; returns what closes it. */
export function openAlerts(root, { feed }) {
  const view = new AlertsView(feed);
  root.replaceChildren(view.node);
  view.start();
  return () => view.end();
}

class AlertsView {
  constructor(feed) {
    this.feed = feed;
    this.paused = false;
    this.list = new VirtualList({
      label: "Alerts, newest first",
      columns: COLUMNS,
      rowHeight: () => (narrow.matches ? 84 : 36),
      make: makeRow,
      fill: (node, alert) => fillRow(node, alert),
      open: (alert) => (location.hash = `#/accounts/${encodeURIComponent(alert.accountId)}`),
    });
    this.status = el("p.status", { role: "status" });
    this.silences = el("div", {}, el("p.muted", {}, "Asking…"));
    const boxes = LEVELS.toReversed().map((level) =>
      checkbox(WORDS[level], chosen.levels.has(level), (on) => {
        if (on) chosen.levels.add(level);
        else chosen.levels.delete(level);
        this.draw();
      }),
    );
    const unseen = checkbox("Unacknowledged only", chosen.unseen, (on) => {
      chosen.unseen = on;
      this.draw();
    });
    this.hold = el(
      "button.quiet.small",
      { type: "button", "aria-pressed": "false", on: { click: () => this.#pause() } },
      "Hold",
    );
    const filters = el("fieldset.checks", {}, el("legend.sr-only", {}, "Show"), ...boxes, unseen);
    const silence = el(
      "button.quiet.small",
      { type: "button", on: { click: () => openSilence("*", () => this.readSilences()) } },
      "New silence…",
    );
    this.node = el(
      "div.alerts.fill-view",
      {},
      el("h1.sr-only", {}, "Alerts"),
      el("div.toolbar", {}, filters, el("div.buttons", {}, this.hold)),
      this.list.node,
      this.status,
      el(
        "details.silences",
        {},
        el("summary", {}, "Silences"),
        panel("What nobody is told of", this.silences, silence),
      ),
    );
  }

  start() {
    this.onChange = () => this.paused || this.draw();
    this.feed.addEventListener("change", this.onChange);
    this.reading = setInterval(() => this.readSilences(), SILENCES_MS);
    this.readSilences();
    this.draw();
  }

  end() {
    this.feed.removeEventListener("change", this.onChange);
    clearInterval(this.reading);
    this.list.end();
  }

  draw() {
    const shown = this.feed.alerts.filter(
      (alert) =>
        chosen.levels.has(alert.level) &&
        !(chosen.unseen && (alert.acknowledged || acknowledgedAt(alert.id))),
    );
    this.list.show(shown.reverse());
    this.feed.looked();
    const lost = this.feed.lost ? " · some came while the page was away, see the log" : "";
    const held = this.paused ? " · held" : "";
    write(
      this.status,
      `${number(shown.length)} of the newest ${number(this.feed.alerts.length)} alerts${held}${lost}`,
    );
  }

  /** Hold the list still, to read it while more come. */
  #pause() {
    this.paused = !this.paused;
    this.hold.setAttribute("aria-pressed", String(this.paused));
    write(this.hold, this.paused ? "Go on" : "Hold");
    this.draw();
  }

  async readSilences() {
    try {
      const { silences } = await call("GET", "/v1/silences");
      const columns = [
        { title: "Accounts" },
        { title: "Levels" },
        { title: "Until" },
        { title: "Why" },
        { title: "" },
      ];
      const rows = silences.map((one) =>
        row(
          one.accounts.join(", "),
          one.levels?.map((level) => WORDS[level]).join(", ") ?? "all",
          clock(one.until),
          one.comment,
          this.#endButton(one),
        ),
      );
      this.silences.replaceChildren(
        rows.length ? table("Silences", columns, rows) : el("p.muted", {}, "Nothing is silenced."),
      );
    } catch (error) {
      this.silences.replaceChildren(el("p.muted", {}, reason(error)));
    }
  }

  #endButton({ id }) {
    const end = async () => {
      await call("DELETE", `/v1/silences/${id}`, undefined, { once: true }).catch((error) =>
        announce(reason(error)),
      );
      this.readSilences();
    };
    return el(
      "button.small.quiet",
      { type: "button", "aria-label": `End silence ${id}`, on: { click: end } },
      "End",
    );
  }
}

function checkbox(words_, checked, on) {
  const box = el("input", { type: "checkbox" });
  box.checked = checked;
  box.addEventListener("change", () => on(box.checked));
  return el("label.check", {}, box, words_);
}

function makeRow() {
  const cells = COLUMNS.map(([, style]) => el("span", { role: "gridcell", class: style }));
  cells[1].append(chip("HEALTHY"));
  cells[2].append(el("a", { tabindex: -1 }));
  return el("div.row", {}, ...cells);
}

function fillRow(node, alert) {
  const [time, level, account, pool, change, share, fix, act] = node.children;
  node.setAttribute("data-level", alert.level);
  write(time, clock(alert.eventTime));
  setChip(level.firstChild, alert.level);
  write(account.firstChild, alert.accountId);
  account.firstChild.setAttribute("href", `#/accounts/${encodeURIComponent(alert.accountId)}`);
  write(pool, poolName(alert.pool));
  const first = nearest(alert.positions);
  const near = first === null ? "" : `, ${first.symbol} ${percent(first.distancePct, 2)} away`;
  write(
    change,
    `${words(alert.transition)}${alert.cause && alert.cause !== "mark" ? ` by ${alert.cause}` : ""}${near}`,
  );
  write(share, alert.transition === "standing" ? "" : ratioText(alert.marginRatio, alert.level));
  write(
    fix,
    alert.toRestore?.deposit > 0 ? `deposit ${money(alert.toRestore.deposit, alert.pool.settle ?? "")}` : "",
  );
  fillActions(act, alert, () => fillRow(node, alert));
}

/** The button stays the same element while it says the same, so that focus is not lost. */
function fillActions(cell, alert, done) {
  const at = acknowledgedAt(alert.id);
  const state = `${alert.id} ${at !== null || alert.acknowledged} ${alert.level}`;
  if (cell.dataset.state === state) return;
  cell.dataset.state = state;
  if (alert.level === "HEALTHY") cell.replaceChildren();
  else if (at !== null || alert.acknowledged) cell.replaceChildren(el("span.muted", {}, "acknowledged"));
  else cell.replaceChildren(acknowledgeButton(alert.id, done));
}
