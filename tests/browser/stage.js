// A stage for the page: its files come from a running program, and its events are what a test plays. What is played was
// recorded from the demo, so that every act is looked at as long as it takes.

import assert from "node:assert/strict";
import { createServer } from "node:http";

import { waitFor } from "./support.js";

/** The demo may take so long, on a machine so busy that an act is over before it could be seen. */
const PATIENCE = 600_000;

/** So often a stream shows that it is alive, as the program's does. */
const BEAT_EVERY = 1000;

/** An event, as it is sent. */
export const event = (name, data) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;

/** What a stream begins with: the only target in full, and its scale events. */
export async function picture(program) {
  const answer = await fetch(new URL("/api/v1/events", program.url));
  let text = "";
  for await (const bytes of answer.body.pipeThrough(new TextDecoderStream())) {
    text += bytes;
    if (/event: scale_events\n.*\n\n/.test(text)) break;
  }
  const of = (name) => JSON.parse(new RegExp(`event: ${name}\ndata: (.*)\n\n`).exec(text)[1]);
  return { snapshot: of("snapshot"), scaleEvents: of("scale_events") };
}

/**
 * The demo's story, of at least one round, and of as many as it takes to see everything that is `wanted`: for each act,
 * each verdict in it, and each state of its scale event the last picture, in the order of the story.
 */
export async function record(demo, wanted) {
  const scenes = new Map();
  const acts = [];
  await waitFor("a whole round", async () => {
    const { snapshot, scaleEvents } = await picture(demo);
    const [target] = snapshot.targets;
    const act = Number(/^Demo, step (\d+) of 10: /.exec(snapshot.announcement)?.[1]);
    // Before the first act.
    if (!act) return false;
    if (acts.at(-1) !== act) acts.push(act);
    const [event] = scaleEvents.scale_events;
    const scale = !event ? "not scaled" : event.finished ? "scaled" : "scaling";
    const name = `act ${act}, ${target.verdict}, ${scale}`;
    scenes.set(name, { name, act, target, snapshot, scaleEvents });
    // The first act that was seen may have been half over.
    return acts.length > 11 && wanted.every((is) => [...scenes.values()].some(is));
  }, PATIENCE);
  const story = [...scenes.values()].sort((a, b) => a.act - b.act || Date.parse(a.snapshot.taken) - Date.parse(b.snapshot.taken));
  assert.deepEqual([...new Set(story.map((scene) => scene.act))], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  return story;
}

/** A server of the page's files and of what is played. */
export class Stage {
  static async of(program) {
    const self = Object.assign(new Stage(), { streams: new Set(), scene: "", open: true, quiet: false });
    const files = await Stage.files(program);
    self.server = createServer((request, response) => {
      if (request.url.startsWith("/api/v1/events")) return self.follow(response);
      const file = files.get(request.url);
      if (!file) return response.writeHead(404).end();
      response.writeHead(200, file.headers).end(file.body);
    });
    await new Promise((resolve) => self.server.listen(0, "127.0.0.1", resolve));
    self.url = `http://127.0.0.1:${self.server.address().port}/`;
    self.beating = setInterval(() => self.quiet || self.send(event("beat", {})), BEAT_EVERY);
    return self;
  }

  /** The page and what it links to, with their headers. */
  static async files(program) {
    const files = new Map();
    const take = async (path) => {
      const answer = await fetch(new URL(path, program.url), { headers: { "accept-encoding": "identity" } });
      assert.equal(answer.status, 200, path);
      const headers = Object.fromEntries([...answer.headers].filter(([name]) => !["connection", "date"].includes(name)));
      files.set(path, { headers, body: Buffer.from(await answer.arrayBuffer()) });
      return files.get(path).body.toString();
    };
    for (const [path] of (await take("/")).matchAll(/\/page\/[a-z.]+/g)) if (!files.has(path)) await take(path);
    return files;
  }

  follow(response) {
    if (!this.open) return response.writeHead(503).end();
    response.writeHead(200, { "content-type": "text/event-stream" }).write(`retry: 1000\n\n${this.scene}`);
    this.streams.add(response);
    response.on("close", () => this.streams.delete(response));
  }

  /** Shows a scene to everybody, and to those who come. */
  play({ snapshot, scaleEvents }) {
    this.scene = event("snapshot", snapshot) + event("scale_events", scaleEvents);
    this.send(this.scene);
  }

  /** Sends to everybody who is there; what this returns is over when they took it. */
  send(text) {
    return Promise.all([...this.streams].map((stream) => new Promise((taken) => stream.write(text, taken))));
  }

  /** Has everybody come back for another stream, as the program does every few minutes, and waits for them. */
  async renew() {
    const before = [...this.streams];
    await this.send(event("end", { reason: "a stream lasts a few minutes", again: true }));
    const back = () => before.every((stream) => !this.streams.has(stream)) && this.streams.size >= before.length;
    await waitFor("everybody to come back", back);
  }

  /** Ends every stream, and lets nobody in again. */
  end() {
    this.open = false;
    for (const stream of this.streams) stream.end();
  }

  stop() {
    clearInterval(this.beating);
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }
}
