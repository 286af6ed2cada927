// Accessibility: screen readers, keyboards, small and large screens, light and dark.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Readscope, cells, close, launch, live, open, quit, resizeUndrawn, sideways, violations, waitFor } from "./support.js";

let demo;
before(async () => {
  await launch();
  demo = await Readscope.demo();
});
after(async () => {
  await quit();
  await demo.stop();
});

const SIZES = [[320, 640], [360, 740], [800, 600], [1280, 900], [3840, 2160]];

for (const colorScheme of ["light", "dark"]) {
  for (const [width, height] of SIZES.filter(([width]) => width > 320)) {
    test(`axe-core finds nothing, ${colorScheme}, ${width} pixels wide`, async () => {
      const page = await open(demo.url, { width, height, colorScheme });
      await live(page);
      await waitFor("answers", async () => (await cells(page, "tape")).length > 5);
      assert.deepEqual(await violations(page), []);
      await close(page);
    });
  }
}

test("no screen size scrolls sideways", async () => {
  for (const [width, height] of SIZES) {
    const page = await open(demo.url, { width, height });
    await live(page);
    await waitFor("answers", async () => (await cells(page, "tape")).length > 5);
    assert.deepEqual(await sideways(page), [], `at ${width} pixels`);
    await close(page);
  }
});

test("a window that becomes smaller does not scroll sideways, not even before the drawings are resized", async () => {
  for (const [before, after] of [[1280, 360], [3840, 320], [1000, 980]]) {
    const page = await open(demo.url, { width: before });
    await live(page);
    await page.waitForSelector("#evidence svg");
    await resizeUndrawn(page, after);
    assert.deepEqual(await sideways(page), [], `from ${before} to ${after} pixels`);
    await close(page);
  }
});

test("the keyboard reaches every control, and the focus is visible", async () => {
  const page = await open(demo.url);
  await live(page);
  await waitFor("answers", async () => (await cells(page, "tape")).length > 5);
  const reached = [];
  for (let press = 0; press < 60; press += 1) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const node = document.activeElement;
      if (!node || node === document.body) return null;
      const style = getComputedStyle(node);
      const seen = (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1) || node.matches(".skip");
      return [node.className || node.id || node.tagName, seen, node.getAttribute("aria-labelledby") ?? node.textContent.trim().slice(0, 40)];
    });
    if (!at) break;
    assert.ok(at[1], `no outline on ${at}`);
    reached.push(at[2]);
  }
  assert.match(reached[0], /Skip to the content/);
  for (const one of ["readscope", "Theme: system", "tape-title", "replicas-title", "failures-title", "Metrics", "Readiness"]) {
    assert.ok(reached.includes(one), `${one} is not among ${reached}`);
  }
  await close(page);
});

test("the skip link leads to the content and leaves the target in view", async () => {
  const page = await open(demo.url);
  await live(page);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  await page.waitForSelector("#detail:not([hidden])");
  await close(page);
});

test("light and dark follow the system until the user chooses, and the choice is stored", async () => {
  const page = await open(demo.url, { colorScheme: "dark" });
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await paper();
  await page.locator("#theme").press("Enter");
  const light = await paper();
  assert.notEqual(light, dark);
  await page.reload();
  assert.equal(await paper(), light);
  await page.locator("#theme").press("Enter");
  await page.locator("#theme").press("Enter");
  await page.emulateMedia({ colorScheme: "light" });
  assert.equal(await paper(), light);
  await close(page);
});
