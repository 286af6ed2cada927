// Pictures of the page during the demo, for README and docs. `docs/pictures/make` calls it.

import { join } from "node:path";
import { statSync } from "node:fs";

import { Readscope, close, launch, live, open, quit, text, waitFor } from "./support.js";

const folder = process.argv[2];
const BYTES_MAX = 250_000;

// The demo's scenario takes a few minutes; each picture waits for its subject.
const LONG = 400_000;

await launch();
const demo = await Readscope.demo("--seed", "3");
try {
  const pages = {
    light: await open(demo.url, { width: 1280, height: 860 }),
    dark: await open(demo.url, { width: 1280, height: 860, colorScheme: "dark" }),
    phone: await open(demo.url, { width: 390, height: 844, deviceScaleFactor: 2 }),
  };
  for (const page of Object.values(pages)) await live(page);
  const take = async (name, page, options = {}) => {
    const path = join(folder, `${name}.png`);
    await page.screenshot({ path, ...options });
    const { size } = statSync(path);
    if (size > BYTES_MAX) throw new Error(`${path} has ${size} bytes`);
    console.log(`${name}.png: ${size} bytes: ${await text(page, "#reason")}`);
  };
  const { light, dark, phone } = pages;
  await waitFor("a scale event that is over", async () => (await demo.json("/api/v1/scale-events")).scale_events.some((event) => event.finished), LONG);
  await take("page-light", light);
  await light.locator("#scale").scrollIntoViewIfNeeded();
  await take("scale", light, { clip: await light.locator("#scale").boundingBox() });
  const uneven = ({ verdict, clients }) => verdict === "balanced" && clients?.state === "uneven";
  await waitFor("uneven clients", async () => uneven(await demo.target()), LONG);
  // Wide enough for the columns of the clients.
  await light.setViewportSize({ width: 1640, height: 860 });
  await light.evaluate(() => scrollTo(0, 0));
  await waitFor("the step", async () => /pools keep/.test(await text(light, "#caption")), LONG);
  const shares = await light.locator(".shares").boundingBox();
  await take("clients", light, { clip: { x: 0, y: 0, width: 1640, height: shares.y + shares.height + 16 } });
  await waitFor("the alarm", async () => (await demo.target()).verdict === "unbalanced", LONG);
  await take("page-dark", dark);
  await take("page-phone", phone);
  for (const page of Object.values(pages)) await close(page);
} finally {
  await quit();
  await demo.stop();
}
