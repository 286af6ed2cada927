// The page over TLS with a password.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { setUp, tls, visitor } from "./guarded.js";
import { Readscope, SOON, cells, close, live, open, waitFor } from "./support.js";

// The vector of bcrypt's first tests: the password is U*U.
const [USER, PASSWORD] = ["somebody", "U*U"];
const HASH = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
const SECRET = visitor(USER, PASSWORD);

// More pages than a browser opens HTTP/1.1 connections to one server.
const PAGES = 8;

const here = setUp();

/** A program with a web configuration; `url` is where its page is. */
async function guarded(more = "") {
  const file = join(here.folder, "web.yaml");
  writeFileSync(file, `tls_server_config: {cert_file: "${tls("server.pem")}", key_file: "${tls("server.key")}"}
basic_auth_users: {${USER}: ${HASH}}
${more}`);
  const readscope = await Readscope.start(["run", ...here.options, "--web.config.file", file]);
  return Object.assign(readscope, { url: `https://${readscope.address}/` });
}

/** The protocols of the page and its files. */
const protocols = (page) => page.evaluate(() => {
  const entries = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
  return [...new Set(entries.map((entry) => entry.nextHopProtocol).filter(Boolean))];
});

const growing = (page) => waitFor("answers on the tape", async () => (await cells(page, "tape")).length > 3);

test("only a client with the password sees the page and its events", async () => {
  const readscope = await guarded();
  const page = await open(readscope.url, SECRET);
  await live(page);
  await growing(page);
  assert.deepEqual(await protocols(page), ["h2"]);

  const others = await page.context().browser().newContext({ ignoreHTTPSErrors: true });
  const encoded = (text) => ({ Authorization: `Basic ${Buffer.from(text).toString("base64")}` });
  for (const path of ["", "page/page.js", "api/v1/targets", "api/v1/events", "metrics", "-/healthy"]) {
    for (const headers of [{}, encoded(`${USER}:wrong`), encoded(`unknown:${PASSWORD}`)]) {
      const answer = await others.request.get(readscope.url + path, { headers, timeout: SOON });
      assert.equal(answer.status(), 401, path);
    }
  }
  await others.close();
  await close(page);
  await readscope.stop();
});

test("many pages of one browser are live at once", async () => {
  const readscope = await guarded();
  const page = await open(readscope.url, SECRET);
  const pages = [];
  for (let at = 1; at < PAGES; at += 1) pages.push(await page.context().newPage());
  for (const another of pages) await another.goto(readscope.url);
  for (const one of [page, ...pages]) {
    await live(one);
    await growing(one);
  }
  await close(page);
  await readscope.stop();
});

test("the page works without HTTP/2", async () => {
  const readscope = await guarded("http_server_config: {http2: false}\n");
  const page = await open(readscope.url, SECRET);
  await live(page);
  await growing(page);
  assert.deepEqual(await protocols(page), ["http/1.1"]);
  await close(page);
  await readscope.stop();
});
