/** Acknowledging and silencing: the two things that one can do about an alert. */

import { call, reason } from "./api.js";
import { announce, choice, el, write } from "./dom.js";
import { clock, LEVELS, poolName, WORDS } from "./format.js";
import { chip } from "./parts.js";

const MINUTE_MS = 60_000;
const LENGTHS = [
  [15, "15 minutes"],
  [60, "1 hour"],
  [240, "4 hours"],
  [1440, "1 day"],
  [10080, "1 week"],
];
const acknowledged = new Map(); // alert id -> when

/** When an alert was acknowledged from this page, if it was. */
export const acknowledgedAt = (id) => acknowledged.get(id) ?? null;

/** Acknowledge an alert; returns when that was done first. */
export async function acknowledge(id) {
  const answer = await call("POST", `/v1/alerts/${encodeURIComponent(id)}/ack`, undefined, { once: true });
  acknowledged.set(id, answer.acknowledgedAt);
  announce(`Alert ${id} is acknowledged`);
  return answer.acknowledgedAt;
}

/** A button that acknowledges; `done()` is called when it was. */
export function acknowledgeButton(id, done) {
  const button = el(
    "button.small.quiet",
    { type: "button", "aria-label": `Acknowledge ${id}` },
    "Acknowledge",
  );
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await acknowledge(id);
      done();
    } catch (error) {
      button.disabled = false;
      write(button, "Try again");
      button.title = reason(error);
      announce(reason(error));
    }
  });
  return button;
}

/** Write the open alerts of an account into `place`, made anew only when they are others. */
export function openFor(place, account, states) {
  const said = (state) => state.acknowledged || acknowledgedAt(`${account}-${state.seq}`) !== null;
  const name = JSON.stringify([states, states.map(said)]);
  if (place.dataset.of === name) return;
  place.dataset.of = name;
  const items = states.map((state) => {
    const id = `${account}-${state.seq}`;
    const done = said(state)
      ? el("span.muted", {}, "acknowledged")
      : acknowledgeButton(id, () => openFor(place, account, states));
    const since = state.since ? `since ${clock(state.since)}` : "";
    return el(
      "li.open-alert",
      {},
      chip(state.level),
      el("span", {}, poolName(state.pool)),
      el("span.muted", {}, since),
      done,
    );
  });
  const silence = el(
    "button.small.quiet",
    { type: "button", on: { click: () => openSilence(account) } },
    "Silence…",
  );
  const told = items.length
    ? el("ul.plain", {}, ...items)
    : el("p.muted", {}, "None: every pool is healthy.");
  place.replaceChildren(told, silence);
}

/** Ask for how long an account's alerts are to be passed over, and say so to the service. */
export function openSilence(account, done = () => {}) {
  const who = el("input", {
    name: "accounts",
    value: account,
    required: true,
    maxlength: 129,
    pattern: "[A-Za-z0-9._:@\\-]{1,128}\\*?|\\*",
  });
  const [length, lengths] = choice("For", "length", LENGTHS, () => {});
  const levels = LEVELS.toReversed().map((level) => {
    const box = el("input", { type: "checkbox", value: level });
    box.checked = level === "WARNING" || level === "HEALTHY";
    return { box, node: el("label.check", {}, box, WORDS[level]) };
  });
  const comment = el("input", { name: "comment", maxlength: 1000 });
  const trouble = el("p.trouble", { role: "alert" });
  const dialog = el("dialog", { "aria-labelledby": "silence-title" });
  const form = el(
    "form",
    { method: "dialog" },
    el("h2", { id: "silence-title" }, "Silence alerts"),
    el(
      "p.muted",
      {},
      "They stay in the log. No door tells of them while it lasts; it begins after two seconds.",
    ),
    el("label.field", {}, el("span", {}, "Account, or a beginning and *"), who),
    length,
    el("fieldset.checks", {}, el("legend", {}, "Levels"), ...levels.map(({ node }) => node)),
    el("label.field", {}, el("span", {}, "Why"), comment),
    trouble,
    el(
      "div.buttons",
      {},
      el("button", { type: "button", class: "quiet", on: { click: () => dialog.close() } }, "Cancel"),
      el("button", { type: "submit" }, "Silence"),
    ),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const chosen = levels.filter(({ box }) => box.checked).map(({ box }) => box.value);
    const body = {
      accounts: [who.value],
      levels: chosen.length && chosen.length < LEVELS.length ? chosen : null,
      until: Date.now() + Number(lengths.value) * MINUTE_MS,
      comment: comment.value,
    };
    try {
      await call("POST", "/v1/silences", body, { once: true });
      dialog.close();
      announce(`${who.value} is silenced`);
      done();
    } catch (error) {
      write(trouble, reason(error));
    }
  });
  dialog.addEventListener("close", () => dialog.remove());
  dialog.append(form);
  document.body.append(dialog);
  dialog.showModal();
}
