/** One account: its pools and positions as they move, what would fix it, and what if. */

import { poolsTable, positionsTable } from "./account_tables.js";
import { openFor } from "./acknowledging.js";
import { call, reason } from "./api.js";
import { announce, el, panel, row, table, write } from "./dom.js";
import { clock, money, number, poolName, ratio, WORDS, words } from "./format.js";
import { Ladder } from "./ladder.js";
import { change, chip, figure, measured, monitoredLevel, ratioText, restoring, setChip } from "./parts.js";
import { Shock } from "./shock.js";

const FINDINGS_MS = 10_000;
const ALERTS_SHOWN = 30;

/** Open the account's page; returns what closes it. */
export function openAccount(root, { stream, id }) {
  const view = new AccountPage(stream, id);
  root.replaceChildren(view.node);
  view.start();
  return () => view.end();
}

class AccountPage {
  #version = null;
  #stored = null;
  #level = null;

  constructor(stream, id) {
    this.stream = stream;
    this.id = id;
    this.chip = chip("HEALTHY");
    this.chip.hidden = true;
    this.about = el("span.muted");
    this.figures = el("dl.figures");
    this.pools = el("div");
    this.positions = el("div");
    this.fixes = el("div");
    this.findings = el("div", {}, el("p.muted", {}, "Checking…"));
    this.open = el("div.open-alerts");
    this.history = el("div");
    this.trouble = el("p.status", { role: "status" });
    this.ladder = new Ladder();
    this.shock = new Shock();
    const head = el(
      "div.account-head",
      {},
      el("a.back", { href: "#/accounts" }, "← Accounts"),
      el("h1", {}, id),
      this.chip,
      this.about,
    );
    const left = el(
      "div.column",
      {},
      panel("Pools", this.pools),
      panel("Positions", this.positions),
      panel("What would fix it", this.fixes),
      panel("Health findings", this.findings),
    );
    const right = el(
      "div.column",
      {},
      panel("Open alerts", this.open),
      panel("Lines against the mark", this.ladder.node),
      panel("What if", this.shock.node),
      panel("Its alerts", this.history),
    );
    this.node = el("div.account", {}, head, this.figures, this.trouble, el("div.columns", {}, left, right));
  }

  start() {
    this.unsubscribe = this.stream.subscribe({ channel: "risk", accounts: [this.id] }, (frame) => {
      if (frame.type === "risk") this.#take(frame.accounts[0]);
    });
    const alerts = { channel: "alerts", accounts: [this.id], silenced: true };
    this.unlisten = this.stream.subscribe(alerts, (frame) => {
      if (frame.type === "alerts") this.#readAlerts();
    });
    this.#readAlerts();
    this.checking = setInterval(() => this.#check(), FINDINGS_MS);
    this.#check();
  }

  end() {
    this.unsubscribe();
    this.unlisten();
    clearInterval(this.checking);
    this.shock.end();
  }

  #take({ risk, omitted = 0 }) {
    if (risk === null) {
      write(this.trouble, "There is no such account, or none that you may see.");
      return;
    }
    write(this.trouble, "");
    if (risk.version !== this.#version) this.#readStored(risk.version);
    const level = monitoredLevel(risk.monitored);
    setChip(this.chip, level).hidden = false;
    if (this.#level !== null && this.#level !== level) announce(`${this.id} is now at ${WORDS[level]}`);
    this.#level = level;
    this.#writeFigures(risk);
    keep(this.pools, poolsTable(risk, this.#stored));
    keep(this.positions, positionsTable(risk));
    if (omitted) this.positions.append(el("p.muted", {}, `${number(omitted)} more are not shown.`));
    this.#writeFixes(risk);
    openFor(this.open, this.id, risk.monitored);
    this.ladder.show(risk, this.#stored);
  }

  async #readStored(version) {
    this.#version = version;
    try {
      const account = await call("GET", `/v1/accounts/${encodeURIComponent(this.id)}`);
      this.#stored = account;
      const mode = account.collateralMode === "multi" ? "multi-asset" : "single-asset";
      write(this.about, `${account.venue ?? "generic"} · ${mode} · version ${version}`);
      this.shock.show(account);
    } catch (error) {
      this.#version = null;
      write(this.trouble, reason(error));
    }
  }

  #writeFigures(risk) {
    const asset = risk.currency;
    const why = risk.totalsReason ? words(risk.totalsReason) : null;
    this.figures.replaceChildren(
      figure("Equity", money(risk.equity, asset), why),
      figure("Wallet", money(risk.walletBalance, asset)),
      figure("Unrealised", money(risk.unrealizedPnl, asset)),
      figure("Maintenance", money(risk.maintenanceMargin, asset)),
      figure("Margin ratio", ratio(risk.marginRatio)),
      figure("Available", money(risk.availableMargin, asset)),
      figure("Deficit", money(risk.marginDeficit, asset)),
      figure("Would owe", money(risk.owed, asset)),
    );
  }

  #writeFixes(risk) {
    const items = risk.pools.flatMap((pool) => {
      const ways = restoring(pool.toRestore, pool.settle);
      if (!ways.length) return [];
      const or = ways.flatMap((way, index) =>
        index ? [el("span.or", {}, "or"), el("b", {}, way)] : [el("b", {}, way)],
      );
      return [el("li", {}, el("span.muted", {}, `${poolName(pool)}: `), ...or)];
    });
    const told = items.length
      ? el("ul.plain", {}, ...items)
      : el(
          "p.muted",
          {},
          this.#level === "UNPRICED" ? "A price is missing: nothing can be said." : "Nothing needs fixing.",
        );
    this.fixes.replaceChildren(told);
  }

  async #check() {
    try {
      const health = await call("GET", `/v1/accounts/${encodeURIComponent(this.id)}/health`);
      const items = health.findings.map((finding) => {
        const of = finding.symbol ? `${finding.symbol} ${finding.side ?? ""}` : poolName(finding.pool);
        const over =
          finding.unit === "none"
            ? ""
            : `${measured(finding.measured, finding.unit)}, limit ${measured(finding.limit, finding.unit)}`;
        const ways = finding.changes.map(change).join(" or ");
        return el(
          "li.finding",
          { "data-severity": finding.severity },
          el("span.severity", {}, finding.severity),
          el(
            "div",
            {},
            el("b", {}, words(finding.code)),
            ` · ${of}`,
            el("div.muted", {}, [over, ways].filter(Boolean).join(" · ")),
          ),
        );
      });
      this.findings.replaceChildren(
        items.length ? el("ul.plain", {}, ...items) : el("p.muted", {}, "Nothing is over a limit."),
      );
    } catch (error) {
      this.findings.replaceChildren(el("p.muted", {}, reason(error)));
    }
  }

  async #readAlerts() {
    try {
      const query = new URLSearchParams({ accountId: this.id, limit: "1000" });
      const { alerts } = await call("GET", `/v1/alerts?${query}`);
      const rows = alerts
        .slice(-ALERTS_SHOWN)
        .reverse()
        .map((alert) =>
          row(
            clock(alert.eventTime),
            chip(alert.level),
            `${words(alert.transition)} by ${alert.cause}`,
            poolName(alert.pool),
            [ratioText(alert.marginRatio, alert.level), "right"],
          ),
        );
      const columns = [
        { title: "Time" },
        { title: "Level" },
        { title: "Change" },
        { title: "Pool" },
        { title: "Ratio", right: true },
      ];
      const told = rows.length
        ? table("Alerts of this account, newest first", columns, rows)
        : el("p.muted", {}, "None in the log.");
      keep(this.history, told);
    } catch (error) {
      this.history.replaceChildren(el("p.muted", {}, reason(error)));
    }
  }
}

/** Put a new table in the place of the old one, scrolled and focused as that was. */
function keep(place, made) {
  const old = place.firstElementChild;
  const focused = old !== null && old === document.activeElement;
  const at = old?.scrollLeft ?? 0;
  place.replaceChildren(made);
  made.scrollLeft = at;
  if (focused) made.focus();
}
