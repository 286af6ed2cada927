// The page at each step of the demo, and with old data, for every kind of user.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Stage, event, record } from "./stage.js";
import { Readscope, SOON, cells, close, launch, live, open, quit, resizeUndrawn, sideways, text, violations, waitFor } from "./support.js";

/** The folder for a screenshot of every step, if set. */
const folder = process.env.READSCOPE_SCREENSHOTS;
if (folder) mkdirSync(folder, { recursive: true });

/** The scenes that the tests need. */
const WANTED = {
  begun: ({ step, target }) => step === 1 && target.verdict === "balanced",
  scaling: ({ step, name }) => step === 2 && name.endsWith("scaling"),
  starved: ({ step, target }) => step === 5 && target.verdict === "unbalanced" && target.status === "degraded",
  healed: ({ step, target }) => step === 6 && target.verdict === "balanced",
  refusing: ({ step, target }) => step === 8 && target.verdict === "undecided" && target.status === "degraded",
  fewer: ({ step, name }) => step === 10 && name.endsWith(" scaled"),
  returned: ({ step, name }) => step === 11 && name.endsWith(" scaled"),
};

let demo;
let story;
let stage;
before(async () => {
  await launch();
  demo = await Readscope.demo("--speed", "3", "--seed", "1");
  story = await record(demo, Object.values(WANTED));
  stage = await Stage.of(demo);
  await demo.stop();
});
after(async () => {
  await quit();
  await stage?.stop();
  await demo?.stop();
});

/** Plays a scene and waits until the page shows it. */
async function play(scene, ...pages) {
  stage.play(scene);
  for (const page of pages) {
    const taken = `${scene.snapshot.taken}, ${scene.target.probes}`;
    await page.waitForFunction(([caption, probes]) => {
      const shown = document.getElementById("fig-probes").textContent.replaceAll("\u202f", "");
      return document.getElementById("caption").textContent === caption && shown === probes;
    }, [scene.snapshot.announcement, String(scene.target.probes)], { timeout: SOON }).catch((error) => {
      throw new Error(`${scene.name} (${taken}) is not shown: ${error.message}`);
    });
  }
}

/** A recorded scene, by its name above. */
const scene = (name) => story.findLast(WANTED[name]);

test("every step has its caption, and the page shows what the caption says", async () => {
  const page = await open(stage.url);
  const reason = () => text(page, "#reason");
  const shares = async () => new Map((await cells(page, "shares")).map((row) => [row[0], row]));

  await play(scene("begun"), page);
  assert.equal(await text(page, "#verdict-word"), "Balanced");
  assert.match(await text(page, "#fig-replicas"), /^3 of 3$/);
  assert.deepEqual((await cells(page, "pvcs")).map((row) => [row[0], row[1], row[3], row[4]]),
    ["mysql-0", "mysql-1", "mysql-2"].map((pod) => [`data-${pod}`, "Bound", "10Gi", "RWO"]));

  await play(scene("scaling"), page);
  assert.match(await text(page, ".event:first-child summary"), /^3 → 4 replicas\s+running for /);

  await play(scene("starved"), page);
  assert.match(await reason(), /^mysql-2 gets no reads since [^,]+, although it is ready, is an endpoint of the Service/);
  assert.match(await text(page, "#beside"), /^Unbalanced: mysql-2 gets none of the reads where 25 % is expected/);
  assert.match(await text(page, "#replicas tr.condition"), /^mysql-2 gets no reads since /);
  assert.equal(await page.locator("#shares tr[data-wrong]").count(), 1);
  assert.equal((await shares()).get("mysql-2")[0], "mysql-2");
  assert.match(await text(page, ".event:first-child summary"), /^3 → 4 replicas\s+in /);
  assert.match(await text(page, ".event:first-child .steps"), /pod ready[^]*first read[^]*fresh read/);

  await play(scene("healed"), page);
  assert.equal(await page.locator("#shares tr[data-wrong]").count(), 0);

  await play(scene("refusing"), page);
  assert.match(await reason(), /^3 of 4 replicas serve: mysql-\d is ready and does not serve reads .+\(too_many_connections: [^]*ERROR 1040/);
  assert.match(await text(page, "#beside"), /probes failed \(too_many_connections\)/);
  assert.match(await text(page, "#failures"), /too_many_connections after [^]*ERROR 1040/);

  await play(scene("fewer"), page);
  assert.match(await text(page, ".event:first-child summary"), /^4 → 3 replicas\s+in /);

  await play(scene("returned"), page);
  assert.match(await text(page, ".event:first-child .steps"), /mysql-3\s+reused/);
  for (const each of story) {
    await play(each, page);
    assert.equal(await text(page, "#caption"), each.snapshot.announcement);
  }
  await close(page);
});

for (const colorScheme of ["light", "dark"]) {
  for (const width of [360, 1280]) {
    test(`axe-core finds nothing in any step, ${colorScheme}, ${width} pixels wide`, async () => {
      const page = await open(stage.url, { width, colorScheme });
      for (const scene of story) {
        await play(scene, page);
        assert.deepEqual(await violations(page), [], scene.name);
        assert.deepEqual(await sideways(page), [], scene.name);
        if (folder) await page.screenshot({ path: join(folder, `${colorScheme}-${width}-${scene.name}.png`), fullPage: true });
      }
      await close(page);
    });
  }
}

test("a phone shows the expected share, the pod probe, the routing and the conditions of every replica without scrolling", async () => {
  for (const width of [360, 390]) {
    const page = await open(stage.url, { width, height: 844 });
    for (const scene of story) {
      await play(scene, page);
      const hidden = await page.evaluate(() => [["shares", [0, 2, 4]], ["replicas", [0, 1, 2]]].flatMap(([id, columns]) =>
        [...document.getElementById(id).rows].flatMap((row) =>
          row.className === "condition" ? [row.querySelector("p")] : columns.map((column) => row.cells[column])).filter((cell) => {
          const box = cell.getBoundingClientRect();
          return !cell.textContent || box.width === 0 || box.left < 0 || box.right > innerWidth;
        }).map((cell) => `${id}: ${cell.textContent}`)));
      assert.deepEqual(hidden, [], `${scene.name} at ${width} pixels`);
    }
    await close(page);
  }
});

test("no step scrolls sideways on any screen, not even before the drawings are resized", async () => {
  const page = await open(stage.url, { width: 3840, height: 2160 });
  for (const scene of story) {
    for (const width of [3840, 800, 320]) {
      await page.setViewportSize({ width, height: 900 });
      await play(scene, page);
      assert.deepEqual(await sideways(page), [], `${scene.name} at ${width} pixels`);
    }
    if (folder) {
      await page.setViewportSize({ width: 2560, height: 1440 });
      await page.screenshot({ path: join(folder, `light-2560-${scene.name}.png`) });
    }
  }
  await page.setViewportSize({ width: 1280, height: 900 });
  await play(scene("returned"), page);
  await resizeUndrawn(page, 320);
  assert.deepEqual(await sideways(page), []);
  await close(page);
});

test("a stale and a disconnected page are accessible", async () => {
  for (const [colorScheme, width] of [["light", 360], ["dark", 360], ["light", 1280], ["dark", 1280]]) {
    const page = await open(stage.url, { width, colorScheme });
    await play(scene("starved"), page);
    await live(page);
    stage.quiet = true;
    await page.waitForSelector("#link[data-state=stale]");
    const found = { stale: [...(await violations(page)), ...(await sideways(page))] };
    if (folder) await page.screenshot({ path: join(folder, `${colorScheme}-${width}-stale.png`) });
    stage.end();
    await page.waitForSelector("#link[data-state=lost]");
    found.lost = [...(await violations(page)), ...(await sideways(page))];
    if (folder) await page.screenshot({ path: join(folder, `${colorScheme}-${width}-lost.png`) });
    assert.deepEqual(found, { stale: [], lost: [] }, `${colorScheme}, ${width} pixels wide`);
    Object.assign(stage, { open: true, quiet: false });
    await live(page);
    await close(page, /503/);
  }
});

test("a page that is open for a day does not grow", async () => {
  const page = await open(stage.url);
  const inspector = await page.context().newCDPSession(page);
  const size = async () => {
    await inspector.send("HeapProfiler.collectGarbage");
    const { usedSize } = await inspector.send("Runtime.getHeapUsage");
    return { bytes: usedSize, elements: await page.evaluate(() => document.querySelectorAll("*").length) };
  };
  const first = scene("returned");
  await play(first, page);
  stage.scene = "";
  const begin = Date.parse(first.snapshot.taken);
  // A frame per minute, streams that end as often as in a day, and replicas whose names change.
  const hours = async (from, to) => {
    for (let at = from * 60; at < to * 60; at += 1) {
      const time = new Date(begin + at * 60_000).toISOString();
      const { last_reads: [answer], ...target } = first.target;
      const replicas = target.replicas.map((replica) => ({ ...replica, replica: `${replica.replica}-of-${at >> 3}`, last_answer: time }));
      const changed = { ...target, replicas, probes: at, evidence_seconds: 1 + (at % 1000) };
      const { last_reads: _, trend, ...rest } = { ...first.snapshot, taken: time, targets: [changed] };
      const answers = [{ ...answer, time, replica: replicas[0].replica }];
      await stage.send(event("answers", { target: target.target, answers }) + event("snapshot", rest));
      if (at % 4 === 3) await stage.renew();
    }
    const last = String(to * 60);
    stage.play({ ...first, snapshot: { ...first.snapshot, targets: [{ ...first.target, probes: Number(last) }] } });
    await waitFor("the last frame", async () => (await text(page, "#fig-probes")).replaceAll("\u202f", "") === last);
    return size();
  };
  const early = await hours(0, 8);
  const late = await hours(8, 24);
  assert.ok(late.elements <= early.elements * 1.1, JSON.stringify({ early, late }));
  assert.ok(late.bytes <= early.bytes * 1.25 + 1e6, JSON.stringify({ early, late }));
  await close(page);
});
