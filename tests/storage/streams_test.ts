// Streams: the right bytes to every kind of reader, in chunks that JavaScript allocates, and an end
// to everything as soon as nobody reads any more.

import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  InvalidInputError,
  memory,
  metricsOf,
  NetworkError,
  NotFoundError,
  PreconditionFailedError,
  type Progress,
  S3Client,
} from "dipper";
import { assertSameBytes, gzipped, pattern } from "./bytes.ts";
import {
  headOf,
  objectAnswer,
  type Script,
  ScriptedServer,
  sendAll,
  sendPart,
  within,
} from "./scripted_server.ts";
import { everyWay } from "./servers.ts";

const MIB = 1 << 20;
type Bytes = Uint8Array<ArrayBuffer>;

/** All bytes of a stream, and its chunks' sizes. */
async function drained(stream: ReadableStream<Bytes>): Promise<{ bytes: Bytes; sizes: number[] }> {
  const chunks: Bytes[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return {
    bytes: new Uint8Array(await new Blob(chunks).arrayBuffer()),
    sizes: chunks.map(({ length }) => length),
  };
}

/** What a BYOB reader gets with memory of some size, handed round. */
async function byob(stream: ReadableStream<Bytes>, size: number): Promise<Bytes> {
  const parts: Bytes[] = [];
  const reader = stream.getReader({ mode: "byob" });
  let room = new Uint8Array(size);
  while (true) {
    const { value, done } = await reader.read(room);
    if (done) break;
    parts.push(value.slice());
    room = new Uint8Array(value.buffer);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** Polls until something is so. */
async function until(done: () => boolean, what: string, patience = 5000): Promise<void> {
  const deadline = performance.now() + patience;
  while (!done()) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${patience} ms`);
    await new Promise((go) => setTimeout(go, 5));
  }
}

everyWay("a stream", (at) => {
  for (const size of [0, 1, 100_000, MIB, MIB + 1, 20_000_003]) {
    it(`of ${size} bytes brings them to default and BYOB readers`, async () => {
      const { client, uri } = at();
      const data = pattern(size, 7);
      const file = client.file(uri(`stream-${size}`));
      await file.write(data);
      const { bytes, sizes } = await drained(file.stream());
      assertSameBytes(bytes, data);
      assert(sizes.every((length) => length > 0 && length <= MIB), `chunks of ${sizes}`);
      assertSameBytes(await byob(file.stream(), 70_000), data, "BYOB");
      assertSameBytes(await byob(file.stream(), 3 * MIB), data, "BYOB with more room than chunks");
      assertEquals(memory().operations, 0);
    });
  }

  it("has memory of JavaScript's own: none of it is native, and it moves on", async () => {
    const { client, uri } = at();
    const file = client.file(uri("own"));
    await file.write(pattern(3 * MIB));
    const before = memory().adopted;
    const chunks: Bytes[] = [];
    for await (const chunk of file.stream()) {
      assert(chunk.buffer.byteLength <= MIB, "one chunk pins no more than its own memory");
      assert(memory().adopted <= before, "no chunk is native memory");
      const moved = structuredClone(chunk, { transfer: [chunk.buffer] });
      assertEquals(chunk.length, 0);
      chunks.push(moved);
    }
    assertSameBytes(new Uint8Array(await new Blob(chunks).arrayBuffer()), pattern(3 * MIB));
  });

  it("of a slice is the slice", async () => {
    const { client, uri } = at();
    const data = pattern(3 * MIB, 2);
    const file = client.file(uri("sliced"));
    await file.write(data);
    for (
      const [start, end] of [[5, 2 * MIB], [-10], [MIB, -MIB], [0, 0], [7, 7], [4 * MIB], [
        1,
        9 * MIB,
      ]]
    ) {
      const { bytes } = await drained(file.slice(start, end).stream());
      const model = new Uint8Array(await new Blob([data]).slice(start, end).arrayBuffer());
      assertSameBytes(bytes, model, `slice(${start}, ${end})`);
    }
  });

  it("goes through Response, DecompressionStream, tee() and write()", async () => {
    const { client, uri } = at();
    const data = pattern(2 * MIB + 5, 4);
    const file = client.file(uri("through"));
    await file.write(data);
    assertSameBytes(await new Response(file.stream()).bytes(), data, "Response");

    const packed = client.file(uri("through.gz"));
    await packed.write(await gzipped(data));
    const unpacked = packed.stream().pipeThrough(new DecompressionStream("gzip"));
    assertSameBytes(await new Response(unpacked).bytes(), data, "DecompressionStream");

    const halves = file.stream().tee().map((half) => new Response(half).bytes());
    for (const half of await Promise.all(halves)) assertSameBytes(half, data, "tee()");

    const copy = client.file(uri("copy"));
    assertEquals((await copy.write(file.stream())).size, data.length);
    assertSameBytes(await copy.bytes(), data, "write()");
    assertEquals(memory().operations, 0);
  });

  it("that is left in the middle, by break or cancel(), leaves nothing behind", async () => {
    const { client, uri } = at();
    const file = client.file(uri("left"));
    await file.write(pattern(20 * MIB));
    const before = memory().bytes;
    for await (const chunk of file.stream()) {
      assert(chunk.length > 0);
      break;
    }
    const reader = file.stream().getReader();
    await reader.read();
    const pending = reader.read();
    await reader.cancel("enough");
    assertEquals((await pending).done, true);
    const byobReader = file.stream().getReader({ mode: "byob" });
    await byobReader.read(new Uint8Array(100));
    await byobReader.cancel();
    await assertRejects(async () => {
      for await (const _ of file.stream()) throw new RangeError("from the loop");
    }, RangeError);
    await until(() => memory().operations === 0 && memory().bytes <= before, "released");
  });

  it("tells its progress, and its metrics", async () => {
    const { client, uri, transport } = at();
    const size = 8 * MIB;
    const file = client.file(uri("metered"));
    await file.write(pattern(size));
    const seen: Progress[] = [];
    const stream = file.stream({ onProgress: (progress) => void seen.push(progress) });
    assertEquals(metricsOf(stream), undefined, "nothing was asked for yet");
    const begun = performance.now();
    await drained(stream);
    const seconds = (performance.now() - begun) / 1000;
    assertEquals([seen.at(-1)?.bytes, seen.at(-1)?.total], [size, size]);
    assert(seen.every(({ total }) => total === size));
    assert(seen.every(({ bytes }, index) => index === 0 || bytes >= seen[index - 1]!.bytes));
    assert(seen.length <= 3 + Math.ceil(seconds * 10), `${seen.length} in ${seconds} s`);
    const metrics = metricsOf(stream);
    assertEquals(metrics, seen.at(-1)?.metrics);
    assertEquals([metrics?.bytes, metrics?.transport], [size, transport]);
    assert(metrics!.requests >= 1 && metrics!.parts >= 1);
  });

  it("ends with what its progress listener throws", async () => {
    const { client, uri } = at();
    const file = client.file(uri("listener"));
    await file.write(pattern(2 * MIB));
    const reason = new Error("from the listener");
    const stream = file.stream({
      onProgress() {
        throw reason;
      },
    });
    assertEquals(await assertRejects(() => drained(stream)), reason);
    await until(() => memory().operations === 0, "released");
  });

  it("fails as other reads do, at the first chunk and not before", async () => {
    const { client, uri } = at();
    const missing = client.file(uri("no such object"));
    const stream = missing.stream();
    const error = await assertRejects(() => drained(stream), NotFoundError, missing.uri);
    assertEquals(error.operation, "stream");
    const file = client.file(uri("conditional"));
    const { etag } = await file.write("first");
    await file.write("second");
    await assertRejects(
      () => drained(file.stream({ ifMatch: etag! })),
      PreconditionFailedError,
    );
    assertThrows(() => file.stream({ signal: 7 as unknown as AbortSignal }), InvalidInputError);
  });
});

describe("a stream of a scripted server", () => {
  const data = pattern(8 * MIB, 9);

  async function scripted(
    script: Script,
  ): Promise<{ server: ScriptedServer; client: S3Client } & AsyncDisposable> {
    const server = await ScriptedServer.start(script);
    const client = new S3Client({
      endpoint: server.endpoint,
      credentials: "anonymous",
      partSize: MIB,
      retries: 1,
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

  it("asks for nothing before it is read", async () => {
    await using place = await scripted((asked, reply) => sendAll(reply, objectAnswer(asked, data)));
    const stream = place.client.file("s3://bucket/key").stream();
    await new Promise((go) => setTimeout(go, 50));
    assertEquals(place.server.asked.length, 0);
    assertEquals(memory().operations, 0);
    await stream.cancel();
    assertEquals(place.server.asked.length, 0);
  });

  it("reads ahead no further than its window while nobody reads", async () => {
    let sent = 0;
    const large = new Uint8Array(64 * MIB);
    await using place = await scripted(async (asked, reply) => {
      const { status, headers, body } = objectAnswer(asked, large);
      await reply.send(headOf(status, headers));
      for (let at = 0; at < body.length; at += 65536) {
        await reply.send(body.subarray(at, at + 65536));
        sent += 65536;
      }
    });
    const before = memory().bytes;
    const reader = place.client.file("s3://bucket/key").stream().getReader();
    await reader.read();
    // Until it stands still.
    for (let last = -1; last !== sent;) {
      last = sent;
      await new Promise((go) => setTimeout(go, 200));
    }
    assert(sent < 48 * MIB, `${sent / MIB} MiB were sent to a reader of one chunk`);
    assert(memory().bytes - before <= 48 * MIB, `${memory().bytes / MIB} MiB are held`);
    await reader.cancel();
    await until(() => memory().bytes <= before, "released");
  });

  it("stops the network within 100 ms of cancel()", async () => {
    const hangUps: number[] = [];
    await using place = await scripted(async (asked, reply) => {
      await sendPart(reply, objectAnswer(asked, data), 300_000);
      if (asked.method === "HEAD") return;
      await reply.silence();
      hangUps.push(performance.now());
    });
    // On a loaded machine this process itself may be late; one time in ten is enough.
    const took: number[] = [];
    for (let round = 0; round < 10 && !(Math.min(...took) < 100); round++) {
      const reader = place.client.file("s3://bucket/key").stream().getReader();
      const { value } = await reader.read();
      assertSameBytes(value!, data.subarray(0, value!.length));
      const before = hangUps.length;
      const cancelled = performance.now();
      await reader.cancel();
      await until(() => hangUps.length > before, "hung up");
      took.push(hangUps[before]! - cancelled);
      await until(() => memory().operations === 0, "released");
    }
    assert(Math.min(...took) < 100, `${took} ms`);
  });

  for (const when of ["before the head", "in the middle", "while nobody reads"] as const) {
    it(`fails with the signal's reason, ${when}`, async () => {
      await using place = await scripted(async (asked, reply) => {
        if (when === "before the head") return await reply.silence();
        await sendPart(reply, objectAnswer(asked, data), 300_000);
        await reply.silence();
      });
      const controller = new AbortController();
      const reason = new Error(`enough ${when}`);
      const { signal } = controller;
      const reader = place.client.file("s3://bucket/key").stream({ signal }).getReader();
      const reads = async () => {
        while (!(await reader.read()).done);
      };
      if (when === "while nobody reads") {
        await reader.read();
        controller.abort(reason);
      } else setTimeout(() => controller.abort(reason), 50);
      assertEquals(await within(5000, assertRejects(reads)), reason);
      assertEquals(await assertRejects(() => reader.closed), reason);
      await until(() => memory().operations === 0, "released");
    });
  }

  it("fails with a signal that was aborted before, and sends nothing", async () => {
    await using place = await scripted((asked, reply) => sendAll(reply, objectAnswer(asked, data)));
    const reason = new Error("not any more");
    const stream = place.client.file("s3://bucket/key").stream({
      signal: AbortSignal.abort(reason),
    });
    assertEquals(await assertRejects(() => drained(stream)), reason);
    assertEquals(place.server.asked.length, 0);
  });

  it("changes nothing when the signal comes after the end", async () => {
    await using place = await scripted((asked, reply) => sendAll(reply, objectAnswer(asked, data)));
    const controller = new AbortController();
    const stream = place.client.file("s3://bucket/key").stream({ signal: controller.signal });
    assertSameBytes((await drained(stream)).bytes, data);
    controller.abort();
  });

  it("fails when its client is disposed, while it reads and between reads", async () => {
    for (const idle of [false, true]) {
      await using place = await scripted(async (asked, reply) => {
        await sendPart(reply, objectAnswer(asked, data), 300_000);
        await reply.silence();
      });
      const reader = place.client.file("s3://bucket/key").stream().getReader();
      await reader.read();
      const reads = async () => {
        while (!(await reader.read()).done);
      };
      if (idle) place.client.dispose();
      else setTimeout(() => place.client.dispose(), 30);
      const error = await within(5000, assertRejects(reads, InvalidInputError));
      assertEquals([error.code, error.operation], ["ClientGone", "stream"], `idle: ${idle}`);
      await until(() => memory().operations === 0, "released");
    }
  });

  it("fails with what goes wrong in the middle, after the bytes before it", async () => {
    await using place = await scripted(async (asked, reply, index) => {
      // What goes on is tried again for ever; what does not is given up.
      if (index === 0) await sendPart(reply, objectAnswer(asked, data), 300_000);
      reply.reset();
    });
    let bytes = 0;
    const error = await within(
      10_000,
      assertRejects(async () => {
        for await (const chunk of place.client.file("s3://bucket/key").stream()) {
          assertSameBytes(chunk, data.subarray(bytes, bytes + chunk.length));
          bytes += chunk.length;
        }
      }),
    );
    assertInstanceOf(error, NetworkError);
    assertEquals([error.code, error.uri], ["ConnectionBroken", "s3://bucket/key"]);
    await until(() => memory().operations === 0, "released");
  });

  it("hands trickles out in memory of their own size", async () => {
    const slow = pattern(3000, 3);
    await using place = await scripted(async (asked, reply) => {
      const { status, headers, body } = objectAnswer(asked, slow);
      await reply.send(headOf(status, headers));
      for (let at = 0; at < body.length; at += 100) {
        await reply.send(body.subarray(at, at + 100));
        await new Promise((go) => setTimeout(go, 5));
      }
    });
    const chunks: Bytes[] = [];
    for await (const chunk of place.client.file("s3://bucket/key").stream()) {
      assert(chunk.buffer.byteLength <= 2 * chunk.length, "little bytes pin little memory");
      chunks.push(chunk);
    }
    assertSameBytes(new Uint8Array(await new Blob(chunks).arrayBuffer()), slow);
  });
});
