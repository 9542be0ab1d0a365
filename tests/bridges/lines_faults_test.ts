// Lines whose source breaks, changes or is left: the exact lines or a typed error, and nothing left.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { afterEach, describe, it } from "@std/testing/bdd";
import { createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import {
  DipperError,
  frames,
  lines,
  memory,
  NetworkError,
  PreconditionFailedError,
  S3Client,
} from "dipper";
import {
  objectAnswer,
  type Script,
  ScriptedServer,
  sendAll,
  sendPart,
} from "../storage/scripted_server.ts";
import { bytesOf, FORMS, gathered, pseudoRandom, withFile } from "./line_files.ts";

const MIB = 1 << 20;
const expected = Array.from({ length: 60_000 }, (_, at) => `${at}`.padStart(59, "."));
const text = expected.join("\n");
const data = bytesOf(text);

function nothingRuns(): void {
  const { buffers, operations } = memory();
  assertEquals({ buffers, operations }, { buffers: 0, operations: 0 });
}

/** A server that follows the script, and the client and address of its one object. */
async function scripted(script: Script, retries = 2) {
  const server = await ScriptedServer.start(script);
  const credentials = { accessKeyId: "id", secretAccessKey: "secret" };
  const client = new S3Client({
    endpoint: server.endpoint,
    credentials,
    checksums: "off",
    retries,
  });
  return {
    server,
    client,
    async [Symbol.asyncDispose]() {
      client.dispose();
      await server[Symbol.asyncDispose]();
    },
  };
}

describe("lines of an object whose connection breaks", () => {
  afterEach(nothingRuns);

  it("go on at the missing byte, whether S3's or the web's", async () => {
    for (const what of ["s3", "web"] as const) {
      for (const offset of [1, 1_000_003, data.length - 1]) {
        await using place = await scripted(async (asked, reply, index) => {
          if (index > 0) return await sendAll(reply, objectAnswer(asked, data));
          await sendPart(reply, objectAnswer(asked, data), offset);
          reply.close();
        });
        const { client, server } = place;
        const uri = what === "s3" ? "s3://bucket/key" : `${server.endpoint}/key`;
        const found = await Array.fromAsync(client.lines(uri));
        assertEquals(found.length, expected.length);
        assert(found.join("\n") === text, `${what} at ${offset}`);
        assert(server.asked.length >= 2);
      }
    }
  });

  it("too often are a NetworkError, behind lines that came", async () => {
    await using place = await scripted(async (asked, reply) => {
      await sendPart(reply, objectAnswer(asked, data), 600_001);
      reply.close();
    }, 0);
    for (const form of FORMS) {
      const found: string[] = [];
      const error = await assertRejects(
        () => gathered(place.client.file("s3://bucket/key"), form, found),
        NetworkError,
      );
      assertEquals(error.code, "ConnectionBroken", JSON.stringify(form));
      // What was on its way when it broke may be missing, and nothing between two lines.
      assert(found.length <= 10_000);
      assertEquals(found, expected.slice(0, found.length));
    }
  });

  it("are none of an object that somebody wrote meanwhile", async () => {
    await using place = await scripted(async (asked, reply, index) => {
      if (index > 0) {
        assert(asked.headers.has("if-match"));
        return await reply.answer(412, { "content-type": "application/xml" }, "<Error/>");
      }
      await sendPart(reply, objectAnswer(asked, data), 600_001);
      reply.close();
    });
    const found: string[] = [];
    const error = await assertRejects(async () => {
      for await (const line of place.client.lines("s3://bucket/key")) found.push(line);
    }, DipperError);
    assert(
      error instanceof PreconditionFailedError || error.code === "ObjectChanged",
      `${error.name} ${error.code}`,
    );
    assertEquals(error.uri, "s3://bucket/key");
    assert(found.length <= 10_000);
    assertEquals(found, expected.slice(0, found.length));
  });
});

/** How often this process has a file open. */
function timesOpen(path: string): number {
  let count = 0;
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      if (Deno.readLinkSync(`/proc/self/fd/${name}`) === path) count++;
    } catch {
      // It was closed meanwhile, as is the folder itself.
    }
  }
  return count;
}

describe("lines of a large file", () => {
  afterEach(nothingRuns);
  // Read ahead by another thread, in blocks of 256 KiB.
  const large = `${text}\n`.repeat(3);
  const count = 3 * expected.length;

  it("leave it closed, wherever the loop ends", async () => {
    const random = pseudoRandom(77);
    await withFile(large, async (path) => {
      const positions = [1, 2, 1092, 1093, 17_476, 17_477, count - 1, count];
      for (let more = 0; more < 30; more++) {
        positions.push(1 + Math.floor(random.next().value * count));
      }
      for (const position of positions) {
        for (const as of ["text", "bytes"] as const) {
          let seen = 0;
          for await (const _ of lines(path, { as })) {
            if (++seen === position) break;
          }
          assertEquals(seen, position);
          assertEquals(timesOpen(path), 0, `${as}, ${position}`);
        }
      }
    });
  });

  it("end with the signal's reason at every state, and the file is closed", async () => {
    const random = pseudoRandom(5);
    await withFile(large, async (path) => {
      for (const as of ["text", "bytes"] as const) {
        for (let round = 0; round < 40; round++) {
          const ending = new AbortController();
          const reason = new Error(`round ${round}`);
          // Before the first turn, in some turn of the event loop, or between two elements.
          const turns = Math.floor(random.next().value * 6) - 1;
          if (turns < 0) ending.abort(reason);
          const later = (left: number): unknown =>
            left > 0 ? setTimeout(() => later(left - 1)) : ending.abort(reason);
          if (turns >= 0) later(turns);
          const error = await assertRejects(async () => {
            while (true) {
              for await (const _ of lines(path, { as, batch: true, signal: ending.signal })) {
                await Promise.resolve();
              }
            }
          });
          assert(error === reason, `${error}`);
          assertEquals(timesOpen(path), 0);
        }
      }
    });
  });

  it("that becomes shorter meanwhile are told, behind those that are there", async () => {
    for (const as of ["text", "bytes"] as const) {
      await withFile(large.repeat(3), async (path) => {
        // Two batches and what is read ahead of them were read before.
        const left = 8 * MIB + 7;
        let bytes = 0;
        const error = await assertRejects(async () => {
          for await (const line of lines(path, { as })) {
            if (bytes === 0) await Deno.truncate(path, left);
            bytes += line.length + 1;
          }
        }, DipperError);
        assertEquals(error.code, "ObjectChanged");
        assertStringIncludes(error.message, path);
        assert(bytes <= left && bytes > 0, `${bytes} of ${left}`);
      });
    }
  });

  it("that grows meanwhile are those that were there", async () => {
    await withFile(large, async (path) => {
      let seen = 0;
      for await (const _ of lines(path)) {
        if (seen++ === 0) await Deno.writeTextFile(path, "more\n", { append: true });
      }
      assertEquals(seen, count);
    });
  });

  it("read by many loops at once are all there", async () => {
    await withFile(large, async (path) => {
      const found = await Promise.all(
        Array.from({ length: 60 }, (_, at) => gathered(path, FORMS[at % FORMS.length]!)),
      );
      for (const one of found) assertEquals(one.length, count);
      assertEquals(timesOpen(path), 0);
    });
  });
});

describe("a socket that is left", () => {
  afterEach(nothingRuns);

  it("is closed at once, wherever the loop ends and however", async () => {
    const closed: Promise<void>[] = [];
    const server = createServer((socket: Socket) => {
      socket.on("error", () => {});
      closed.push(new Promise((resolve) => socket.once("close", () => resolve())));
      const send = (): void => {
        while (!socket.destroyed) {
          if (!socket.write(data)) return void socket.once("drain", send);
        }
      };
      send();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const uri = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
      for (const options of FORMS) {
        for (const position of [1, 2, 3]) {
          let seen = 0;
          for await (const _ of lines(uri, options) as AsyncIterable<unknown>) {
            if (++seen === position) break;
          }
          nothingRuns();
          const ending = new AbortController();
          await assertRejects(async () => {
            for await (const _ of lines(uri, { ...options, signal: ending.signal })) {
              ending.abort(new Error("enough"));
            }
          });
          nothingRuns();
        }
      }
      for await (const _ of frames(uri, { length: "varint" })) break;
      assertEquals(closed.length, FORMS.length * 6 + 1);
      await Promise.all(closed);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });
});
