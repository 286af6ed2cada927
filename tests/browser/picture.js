// Takes pictures of the page of a running readscope: node picture.js URL NAME writes NAME.png and NAME-phone.png.

import { close, launch, live, open, quit } from "./support.js";

const [url, name] = process.argv.slice(2);

await launch();
for (const [end, size] of [["", { width: 1280, height: 860 }], ["-phone", { width: 390, height: 844 }]]) {
  const page = await open(url, size);
  await live(page);
  await page.screenshot({ path: `${name}${end}.png` });
  await close(page);
}
await quit();
