/**
 * A position's lines against its mark, as a ladder of prices: where it is liquidated, where bankrupt,
 * where it was entered and where its stop stands. Drawn to scale; labels give way to each other.
 */

import { choice, el, mark, svg } from "./dom.js";
import { nearest, percent, price, words } from "./format.js";

const LEAST_WIDTH = 260;
const HEIGHT = 300; // as the style has it
const EDGE = 18;
const LABEL_GAP = 20;
const AXIS = 96;

export class Ladder {
  #positions = [];
  #stored = null;
  #chosen = null; // "symbol side mode"; null: the nearest
  #domain = null;
  #names = "";

  constructor() {
    [this.field, this.select] = choice("Position", "position", [], (value) => {
      this.#chosen = value;
      this.#domain = null;
      this.#draw();
    });
    this.image = svg("svg", { class: "ladder", role: "img", "aria-label": "No position yet" });
    this.node = el("div", {}, this.field, this.image);
  }

  /** Show the account's positions; `stored` has their entries and stops, once it was read. */
  show(risk, stored) {
    this.#positions = risk.positions;
    this.#stored = stored;
    const names = risk.positions.map(nameOf);
    if (names.join() !== this.#names) {
      this.#names = names.join();
      this.select.replaceChildren(...names.map((name) => el("option", { value: name }, name)));
      const first = nearest(risk.positions) ?? risk.positions[0];
      if (!names.includes(this.#chosen)) this.#chosen = first ? nameOf(first) : null;
      if (this.#chosen !== null) this.select.value = this.#chosen;
    }
    this.field.hidden = names.length < 2;
    this.#draw();
  }

  #draw() {
    const width = Math.max(LEAST_WIDTH, this.node.clientWidth);
    this.image.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`); // a pixel is a pixel
    const position = this.#positions.find((one) => nameOf(one) === this.#chosen);
    const lines = position === undefined ? [] : linesOf(position, this.#entryOf(position));
    if (!lines.some((line) => line.kind === "mark")) {
      const why = position === undefined ? "No position is open." : "It has no mark.";
      this.image.replaceChildren(svg("text", { x: width / 2, y: HEIGHT / 2, class: "ladder-empty" }, why));
      mark(this.image, "aria-label", why);
      return;
    }
    this.#fit(lines.map((line) => line.at));
    const y = (at) =>
      EDGE + ((this.#domain[1] - at) / (this.#domain[1] - this.#domain[0])) * (HEIGHT - 2 * EDGE);
    const placed = spread(lines.map((line) => ({ ...line, y: y(line.at) })).sort((a, b) => a.y - b.y));
    this.image.replaceChildren(
      ...zones(position, y),
      axis(),
      ...placed.flatMap((line) => draw(line, position.markPrice)),
    );
    mark(
      this.image,
      "aria-label",
      `${this.#chosen}: ${lines.map((line) => `${line.word} at ${price(line.at)}`).join(", ")}`,
    );
  }

  #entryOf(position) {
    return this.#stored?.positions.find(
      (one) =>
        one.symbol === position.symbol &&
        one.side === position.side &&
        (one.marginMode ?? "cross") === position.marginMode,
    );
  }

  /** Keep the scale while all lines are well inside: a ladder that jumps cannot be read. */
  #fit(prices) {
    const [low, high] = [Math.min(...prices), Math.max(...prices)];
    const room = Math.max(high - low, high * 0.002);
    const kept = this.#domain;
    if (kept !== null && low > kept[0] && high < kept[1] && room > 0.4 * (kept[1] - kept[0])) return;
    this.#domain = [low - 0.12 * room, high + 0.12 * room];
  }
}

const nameOf = (position) => `${position.symbol} ${position.side} ${position.marginMode}`;

function linesOf(position, stored) {
  const found = [
    ["liquidation", "liquidation", position.liquidationPriceBelow],
    ["liquidation", "liquidation", position.liquidationPriceAbove],
    ["bankruptcy", "bankruptcy", position.bankruptcyPrice],
    ["entry", "entry", stored?.entryPrice ?? null],
    ["stop", "stop", stored?.stopLossPrice ?? null],
    ["stop", "take profit", stored?.takeProfitPrice ?? null],
    ["mark", "mark", position.markPrice],
  ];
  // A line many times the price away would flatten all others: it is told in the table.
  const near = (at) => position.markPrice === null || (at < 4 * position.markPrice && at > 0);
  return found.filter(([, , at]) => at !== null && near(at)).map(([kind, word, at]) => ({ kind, word, at }));
}

/** Push labels apart, from the top down and then back up, so that none covers another. */
function spread(lines) {
  let least = EDGE / 2;
  for (const line of lines) {
    line.label = Math.max(line.y, least);
    least = line.label + LABEL_GAP;
  }
  let most = HEIGHT - EDGE / 2;
  for (const line of lines.toReversed()) {
    line.label = Math.min(line.label, most);
    most = line.label - LABEL_GAP;
  }
  return lines;
}

/** The prices at which the position is liquidated. */
function zones(position, y) {
  const {
    liquidationPriceBelow: below,
    liquidationPriceAbove: above,
    liquidationPriceReason: why,
  } = position;
  const zone = (top, bottom) =>
    svg("rect", {
      x: AXIS - 14,
      y: Math.max(0, top),
      width: 28,
      height: Math.max(0, Math.min(HEIGHT, bottom) - Math.max(0, top)),
      class: "ladder-zone",
    });
  if (below === null && above === null) return words(why) === "already liquidatable" ? [zone(0, HEIGHT)] : [];
  return [
    ...(below === null ? [] : [zone(y(below), HEIGHT)]),
    ...(above === null ? [] : [zone(0, y(above))]),
  ];
}

const axis = () => svg("line", { x1: AXIS, x2: AXIS, y1: 0, y2: HEIGHT, class: "ladder-axis" });

function draw(line, markPrice) {
  const away =
    line.kind === "mark"
      ? ""
      : ` ${line.at >= markPrice ? "+" : "−"}${percent((100 * Math.abs(line.at - markPrice)) / markPrice, 2)}`;
  const style = `ladder-line ${line.kind}`;
  return [
    svg("text", { x: AXIS - 24, y: line.label + 4, class: "ladder-price" }, price(line.at)),
    svg("path", {
      d: `M${AXIS - 18} ${line.label} L${AXIS - 14} ${line.y} H${AXIS + 14} L${AXIS + 28} ${line.label} H${AXIS + 36}`,
      class: style,
    }),
    svg(
      "text",
      { x: AXIS + 42, y: line.label + 4, class: `ladder-word ${line.kind}` },
      `${line.word}${away}`,
    ),
  ];
}
