// Many targets. The events are written here, in the format of src/api/events.rs.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Readscope, cells, close, launch, open, quit, sideways, text, violations, waitFor } from "./support.js";

let demo;
before(async () => {
  await launch();
  demo = await Readscope.demo();
});
after(async () => {
  await quit();
  await demo.stop();
});

const NAMES = Array.from({ length: 300 }, (_, at) => (at === 7 ? `<b>odd</b> "name" ${"y".repeat(9000)}` : `shop-${at}/mysql-read`));

const target = (name, at) => ({
  target: name,
  up: at !== 5,
  status: at === 5 ? "down" : "ok",
  headline: at === 5 ? "Down: no read since 3 s" : at === 250 ? "Unbalanced: mysql-2 gives too little" : null,
  verdict: at === 250 ? "unbalanced" : at % 50 === 3 ? "undecided" : at % 50 === 4 ? null : "balanced",
  reason: at === 250 ? "mysql-2 gives too little" : null,
  probes: 1000,
  failures: at === 3 ? 50 : 0,
  evidence_seconds: at,
  threshold_seconds: 2592000,
  replicas_expected: 3,
  replicas_answering: at === 250 ? 2 : 3,
  notices: 0,
});

const body = `event: overview\ndata: ${JSON.stringify({ taken: "2026-01-01T00:00:00.000Z", whole: true, targets: NAMES.map(target) })}\n\n`;

const many = (options = {}) => open(demo.url, {
  ...options,
  // The stream ends at once, and the page opens it again.
  prepare: (page) => page.route("**/api/v1/events", (route) => route.fulfill({ contentType: "text/event-stream", body })),
});

test("many targets are listed, the worst first, each with its own address", async () => {
  const page = await many();
  const rows = await waitFor("all of them", async () => {
    const rows = await cells(page, "targets");
    return rows.length === NAMES.length && rows;
  });
  assert.deepEqual(rows.slice(0, 2).map((row) => row.slice(0, 4)), [
    ["shop-5/mysql-read", "downno read since 3 s", "3 of 3", "0.0 %"],
    ["shop-250/mysql-read", "unbalancedmysql-2 gives too little", "2 of 3", "0.0 %"],
  ]);
  assert.equal(rows.findIndex((row) => row[0] === "shop-3/mysql-read"), 2);
  assert.equal(await page.locator("#targets b").count(), 0);
  await page.locator("#worst").press("Space");
  await waitFor("the order of the configuration", async () => (await cells(page, "targets"))[0][0] === "shop-0/mysql-read");
  assert.equal(await page.locator("#targets a").nth(1).getAttribute("href"), "#/target/shop-1%2Fmysql-read");
  await close(page);
});

test("the filter finds names and verdicts", async () => {
  const page = await many();
  await page.fill("#filter", "SHOP-25 ");
  await waitFor("eleven", async () => (await cells(page, "targets")).length === 11);
  await page.fill("#filter", "unbalanced shop");
  await waitFor("one", async () => (await cells(page, "targets")).length === 1);
  await page.fill("#filter", "nothing like it");
  await page.waitForSelector("#overview-empty:not([hidden])");
  assert.match(await text(page, "#overview-empty"), /None of the 300 targets/);
  await close(page);
});

test("the list of many targets is accessible", async () => {
  for (const [width, colorScheme] of [[360, "light"], [360, "dark"], [1280, "light"], [1280, "dark"]]) {
    const page = await many({ width, colorScheme });
    await waitFor("all of them", async () => (await cells(page, "targets")).length === NAMES.length);
    assert.deepEqual(await violations(page), []);
    assert.deepEqual(await sideways(page), [], `at ${width} pixels`);
    await close(page);
  }
});

test("from the address of a target to the list and back", async () => {
  const page = await open(`${demo.url}#/target/mysql%2Fmysql-read`);
  await page.waitForSelector("#detail:not([hidden])");
  assert.equal(await text(page, "#crumb"), "mysql/mysql-read");
  // With one target, the list is that target.
  await page.locator(".brand").press("Enter");
  await page.waitForFunction(() => location.hash === "#/");
  await page.waitForSelector("#detail:not([hidden])");
  await close(page);
});
