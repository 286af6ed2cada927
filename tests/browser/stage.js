// A server for the page: its files come from a running program, and a test plays its events. The events were recorded from
// the demo, so that every step is shown for as long as a test needs.

import assert from "node:assert/strict";
import { createServer } from "node:http";

import { waitFor } from "./support.js";

/** On a busy machine, a step may end before it is recorded, so that the demo has to repeat it. */
const PATIENCE = 600_000;

/** The interval of the beats of a stream. */
const BEAT_EVERY = 1000;

/** An event in the format of the stream. */
export const event = (name, data) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;

/** The first events of a stream: the only target in full, and its scale events. */
export async function firstEvents(program) {
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
 * Records at least one round of the demo, until every function of `wanted` accepts a scene. Returns the last snapshot for
 * each combination of step, verdict and state of the scale event, in the order of the demo.
 */
export async function record(demo, wanted) {
  const scenes = new Map();
  const steps = [];
  await waitFor("a whole round", async () => {
    const { snapshot, scaleEvents } = await firstEvents(demo);
    const [target] = snapshot.targets;
    const step = Number(/^Demo, step (\d+) of 12: /.exec(snapshot.announcement)?.[1]);
    // Before the first step.
    if (!step) return false;
    if (steps.at(-1) !== step) steps.push(step);
    const [event] = scaleEvents.scale_events;
    const scale = !event ? "not scaled" : event.finished ? "scaled" : "scaling";
    const name = `step ${step}, ${target.verdict}, ${scale}`;
    scenes.set(name, { name, step, target, snapshot, scaleEvents });
    // The first recorded step may have been incomplete.
    return steps.length > 13 && wanted.every((is) => [...scenes.values()].some(is));
  }, PATIENCE);
  const story = [...scenes.values()].sort((a, b) => a.step - b.step || Date.parse(a.snapshot.taken) - Date.parse(b.snapshot.taken));
  assert.deepEqual([...new Set(story.map((scene) => scene.step))], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  return story;
}

/** A server of the page and of the played events. */
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

  /** The files of the page with their headers. */
  static async files(program) {
    const files = new Map();
    const take = async (path) => {
      const answer = await fetch(new URL(path, program.url), { headers: { "accept-encoding": "identity" } });
      assert.equal(answer.status, 200, path);
      const headers = Object.fromEntries([...answer.headers].filter(([name]) => !["connection", "date"].includes(name)));
      files.set(path, { headers, body: Buffer.from(await answer.arrayBuffer()) });
      return files.get(path).body.toString();
    };
    for (const [link] of (await take("/")).matchAll(/\bpage\/[a-z.]+/g)) if (!files.has(`/${link}`)) await take(`/${link}`);
    return files;
  }

  follow(response) {
    if (!this.open) return response.writeHead(503).end();
    response.writeHead(200, { "content-type": "text/event-stream" }).write(`retry: 1000\n\n${this.scene}`);
    this.streams.add(response);
    response.on("close", () => this.streams.delete(response));
  }

  /** Sends a scene to all open and future streams. */
  play({ snapshot, scaleEvents }) {
    this.scene = event("snapshot", snapshot) + event("scale_events", scaleEvents);
    this.send(this.scene);
  }

  /** Sends to all open streams; resolves when all have received it. */
  send(text) {
    return Promise.all([...this.streams].map((stream) => new Promise((taken) => stream.write(text, taken))));
  }

  /** Makes all clients reconnect, as the program does every few minutes, and waits for them. */
  async renew() {
    const before = [...this.streams];
    await this.send(event("end", { reason: "streams end after a few minutes", again: true }));
    const back = () => before.every((stream) => !this.streams.has(stream)) && this.streams.size >= before.length;
    await waitFor("all clients to reconnect", back);
  }

  /** Ends every stream and refuses new ones. */
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
