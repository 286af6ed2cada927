// The built program, a browser, and waiting with a time limit.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const folder = process.env.READSCOPE_BROWSER;
const program = process.env.READSCOPE_PROGRAM;
assert.ok(folder && program, "run tests/browser/run");
const { chromium } = createRequire(join(folder, "package.json"))("playwright-core");
const AXE = readFileSync(join(folder, "node_modules/axe-core/axe.min.js"), "utf8");

/** Long enough for a busy machine. */
export const SOON = 60_000;

/** Repeats `poll` until its result is truthy. */
export async function waitFor(what, poll, within = SOON) {
  const end = Date.now() + within;
  for (let last; ; ) {
    try {
      const result = await poll();
      if (result) return result;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`waited ${within} ms for ${what}${last ? `: ${last.message}` : ""}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A running program that serves a page. */
export class Readscope {
  static async start(args, listen = "127.0.0.1:0") {
    const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(RUST|READSCOPE)_/.test(name)));
    const child = spawn(program, [...args, "--web.listen-address", listen], { stdio: ["ignore", "ignore", "pipe"], env: environment });
    const self = new Readscope();
    Object.assign(self, { child, log: "" });
    child.stderr.on("data", (data) => (self.log += data));
    const address = await waitFor("the program to listen", () => {
      assert.equal(child.exitCode, null, self.log);
      return /listening for HTTP.*address="?([0-9.:]+)/.exec(self.log)?.[1];
    });
    return Object.assign(self, { address, url: `http://${address}/` });
  }

  static demo(...args) {
    return Readscope.start(["demo", "--no-tui", ...args]);
  }

  async json(path) {
    return (await fetch(new URL(path, this.url))).json();
  }

  async target() {
    return (await this.json("/api/v1/targets")).targets[0];
  }

  signal(name) {
    this.child.kill(name);
  }

  async stop(signal = "SIGKILL") {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.kill("SIGCONT");
    this.child.kill(signal);
    await ended;
  }
}

let browser;

export async function launch() {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-quic"] });
}

export async function quit() {
  await browser?.close();
}

/** A page of its own; `page.complaints` are the errors and warnings of its console. */
export async function open(url, options = {}) {
  const { width = 1280, height = 900, colorScheme = "light", prepare, ...further } = options;
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, reducedMotion: "reduce", ...further });
  const page = await context.newPage();
  page.setDefaultTimeout(SOON);
  page.complaints = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) page.complaints.push(`${message.type()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => page.complaints.push(`thrown: ${error.stack}`));
  await prepare?.(page);
  await page.goto(url);
  return page;
}

/** Closes a page, whose console must be empty. */
export async function close(page, allowed = /^$/) {
  const complaints = page.complaints.filter((complaint) => !allowed.test(complaint));
  await page.context().close();
  assert.deepEqual(complaints, []);
}

/** The violations that axe-core finds. */
export async function violations(page) {
  // The page forbids foreign scripts; evaluate bypasses its policy as a debugger does.
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(`${AXE}; undefined`);
  const { violations: found } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  return found.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.target.join(" ")).slice(0, 5).join(", ")}`);
}

/** Elements beyond the right edge of the screen, which would scroll the page sideways or be cut. */
export const sideways = (page) => page.evaluate(() => {
  const { scrollWidth } = document.documentElement;
  const out = [...document.querySelectorAll("body *")].filter((node) => {
    const box = node.getBoundingClientRect();
    return box.width > 0 && box.right > innerWidth + 1 && !node.closest(".scroll, .chart, .strip, .axis, .hidden");
  });
  const named = out.map((node) => `${node.tagName}.${node.getAttribute("class") ?? ""}#${node.id} to ${node.getBoundingClientRect().right}`);
  return scrollWidth === innerWidth ? named : [`${scrollWidth} pixels on ${innerWidth}`, ...named];
});

/** Resizes the window and stops drawing, as before the first frame in the new size. */
export async function resizeUndrawn(page, width) {
  await page.evaluate(() => (globalThis.requestAnimationFrame = () => 0));
  await page.setViewportSize({ width, height: 800 });
}

export const text = (page, selector) => page.locator(selector).innerText();

/** The cells of a table, row by row. */
export const cells = (page, body) =>
  page.evaluate((id) => [...document.getElementById(id).rows].map((row) => [...row.cells].map((cell) => cell.textContent)), body);

export const live = (page) => page.waitForSelector("#link[data-state=live]");
