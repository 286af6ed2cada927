// A server with just enough of MySQL's protocol for a probe; its identity is configurable.

import { createServer } from "node:net";

const text = (value) => {
  const bytes = Buffer.from(value);
  if (bytes.length < 0xfb) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const length = Buffer.alloc(9);
  length[0] = 0xfe;
  length.writeBigUInt64LE(BigInt(bytes.length), 1);
  return Buffer.concat([length, bytes]);
};

const packet = (sequence, payload) => {
  const head = Buffer.alloc(4);
  head.writeUIntLE(payload.length, 0, 3);
  head[3] = sequence;
  return Buffer.concat([head, payload]);
};

const OK = Buffer.from([0, 0, 0, 2, 0, 0, 0]);
const EOF = Buffer.from([0xfe, 0, 0, 2, 0]);

function greeting(version) {
  const capabilities = 0x0008_8201;
  const tail = Buffer.alloc(31);
  tail.writeUInt32LE(1, 0);
  tail.write("saltsalt", 4);
  tail.writeUInt16LE(capabilities & 0xffff, 13);
  tail[15] = 255;
  tail.writeUInt16LE(2, 16);
  tail.writeUInt16LE(capabilities >>> 16, 18);
  tail[20] = 21;
  return Buffer.concat([Buffer.from([10]), Buffer.from(`${version}\0`), tail, Buffer.from("saltsaltsalt\0caching_sha2_password\0")]);
}

function answer(fields) {
  const column = Buffer.concat([..."def,,,,,".split(",").map(text), Buffer.from([0x0c, 255, 0, 0, 4, 0, 0, 0xfd, 0, 0, 0, 0, 0])]);
  const row = Buffer.concat(fields.map((field) => (field === null ? Buffer.from([0xfb]) : text(field))));
  const packets = [Buffer.from([fields.length]), ...fields.map(() => column), EOF, row, EOF];
  return Buffer.concat(packets.map((payload, index) => packet(index + 1, payload)));
}

/** Starts it; `identify(n)` gives the n-th connection's identity, or an `error` (1130) to refuse it with. */
export async function mysql(identify) {
  let connections = 0;
  const sockets = new Set();
  const server = createServer((socket) => {
    const who = identify(connections++);
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => {});
    if (who.error) {
      socket.end(packet(0, Buffer.concat([Buffer.from([0xff, 0x6a, 0x04]), Buffer.from(`#HY000${who.error}`)])));
      return;
    }
    socket.write(packet(0, greeting("9.7.0")));
    let turn = 0;
    let got = Buffer.alloc(0);
    socket.on("data", (data) => {
      got = Buffer.concat([got, data]);
      while (got.length >= 4 && got.length >= 4 + got.readUIntLE(0, 3)) {
        const [sequence, payload] = [got[3], got.subarray(4, 4 + got.readUIntLE(0, 3))];
        got = got.subarray(4 + payload.length);
        if (turn === 0) socket.write(packet(sequence + 1, OK));
        else if (payload[0] === 1) socket.end();
        else socket.write(answer([String(who.id), who.host, "1", who.version, "2026-01-01 00:00:00.000000", who.uuid, "", "ON"]));
        turn += 1;
      }
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `127.0.0.1:${server.address().port}`,
    stop: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}
