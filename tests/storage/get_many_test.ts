// getMany: every source becomes one result, whatever becomes of the others; what is under way is
// bounded; and leaving the loop, however, ends all of it.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  configure,
  type Fetched,
  getMany,
  type GetManyOptions,
  InvalidInputError,
  memory,
  type Progress,
  S3Client,
  type Source,
} from "dipper";
import { assertSameBytes, pattern } from "./bytes.ts";
import { objectAnswer, ScriptedServer, sendAll, sendPart, within } from "./scripted_server.ts";
import { everyWay, type Place } from "./servers.ts";

function wait(milliseconds: number): Promise<void> {
  return new Promise((go) => setTimeout(go, milliseconds));
}

async function collected(
  client: S3Client,
  sources: Iterable<Source> | AsyncIterable<Source>,
  options?: GetManyOptions,
): Promise<Fetched[]> {
  return await Array.fromAsync(client.getMany(sources, options));
}

/** Small objects, each with bytes of its own. */
async function objects({ client, uri }: Place, folder: string, count: number): Promise<string[]> {
  const uris = Array.from({ length: count }, (_, at) => uri(`${folder}/${at}`));
  for (let at = 0; at < count; at += 64) {
    await Promise.all(
      uris.slice(at, at + 64).map((one, i) =>
        client.file(one as `s3://${string}`).write(contentOf(at + i))
      ),
    );
  }
  return uris;
}

function contentOf(at: number): Uint8Array<ArrayBuffer> {
  return pattern(at % 700, at + 1);
}

/** Everything is let go of. */
async function settledAt(bytes: number): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (memory().operations > 0 || memory().bytes > bytes) {
    if (performance.now() > deadline) break;
    await wait(5);
  }
  assertEquals(memory().operations, 0);
  assert(memory().bytes <= bytes, `${memory().bytes - bytes} bytes stay`);
}

everyWay("getMany", (at) => {
  it("brings every object, in the order in which they come", async () => {
    const uris = await objects(at(), "all", 300);
    const results = await collected(at().client, uris);
    assertEquals(results.map(({ uri }) => uri).sort(), uris.toSorted());
    for (const { uri, bytes, error } of results) {
      assertEquals(error, undefined);
      assertSameBytes(bytes!, contentOf(uris.indexOf(uri)), uri);
      assertEquals(bytes!.buffer.byteLength, bytes!.length, "memory of its own");
    }
    assertEquals(memory().operations, 0);
  });

  it("keeps the order of the sources when asked to, failures in their places", async () => {
    const uris = await objects(at(), "ordered", 60);
    const mixed = Array.from(
      { length: 3000 },
      (_, i) => i % 7 === 3 ? at().uri(`ordered/missing-${i}`) : uris[i % 60]!,
    );
    const results = await collected(at().client, mixed, { ordered: true });
    assertEquals(results.map(({ uri }) => uri), mixed);
    results.forEach(({ uri, bytes, error }, i) => {
      if (i % 7 === 3) {
        assertEquals([error?.code, error?.operation, error?.uri], ["NoSuchKey", "getMany", uri]);
      } else assertSameBytes(bytes!, contentOf(i % 60), uri);
    });
  });

  it("takes all that names an object, and reports in its place what does not", async () => {
    const { client, bucket, uri } = at();
    await objects(at(), "kinds", 4);
    const good: Source[] = [
      uri("kinds/1"),
      new URL(uri("kinds/1")),
      client.file(uri("kinds/1")),
      ...(await client.list(uri("kinds/1")).toArray()),
      { bucket, key: "kinds/1" } as unknown as Source,
    ];
    for (const { uri: one, bytes } of await collected(client, good, { ordered: true })) {
      assertEquals(one, uri("kinds/1"));
      assertSameBytes(bytes!, contentOf(1));
    }
    const bad: [source: unknown, uri: string, says: string][] = [
      ["nowhere", "nowhere", "is not a URI"],
      ["s3://", "s3://", "the bucket is empty"],
      [`s3://${bucket}`, `s3://${bucket}`, "the key is empty"],
      [null, "null", "names no object"],
      [7, "7", "names no object"],
      [{}, "[object Object]", "names no object"],
      [{ uri: uri("kinds/"), prefix: "kinds/" }, uri("kinds/"), "names a group of keys"],
      [client.file(uri("kinds/1")).slice(1), uri("kinds/1"), "is given as a slice"],
      ["https://me:secret@127.0.0.1/x", "https://…@127.0.0.1/x", "user or password"],
      ["gs://bucket/key", "gs://bucket/key", "gs:"],
    ];
    const sources = bad.flatMap(([source]) => [source as Source, uri("kinds/2")]);
    const results = await collected(client, sources, { ordered: true });
    bad.forEach(([_, named, says], i) => {
      const { uri: one, error } = results[2 * i]!;
      assertEquals([one, error?.name, error?.code], [named, "InvalidInputError", "InvalidInput"]);
      assert(error!.message.includes(says), error!.message);
      assert(!Deno.inspect(results[2 * i]).includes("secret"));
      assertSameBytes(results[2 * i + 1]!.bytes!, contentOf(2), "its neighbour");
    });
  });

  it("reads what a listing names while it is listed", async () => {
    const { client, uri } = at();
    const uris = await objects(at(), "listed", 120);
    const results = await collected(client, client.list(uri("listed/")), { ordered: true });
    assertEquals(results.map(({ uri }) => uri), uris.toSorted());
    assertEquals(results.filter(({ error }) => error !== undefined), []);
  });

  it("of nothing is nothing", async () => {
    const { client } = at();
    assertEquals(await collected(client, []), []);
    assertEquals(await collected(client, (async function* () {})()), []);
  });

  it("reads anew with each loop, and answers several calls of next() at once", async () => {
    const { client } = at();
    const uris = await objects(at(), "again", 5);
    const many = client.getMany(uris, { ordered: true });
    for (let round = 0; round < 2; round++) {
      assertEquals((await Array.fromAsync(many)).map(({ uri }) => uri), uris);
    }
    const iterator = many[Symbol.asyncIterator]();
    const steps = await Promise.all(Array.from({ length: 8 }, () => iterator.next()));
    assertEquals(steps.map(({ value }) => value?.uri), [...uris, undefined, undefined, undefined]);
    assertEquals(steps.map(({ done }) => done === true).slice(4), [false, true, true, true]);
    assertEquals(await iterator.next(), { done: true, value: undefined });
  });

  it("counts what came, against the total where all sizes are known", async () => {
    const { client, uri, transport } = at();
    await objects(at(), "counted", 50);
    const entries = await client.list(uri("counted/")).toArray();
    const size = entries.reduce((sum, entry) => sum + ("size" in entry ? entry.size : 0), 0);
    const last = async (sources: Iterable<Source> | AsyncIterable<Source>) => {
      let seen: Progress | undefined;
      await collected(client, sources, { onProgress: (progress) => void (seen = progress) });
      return seen!;
    };
    const known = await last(entries);
    assertEquals([known.bytes, known.total, known.metrics.bytes], [size, size, size]);
    assertEquals(known.metrics.transport, transport);
    assert(known.metrics.requests >= 50);
    const unknown = await last(entries.map((entry) => entry.uri));
    assertEquals([unknown.bytes, unknown.total], [size, 0]);
  });
});

describe("getMany of a scripted server", () => {
  const data = pattern(1000, 3);

  async function serving(): Promise<
    { server: ScriptedServer; client: S3Client } & AsyncDisposable
  > {
    const server = await ScriptedServer.start((asked, reply) =>
      sendAll(reply, objectAnswer(asked, data))
    );
    const client = new S3Client({ endpoint: server.endpoint, credentials: "anonymous" });
    return {
      server,
      client,
      async [Symbol.asyncDispose]() {
        client.dispose();
        await server[Symbol.asyncDispose]();
      },
    };
  }

  /** Endless sources that tell how many were taken, and whether they were closed. */
  function endless() {
    const told = { taken: 0, closed: 0 };
    function* sources(): Generator<string> {
      try {
        while (true) yield `s3://bucket/${told.taken++}`;
      } finally {
        told.closed++;
      }
    }
    async function* later(): AsyncGenerator<string> {
      try {
        while (true) yield await Promise.resolve(`s3://bucket/${told.taken++}`);
      } finally {
        told.closed++;
      }
    }
    return { told, sources, later };
  }

  it("sends nothing and takes no source before it is read", async () => {
    await using place = await serving();
    const { told, sources } = endless();
    place.client.getMany(sources());
    await wait(20);
    assertEquals([told.taken, place.server.asked.length], [0, 0]);
  });

  it("takes no more sources than its window while nobody takes results", async () => {
    for (const kind of ["sources", "later"] as const) {
      await using place = await serving();
      const { told, [kind]: sources } = endless();
      const iterator = place.client.getMany(sources())[Symbol.asyncIterator]();
      await iterator.next();
      for (let last = -1; last !== place.server.asked.length;) {
        last = place.server.asked.length;
        await wait(200);
      }
      assert(told.taken <= 2100, `${kind}: ${told.taken} were taken`);
      assert(told.taken >= 1000, `${kind}: ${told.taken} were taken`);
      const before = told.taken;
      for (let i = 0; i < 1500; i++) await iterator.next();
      await wait(50);
      assert(told.taken > before, "it goes on as results are taken");
      await iterator.return!();
      assertEquals(told.closed, 1, kind);
      await settledAt(memory().bytes);
    }
  });

  it("is ended by break, by a throwing body, and by return(); the source is closed", async () => {
    for (const kind of ["sources", "later"] as const) {
      await using place = await serving();
      const { told, [kind]: sources } = endless();
      const before = memory().bytes;
      let kept: Uint8Array | undefined;
      for await (const { bytes } of place.client.getMany(sources())) {
        kept = bytes;
        break;
      }
      assertEquals(told.closed, 1, kind);
      assertSameBytes(kept!, data, "what was taken stays");
      const reason = new RangeError("from the body");
      const looped = async () => {
        for await (const _ of place.client.getMany(sources(), { ordered: true })) throw reason;
      };
      assertEquals(await assertRejects(looped), reason);
      assertEquals(told.closed, 2, kind);
      await settledAt(before + 2 * data.length);
    }
  });

  it("is ended by a signal, with its reason, whatever it waits for", async () => {
    const reason = new Error("enough");
    const silent = await ScriptedServer.start((_, reply) => reply.silence());
    await using place = await serving();
    using slow = new S3Client({ endpoint: silent.endpoint, credentials: "anonymous" });
    const never: AsyncIterable<string> = {
      [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }),
    };
    const before = memory().bytes;
    const cases: [name: string, client: S3Client, sources: () => AsyncIterable<string>][] = [
      ["a silent server", slow, () => endless().later()],
      ["a silent source", place.client, () => never],
      ["a slow loop", place.client, () => endless().later()],
    ];
    for (const [name, client, sources] of cases) {
      for (const ordered of [false, true]) {
        const controller = new AbortController();
        const { signal } = controller;
        setTimeout(() => controller.abort(reason), 50);
        const looped = async () => {
          for await (const _ of client.getMany(sources(), { signal, ordered })) await wait(20);
        };
        assertEquals(await within(5000, assertRejects(looped)), reason, name);
      }
    }
    const aborted = { signal: AbortSignal.abort(reason) };
    const { told, sources } = endless();
    const looped = async () => {
      for await (const _ of place.client.getMany(sources(), aborted));
    };
    assertEquals(await assertRejects(looped), reason);
    assertEquals(told.taken, 0, "a signal that was aborted before takes nothing");
    await silent[Symbol.asyncDispose]();
    // What the slow loops took is the collector's.
    await settledAt(before + 100 * data.length);
  });

  it("is ended by disposing its client", async () => {
    await using server = await ScriptedServer.start(async (asked, reply) => {
      await sendPart(reply, objectAnswer(asked, data), 10);
      await reply.silence();
    });
    const client = new S3Client({ endpoint: server.endpoint, credentials: "anonymous" });
    const before = memory().bytes;
    setTimeout(() => client.dispose(), 50);
    const many = collected(client, Array.from({ length: 100 }, (_, i) => `s3://bucket/${i}`));
    const error = await within(5000, assertRejects(() => many, InvalidInputError));
    assertEquals([error.code, error.operation], ["ClientGone", "getMany"]);
    await settledAt(before);
  });

  it("delivers what a slow source has named without waiting for the rest of it", async () => {
    await using place = await serving();
    let waited = false;
    async function* slow(): AsyncGenerator<string> {
      yield "s3://bucket/one";
      yield "s3://bucket/two";
      await wait(2000);
      waited = true;
      yield "s3://bucket/three";
    }
    const behind: boolean[] = [];
    for await (const { error } of place.client.getMany(slow())) {
      assertEquals(error, undefined);
      behind.push(waited);
    }
    assertEquals(behind, [false, false, true]);
  });

  it("ends with what its sources throw, after what came before", async () => {
    await using place = await serving();
    const reason = new Error("the source is broken");
    const sources: Record<string, () => Iterable<string> | AsyncIterable<string>> = {
      *sync() {
        for (let i = 0; i < 20; i++) yield `s3://bucket/${i}`;
        throw reason;
      },
      async *async() {
        for (let i = 0; i < 20; i++) yield await Promise.resolve(`s3://bucket/${i}`);
        throw reason;
      },
      atOnce: () => ({
        [Symbol.iterator]() {
          throw reason;
        },
      }),
    };
    for (const [name, make] of Object.entries(sources)) {
      let came = 0;
      const looped = async () => {
        for await (const { bytes } of place.client.getMany(make())) {
          assertSameBytes(bytes!, data);
          came++;
        }
      };
      assertEquals(await within(5000, assertRejects(looped)), reason, name);
      assertEquals(came, name === "atOnce" ? 0 : 20, name);
    }
  });

  it("refuses what is no list of sources, and wrong options, at once", () => {
    using client = new S3Client({ endpoint: "http://127.0.0.1:1", credentials: "anonymous" });
    for (const sources of ["s3://bucket/key", 7, null, undefined, {}]) {
      const error = assertThrows(() => client.getMany(sources as Source[]), InvalidInputError);
      assertEquals(error.operation, "getMany");
    }
    for (const options of [{ ordered: "yes" }, { signal: 1 }, { onProgress: true }, 7]) {
      assertThrows(() => client.getMany([], options as GetManyOptions), InvalidInputError);
    }
  });

  it("ends with what its progress listener throws", async () => {
    await using place = await serving();
    const reason = new Error("from the listener");
    const sources = Array.from({ length: 50 }, (_, i) => `s3://bucket/${i}`);
    const options = {
      onProgress() {
        throw reason;
      },
    };
    assertEquals(await assertRejects(() => collected(place.client, sources, options)), reason);
    assertEquals(memory().operations, 0);
  });

  it("is a function of the module too", async () => {
    await using place = await serving();
    configure({ endpoint: place.server.endpoint, credentials: "anonymous" });
    const [result] = await Array.fromAsync(getMany(["s3://bucket/key"]));
    assertSameBytes(result!.bytes!, data);
    configure({});
  });
});
