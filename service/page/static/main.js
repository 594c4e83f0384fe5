/** Puts the page together: the stream, the feed, and the view that the address names. */

import { openAccounts } from "./accounts.js";
import { onKeyWanted } from "./api.js";
import { announce, write } from "./dom.js";
import { Feed } from "./feed.js";
import { clock, number } from "./format.js";
import { askForKey } from "./login.js";
import { Stream } from "./stream.js";

const GRACE_MS = 300; // a connection that is made anew at once is not worth a word
// Views besides the first are fetched when they are opened.
const VIEWS = {
  accounts: async () => openAccounts,
  account: async () => (await import("./account.js")).openAccount,
  alerts: async () => (await import("./alerts.js")).openAlerts,
  book: async () => (await import("./book.js")).openBook,
  funds: async () => (await import("./funds.js")).openFunds,
  marks: async () => (await import("./marks.js")).openMarks,
  service: async () => (await import("./service.js")).openService,
};
const TITLES = {
  accounts: "Accounts",
  account: "Account",
  alerts: "Alerts",
  book: "Book",
  funds: "Funds",
  marks: "Marks",
  service: "Service",
};

const root = document.getElementById("view");
const stream = new Stream();
const feed = new Feed(stream);
let close = () => {};
let shown = null;

/** Show the view of the address: #/accounts/ID, #/alerts and so on. */
async function route() {
  const [, name = "accounts", id = ""] = location.hash.split("/");
  const view = name === "accounts" && id ? "account" : name in VIEWS ? name : "accounts";
  const wanted = (shown = location.hash);
  const open = await VIEWS[view]();
  if (shown !== wanted) return; // left before it was fetched
  close();
  close = open(root, { stream, feed, id: decodeURIComponent(id) });
  const title = view === "account" ? decodeURIComponent(id) : TITLES[view];
  document.title = `${title} · Plimsoll`;
  for (const link of document.querySelectorAll(".tabs a")) {
    const here = link.hash === `#/${view === "account" ? "accounts" : view}`;
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/** Say whether what is seen is live, and since when it is not. */
function showLive() {
  const { live, since } = stream;
  document.documentElement.dataset.live = String(live);
  document.getElementById("live").dataset.state = live ? "live" : "lost";
  write(document.getElementById("live-word"), live ? "live" : "not live");
  const banner = document.getElementById("banner");
  banner.hidden = live;
  write(banner, live ? "" : `Not live since ${clock(since)}: what you see is old. Connecting again…`);
}

function showBadge() {
  const badge = document.getElementById("alert-badge");
  badge.hidden = feed.fresh === 0;
  write(badge, feed.fresh > 999 ? "999+" : number(feed.fresh));
  badge.setAttribute("aria-label", `${feed.fresh} new alerts`);
}

let asked = false; // for a key, since the last one: who does not give one is not asked again and again

function wanted() {
  if (asked) return;
  asked = true;
  askForKey(reconnect, "This service asks for an API key. It stays in this page's memory.");
}

function reconnect() {
  asked = false;
  stream.open();
  route();
}

let lost = null;
stream.addEventListener("live", () => {
  clearTimeout(lost);
  if (document.documentElement.dataset.live === "false") announce("Live again");
  showLive();
});
stream.addEventListener("lost", () => (lost = setTimeout(showLive, GRACE_MS)));
setTimeout(() => stream.live || showLive(), 3000); // never came up at all
feed.addEventListener("change", showBadge);
feed.addEventListener("seen", showBadge);
onKeyWanted(wanted);
document.getElementById("key-button").addEventListener("click", () => askForKey(reconnect));
addEventListener("hashchange", () => {
  route().then(() => root.focus({ preventScroll: true }));
  scrollTo(0, 0);
});
stream.open();
route();
