// The view of one target.

import * as timeline from "./timeline.js";
import {
  $, against, age, attribute, clock, colour, count, counted, duration, each, el, ofLast, onWidth, percent, plain, put, row, seconds, shown, step, svg, word,
} from "./dom.js";

export const TAPE_MAX = 50;

/** Points of the evidence over time. Above this number, every other older point is dropped. */
const TREND_MAX = 480;

/** What is wrong with the share of a culprit. */
const WRONG = { dead: "no reads", starved: "too few", hot: "too many", missing: "missing", cannot_serve: "cannot serve", not_routed: "no reads" };

const MARKS = { balanced: "✓", unbalanced: "!", undecided: "?", degraded: "!", down: "✕", unknown: "?" };

/** Stores the evidence of a snapshot; the first snapshot of a stream has the last minutes. */
export function remember(known, data) {
  if (data.trend?.length) {
    const first = seconds(data.trend[0].time);
    known.trend = [...known.trend.filter(([time]) => time < first), ...data.trend.map((point) => [seconds(point.time), point.evidence_seconds])];
  }
  const { evidence_seconds: evidence } = known.target;
  if (evidence !== null) known.trend.push([seconds(data.taken), evidence]);
  if (known.trend.length > TREND_MAX) known.trend = known.trend.filter((_, at) => at % 2 === 0 || at > TREND_MAX - 60);
}

export function start(redraw) {
  onWidth($("evidence"), redraw);
  timeline.start(redraw);
  // From 0.1 ms to 10 s.
  const powers = ["0.1 ms", "1 ms", "10 ms", "0.1 s", "1 s", "10 s"];
  axis($("latency-axis"), powers.map((text, at) => [at / 5, text]));
}

export function draw(known, now) {
  const target = known.target;
  verdict(target);
  notices(target);
  shares(target);
  tape(known.reads);
  evidence(known, target);
  latency(target);
  replicas(target, now);
  pvcs(target, now);
  failures(target);
  timeline.draw(known.scaleEvents, now, $("evidence").clientWidth);
}

export function tick(known, now) {
  ages(known.target, now);
  timeline.tick(known.scaleEvents, now);
}

function verdict(target) {
  const headline = target.headline ?? target.reason ?? "";
  const is = word(target);
  attribute($("detail"), "data-verdict", target.verdict === null ? "none" : is);
  put($("verdict-mark"), MARKS[is] ?? "–");
  put($("verdict-word"), is[0].toUpperCase() + is.slice(1));
  put($("reason"), headline.replace(/^\w+: /, ""), 1000);
  shown($("beside"), !headline.startsWith(target.reason));
  put($("beside"), target.reason, 1000);
  put($("fig-replicas"), `${target.replicas_answering} of ${target.replicas_expected}`);
  put($("fig-evidence"), against(target.evidence_seconds, target.threshold_seconds));
  put($("fig-failing"), ofLast(target));
  put($("fig-probes"), count(target.probes));
}

function notices(target) {
  const current = target.notices.filter((text) => text !== target.reason && !target.headline?.includes(text)).map((text) => ["notice", text]);
  // Anomalies that ended.
  const past = (target.anomalies ?? []).filter(({ reason }) => reason && !target.notices.some((text) => text.startsWith(reason)));
  const all = [...current, ...past.map(({ reason, answers }) => ["past", `Earlier: ${reason} (${counted(answers, "read")} since the start)`])];
  if (!current.length) all.unshift(["none", "None."]);
  each($("notices"), all, ([of, text]) => of + text.slice(0, 60), ([of]) => el("li", { class: of }), (item, [, text]) => put(item, text, 1000));
}

const named = (replica) => [el("span", { class: `swatch ${colour(replica)}` }), el("span", { class: "label", title: plain(replica) }, replica)];

function axis(node, ticks) {
  each(node, ticks, ([at, text]) => `${at} ${text}`, ([at, text]) => {
    const tick = el("span", {}, text);
    tick.style.left = `${at * 100}%`;
    return tick;
  });
}

function shares(target) {
  const most = Math.max(0.05, ...target.replicas.flatMap((r) => [r.share ?? 0, r.share_upper ?? 0, r.expected_share, r.clients?.connection_share ?? 0, r.clients?.read_share ?? 0]));
  const size = step(Math.min(1, most * 1.08), 4);
  const end = Math.min(1, Math.ceil((most * 1.04) / size) * size);
  const ticks = [];
  for (let at = 0; at <= end + 1e-9; at += size) ticks.push([at / end, `${+(at * 100).toFixed(1)}${at ? "" : " %"}`]);
  axis($("axis"), ticks);
  each($("shares"), target.replicas, (replica) => replica.replica, (replica) => {
    const line = row("name", "track-cell", "n strong", "n wide", "n", "n wider", "n wider");
    const [name, track] = line.cells;
    name.append(...named(replica.replica));
    track.append(el("div", { class: "track", "aria-hidden": "true" }, el("i", { class: `fill ${colour(replica.replica)}` }), el("i", { class: "whisker" }), el("i", { class: "expected" }), el("i", { class: "connections" }), el("i", { class: "client-reads" })));
    return line;
  }, (line, replica) => {
    const [, cell, share, interval, expected, connections, reads] = line.cells;
    const [fill, whisker, mark, ofConnections, ofReads] = cell.firstChild.children;
    const clients = replica.clients;
    const place = (node, from, to) => {
      node.style.left = `${(from / end) * 100}%`;
      if (to !== undefined) node.style.width = `${((to - from) / end) * 100}%`;
    };
    const known = replica.share_lower !== null && replica.share_upper !== null;
    place(fill, 0, replica.share ?? 0);
    whisker.hidden = !known;
    if (known) place(whisker, replica.share_lower, Math.min(end, replica.share_upper));
    place(mark, replica.expected_share);
    put(share, percent(replica.share));
    put(interval, known ? `${percent(replica.share_lower)} to ${percent(replica.share_upper)}` : "–");
    put(expected, percent(replica.expected_share));
    attribute(cell.firstChild, "data-clients", clients ? "" : null);
    place(ofConnections, 0, clients?.connection_share ?? 0);
    place(ofReads, 0, clients?.read_share ?? 0);
    put(connections, clients ? `${percent(clients.connection_share)} (${count(clients.connections)})` : "–");
    put(reads, percent(clients?.read_share ?? null));
    const culprit = target.culprits?.find((culprit) => culprit.replica === replica.replica);
    const wrong = (culprit ?? replica.conditions?.find(({ kind, planned }) => WRONG[kind] && !planned))?.kind;
    for (const node of [line, line.cells[0]]) attribute(node, "data-wrong", WRONG[wrong] ?? wrong);
    attribute(line, "title", replica.why && plain(replica.why));
  });
  const whys = [...new Set(target.replicas.map((replica) => replica.why))];
  const why = target.routing?.why ?? (whys.length < 3 ? whys.join("; ") : "see the tooltip of each row");
  put($("clients-note"), target.clients ? `Clients: ${target.clients.reason}.` : "Clients: unknown.", 700);
  put($("shares-note"), `${target.share_basis}. Why expected: ${why}.`, 700);
}

function tape(reads) {
  each($("tape"), reads, (read) => `${read.time} ${read.replica} ${read.duration_seconds}`, (read) => {
    const line = row("", "n", "name", "n");
    const [time, id, name, length] = line.cells;
    put(time, clock(read.time));
    put(id, read.server_id);
    name.append(...named(read.replica));
    put(length, duration(read.duration_seconds));
    return line;
  });
}

const CHART = { height: 150, left: 44, right: 8, top: 8, bottom: 20 };
/** A second, a minute, an hour, a day, a month, three years. */
const LEVELS = [[1, "1 s"], [60, "1 min"], [3600, "1 h"], [86400, "1 d"], [2592000, "30 d"], [1e8, "3 y"]];

function evidence(known, target) {
  const node = $("evidence");
  const width = node.clientWidth;
  const { height, left, right, top, bottom } = CHART;
  const threshold = target.threshold_seconds;
  if (target.evidence_seconds === null || known.trend.length === 0) {
    node.replaceChildren();
    put($("evidence-note"), "No evidence yet.");
    return;
  }
  if (width < 80) return;
  const [first] = known.trend[0];
  const last = Math.max(known.trend[known.trend.length - 1][0], first + 60);
  const most = Math.max(threshold ?? 1, ...known.trend.map(([, value]) => value)) * 4;
  const log = (value) => Math.log10(Math.max(1, value));
  const x = (time) => left + ((time - first) / (last - first)) * (width - left - right);
  const y = (value) => height - bottom - (log(value) / log(most)) * (height - top - bottom);
  const points = known.trend.map(([time, value]) => `${x(time).toFixed(1)},${y(value).toFixed(1)}`);
  const end = x(known.trend[known.trend.length - 1][0]).toFixed(1);
  const grid = LEVELS.filter(([value]) => value <= most).flatMap(([value, text]) => [
    svg("line", { class: "grid-line", x1: left, x2: width - right, y1: y(value), y2: y(value) }),
    svg("text", { x: left - 6, y: y(value) + 4, class: "end" }, text),
  ]);
  const unit = step(last - first, Math.max(2, width / 110));
  const times = [];
  for (let at = Math.ceil(first / unit) * unit; at <= last; at += unit) {
    if (x(at) > left + 24 && x(at) < width - 24) {
      times.push(svg("text", { x: x(at), y: height - 4, class: "middle" }, clock(new Date(at * 1000).toISOString(), 19)));
    }
  }
  const alarm = threshold === null ? [] : [svg("line", { class: "threshold", x1: left, x2: width - right, y1: y(threshold), y2: y(threshold) })];
  node.replaceChildren(svg("svg", { width, height, role: "img", "aria-label": `Evidence now ${duration(target.evidence_seconds)}, threshold ${duration(threshold)}` },
    ...grid, ...times,
    svg("path", { class: "area", d: `M${left},${height - bottom}L${points.join("L")}L${end},${height - bottom}Z` }),
    svg("path", { class: "line", d: `M${points.join("L")}` }),
    ...alarm));
  put($("evidence-note"), `Evidence: ${target.evidence} (dashed).`);
}

function latency(target) {
  const phases = ["resolve", "login", "query", "total"];
  const place = (value) => Math.min(1, Math.max(0, Math.log10(Math.max(value, 1e-9) / 1e-4) / 5)) * 100;
  each($("latency"), phases, (phase) => phase, (phase) => {
    const line = row("name", "track-cell", "n strong", "n");
    put(line.cells[0], phase);
    line.cells[1].append(el("div", { class: "track", "aria-hidden": "true" }, el("i", { class: "span" }), el("i", { class: "median" })));
    return line;
  }, (line, phase) => {
    const { "0.5": middle = null, "0.99": high = null } = target.duration_quantiles_seconds[phase] ?? {};
    const [, cell, median, tail] = line.cells;
    const [span, mark] = cell.firstChild.children;
    span.hidden = high === null;
    mark.hidden = middle === null;
    if (middle !== null) mark.style.left = `${place(middle)}%`;
    if (high !== null) {
      span.style.left = `${place(middle)}%`;
      span.style.width = `${place(high) - place(middle)}%`;
    }
    put(median, duration(middle));
    put(tail, duration(high));
  });
}

function replicas(target, now) {
  const endpoints = new Map((target.routing?.endpoints ?? []).map((endpoint) => [endpoint.replica, endpoint]));
  const lines = target.replicas.flatMap((replica) => [replica, ...(replica.conditions ?? [])]);
  each($("replicas"), lines, (line) => line.replica ?? `${line.text.split(" ")[0]} ${line.kind}`, (replica) => {
    if (replica.kind) return el("tr", { class: "condition" }, el("td", { colspan: 9 }, el("p")));
    const line = row("name", "", "", "n", "n", "", "n", "mono cut", "n");
    line.cells[0].append(...named(replica.replica));
    return line;
  }, (line, replica) => {
    if (replica.kind) {
      line.classList.toggle("past", replica.planned);
      put(line.firstChild.firstChild, replica.text, 1000);
      return;
    }
    const [, podProbe, routed, reads, lag, role, id, version] = line.cells;
    const endpoint = endpoints.get(replica.replica);
    put(id, replica.server_id ?? "–");
    put(role, replica.role ?? "–");
    put(version, replica.version ?? "–", 60);
    attribute(version, "title", replica.version && plain(replica.version));
    put(reads, count(replica.reads));
    put(lag, duration(replica.lag_seconds));
    state(podProbe, replica.pod_probe_up, replica.pod_probe_up === null ? "none yet" : replica.pod_probe_up ? "answered" : "failed");
    if (endpoint) state(routed, endpoint.routed, endpoint.routed ? "yes" : endpoint.standing);
    else state(routed, target.routing ? false : null, target.routing ? "no endpoint" : "unknown");
  });
  ages(target, now);
}

function state(cell, is, text) {
  attribute(cell, "data-state", is === null || is === undefined ? "unknown" : is ? "yes" : "no");
  put(cell, text, 120);
}

function ages(target, now) {
  const lines = [...$("replicas").rows].filter((line) => !line.classList.contains("condition"));
  target.replicas.forEach(({ last_answer: last }, at) => {
    if (lines[at]) put(lines[at].cells[8], last ? `${age(now - seconds(last))} ago` : "never");
  });
}

function pvcs(target, now) {
  const all = target.pvcs ?? [];
  shown($("pvcs-panel"), all.length > 0);
  each($("pvcs"), all, (pvc) => `${pvc.statefulset} ${pvc.pvc}`, () => row("", "", "cut", "n", "", "", "n"), (line, pvc) => {
    const [name, status, volume, capacity, modes, storage, old] = line.cells;
    put(name, pvc.pvc);
    state(status, pvc.phase === "Bound" ? true : pvc.phase === "Lost" ? false : null, pvc.resizing ? `${pvc.phase}, resizing` : pvc.phase);
    const pending = pvc.message && `${pvc.reason}: ${pvc.message}; ${pvc.advice}`;
    put(volume, pvc.volume ?? pending ?? "", 600);
    volume.className = pvc.volume ? "cut" : "why";
    attribute(volume, "title", pvc.volume && plain(pvc.volume));
    put(capacity, pvc.capacity);
    put(modes, pvc.access_modes);
    put(storage, pvc.storage_class);
    put(old, pvc.created ? age(now - seconds(pvc.created)) : "");
  });
}

function failures(target) {
  const reasons = Object.entries(target.failures_by_reason ?? {}).map(([reason, failed]) => `${reason} ${count(failed)}`);
  put($("failures-count"), reasons.join(", "));
  const all = target.last_failures;
  const key = (failure) => `${failure.time} ${failure.reason} ${failure.duration_seconds}`;
  each($("failures"), all.length ? all : [null], (failure) => (failure ? key(failure) : ""), (failure) => {
    if (!failure) return el("li", { class: "empty" }, "None.");
    return el("li", {},
      el("p", {}, el("time", { class: "mono", datetime: failure.time }, clock(failure.time)), " ", el("strong", {}, failure.reason), ` after ${duration(failure.duration_seconds)}`),
      el("p", { class: "mono error" }, plain(failure.error, 500)),
      el("p", { class: "do" }, failure.advice));
  });
}
