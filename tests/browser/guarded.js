// What the tests of a guarded page share: a browser, one server, and a temporary folder.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before } from "node:test";

import { mysql } from "./mysql.js";
import { launch, quit } from "./support.js";

/** The path of a certificate or key. */
export const tls = (name) => resolve("../fixtures/tls", name);

/** The options of a browser that knows the password and does not check the certificate. */
export const visitor = (username, password) => ({ ignoreHTTPSErrors: true, httpCredentials: { username, password } });

/** Its members are there before the first test: `folder`, and the `options` that probe the server. */
export function setUp() {
  const here = {};
  let server;
  before(async () => {
    await launch();
    here.folder = mkdtempSync(join(tmpdir(), "readscope-"));
    server = await mysql(() => ({ id: 101, host: "mysql-1", version: "9.7.0", uuid: "00000000-0000-4000-8000-000000000001" }));
    here.options = ["--address", server.address, "--tls", "disabled", "--interval", "200ms"];
  });
  after(async () => {
    await quit();
    await server.stop();
    rmSync(here.folder, { recursive: true });
  });
  return here;
}
