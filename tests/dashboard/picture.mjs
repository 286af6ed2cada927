// Draws the dashboard from a Prometheus: node picture.mjs DASHBOARD PROMETHEUS CHROMIUM SECONDS PICTURE
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { createServer } from 'vite';

const [, , file, prometheus, browser, seconds, picture] = process.argv;
if (picture === undefined) {
  console.error('usage: node picture.mjs DASHBOARD PROMETHEUS CHROMIUM SECONDS PICTURE');
  process.exit(2);
}

const dashboard = JSON.parse(await readFile(file, 'utf8'));
const to = Date.now();
const from = to - Number(seconds) * 1000;
const step = Math.max(1, Math.round(seconds / 300));
const variables = { cluster: '.*', namespace: '.*', job: '.+', instance: '.+', target: '.+', replica: '.+', __rate_interval: `${4 * step}s`, __range: `${seconds}s` };
const filled = (expression) => expression.replaceAll(/\$(\w+)/g, (whole, name) => variables[name] ?? whole);

async function answer({ expr, instant }) {
  const query = instant
    ? `query?time=${to / 1000}&query=${encodeURIComponent(filled(expr))}`
    : `query_range?start=${from / 1000}&end=${to / 1000}&step=${step}&query=${encodeURIComponent(filled(expr))}`;
  const { status, data, error } = await (await fetch(`${prometheus}/api/v1/${query}`)).json();
  if (status !== 'success') { throw new Error(`${expr}: ${error}`); }
  return data;
}

const answers = {};
for (const panel of dashboard.panels.filter(({ type }) => type !== 'row')) {
  answers[panel.id] = await Promise.all(panel.targets.map(answer));
}

const served = await mkdtemp(join(tmpdir(), 'readscope-dashboard-'));
await writeFile(join(served, 'data.json'), JSON.stringify({ dashboard, answers, from, to }));
const server = await createServer({ root: import.meta.dirname, publicDir: served, server: { host: '127.0.0.1', port: 0 }, cacheDir: join(served, 'cache'), logLevel: 'error' });
await server.listen();
const { port } = server.httpServer.address();
const opened = await chromium.launch({ executablePath: browser, args: ['--no-sandbox', '--disable-gpu'] });
try {
  const page = await opened.newPage({ viewport: { width: 1514, height: 1000 } });
  page.on('pageerror', (error) => console.error(error.message));
  await page.goto(`http://127.0.0.1:${port}/`, { timeout: 300_000 });
  await page.waitForFunction(() => document.body.dataset.drawn === 'yes', undefined, { timeout: 300_000 });
  await page.screenshot({ path: picture, fullPage: true });
} finally {
  await opened.close();
  await server.close();
  await rm(served, { recursive: true });
}
