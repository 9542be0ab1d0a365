// Progress is true and rare; an abort ends a call at once with the caller's own reason.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  type CallOptions,
  InvalidInputError,
  memory,
  metricsOf,
  type Progress,
  S3Client,
} from "dipper";
import { assertSameBytes, pattern } from "./bytes.ts";
import {
  headOf,
  objectAnswer,
  ScriptedServer,
  sendAll,
  sendPart,
  within,
} from "./scripted_server.ts";
import { everyWay } from "./servers.ts";

function numbersOf(progress: Progress | undefined): [bytes?: number, total?: number] {
  return [progress?.bytes, progress?.total];
}

everyWay("progress", (at) => {
  it("ends at the total and never falls", async () => {
    const { client, uri } = at();
    const file = client.file(uri("progress"));
    const size = 20 << 20;
    await file.write(pattern(size));
    const seen: Progress[] = [];
    const begun = performance.now();
    const bytes = await file.bytes({ onProgress: (progress) => void seen.push(progress) });
    const seconds = (performance.now() - begun) / 1000;
    assertEquals(bytes.length, size);
    assertEquals(numbersOf(seen.at(-1)), [size, size]);
    assertEquals(seen.at(-1)?.metrics, metricsOf(bytes), "the whole account comes last");
    seen.forEach(({ bytes, total }, index) => {
      assertEquals(total, size);
      assert(bytes >= 0 && bytes <= total);
      assert(index === 0 || bytes >= seen[index - 1]!.bytes, "falls");
    });
    // One at the start, one at the end, and ten a second between them.
    assert(seen.length <= 2 + Math.ceil(seconds * 10), `${seen.length} in ${seconds} s`);
  });

  it("of a slice counts the slice, of an empty object nothing", async () => {
    const { client, uri } = at();
    const file = client.file(uri("slice-progress"));
    await file.write(pattern(10_000));
    const last = async (read: (onProgress: (progress: Progress) => void) => Promise<unknown>) => {
      let seen: Progress | undefined;
      await read((progress) => seen = progress);
      return seen;
    };
    assertEquals(
      numbersOf(await last((onProgress) => file.slice(100, 300).bytes({ onProgress }))),
      [200, 200],
    );
    assertEquals(
      numbersOf(await last((onProgress) => file.into(new Uint8Array(10_000), { onProgress }))),
      [10_000, 10_000],
    );
    await file.write("");
    assertEquals(numbersOf(await last((onProgress) => file.bytes({ onProgress }))), [0, 0]);
  });

  it("listeners that throw end the read with what they threw", async () => {
    const { client, uri } = at();
    const file = client.file(uri("throwing"));
    await file.write(pattern(1 << 20));
    const reason = new Error("from the listener");
    const read = file.bytes({
      onProgress() {
        throw reason;
      },
    });
    assertEquals(await assertRejects(() => read), reason);
    assertEquals(memory().operations, 0);
  });
});

describe("progress of a slow read", () => {
  it("is told at most ten times a second", async () => {
    const data = pattern(100);
    await using server = await ScriptedServer.start(async (asked, reply) => {
      const { status, headers, body } = objectAnswer(asked, data);
      await reply.send(headOf(status, headers));
      for (let at = 0; at < body.length; at++) {
        await reply.send(body.subarray(at, at + 1));
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    });
    using client = new S3Client({ endpoint: server.endpoint, credentials: "anonymous" });
    const begun = performance.now();
    const seen: Progress[] = [];
    await client.file("s3://bucket/key").bytes({
      onProgress(progress) {
        seen.push(progress);
      },
    });
    const seconds = (performance.now() - begun) / 1000;
    assert(seconds > 0.8, `took ${seconds} s`);
    assert(seen.length >= 5, `${seen.length} in ${seconds} s`);
    assert(seen.length <= 2 + Math.ceil(seconds * 10), `${seen.length} in ${seconds} s`);
    assert(seen.some(({ bytes }) => bytes > 0 && bytes < 100), "tells the middle");
    assertEquals(numbersOf(seen.at(-1)), [100, 100]);
  });
});

/** Calls that take a signal. */
function calls(client: S3Client): Record<string, (options: CallOptions) => Promise<unknown>> {
  const file = client.file("s3://bucket/key");
  return {
    bytes: (options) => file.bytes(options),
    arrayBuffer: (options) => file.arrayBuffer(options),
    buffer: (options) => file.buffer(options),
    get: (options) => client.get(file, options),
    into: (options) => file.into(new Uint8Array(1 << 20), options),
    text: (options) => file.text(options),
    json: (options) => file.json(options),
    blob: (options) => file.blob(options),
    slice: (options) => file.slice(2, -2).bytes(options),
    stream: (options) => new Response(file.stream(options)).bytes(),
    ranges: (options) => file.ranges([[0, 5], [9, 20]], options),
    getMany: (options) => Array.fromAsync(client.getMany([file], options)),
    stat: (options) => file.stat(options),
    exists: (options) => file.exists(options),
    write: (options) => file.write(new Uint8Array(1000), options),
    delete: (options) => file.delete(options),
    list: (options) => client.list("s3://bucket/", options).toArray(),
    buckets: (options) => client.buckets(options),
    createBucket: (options) => client.createBucket("bucket", options),
    deleteBucket: (options) => client.deleteBucket("bucket", options),
  };
}

describe("an abort", () => {
  it("before the call sends nothing and rejects with the reason", async () => {
    await using server = await ScriptedServer.start((_, reply) => reply.answer(200, {}, ""));
    using client = new S3Client({ endpoint: server.endpoint, credentials: "anonymous" });
    const reason = new Error("not any more");
    for (const [name, call] of Object.entries(calls(client))) {
      const error = await assertRejects(() => call({ signal: AbortSignal.abort(reason) }));
      assertEquals(error, reason, name);
    }
    const error = await assertRejects(() =>
      client.file("s3://bucket/key").bytes({ signal: AbortSignal.abort() })
    );
    assert(error instanceof DOMException && error.name === "AbortError");
    assertEquals(server.asked, []);
  });

  it("while a server is silent ends every call at once", async () => {
    await using server = await ScriptedServer.start((_, reply) => reply.silence());
    using client = new S3Client({ endpoint: server.endpoint, credentials: "anonymous" });
    for (const [name, call] of Object.entries(calls(client))) {
      const reason = new Error(`enough of ${name}`);
      const controller = new AbortController();
      const ended = call({ signal: controller.signal });
      setTimeout(() => controller.abort(reason), 30);
      const begun = performance.now();
      assertEquals(await within(30_000, assertRejects(() => ended)), reason, name);
      assert(performance.now() - begun < 10_000, `${name} took ${performance.now() - begun} ms`);
    }
    assertEquals(memory().operations, 0);
    assertEquals(memory().buffers, 0);
  });

  it("in the middle of a body frees the memory and closes the connection", async () => {
    const data = pattern(1 << 20);
    let hungUp = 0;
    await using server = await ScriptedServer.start(async (asked, reply) => {
      await sendPart(reply, objectAnswer(asked, data), 100_000);
      if (asked.method === "HEAD") return;
      await reply.silence();
      hungUp++;
    });
    using client = new S3Client({ endpoint: server.endpoint, credentials: "anonymous" });
    const file = client.file("s3://bucket/key");
    const before = memory().bytes;
    const target = new Uint8Array(1 << 20);
    for (
      const read of [
        (options: CallOptions) => file.bytes(options),
        (options: CallOptions) => file.into(target, options),
        (options: CallOptions) => file.ranges([[0, 1 << 20]], options),
        (options: CallOptions) => new Response(file.stream(options)).bytes(),
        (options: CallOptions) => Array.fromAsync(client.getMany([file], options)),
      ]
    ) {
      const controller = new AbortController();
      const ended = read({ signal: controller.signal });
      setTimeout(() => controller.abort(), 100);
      const error = await within(30_000, assertRejects(() => ended));
      assert(error instanceof DOMException && error.name === "AbortError", String(error));
    }
    const deadline = Date.now() + 5000;
    while (hungUp < 5 && Date.now() < deadline) await new Promise((go) => setTimeout(go, 10));
    assert(hungUp >= 5, `the server sees all connections close, not ${hungUp}`);
    assertEquals([memory().bytes <= before, memory().buffers], [true, 0]);
  });

  it("after the end changes nothing", async () => {
    await using server = await ScriptedServer.start((asked, reply) =>
      sendAll(reply, objectAnswer(asked, pattern(1000)))
    );
    using client = new S3Client({ endpoint: server.endpoint, credentials: "anonymous" });
    const controller = new AbortController();
    const bytes = await client.file("s3://bucket/key").bytes({ signal: controller.signal });
    controller.abort();
    assertSameBytes(bytes, pattern(1000));
    // A timeout that comes too late is none.
    await client.file("s3://bucket/key").bytes({
      signal: AbortSignal.any([new AbortController().signal]),
    });
  });

  it("of one read leaves others alone", async () => {
    const data = pattern(50_000);
    await using server = await ScriptedServer.start(async (asked, reply) => {
      const whole = objectAnswer(asked, data);
      await sendPart(reply, whole, 1000);
      await new Promise((resolve) => setTimeout(resolve, 200));
      await reply.send(whole.body.subarray(1000));
    });
    using client = new S3Client({ endpoint: server.endpoint, credentials: "anonymous" });
    const controllers = Array.from({ length: 20 }, () => new AbortController());
    const reads = controllers.map(({ signal }) => client.file("s3://bucket/key").bytes({ signal }));
    const ends = Promise.allSettled(reads);
    setTimeout(() => controllers.forEach((one, index) => index % 2 || one.abort("stop")), 50);
    (await within(10_000, ends)).forEach((end, index) => {
      if (index % 2 === 0) assertEquals(end, { status: "rejected", reason: "stop" });
      else assert(end.status === "fulfilled"), assertSameBytes(end.value, data);
    });
  });
});

describe("disposing a client", () => {
  it("while a server is silent ends every call at once", async () => {
    await using server = await ScriptedServer.start((_, reply) => reply.silence());
    const options = { endpoint: server.endpoint, credentials: "anonymous" } as const;
    for (const name of Object.keys(calls(new S3Client(options)))) {
      const client = new S3Client(options);
      const ended = calls(client)[name]!({});
      setTimeout(() => client.dispose(), 30);
      const error = await within(5000, assertRejects(() => ended, InvalidInputError));
      assertEquals(error.code, "ClientGone", name);
    }
    assertEquals(memory().operations, 0);
    assertEquals(memory().buffers, 0);
  });

  it("ends its own operations, and no others", async () => {
    const data = pattern(50_000);
    await using server = await ScriptedServer.start(async (asked, reply) => {
      const whole = objectAnswer(asked, data);
      await sendPart(reply, whole, 1000);
      await new Promise((resolve) => setTimeout(resolve, 300));
      await reply.send(whole.body.subarray(1000));
    });
    const clients = Array.from(
      { length: 5 },
      () => new S3Client({ endpoint: server.endpoint, credentials: "anonymous" }),
    );
    const ends = Promise.allSettled(clients.flatMap((client) => {
      const file = client.file("s3://bucket/key");
      return [file.bytes(), file.into(new Uint8Array(60_000)), file.slice(5).bytes()];
    }));
    await new Promise((resolve) => setTimeout(resolve, 100));
    clients[1]!.dispose();
    clients[3]!.dispose();
    (await within(10_000, ends)).forEach((end, index) => {
      const client = Math.floor(index / 3);
      if (client === 1 || client === 3) {
        assert(end.status === "rejected", `read ${index} goes on`);
        assert(end.reason instanceof InvalidInputError, String(end.reason));
        assertEquals(end.reason.code, "ClientGone");
      } else {
        assert(end.status === "fulfilled", `read ${index}: ${JSON.stringify(end)}`);
        assertSameBytes(end.value, index % 3 === 2 ? data.subarray(5) : data);
      }
    });
    for (const client of clients) client.dispose();
    assertEquals(memory().operations, 0);
  });
});
