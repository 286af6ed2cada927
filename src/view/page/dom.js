// Helpers that build and update the page and format numbers. Data from a server reaches the page as text, limited in
// length and without control characters, never as markup.

const SVG = "http://www.w3.org/2000/svg";

export const $ = (id) => document.getElementById(id);

// Control characters and characters that change the direction of text.
const INVISIBLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** Safe text: at most `most` characters, without invisible characters. */
export function plain(text, most = 400) {
  const whole = String(text ?? "");
  const cut = whole.length > most ? `${whole.slice(0, most - 1)}…` : whole;
  return cut.replace(INVISIBLE, "\u{fffd}");
}

export const word = (target) => /^(\w+): /.exec(target.headline ?? target.reason ?? "")?.[1].toLowerCase() ?? target.verdict ?? "no verdict";

export function put(node, text, most) {
  const shown = plain(text, most);
  if (node.textContent !== shown) node.textContent = shown;
  return node;
}

/** Sets an attribute, if it differs; null removes it. */
export function attribute(node, name, value) {
  if (value === null || value === undefined) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
  return node;
}

export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) attribute(node, name, value);
  for (const child of children) node.append(typeof child === "string" ? plain(child) : child);
  return node;
}

const rows = new WeakMap();

/**
 * Makes the children of `parent` show `items` in their order. Each item has one child, which stays while its key stays, so
 * that focus, selection and the position of a screen reader do not change.
 */
export function each(parent, items, key, make, show) {
  const before = rows.get(parent) ?? new Map();
  const after = new Map();
  let next = parent.firstChild;
  for (const item of items) {
    const name = key(item);
    if (after.has(name)) continue;
    const row = before.get(name) ?? make(item);
    after.set(name, row);
    show?.(row, item);
    if (row === next) next = row.nextSibling;
    else parent.insertBefore(row, next);
  }
  for (const [name, row] of before) if (!after.has(name)) row.remove();
  rows.set(parent, after);
}

/** A table row with one cell per class; the first cell is the heading of the row. */
export function row(...kinds) {
  const cell = (kind, index) => el(index === 0 ? "th" : "td", index === 0 ? { scope: "row", class: kind } : { class: kind });
  return el("tr", {}, ...kinds.map(cell));
}

export function shown(node, is) {
  if (node.hidden === is) node.hidden = !is;
}

export function onWidth(node, draw) {
  new ResizeObserver(() => draw(node.clientWidth)).observe(node);
}

export const percent = (part, digits = 1) => (part === null || part === undefined ? "–" : `${(part * 100).toFixed(digits)} %`);

export const count = (number) => (number ?? 0).toLocaleString("en-GB").replaceAll(",", "\u202f");

export const counted = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

/** A duration with at most three digits and a unit. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const at = Math.abs(seconds);
  const [value, unit] =
    at === 0 ? [0, "s"]
    : at < 0.0009995 ? [seconds * 1e6, "µs"]
    : at < 0.9995 ? [seconds * 1000, "ms"]
    : at < 120 ? [seconds, "s"]
    : at < 7200 ? [seconds / 60, "min"]
    : at < 172800 ? [seconds / 3600, "h"]
    : [seconds / 86400, "d"];
  const digits = Math.abs(value) < 9.95 && value !== 0 ? (unit === "s" || unit === "ms" ? 2 : 1) : Math.abs(value) < 99.5 && value !== 0 ? 1 : 0;
  const text = value.toFixed(digits);
  return `${unit.endsWith("s") && unit !== "s" ? text : text.replace(/\.0+$/, "")} ${unit}`;
}

/** An age in the format of kubectl. */
export function age(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 120) return `${s}s`;
  if (s < 600) return `${Math.floor(s / 60)}m${s % 60 ? `${s % 60}s` : ""}`;
  if (s < 7200) return `${Math.floor(s / 60)}m`;
  if (s < 172800) return `${Math.floor(s / 3600)}h${Math.floor((s % 3600) / 60) ? `${Math.floor((s % 3600) / 60)}m` : ""}`;
  return `${Math.floor(s / 86400)}d`;
}

/** The time of day of an RFC 3339 time in UTC, to the millisecond or the second. */
export const clock = (time, to = 23) => String(time ?? "").slice(11, to);

export const seconds = (time) => Date.parse(time) / 1000;

/** The round step of an axis with about this many parts. */
export function step(span, parts) {
  const rough = span / parts;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((times) => times * power).find((size) => size >= rough * 0.999);
}

// The colours of Okabe and Ito, which are distinct for every kind of colour vision. Vermillion is reserved for problems.
const COLOURS = 6;

const colours = new Map();

/** The class of a replica's colour, by its ordinal, so that it does not change when other replicas start or stop. */
export function colour(replica) {
  const ordinal = /-(\d{1,6})$/.exec(replica)?.[1];
  if (ordinal !== undefined) return `c${(Number(ordinal) % 100) % COLOURS}`;
  if (!colours.has(replica)) {
    if (colours.size > 500) colours.clear();
    colours.set(replica, colours.size % COLOURS);
  }
  return `c${colours.get(replica)}`;
}
