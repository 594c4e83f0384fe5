/** How the service is: ready or why not, and which monitor serves which shard. */

import { reason } from "./api.js";
import { el, panel, svg, write } from "./dom.js";
import { clock, number } from "./format.js";

const EVERY_MS = 2000;
const COLOURS = 8;
const READY = { ok: "Ready", degraded: "Ready, with less than it should have", unavailable: "Not ready" };

/** Open the view; returns what closes it. */
export function openService(root, { stream }) {
  const status = el("p.service-status", { role: "status" });
  const lists = el("div");
  const shards = el("div", {}, el("p.muted", {}, "Asking…"));
  const links = el(
    "ul.plain",
    {},
    ...[
      ["/docs", "REST calls"],
      ["/asyncapi", "Stream"],
      ["/openapi.json", "OpenAPI document"],
      ["/metrics", "Metrics"],
    ].map(([href, words]) => el("li", {}, el("a", { href }, words))),
  );
  root.replaceChildren(
    el(
      "div.service",
      {},
      el("h1.sr-only", {}, "Service"),
      panel("Health", status, lists),
      panel("Who owns which shard", shards),
      panel("Documents", links),
    ),
  );
  const read = async () => {
    if (document.hidden) return;
    try {
      // Answered 503 with the same body where it is not ready: no problem document.
      const response = await fetch("/readyz", { cache: "no-store" });
      const health = await response.json();
      status.dataset.status = health.status;
      write(status, `${READY[health.status]}, as of ${clock(Date.now())}`);
      const said = [...(health.reasons ?? []), ...(health.degraded ?? [])];
      lists.replaceChildren(
        said.length
          ? el("ul", {}, ...said.map((line) => el("li", {}, line)))
          : el("p.muted", {}, "Nothing is amiss."),
      );
      shards.replaceChildren(shardMap(health.monitors ?? {}));
    } catch (error) {
      status.dataset.status = "unavailable";
      write(status, reason(error));
    }
  };
  read();
  const timer = setInterval(read, EVERY_MS);
  stream.addEventListener("live", read);
  return () => {
    clearInterval(timer);
    stream.removeEventListener("live", read);
  };
}

/** A square a shard, in the colour of who serves it; the same in words below. */
function shardMap(monitors) {
  const names = Object.keys(monitors).sort();
  if (!names.length) return el("p.trouble", {}, "No monitor serves any shard.");
  const owner = new Map(names.flatMap((name, index) => monitors[name].map((shard) => [shard, index])));
  const count = Math.max(...owner.keys()) + 1;
  const across = 16;
  const image = svg("svg", {
    viewBox: `0 0 ${across} ${Math.ceil(count / across)}`,
    class: "shards",
    role: "img",
    "aria-label": `${count} shards of ${names.length} monitors`,
  });
  for (let shard = 0; shard < count; shard++) {
    const of = owner.get(shard);
    const cell = svg("rect", {
      x: (shard % across) + 0.06,
      y: Math.floor(shard / across) + 0.06,
      width: 0.88,
      height: 0.88,
      rx: 0.12,
      "data-owner": of === undefined ? "none" : of % COLOURS,
    });
    cell.append(svg("title", {}, `shard ${shard}: ${of === undefined ? "nobody" : names[of]}`));
    image.append(cell);
  }
  const told = names.map((name, index) =>
    el(
      "li",
      {},
      el("i.swatch", { "data-owner": index % COLOURS }),
      el("b", {}, name),
      ` serves ${number(monitors[name].length)} shards: ${ranges(monitors[name])}`,
    ),
  );
  return el("div", {}, image, el("ul.plain", {}, ...told));
}

/** Numbers as ranges: 0-31, 40. */
function ranges(numbers) {
  const found = [];
  for (const each of numbers.toSorted((a, b) => a - b)) {
    const last = found.at(-1);
    if (last && each === last[1] + 1) last[1] = each;
    else found.push([each, each]);
  }
  return found.map(([first, end]) => (first === end ? `${first}` : `${first}–${end}`)).join(", ");
}
