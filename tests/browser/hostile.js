// Servers with hostile names, versions and errors.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { mysql } from "./mysql.js";
import { Readscope, SOON, cells, close, launch, live, open, quit, resizeUndrawn, sideways, text, violations, waitFor } from "./support.js";

const MARKUP = `<img src=x onerror="window.harmed=1"><script>window.harmed=1</script>`;
const ODD = `"'\`&amp;</td>\u001b[31m\u0000\n\r\u202e\u2066{{7*7}}\${window.harmed=1}`;
const LONG = "x".repeat(1 << 20);

const IDENTITIES = [
  { id: 100, host: MARKUP, version: `9.7.0-${MARKUP}`, uuid: "00000000-0000-4000-8000-000000000001" },
  { id: 101, host: ODD, version: `9.7.0-${ODD}`, uuid: "00000000-0000-4000-8000-000000000002" },
  { id: 102, host: LONG, version: `9.7.0-${LONG}`, uuid: "00000000-0000-4000-8000-000000000003" },
  { error: `Host ${MARKUP} ${ODD} ${LONG.slice(0, 60_000)}` },
];

let server;
let exporter;
before(async () => {
  await launch();
  server = await mysql((connection) => IDENTITIES[connection % IDENTITIES.length]);
  exporter = await Readscope.start(["run", "--address", server.address, "--tls", "disabled", "--interval", "20ms", "--expect", `server-100`]);
});
after(async () => {
  await quit();
  await exporter.stop();
  await server.stop();
});

test("hostile text from servers is shown as harmless, limited text", async () => {
  await waitFor("probes of every kind", async () => {
    const target = await exporter.target();
    return target.probes >= 40 && target.last_failures.length > 3 && target.last_reads.length > 3;
  });
  const page = await open(exporter.url);
  await live(page);
  await waitFor("failures", async () => /auth/.test(await text(page, "#failures")));
  const found = await page.evaluate(() => ({
    harmed: globalThis.harmed,
    foreign: document.querySelectorAll("main img, main script, main iframe, main a:not([href^='#/'], [href^='https://github.com/readscope/readscope/blob/main/docs/'])").length,
    longest: Math.max(...[...document.querySelectorAll("main *")].filter((node) => !node.children.length).map((node) => node.textContent.length)),
    longestAttribute: Math.max(...[...document.querySelectorAll("main *")].flatMap((node) => [...node.attributes].map((attribute) => attribute.value.length))),
    unseen: /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/.test(document.querySelector("main").textContent),
    title: document.title.length,
  }));
  assert.equal(found.harmed, undefined);
  assert.equal(found.foreign, 0);
  assert.ok(found.longest <= 1000 && found.longestAttribute <= 20_000 && found.title < 200, JSON.stringify(found));
  assert.equal(found.unseen, false);
  assert.match(await text(page, "main"), /<img src=x onerror=/, "markup is shown as text");
  assert.deepEqual(await violations(page), []);
  for (const width of [360, 1280, 320]) {
    await page.setViewportSize({ width, height: 800 });
    assert.deepEqual(await sideways(page), [], `at ${width} pixels`);
  }
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.waitForFunction(() => document.querySelector("#evidence svg").clientWidth > 360);
  await resizeUndrawn(page, 360);
  assert.deepEqual(await sideways(page), [], "before the drawings are resized");
  await close(page);
});

test("a page that stays open does not grow", async () => {
  const page = await open(exporter.url);
  await live(page);
  await waitFor("a full tape", async () => (await cells(page, "tape")).length === 50);
  const nodes = () => page.evaluate(() => document.querySelectorAll("*").length);
  const before = await nodes();
  const { probes } = await exporter.target();
  await waitFor("some hundred probes", async () => (await exporter.target()).probes > probes + 300, 2 * SOON);
  assert.ok((await nodes()) <= before * 1.25, `${before} elements became ${await nodes()}`);
  assert.equal((await cells(page, "tape")).length, 50);
  await close(page);
});

test("the address of an unknown target reports that and retries", async () => {
  const page = await open(`${exporter.url}#/target/${encodeURIComponent(MARKUP)}`);
  await page.waitForSelector("#link[data-state=lost]");
  assert.equal(await text(page, "#crumb"), MARKUP);
  assert.equal(await page.evaluate(() => globalThis.harmed), undefined);
  await page.evaluate(() => (location.hash = "#/target/%E0%A4%A"));
  await live(page);
  await page.waitForSelector("#detail:not([hidden])");
  await close(page, /404/);
});
