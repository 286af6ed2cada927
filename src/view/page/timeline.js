// Scale events: one strip per replica, from the request to the first fresh read, or to the end of the pod.

import { $, attribute, clock, colour, counted, duration, each, el, onWidth, plain, put, seconds, shown, step, svg } from "./dom.js";

/** The milestones of a replica that starts, in their usual order, each with the phase that ends with it. */
const RISE = [
  ["requested", null],
  ["pod_created", "wait"],
  ["pod_scheduled", "start"],
  ["sandbox_ready", "start"],
  ["initialized", "init"],
  ["pod_ready", "ready"],
  ["endpoint_ready", "route"],
  ["first_read", "route"],
  ["fresh_read", "catch"],
];
const PVC = ["pvc_created", "pvc_provisioning", "pvc_bound"];
/** They may come long after the event, which they do not extend much. */
const CLIENTS = ["first_client", "client_share"];
const FALL = ["terminating", "endpoint_gone", "last_read", "pod_gone"];

const LANE = 40;
const HEAD = 22;

/** Whether the user opened or closed an event. By default, only the newest is open. */
const opened = new Map();
let width = 0;
let again = () => {};

export function start(redraw) {
  again = redraw;
  onWidth($("events"), (now) => {
    width = now;
    redraw();
  });
}

const key = (event) => `${event.statefulset} ${event.started} ${event.from} ${event.to}`;

export function draw(events, now) {
  shown($("scale-key"), events.length > 0);
  shown($("scale-empty"), events.length === 0);
  put($("scale-empty"), "No scale events yet. readscope records them where it can watch the StatefulSet of the Service.");
  for (const name of opened.keys()) if (!events.some((event) => key(event) === name)) opened.delete(name);
  each($("events"), events, key, make, (node, event) => show(node, event, events[0] === event, now));
}

/** Extends the running events. */
export function tick(events, now) {
  const nodes = $("events").children;
  events.forEach((event, at) => {
    if (!event.finished && nodes[at]) show(nodes[at], event, at === 0, now);
  });
}

function make(event) {
  const node = el("details", { class: "event" },
    el("summary", {}, el("strong", {}), " ", el("span", { class: "took" }), " ", el("span", { class: "aside" })),
    el("div", { class: "strip" }),
    el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "All milestones of this scale event" }, el("table", { class: "list steps" }, el("thead"), el("tbody"))));
  node.addEventListener("toggle", () => {
    // The page itself causes the first toggle.
    if (node.open !== node.meant) opened.set(key(event), node.open);
    again();
  });
  return node;
}

function show(node, event, newest, now) {
  const open = opened.get(key(event)) ?? newest;
  node.meant = open;
  if (node.open !== open) node.open = open;
  const [title, took, aside] = node.firstChild.children;
  const began = seconds(event.started);
  put(title, `${event.from} → ${counted(event.to, "replica")}`);
  put(took, event.finished ? `in ${duration(seconds(event.finished) - began)}` : `running for ${duration(Math.max(0, Math.round(now - began)))}`);
  attribute(node, "data-live", event.finished ? null : "");
  put(aside, `${event.statefulset}, ${clock(event.started, 19)}`);
  if (!open) return;
  // A finished event does not change with time.
  const state = `${width} ${event.finished ? JSON.stringify(event) : now}`;
  if (node.drawn !== state) {
    node.drawn = state;
    node.children[1].replaceChildren(strip(event, now));
    steps(node.querySelector("table"), event);
  }
}

function strip(event, now) {
  const began = seconds(event.started);
  const at = (name, replica) => (replica.milestones[name] ? seconds(replica.milestones[name]) - began : null);
  const members = event.replicas.slice(0, 64);
  const timesOf = (wanted) => members.flatMap((replica) => Object.entries(replica.milestones).filter(([name]) => wanted(name)).map(([, time]) => seconds(time) - began));
  const reached = timesOf((name) => !CLIENTS.includes(name));
  const until = event.finished ? seconds(event.finished) - began : now - began;
  const most = Math.max(1, until * 1.02, ...reached.map((time) => time * 1.02));
  const end = Math.max(most, ...timesOf((name) => CLIENTS.includes(name)).map((time) => time * 1.02).filter((time) => time < 3 * most));
  const begin = Math.min(0, ...reached);
  const left = width < 560 ? 76 : 132;
  const right = width < 560 ? 12 : 96;
  const x = (time) => left + ((time - begin) / (end - begin)) * (width - left - right);
  const height = HEAD + members.length * LANE;
  const parts = Math.max(2, (width - left - right) / 80);
  const size = end - begin > 240 ? step((end - begin) / 60, parts) * 60 : step(end - begin, parts);
  const drawing = [];
  for (let time = Math.ceil(begin / size) * size; time <= end; time += size) {
    drawing.push(svg("line", { class: "grid-line", x1: x(time), x2: x(time), y1: HEAD - 6, y2: height }));
    drawing.push(svg("text", { class: "middle", x: x(time), y: 11 }, duration(+time.toFixed(3))));
  }
  const bar = (kind, from, to, y, tall, tip) => {
    const shape = svg("rect", { class: `ph-${kind}`, x: x(from), y, width: Math.max(1, x(to) - x(from)), height: tall });
    if (tip) shape.append(svg("title", {}, tip));
    drawing.push(shape);
  };
  members.forEach((replica, index) => {
    const top = HEAD + index * LANE;
    drawing.push(svg("text", { x: 16, y: top + 24, class: "lane" }, plain(replica.replica, width < 560 ? 9 : 18)));
    drawing.push(svg("rect", { class: colour(replica.replica), x: 0, y: top + 14, width: 10, height: 10 }));
    const done = replica.direction === "up" ? rise(replica, at, bar, drawing, x, top, until, event, end) : fall(replica, at, bar, drawing, x, top, until, event);
    if (done && right > 50) drawing.push(svg("text", { class: "result", x: x(Math.min(end, done[0])) + 8, y: top + 24 }, done[1]));
  });
  const summary = members.map((replica) => `${plain(replica.replica, 60)}: ${Object.keys(replica.milestones).length} milestones`).join(", ");
  return svg("svg", { width, height, role: "img", "aria-label": `Timeline of ${summary}; the table below has every time` }, ...drawing);
}

function rise(replica, at, bar, drawing, x, top, until, event, end) {
  const [created, , bound] = PVC.map((name) => at(name, replica));
  if (created !== null) bar(replica.pvc_reused ? "reused" : "pvc", created, bound ?? until, top + 8, 5, `PVC ${bound === null ? "pending" : `bound after ${duration(bound - created)}`}`);
  let before = at("requested", replica) ?? 0;
  let last = null;
  for (const [name, kind] of RISE.slice(1)) {
    const time = at(name, replica);
    if (time === null) continue;
    if (time > before) bar(kind, before, time, top + 15, 14, `${plain(name)} at ${duration(time)}`);
    before = Math.max(before, time);
    last = name;
  }
  const first = at("first_read", replica);
  const over = last === "fresh_read" || (last === "first_read" && event.finished);
  if (over || last === "first_read") bar("serve", before, Math.max(until, before), top + 19, 6);
  else if (!event.finished && !replica.taken_over) bar("open", before, Math.max(until, before), top + 15, 14, "running");
  const filled = at("client_share", replica);
  if (first !== null && filled !== null) bar("fill", Math.min(first, end), Math.min(filled, end), top + 32, 4, `share of the client connections at ${duration(filled)}`);
  const uncertainty = replica.first_read_uncertainty_seconds;
  if (first !== null && uncertainty) bar("doubt", first - uncertainty, first, top + 12, 20, `the first read may have been possible up to ${duration(uncertainty)} earlier`);
  const answered = at("direct_read", replica);
  if (answered !== null) drawing.push(svg("path", { class: "pod-probe", d: `M${x(answered)},${top + 10}l4,-5h-8z` }, svg("title", {}, `first answered pod probe at ${duration(answered)}`)));
  if (first === null) return null;
  drawing.push(svg("line", { class: "first", x1: x(first), x2: x(first), y1: top + 10, y2: top + 34 }));
  return [Math.max(until, first), `read +${duration(first)}`];
}

function fall(replica, at, bar, drawing, x, top, until, event) {
  const [from, gone, last, end] = FALL.map((name) => at(name, replica));
  if (from === null) return null;
  bar(end === null && !event.finished ? "open" : "gone", from, end ?? until, top + 15, 14, "terminating");
  if (gone !== null) bar("route", from, Math.max(from, gone), top + 8, 5, `no endpoint after ${duration(gone - from)}`);
  if (last !== null) drawing.push(svg("line", { class: "first", x1: x(last), x2: x(last), y1: top + 10, y2: top + 34 }, svg("title", {}, `last read at ${duration(last)}`)));
  return end === null ? null : [end, `gone +${duration(end)}`];
}

/** The table: a row per replica, a column per milestone, in seconds since the request. */
function steps(table, event) {
  const began = seconds(event.started);
  const members = event.replicas.slice(0, 64);
  const all = members.flatMap((replica) => Object.entries(replica.milestones)).sort((a, b) => seconds(a[1]) - seconds(b[1]));
  const reached = [...new Set(all.map(([name]) => name))];
  const since = (time) => `+${(seconds(time) - began).toFixed(2)}`;
  const line = (replica) => {
    const pvc = replica.pvc_reused === null ? "" : replica.pvc_reused ? "reused" : "new";
    const uncertainty = replica.first_read_uncertainty_seconds;
    const cells = reached.map((name) => {
      const time = replica.milestones[name];
      const late = name === "first_read" && uncertainty ? `, at most ${uncertainty.toFixed(2)} late` : "";
      return el("td", { class: "n", title: time ? clock(time) : null }, time ? since(time) + late : "");
    });
    return el("tr", {}, el("th", { scope: "row" }, plain(replica.replica, 60)), el("td", {}, pvc), ...cells);
  };
  const head = ["s since the request", "PVC", ...reached].map((name, at) => el("th", { scope: "col", class: at > 1 ? "n" : "" }, name.replaceAll("_", " ")));
  table.tHead.replaceChildren(el("tr", {}, ...head));
  table.tBodies[0].replaceChildren(...members.map(line));
}
