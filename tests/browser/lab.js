// The page of a readscope that runs already, kept open for a test that is not in JavaScript: each line of standard input asks
// for something that the page has to show, and is answered by a line when it does, or when it does not in time.

import { createInterface } from "node:readline";

import { close, launch, live, open, quit, waitFor } from "./support.js";

const PATIENCE = 180_000;

const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);

await launch();
const page = await open(process.argv[2]);
await live(page);
say({ open: true });

for await (const line of createInterface({ input: process.stdin })) {
  const { selector, pattern, times } = JSON.parse(line);
  const found = () => page.evaluate(
    ([selector, pattern]) => [...document.querySelectorAll(selector)].filter((node) => new RegExp(pattern).test(node.innerText)).length,
    [selector, pattern]);
  try {
    await waitFor(`${times} of ${selector} with ${pattern}`, async () => (await found()) === times, PATIENCE);
    say({ shown: true });
  } catch (error) {
    say({ error: error.message, found: await found(), page: await page.locator("main").innerText() });
  }
}
await close(page);
await quit();
