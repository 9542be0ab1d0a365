// Ranges: each result is right, its own memory, and in its place; near neighbours share a request.

import {
  assert,
  assertEquals,
  assertLessOrEqual,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  InvalidInputError,
  memory,
  metricsOf,
  NotFoundError,
  PreconditionFailedError,
  type Progress,
  S3Client,
} from "dipper";
import { assertSameBytes, pattern } from "./bytes.ts";
import { objectAnswer, ScriptedServer, sendAll, sendPart, within } from "./scripted_server.ts";
import { everyWay } from "./servers.ts";

const MIB = 1 << 20;
type Range = [start: number, end: number];

/** A small generator with a fixed seed: a failure can be repeated. */
function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
}

function assertRanges(results: readonly Uint8Array[], data: Uint8Array, ranges: readonly Range[]) {
  assertEquals(results.length, ranges.length);
  ranges.forEach(([start, end], index) =>
    assertSameBytes(results[index]!, data.subarray(start, end), `range ${index}: ${start}-${end}`)
  );
}

everyWay("ranges", (at) => {
  const size = 5 * MIB + 17;
  const data = pattern(size, 5);

  it("bring their bytes in the order of the ranges, however they lie", async () => {
    const { client, uri } = at();
    const file = client.file(uri("ranged"));
    await file.write(data);
    const cases: Range[][] = [
      [],
      [[0, 0]],
      [[size, size]],
      [[0, size]],
      [[0, 1], [size - 1, size]],
      [[10, 20], [20, 30], [30, 30], [40, 50]],
      [[50, 60], [10, 20], [0, 5], [4 * MIB, 4 * MIB + 9]],
      [[0, 100], [50, 150], [50, 60], [0, 100], [99, 101]],
      [[3 * MIB, 5 * MIB], [0, 4 * MIB]],
      [[0, 0], [7, 9], [size, size]],
    ];
    for (const ranges of cases) assertRanges(await file.ranges(ranges), data, ranges);
    assertEquals(memory().operations, 0);
  });

  it("may be thousands", async () => {
    const { client, uri } = at();
    const file = client.file(uri("thousands"));
    await file.write(data);
    const below = random(11);
    const ranges = Array.from({ length: 5000 }, (): Range => {
      const start = below(size);
      return [start, start + below(Math.min(3000, size - start + 1))];
    });
    assertRanges(await file.ranges(ranges), data, ranges);
  });

  it("have memory of their own: moving one leaves the others", async () => {
    const { client, uri } = at();
    const file = client.file(uri("apart"));
    await file.write(data);
    const results = await file.ranges([[0, 100], [100, 200], [0, 100]]);
    assertEquals(new Set(results.map(({ buffer }) => buffer)).size, 3);
    for (const bytes of results) {
      assertEquals([bytes.byteOffset, bytes.buffer.byteLength], [0, bytes.length]);
      const address = Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes));
      assertEquals(address % 64n, 0n, "at a 64-byte boundary");
    }
    results[0]!.buffer.transfer(0);
    results[1]!.fill(0);
    assertSameBytes(results[2]!, data.subarray(0, 100));
  });

  it("of a slice count in the slice, and end with it", async () => {
    const { client, uri } = at();
    const file = client.file(uri("sliced"));
    await file.write(data);
    const ranges: Range[] = [[0, 10], [90, 100], [5, 5]];
    for (
      const [slice, start] of [
        [file.slice(1000), 1000],
        [file.slice(1000, 1100), 1000],
        [file.slice(-100), size - 100],
        [file.slice(-300, -200), size - 300],
        [file.slice(500).slice(500, 600), 1000],
      ] as const
    ) {
      assertRanges(await slice.ranges(ranges), data.subarray(start), ranges);
    }
    for (const slice of [file.slice(1000, 1100), file.slice(-100), file.slice(-300, -200)]) {
      const error = await assertRejects(() => slice.ranges([[0, 1], [50, 101]]), InvalidInputError);
      assertEquals([error.code, error.operation], ["InvalidRange", "ranges"]);
    }
  });

  it("past the end are refused, all of them, with the size", async () => {
    const { client, uri } = at();
    const file = client.file(uri("short"));
    await file.write(pattern(1000));
    const before = memory().adopted;
    for (const ranges of [[[0, 1001]], [[1000, 1001]], [[5000, 5000]], [[0, 10], [999, 2000]]]) {
      const error = await assertRejects(() => file.ranges(ranges as Range[]), InvalidInputError);
      assertEquals([error.code, error.operation], ["InvalidRange", "ranges"], `${ranges}`);
      assertStringIncludes(error.message, file.uri);
      // A server that refuses a range that starts behind the end need not tell the size.
      if (ranges[0]![0]! < 1000) assertStringIncludes(error.message, "1000");
    }
    // What earlier tests dropped may be collected meanwhile.
    assertLessOrEqual(memory().adopted, before);
    assertEquals(memory().operations, 0);
  });

  it("hold conditions, and name what is missing", async () => {
    const { client, uri } = at();
    const file = client.file(uri("conditional"));
    const { etag } = await file.write("one");
    const [end] = await file.ranges([[1, 3]], { ifMatch: etag! });
    assertEquals(new TextDecoder().decode(end), "ne");
    await file.write("two");
    await assertRejects(() => file.ranges([[1, 3]], { ifMatch: etag! }), PreconditionFailedError);
    const missing = client.file(uri("no such object"));
    const error = await assertRejects(() => missing.ranges([[0, 1]]), NotFoundError, missing.uri);
    assertEquals(error.operation, "ranges");
  });

  it("tell their progress and their metrics", async () => {
    const { client, uri, transport } = at();
    const file = client.file(uri("metered"));
    await file.write(data);
    const seen: Progress[] = [];
    const results = await file.ranges([[0, 1000], [4 * MIB, 4 * MIB + 500]], {
      onProgress: (progress) => void seen.push(progress),
    });
    const metrics = metricsOf(results);
    assertEquals([metrics?.bytes, metrics?.transport], [1500, transport]);
    for (const bytes of results) assertEquals(metricsOf(bytes), metrics);
    assertEquals([seen.at(-1)?.bytes, seen.at(-1)?.total], [1500, 1500]);
    assertEquals(seen.at(-1)?.metrics, metrics);
  });
});

describe("ranges of a scripted server", () => {
  const data = pattern(4 * MIB, 8);

  it("that are wrong are refused before anything is sent", async () => {
    await using server = await ScriptedServer.start((_, reply) => reply.answer(200, {}, ""));
    using client = new S3Client({ endpoint: server.endpoint, credentials: "anonymous" });
    const file = client.file("s3://bucket/key");
    const wrong: Record<string, unknown> = {
      "no list": 7,
      "a string": "0-1",
      "null": null,
      "a number": [7],
      "one offset": [[1]],
      "three offsets": [[1, 2, 3]],
      "text": [["0", "1"]],
      "negative": [[-1, 1]],
      "reversed": [[2, 1]],
      "a fraction": [[0, 1.5]],
      "NaN": [[0, NaN]],
      "infinite": [[0, Infinity]],
      "unsafe": [[0, 2 ** 53]],
      "BigInt": [[0n, 1n]],
      "a hole": Object.assign(new Array(3), { 0: [0, 1], 2: [2, 3] }),
      "one among good": [[0, 1], [5, 4]],
    };
    for (const [name, ranges] of Object.entries(wrong)) {
      const error = await assertRejects(() => file.ranges(ranges as Range[]), InvalidInputError);
      assertEquals([error.code, error.operation], ["InvalidInput", "ranges"], name);
      assertStringIncludes(error.message, "pairs [start, end]", name);
    }
    assertEquals(await file.ranges([]), []);
    assertEquals(server.asked.length, 0);
  });

  it("share a request with near neighbours, and only with those", async () => {
    const large = new Uint8Array(24 * MIB);
    await using server = await ScriptedServer.start((asked, reply) =>
      sendAll(reply, objectAnswer(asked, large))
    );
    using client = new S3Client({ endpoint: server.endpoint, credentials: "anonymous" });
    const file = client.file("s3://bucket/key");
    const gets = () => server.asked.filter(({ method }) => method === "GET").length;
    const near = Array.from({ length: 500 }, (_, at): Range => [at * 2000, at * 2000 + 1000]);
    await file.ranges(near);
    assert(gets() <= 4, `${gets()} requests for 500 ranges within 1 MB`);
    const asked = gets();
    await file.ranges([[0, 10], [20 * MIB, 20 * MIB + 10]]);
    assertEquals(gets() - asked, 2, "20 MiB between them are not read");
  });

  it("are ended by a signal and by disposing the client, and leave no memory", async () => {
    for (const how of ["signal", "dispose"] as const) {
      await using server = await ScriptedServer.start(async (asked, reply) => {
        await sendPart(reply, objectAnswer(asked, data), 300_000);
        await reply.silence();
      });
      const before = memory().bytes;
      using client = new S3Client({ endpoint: server.endpoint, credentials: "anonymous" });
      const controller = new AbortController();
      const reason = new Error("enough");
      const ranges = client.file("s3://bucket/key").ranges([[0, 1000], [5000, 3 * MIB]], {
        signal: controller.signal,
      });
      setTimeout(() => how === "signal" ? controller.abort(reason) : client.dispose(), 50);
      const error = await within(5000, assertRejects(() => ranges));
      if (how === "signal") assertEquals(error, reason);
      else assert(error instanceof InvalidInputError && error.code === "ClientGone", `${error}`);
      assertEquals(memory().operations, 0);
      const deadline = performance.now() + 5000;
      while (memory().bytes > before && performance.now() < deadline) {
        await new Promise((go) => setTimeout(go, 5));
      }
      assert(memory().bytes <= before, `${memory().bytes - before} bytes stay`);
    }
  });
});
