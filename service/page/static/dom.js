/** Elements without markup: text only ever goes in as text. */

/**
 * Make an element. `on` holds listeners by event; null and false attributes are left out.
 * @param {string} name tag, with a class behind a dot: "div.panel"
 * @param {Object<string, any>} [attributes]
 * @param {...(Node|string|number|null|undefined)} children
 */
export function el(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const node = document.createElement(tag);
  if (classes.length) node.className = classes.join(" ");
  const { on = {}, ...rest } = attributes;
  for (const [key, value] of Object.entries(rest)) {
    if (value === null || value === undefined || value === false) continue;
    node.setAttribute(key, value === true ? "" : String(value));
  }
  for (const [event, listener] of Object.entries(on)) node.addEventListener(event, listener);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const SVG = "http://www.w3.org/2000/svg";

/** Make an SVG element. */
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  node.append(...children);
  return node;
}

/** Write text where it is another: an unchanged cell costs no layout. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Set an attribute where it is another; null takes it away. */
export function mark(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/** A table with a caption for who cannot see it; `columns` are {title, right?, sort?}. */
export function table(caption, columns, rows) {
  const head = columns.map(({ title, right }) =>
    el("th", { scope: "col", class: right ? "right" : null }, title),
  );
  const body = el("tbody", {}, ...rows);
  const node = el(
    "table",
    {},
    el("caption.sr-only", {}, caption),
    el("thead", {}, el("tr", {}, ...head)),
    body,
  );
  // Wide tables scroll by themselves, by keyboard too; the page never does sideways.
  return el("div.scroller", { tabindex: 0, role: "region", "aria-label": caption }, node);
}

/** A row; cells are texts, nodes, or [content, class]. */
export function row(...cells) {
  return el(
    "tr",
    {},
    ...cells.map((cell) =>
      Array.isArray(cell) ? el("td", { class: cell[1] }, cell[0]) : el("td", {}, cell),
    ),
  );
}

/** A panel with a heading. */
export function panel(title, ...children) {
  return el("section.panel", { "aria-label": title }, el("h2", {}, title), ...children);
}

/** A select of [value, words] pairs with its label. */
export function choice(label, name, pairs, on) {
  const options = pairs.map(([value, words]) => el("option", { value }, words));
  const select = el("select", { name, on: { change: () => on(select.value) } }, ...options);
  return [el("label.field", {}, el("span", {}, label), select), select];
}

/** Say something to who listens to the page; what is said too often is not heard. */
export function announce(text) {
  write(document.getElementById("announcer"), text);
}
