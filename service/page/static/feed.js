/**
 * The alert feed: what is open when the page comes, then every change.
 *
 * It listens whichever view is shown. A crash brings thousands a second, so frames are only noted
 * when they come and told of a few times a second; the oldest beyond KEPT go, which the log still
 * has.
 */

import { announce } from "./dom.js";
import { LEVELS, number } from "./format.js";

const KEPT = 5000;
const TELL_MS = 250;
const LATER_MS = 1000;
const ANNOUNCE_MS = 5000;
const URGENT = LEVELS.indexOf("MARGIN_CALL");

/** All alerts that this page knows of; tells of changes a few times a second. */
export class Feed extends EventTarget {
  alerts = []; // the oldest first
  fresh = 0; // urgent ones that came since somebody looked
  lost = false; // the log no longer reached back
  #timer = null;
  #untold = 0;
  #announced = 0;

  constructor(stream) {
    super();
    // What is open may be very much: what the first view shows comes before it.
    const listen = () =>
      stream.subscribe({ channel: "alerts", accounts: ["*"] }, (frame) => this.#take(frame));
    setTimeout(listen, location.hash === "#/alerts" ? 0 : LATER_MS);
  }

  /** Somebody looks: nothing is new any more. */
  looked() {
    if (this.fresh === 0) return;
    this.fresh = 0;
    this.dispatchEvent(new Event("seen"));
  }

  #take(frame) {
    if (frame.type === "subscribed" && !frame.recovered) {
      this.lost = this.alerts.length > 0;
      this.alerts = [];
    } else if (frame.type === "snapshot") {
      for (const account of frame.accounts)
        this.alerts.push(...account.pools.map((state) => standing(account, state)));
      if (frame.complete || this.alerts.length > 2 * KEPT) this.#inOrder();
    } else if (frame.type === "alerts") {
      this.alerts.push(...frame.alerts);
      const urgent = frame.alerts.filter(isUrgent).length;
      this.fresh += urgent;
      this.#untold += urgent;
    } else return;
    if (this.alerts.length > 2 * KEPT) this.alerts = this.alerts.slice(-KEPT);
    this.#soon();
  }

  /** Of what was standing before: what began last is the newest. */
  #inOrder() {
    this.alerts.sort((a, b) => (a.eventTime ?? 0) - (b.eventTime ?? 0));
    this.alerts = this.alerts.slice(-KEPT);
  }

  #soon() {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.dispatchEvent(new Event("change"));
      this.#tell();
    }, TELL_MS);
  }

  #tell() {
    const now = Date.now();
    if (this.#untold === 0 || now - this.#announced < ANNOUNCE_MS) return;
    announce(`${number(this.#untold)} new alerts at margin call or worse`);
    [this.#untold, this.#announced] = [0, now];
  }
}

const isUrgent = (alert) =>
  LEVELS.indexOf(alert.level) >= URGENT &&
  (alert.transition === "raised" || alert.transition === "escalated");

/** A pool that is not healthy as the alert that brought it there, without that one's figures. */
function standing({ accountId }, state) {
  return {
    id: `${accountId}-${state.seq}`,
    accountId,
    pool: state.pool,
    level: state.level,
    eventTime: state.since,
    transition: "standing",
    acknowledged: state.acknowledged,
    toRestore: null,
    positions: [],
  };
}
