// The page under a path of a real nginx, which has TLS and a password.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";

import { setUp, tls, visitor } from "./guarded.js";
import { Readscope, SOON, cells, close, live, open, waitFor } from "./support.js";

const [USER, PASSWORD] = ["somebody", "secret"];
const SECRET = visitor(USER, PASSWORD);

const here = setUp();

const start = (...options) => Readscope.start(["run", ...here.options, ...options]);

function freePort() {
  return new Promise((resolved) => {
    const listener = createServer().listen(0, "127.0.0.1", () => {
      const { port } = listener.address();
      listener.close(() => resolved(port));
    });
  });
}

/** nginx with these locations and no other setting that concerns the page. */
async function nginx(locations) {
  const port = await freePort();
  const { folder } = here;
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/${name};`).join(" ");
  writeFileSync(join(folder, "users"), `${USER}:{PLAIN}${PASSWORD}\n`);
  writeFileSync(join(folder, "nginx.conf"), `daemon off; master_process off; pid ${folder}/pid; error_log stderr;
events {}
http {
  access_log off; ${temporary}
  server {
    listen 127.0.0.1:${port} ssl http2;
    ssl_certificate "${tls("server.pem")}"; ssl_certificate_key "${tls("server.key")}";
    auth_basic readscope; auth_basic_user_file ${folder}/users;
    ${locations}
  }
}
`);
  const program = join(process.env.READSCOPE_NGINX, "usr/sbin/nginx");
  const child = spawn(program, ["-p", folder, "-c", join(folder, "nginx.conf"), "-e", "stderr"], { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  child.stderr.on("data", (data) => (log += data));
  const url = `https://127.0.0.1:${port}`;
  const outside = await open("about:blank", { ignoreHTTPSErrors: true });
  await waitFor("nginx to answer", async () => {
    assert.equal(child.exitCode, null, log);
    return (await outside.context().request.get(url, { timeout: SOON })).status() === 401;
  });
  await close(outside);
  const stop = () => new Promise((resolved) => child.once("exit", resolved) && child.kill("SIGKILL"));
  return { url, stop };
}

/** The page follows the server, and each of its links answers. */
async function works(url) {
  const page = await open(url, SECRET);
  await live(page);
  const newest = async () => (await cells(page, "tape"))[0]?.[0];
  const first = await waitFor("a read", newest);
  await waitFor("another read", async () => (await newest()) !== first);
  for (const link of await page.locator("footer a").evaluateAll((links) => links.map((link) => link.href))) {
    const answer = await page.context().request.get(link, { timeout: SOON });
    assert.equal(answer.status(), 200, link);
  }
  await close(page);
}

test("the page is live under a path, whether or not nginx removes the path", async () => {
  const kept = await start("--web.external-url", "https://monitoring.example/db/readscope/");
  const removed = await start();
  const example = readFileSync("../../examples/nginx.conf", "utf8");
  assert.match(example, /--web.external-url=.*\/readscope\/\nlocation \/readscope \{/);
  const proxy = await nginx(`
    ${example.replace("location /", "location /db/").replace("127.0.0.1:10306", kept.address)}
    location /other/ { proxy_pass http://${removed.address}/; }`);
  await works(`${proxy.url}/db/readscope/`);
  await works(`${proxy.url}/db/readscope`);
  await works(`${proxy.url}/other/`);
  await proxy.stop();
  await kept.stop();
  await removed.stop();
});
