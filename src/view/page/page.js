// The live page: follows /api/v1/events, says when it is out of date, and shows what the address asks for: every target
// (#/), or one (#/target/NAME). What it keeps is bounded, so that it can stay open for days.

import { $, attribute, clock, duration, put, shown } from "./dom.js";
import * as overview from "./overview.js";
import * as target from "./target.js";

/** The server sends something every 3 s at least. */
const STALE_AFTER = 7000;
/** A connection that says nothing for so long is given up and made anew. */
const DEAD_AFTER = 15000;
const RETRY = [500, 1000, 2000, 4000];

/** What is known, and when it came. */
const known = {
  /** The name of the target in view; null shows every target. */
  name: null,
  picture: null,
  scaleEvents: [],
  overview: new Map(),
  answers: [],
  trend: [],
  /** The server's clock, in seconds, when the last picture was taken; and the page's own, in ms. */
  taken: null,
  received: null,
};

let source = null;
let heard = performance.now();
let lost = null;
let failures = 0;
let retry = null;
let drawing = false;
let dirty = false;

/** The time at the server. */
const now = () => (known.taken === null ? Date.now() / 1000 : known.taken + (performance.now() - known.received) / 1000);

// ---- what comes ----

const takes = {
  overview(data) {
    took(data);
    known.picture = null;
    overview.take(known, data);
  },
  snapshot(data) {
    took(data);
    const picture = data.targets[0];
    if (known.picture && known.picture.target !== picture.target) forget();
    known.picture = picture;
    known.announcement = data.announcement ?? null;
    if (picture.last_reads) known.answers = picture.last_reads;
    target.remember(known, data);
  },
  answers(data) {
    known.answers = [...data.answers, ...known.answers].slice(0, target.TAPE_MAX);
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

function took(data) {
  known.taken = Date.parse(data.taken) / 1000;
  known.received = performance.now();
}

function forget() {
  Object.assign(known, { picture: null, scaleEvents: [], answers: [], trend: [], announcement: null });
}

// ---- the connection ----

function open() {
  clearTimeout(retry);
  retry = null;
  source?.close();
  heard = performance.now();
  source = new EventSource(known.name === null ? "/api/v1/events" : `/api/v1/events?target=${encodeURIComponent(known.name)}`);
  const mine = source;
  source.onerror = () => {
    if (mine === source) lose(mine.readyState === EventSource.CLOSED ? "the server refuses or is not there" : "the connection broke");
  };
  for (const [name, take] of Object.entries(takes)) {
    source.addEventListener(name, (event) => {
      if (mine !== source) return;
      heard = performance.now();
      if (name !== "end") {
        lost = null;
        failures = 0;
      }
      take(JSON.parse(event.data));
      redraw();
    });
  }
}

/** The stream is over, for a reason; it is opened again after a while, always. */
function lose(reason, after = RETRY[Math.min(failures, RETRY.length - 1)]) {
  source?.close();
  source = null;
  lost = reason;
  failures += 1;
  clearTimeout(retry);
  retry = setTimeout(open, after);
  redraw();
}

// ---- the address ----

function follow() {
  const match = /^#\/target\/(.+)$/.exec(location.hash);
  let name = null;
  try {
    name = match && decodeURIComponent(match[1]);
  } catch {
    // Not a name that a link of this page has.
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

// ---- drawing ----

/** Draws once before the next frame, however much came; not at all while nobody looks. */
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
  const one = known.picture;
  const many = !one && known.overview.size > 0 && known.name === null;
  shown($("waiting"), !one && !many);
  shown($("detail"), Boolean(one));
  shown($("overview"), many);
  put($("crumb"), one ? one.target : many ? `${known.overview.size} targets` : known.name ?? "");
  const act = one ? known.announcement : null;
  shown($("act"), Boolean(act));
  if (act) put($("act"), act, 600);
  if (one) target.draw(known, now());
  else if (many) overview.draw(known);
  document.title = `${one ? `${one.verdict ?? "no verdict"} · ${one.target.slice(0, 80)} · ` : ""}readscope`;
  link();
}

function link() {
  const quiet = performance.now() - heard;
  const state = lost !== null ? "lost" : quiet > STALE_AFTER ? "stale" : known.taken === null ? "connecting" : "live";
  const since = known.taken === null ? "nothing received yet" : `shown is ${clock(new Date(known.taken * 1000).toISOString(), 19)}`;
  const text = {
    live: "Live",
    connecting: "Connecting",
    stale: `Stale: no news for ${duration(Math.round(quiet / 1000))}, ${since}`,
    lost: `Disconnected: ${lost}; trying again, ${since}`,
  }[state];
  attribute($("link"), "data-state", state);
  put($("link-text"), text);
  document.body.classList.toggle("old", state === "stale" || state === "lost");
  return state;
}

setInterval(() => {
  if (source && performance.now() - heard > DEAD_AFTER) lose("the server says nothing");
  if (document.hidden) return;
  link();
  if (known.picture) target.tick(known, now());
}, 500);

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && dirty) redraw();
});

// ---- light and dark ----

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
    // A browser may keep nothing; then the choice lasts as long as the page.
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
