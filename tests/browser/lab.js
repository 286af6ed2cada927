// Keeps the page of a running readscope open for a test in Rust. Each line of standard input names content that the page
// has to show; a line of standard output says when it does, or that it did not in time.

import { createInterface } from "node:readline";

import { close, launch, live, open, quit, waitFor } from "./support.js";

const PATIENCE = 180_000;

const print = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

await launch();
const page = await open(process.argv[2]);
await live(page);
print({ open: true });

for await (const line of createInterface({ input: process.stdin })) {
  const { selector, pattern, times } = JSON.parse(line);
  const found = () => page.evaluate(
    ([selector, pattern]) => [...document.querySelectorAll(selector)].filter((node) => new RegExp(pattern).test(node.innerText)).length,
    [selector, pattern]);
  try {
    await waitFor(`${times} of ${selector} with ${pattern}`, async () => (await found()) === times, PATIENCE);
    print({ shown: true });
  } catch (error) {
    print({ error: error.message, found: await found(), page: await page.locator("main").innerText() });
  }
}
await close(page);
await quit();
