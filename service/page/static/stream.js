/**
 * The WebSocket: one connection, subscriptions that outlive it, and whether it is live.
 *
 * Live means heard: a ping that nothing answers for a while ends the connection, so that a worker
 * that hangs is noticed as one that dies: the three times together are below three seconds. A
 * subscription to alerts goes on behind the last cursor it was given.
 *
 * A worker that is being started again has its connections wait: one that hangs is answered as soon
 * as it is there, so each try is more patient than the one before it. The first ones are not, for
 * another worker may answer the next.
 */

import { keyFrame, wantKey } from "./api.js";

const PING_MS = 700;
const SILENCE_MS = 1400;
const PATIENCE_MS = 8000; // with a handshake, at most
const LOOK_MS = 200;
const HELD_UP_MS = 1000; // a look so late says that this page was busy, not that the other side is silent
const FIRST_DELAY_MS = 200;
const LONGEST_DELAY_MS = 4000;
const NO_RETURN = 4500; // close codes from here on say: do not come back

export class Stream extends EventTarget {
  live = false;
  since = Date.now(); // of the present state
  #socket = null;
  #subscriptions = new Map();
  #next = 1;
  #tries = 0;
  #pingedAt = null; // a ping that nothing has answered yet
  #lastPing = 0;
  #lastLook = Date.now();
  #retry = null;
  #triedAt = 0;

  constructor() {
    super();
    setInterval(() => this.#look(), LOOK_MS);
    addEventListener("online", () => this.#comeBack());
  }

  /** Connect, with whatever key there is now. */
  open() {
    clearTimeout(this.#retry);
    this.#drop();
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = (this.#socket = new WebSocket(`${scheme}://${location.host}/v1/stream`));
    this.#triedAt = this.#pingedAt = Date.now(); // a handshake may hang too
    socket.addEventListener("open", () => this.#opened(socket));
    socket.addEventListener("message", (event) => this.#heard(socket, event.data));
    socket.addEventListener("close", (event) => this.#closed(socket, event.code));
  }

  /**
   * Listen to a channel. `frame` is the subscribe frame without op and id; `take(frame)` gets every
   * frame of it. Returns what ends it.
   */
  subscribe(frame, take) {
    const id = String(this.#next++);
    this.#subscriptions.set(id, { frame: { ...frame }, take, cursor: null });
    if (this.live) this.#subscribe(id);
    return () => {
      if (this.#subscriptions.delete(id) && this.live) this.#say({ op: "unsubscribe", id });
    };
  }

  #opened(socket) {
    if (socket !== this.#socket) return;
    const key = keyFrame();
    if (key !== null) this.#say(key);
    this.#ping();
  }

  #heard(socket, text) {
    if (socket !== this.#socket) return;
    this.#pingedAt = null;
    const frame = JSON.parse(text);
    if (!this.live) {
      this.#tries = 0;
      this.#turn(true);
      for (const id of this.#subscriptions.keys()) this.#subscribe(id);
    }
    if (frame.type === "notice") this.dispatchEvent(new CustomEvent("notice", { detail: frame }));
    const subscription = this.#subscriptions.get(frame.id);
    if (subscription === undefined) return;
    if (frame.cursor) subscription.cursor = frame.cursor;
    subscription.take(frame);
  }

  #closed(socket, code) {
    if (socket !== this.#socket) return;
    this.#socket = null;
    this.#turn(false);
    if (code >= NO_RETURN) {
      if (code === 4501) wantKey();
      return;
    }
    // The time that the try itself has taken is part of the delay.
    const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 1.7 ** this.#tries++);
    const left = Math.max(FIRST_DELAY_MS, delay - (Date.now() - this.#triedAt));
    this.#retry = setTimeout(() => this.open(), left * (0.75 + Math.random() / 2));
  }

  /** Look whether whoever is there still answers; ask again from time to time. */
  #look() {
    const now = Date.now();
    const heldUp = now - this.#lastLook > HELD_UP_MS;
    this.#lastLook = now;
    if (this.#socket === null) return;
    if (heldUp && this.#pingedAt !== null) this.#pingedAt = now;
    const patience = this.live ? SILENCE_MS : Math.min(PATIENCE_MS, SILENCE_MS * 2 ** this.#tries);
    if (this.#pingedAt !== null && now - this.#pingedAt > patience) {
      const silent = this.#socket;
      this.#closed(silent, 4000);
      silent.close();
    } else if (this.live && this.#pingedAt === null && now - this.#lastPing >= PING_MS) {
      this.#ping();
    }
  }

  #ping() {
    this.#lastPing = this.#pingedAt = Date.now();
    this.#say({ op: "ping" });
  }

  #comeBack() {
    if (!this.live) this.open();
  }

  #subscribe(id) {
    const { frame, cursor } = this.#subscriptions.get(id);
    this.#say({ ...frame, op: "subscribe", id, ...(cursor === null ? {} : { since: cursor }) });
  }

  #say(frame) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #turn(live) {
    if (this.live === live) return;
    this.live = live;
    this.since = Date.now();
    this.dispatchEvent(new Event(live ? "live" : "lost"));
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    if (socket === null) return;
    socket.close();
    this.#turn(false);
  }
}
