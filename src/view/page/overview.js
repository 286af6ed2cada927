// The list of targets, the worst first.

import { $, attribute, count, duration, each, el, percent, plain, put, row, shown, svg, word } from "./dom.js";

const POINTS = 40;

const RANK = { down: 0, unbalanced: 1, degraded: 1, unknown: 2, undecided: 2, balanced: 3 };

export function update(known, data) {
  const targets = known.overview;
  if (data.whole) {
    const names = new Set(data.targets.map((target) => target.target));
    for (const name of targets.keys()) if (!names.has(name)) targets.delete(name);
  }
  data.targets.forEach((target, index) => {
    const before = targets.get(target.target);
    const line = target.failing_shares?.map((part) => part ?? 0) ?? before?.line ?? [];
    const probes = target.probes - (before?.probes ?? target.probes);
    if (probes > 0 && !target.failing_shares) {
      line.push((target.failures - before.failures) / probes);
      if (line.length > POINTS) line.shift();
    }
    targets.set(target.target, { ...target, failing_shares: null, line, order: before?.order ?? (data.whole ? index : targets.size) });
  });
}

export function start(redraw) {
  $("filter").addEventListener("input", redraw);
  $("worst").addEventListener("change", redraw);
}

export function draw(known) {
  const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const searched = (target) => `${target.target} ${target.verdict ?? ""} ${word(target)}`.toLowerCase();
  const found = [...known.overview.values()].filter((target) => words.every((word) => searched(target).includes(word)));
  const rank = (target) => RANK[word(target)] ?? 2.5;
  const worst = $("worst").checked;
  found.sort((a, b) => (worst ? rank(a) - rank(b) : 0) || a.order - b.order);
  each($("targets"), found, (target) => target.target, make, show);
  shown($("overview-empty"), found.length === 0);
  put($("overview-empty"), `None of the ${known.overview.size} targets matches the filter.`);
}

function make(target) {
  const line = row("name", "", "n", "n", "spark", "n", "n");
  line.cells[0].append(el("a", { href: `#/target/${encodeURIComponent(target.target)}`, title: plain(target.target) }, target.target));
  line.cells[1].append(el("span", { class: "chip" }), el("p", { class: "note cut" }));
  line.cells[4].append(svg("svg", { viewBox: "0 0 80 16", "aria-hidden": "true" }, svg("path", { class: "spark" })));
  return line;
}

function show(line, target) {
  const [, verdict, replicas, failing, spark, evidence, probes] = line.cells;
  const is = word(target);
  put(attribute(verdict.firstChild, "data-verdict", is), is);
  put(verdict.lastChild, is === "balanced" ? "" : target.headline?.replace(/^\w+: /, "") ?? "", 300);
  attribute(verdict, "title", target.headline && plain(target.headline));
  put(replicas, `${target.replicas_answering} of ${target.replicas_expected}`);
  replicas.classList.toggle("bad", target.replicas_answering < target.replicas_expected);
  put(failing, percent(target.probes ? target.failures / target.probes : null));
  put(evidence, duration(target.evidence_seconds));
  put(probes, count(target.probes));
  const height = (part) => (14.5 - 13 * Math.min(1, part)).toFixed(1);
  const points = target.line.map((part, at) => `${(at * 80) / (POINTS - 1)},${height(part)}`);
  attribute(spark.firstChild.firstChild, "d", points.length > 1 ? `M${points.join("L")}` : "M0,14.5H2");
}
