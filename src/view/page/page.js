// The live page: follows /api/v1/events, shows when its data is old, and shows the view of its address: all targets
// (#/), or one target (#/target/NAME). Its memory is bounded, so that it can stay open for days.

import { $, attribute, clock, duration, put, shown, word } from "./dom.js";
import * as overview from "./overview.js";
import * as target from "./target.js";

/** The server sends at least one event every 3 s. */
const STALE_AFTER = 7000;
/** A connection without events for this time is closed and opened again. */
const DEAD_AFTER = 15000;
const RETRY = [500, 1000, 2000, 4000];

const known = {
  /** The target in the address; null shows all targets. */
  name: null,
  target: null,
  scaleEvents: [],
  overview: new Map(),
  reads: [],
  trend: [],
  /** By the server's clock in seconds, and by the page's clock in ms. */
  taken: null,
  received: null,
};

let source = null;
let lastEvent = performance.now();
let lost = null;
let failures = 0;
let retry = null;
let drawing = false;
let dirty = false;

const now = () => (known.taken === null ? Date.now() / 1000 : known.taken + (performance.now() - known.received) / 1000);

const handlers = {
  overview(data) {
    dated(data);
    known.target = null;
    overview.update(known, data);
  },
  snapshot(data) {
    dated(data);
    const [shown] = data.targets;
    if (known.target && known.target.target !== shown.target) forget();
    known.target = shown;
    known.caption = data.announcement ?? null;
    if (shown.last_reads) known.reads = shown.last_reads;
    target.remember(known, data);
  },
  answers(data) {
    known.reads = [...data.answers, ...known.reads].slice(0, target.TAPE_MAX);
  },
  scale_events(data) {
    known.scaleEvents = data.scale_events;
  },
  beat() {},
  end(data) {
    if (data.again) open();
    else lose(data.reason);
  },
};

function dated(data) {
  known.taken = Date.parse(data.taken) / 1000;
  known.received = performance.now();
}

function forget() {
  Object.assign(known, { target: null, scaleEvents: [], reads: [], trend: [], caption: null });
}

function open() {
  clearTimeout(retry);
  retry = null;
  source?.close();
  lastEvent = performance.now();
  source = new EventSource(known.name === null ? "/api/v1/events" : `/api/v1/events?target=${encodeURIComponent(known.name)}`);
  const mine = source;
  source.onerror = () => {
    if (mine === source) lose(mine.readyState === EventSource.CLOSED ? "the server refuses the connection or is down" : "the connection was lost");
  };
  for (const [name, handle] of Object.entries(handlers)) {
    source.addEventListener(name, (event) => {
      if (mine !== source) return;
      lastEvent = performance.now();
      if (name !== "end") {
        lost = null;
        failures = 0;
      }
      handle(JSON.parse(event.data));
      redraw();
    });
  }
}

/** The stream has ended; it is opened again after a pause. */
function lose(reason, after = RETRY[Math.min(failures, RETRY.length - 1)]) {
  source?.close();
  source = null;
  lost = reason;
  failures += 1;
  clearTimeout(retry);
  retry = setTimeout(open, after);
  redraw();
}

function follow() {
  const match = /^#\/target\/(.+)$/.exec(location.hash);
  let name = null;
  try {
    name = match && decodeURIComponent(match[1]);
  } catch {
    // Not an address of this page.
  }
  if (source && name === known.name) return;
  known.name = name;
  forget();
  open();
  redraw();
}

addEventListener("hashchange", () => {
  if (location.hash && !location.hash.startsWith("#/")) return;
  follow();
});

/** Draws once before the next frame, however many events arrived; not while the page is hidden. */
function redraw() {
  dirty = true;
  if (drawing || document.hidden) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    dirty = false;
    draw();
  });
}

function draw() {
  const one = known.target;
  const many = !one && known.overview.size > 0 && known.name === null;
  shown($("waiting"), !one && !many);
  shown($("detail"), Boolean(one));
  shown($("overview"), many);
  put($("crumb"), one ? one.target : many ? `${known.overview.size} targets` : known.name ?? "");
  const caption = one ? known.caption : null;
  shown($("caption"), Boolean(caption));
  if (caption) put($("caption"), caption, 600);
  if (one) target.draw(known, now());
  else if (many) overview.draw(known);
  document.title = `${one ? `${word(one)} · ${one.target.slice(0, 80)} · ` : ""}readscope`;
  link();
}

function link() {
  const quiet = performance.now() - lastEvent;
  const state = lost !== null ? "lost" : quiet > STALE_AFTER ? "stale" : known.taken === null ? "connecting" : "live";
  const since = known.taken === null ? "no data yet" : `data from ${clock(new Date(known.taken * 1000).toISOString(), 19)}`;
  const text = {
    live: "Live",
    connecting: "Connecting",
    stale: `Stale: no data for ${duration(Math.round(quiet / 1000))}, ${since}`,
    lost: `Disconnected: ${lost}; reconnecting, ${since}`,
  }[state];
  attribute($("link"), "data-state", state);
  put($("link-text"), text);
  document.body.classList.toggle("old", state === "stale" || state === "lost");
  return state;
}

setInterval(() => {
  if (source && performance.now() - lastEvent > DEAD_AFTER) lose("the server sends no data");
  if (document.hidden) return;
  link();
  if (known.target) target.tick(known, now());
}, 500);

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && dirty) redraw();
});

const THEMES = ["system", "light", "dark"];

function theme(name) {
  attribute(document.documentElement, "data-theme", name === "system" ? null : name);
  put($("theme"), `Theme: ${name}`);
}

function stored(value) {
  try {
    if (value === undefined) return localStorage.getItem("theme");
    localStorage.setItem("theme", value);
  } catch {
    // Without storage, the choice lasts until the page is closed.
  }
  return value;
}

let chosen = Math.max(0, THEMES.indexOf(stored()));
theme(THEMES[chosen]);
$("theme").addEventListener("click", () => {
  chosen = (chosen + 1) % THEMES.length;
  stored(THEMES[chosen]);
  theme(THEMES[chosen]);
});

overview.start(() => redraw());
target.start(() => redraw());
follow();
