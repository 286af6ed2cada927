// The data of the page, and how it follows the server.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Readscope, SOON, cells, close, launch, live, open, quit, text, waitFor } from "./support.js";

let demo;
before(async () => {
  await launch();
  demo = await Readscope.demo();
});
after(async () => {
  await quit();
  await demo.stop();
});

const spaced = (number) => number.toLocaleString("en-GB").replaceAll(",", "\u202f");
const percent = (part) => `${(part * 100).toFixed(1)} %`;

test("the page shows the data of the API", async () => {
  const page = await open(demo.url);
  await live(page);
  await waitFor("three replicas", async () => (await demo.target()).replicas.filter((replica) => replica.reads > 0).length >= 3);
  // Page and API have the same snapshot if the API does not change in between.
  const [target, shown] = await waitFor("a quiet moment", async () => {
    const target = await demo.target();
    const shown = await page.evaluate(() => ({
      probes: document.getElementById("fig-probes").textContent,
      verdict: document.getElementById("verdict-word").textContent,
      reason: document.getElementById("reason").textContent,
      replicas: [...document.getElementById("replicas").rows].map((row) => [...row.cells].map((cell) => cell.textContent)),
      shares: [...document.getElementById("shares").rows].map((row) => [...row.cells].map((cell) => cell.textContent)),
      tape: [...document.getElementById("tape").rows].map((row) => [...row.cells].map((cell) => cell.textContent)),
      marks: [...document.querySelectorAll("#shares .track")].map((track) => [...track.children].map((part) => [part.style.left, part.style.width])),
      title: document.title,
    }));
    const again = await demo.target();
    const same = target.probes === again.probes && shown.probes === spaced(target.probes);
    return same && [target, shown];
  });
  const [, word, reason] = /^(\w+): (.*)$/.exec(target.headline);
  assert.deepEqual([shown.verdict, shown.reason], [word, reason]);
  assert.match(shown.title, /mysql\/mysql-read · readscope$/);
  assert.deepEqual(shown.replicas.map((row) => row.slice(0, 5)), target.replicas.map((replica) =>
    [replica.replica, String(replica.server_id ?? "–"), replica.role ?? "–", replica.version ?? "–", spaced(replica.reads)]));
  assert.deepEqual(shown.shares.map((row) => [row[0], row[2], row[4]]), target.replicas.map((replica) =>
    [replica.replica, replica.share === null ? "–" : percent(replica.share), percent(replica.expected_share)]));
  assert.deepEqual(shown.tape.map((row) => row.slice(0, 3)), target.last_reads.map((read) =>
    [read.time.slice(11, 23), String(read.server_id), read.replica]));
  // The largest share has the longest bar, and every mark is within its track.
  const widths = shown.marks.map(([fill]) => parseFloat(fill[1]));
  const shares = target.replicas.map((replica) => replica.share);
  assert.equal(widths.indexOf(Math.max(...widths)), shares.indexOf(Math.max(...shares)));
  for (const part of shown.marks.flat()) assert.ok(parseFloat(part[0] || 0) + parseFloat(part[1] || 0) <= 100.01, part);
  await close(page);
});

test("every read appears once, soon after it was answered", async (t) => {
  const page = await open(demo.url);
  await live(page);
  // When the page first showed each read; page and server have the same clock.
  const late = await page.evaluate(() => new Promise((resolve) => {
    const tape = document.getElementById("tape");
    const seen = new Set([...tape.rows].map((row) => row.textContent));
    const delays = [];
    new MutationObserver(() => {
      for (const row of tape.rows) {
        if (seen.has(row.textContent)) continue;
        seen.add(row.textContent);
        const today = new Date().toISOString().slice(0, 11);
        delays.push(Date.now() - Date.parse(`${today}${row.cells[0].textContent}Z`));
      }
      if (delays.length >= 20) resolve(delays);
    }).observe(tape, { childList: true });
  }));
  late.sort((a, b) => a - b);
  t.diagnostic(`figure: a read is shown ${late[10]} ms (median), ${late.at(-1)} ms (maximum) after its answer`);
  assert.ok(late.every((delay) => delay < SOON), String(late));
  const rows = (await cells(page, "tape")).map(String);
  assert.equal(new Set(rows).size, rows.length);
  assert.ok(rows.length <= 50);
  await close(page);
});

test("the page is interactive at once", async (t) => {
  const page = await open(demo.url);
  await page.waitForSelector("#detail:not([hidden])");
  const took = await page.evaluate(() => {
    const { responseStart, domInteractive, domContentLoadedEventEnd } = performance.getEntriesByType("navigation")[0];
    return [domInteractive - responseStart, domContentLoadedEventEnd - responseStart].map(Math.round);
  });
  t.diagnostic(`figure: interactive ${took[0]} ms and with its script ${took[1]} ms after the first byte`);
  assert.ok(took[1] < SOON);
  await close(page);
});

test("the page reports a lost server and reconnects by itself", async () => {
  let server = await Readscope.demo();
  const page = await open(server.url);
  await live(page);
  await waitFor("answers", async () => (await cells(page, "tape")).length > 3);
  await server.stop();
  await page.waitForSelector("#link[data-state=lost]");
  assert.match(await text(page, "#link-text"), /^Disconnected: .*; reconnecting, data from \d\d:\d\d:\d\d$/);
  assert.ok((await cells(page, "tape")).length > 3, "the last data stays visible");
  const before = await text(page, "#fig-probes");
  server = await Readscope.start(["demo", "--no-tui"], server.address);
  await live(page);
  await waitFor("the new server's figures", async () => {
    const [shown, target] = [await text(page, "#fig-probes"), await server.target()];
    return shown !== before && shown === spaced(target.probes);
  });
  await server.stop();
  await close(page, /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE/);
});

test("the page reports a shutdown", async () => {
  const server = await Readscope.demo();
  const page = await open(server.url);
  await live(page);
  await server.stop("SIGTERM");
  assert.equal(server.child.exitCode, 0, server.log);
  await page.waitForFunction(() => document.getElementById("link-text").textContent.startsWith("Disconnected: "));
  await close(page, /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET/);
});

test("the page reports old data while the server hangs", async () => {
  const server = await Readscope.demo();
  const page = await open(server.url);
  await live(page);
  server.signal("SIGSTOP");
  await page.waitForSelector("#link[data-state=stale]");
  assert.match(await text(page, "#link-text"), /^Stale: no data for \d+ s, data from /);
  server.signal("SIGCONT");
  await live(page);
  await server.stop();
  await close(page, /ERR_/);
});
