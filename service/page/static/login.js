/** The dialog for an API key. The key goes into this page's memory; leaving the page forgets it. */

import { hasKey, useKey } from "./api.js";
import { el } from "./dom.js";

let dialog = null;

/** Ask for a key; `taken()` is called when one was given, or forgotten. */
export function askForKey(taken, why = "") {
  if (dialog !== null) return;
  const input = el("input", {
    type: "password",
    name: "key",
    autocomplete: "off",
    spellcheck: "false",
    required: true,
    maxlength: 200,
  });
  const close = () => dialog.close();
  const forget = () => {
    useKey(null);
    close();
    taken();
  };
  const form = el(
    "form",
    { method: "dialog" },
    el("h2", { id: "key-title" }, "API key"),
    el(
      "p.muted",
      {},
      why ||
        "A service on this machine without keys needs none. A key stays in this page's memory and is gone when you leave it.",
    ),
    el("label.field", {}, el("span", {}, "Key"), input),
    el(
      "div.buttons",
      {},
      hasKey()
        ? el("button", { type: "button", class: "quiet", on: { click: forget } }, "Forget the key")
        : null,
      el("button", { type: "button", class: "quiet", on: { click: close } }, "Cancel"),
      el("button", { type: "submit" }, "Use it"),
    ),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    useKey(input.value.trim());
    input.value = "";
    close();
    taken();
  });
  dialog = el("dialog", { "aria-labelledby": "key-title" }, form);
  dialog.addEventListener("close", () => {
    dialog.remove();
    dialog = null;
  });
  document.body.append(dialog);
  dialog.showModal();
}
