// Uploads whose source is bad: a file that grows, shrinks or is replaced while it is sent, a stream
// that brings nothing, one chunk or none that has bytes, and nothing at all. Either exactly what was there when
// the upload began is stored, or one typed error tells why not; nothing is left.

import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { DipperError, InvalidInputError, memory, RustBuffer } from "dipper";
import { settled } from "../memory/settled.ts";
import { within } from "../storage/scripted_server.ts";
import { control, FaultBucket } from "./fault_server.ts";
import { leftOpen, PART } from "./uploads.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const DEADLINE = 20_000;
const SIZE = 10 * PART;

/** What happens to a file of ten parts while its first one is on its way. */
const CHANGES: Record<string, (path: string) => Promise<void>> = {
  "grows": async (path) => await Deno.writeFile(path, new Uint8Array(1000), { append: true }),
  "shrinks": async (path) => await Deno.truncate(path, SIZE - PART),
  "is emptied": async (path) => await Deno.truncate(path, 0),
  "is written over": async (path) => {
    using file = await Deno.open(path, { write: true });
    await file.seek(SIZE - 10, Deno.SeekMode.Start);
    await file.write(new Uint8Array(5).fill(9));
  },
};

describe("a file that changes while it is uploaded", { ignore: control === undefined }, () => {
  for (const [name, change] of Object.entries(CHANGES)) {
    it(`and ${name} makes an error, and no object`, async () => {
      await settled("an earlier test left nothing");
      const path = await Deno.makeTempFile({ prefix: "dipper-test-" });
      try {
        await Deno.writeFile(path, new Uint8Array(SIZE).fill(1));
        // The clock of the file system may be coarse.
        await new Promise((resolve) => setTimeout(resolve, 50));
        await using bucket = await FaultBucket.make({
          // Every part takes its time, so that the last ones are read after the change.
          faults: [{ on: "part", times: null, when: "before", what: { kind: "stall", ms: 300 } }],
        });
        using client = bucket.client();
        const sending = client.file(path as `/${string}`)
          .copyTo(bucket.uri("key"), { partSize: PART })
          .then(() => undefined, (error: unknown) => error);
        const deadline = performance.now() + DEADLINE;
        while (((await bucket.report()).kinds.part ?? 0) === 0) {
          if (performance.now() > deadline) throw new Error("no part was sent");
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        await change(path);
        const error = await within(DEADLINE, sending);
        assertInstanceOf(error, DipperError);
        assert(error.code !== "Internal", error.message);
        assertEquals((await bucket.report()).written, {});
        assertEquals(await leftOpen(bucket), []);
      } finally {
        await Deno.remove(path);
      }
      await settled();
    });
  }

  it("does not matter before it begins, nor after it was removed: it is open", async () => {
    const path = await Deno.makeTempFile({ prefix: "dipper-test-" });
    await Deno.writeFile(path, new Uint8Array(SIZE).fill(1));
    await using bucket = await FaultBucket.make({
      faults: [{ on: "part", times: null, when: "before", what: { kind: "stall", ms: 100 } }],
    });
    using client = bucket.client();
    const sending = client.file(path as `/${string}`).copyTo(bucket.uri("key"), { partSize: PART })
      .then(() => undefined, (error: unknown) => error);
    while (((await bucket.report()).kinds.part ?? 0) === 0) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await Deno.remove(path);
    const error = await within(DEADLINE, sending);
    const { written } = await bucket.report();
    // All of it, or an error and nothing.
    if (error === undefined) assertEquals(written["key"]!.size, SIZE);
    else {
      assertInstanceOf(error, DipperError);
      assertEquals(written, {});
    }
    assertEquals(await leftOpen(bucket), []);
  });
});

describe("an upload of nothing", { ignore: control === undefined }, () => {
  const none = async function* (): AsyncGenerator<Uint8Array> {};
  const empties = async function* (): AsyncGenerator<Uint8Array> {
    for (let count = 0; count < 5; count++) yield new Uint8Array();
  };
  it("is one request and an empty object, whatever nothing comes from", async () => {
    await settled("an earlier test left nothing");
    await using bucket = await FaultBucket.make({ expected: { key: { size: 0 } } });
    using client = bucket.client();
    const file = client.file(bucket.uri("key"));
    const ways: (() => Promise<unknown>)[] = [
      () => file.write(""),
      () => file.write(new Uint8Array()),
      () => file.write(new Blob([])),
      () => file.write(new Response(null)),
      () => file.write(none()),
      () => file.write(empties()),
      () => file.write(ReadableStream.from(empties())),
      async () => {
        using buffer = new RustBuffer(0);
        await file.write(buffer);
      },
      () => file.writer().close(),
      () => ReadableStream.from(empties()).pipeTo(file.writer()),
    ];
    for (const [index, way] of ways.entries()) {
      await within(DEADLINE, way());
      const { written, kinds } = await bucket.report();
      assertEquals([written["key"]!.asExpected, written["key"]!.parts], [true, 0], `way ${index}`);
      assertEquals([kinds.put, kinds.create ?? 0], [index + 1, 0], `way ${index}`);
    }
    await settled();
  });

  it("of a file is one too", async () => {
    await using bucket = await FaultBucket.make({ expected: { key: { size: 0 } } });
    using client = bucket.client();
    const path = await Deno.makeTempFile({ prefix: "dipper-test-" });
    try {
      await client.file(path as `/${string}`).copyTo(bucket.uri("key"));
    } finally {
      await Deno.remove(path);
    }
    assertEquals((await bucket.report()).written["key"]!.asExpected, true);
  });
});

describe("what S3 does not take", { ignore: control === undefined }, () => {
  it("is refused before anything is sent", async () => {
    await using bucket = await FaultBucket.make({});
    using client = bucket.client();
    const file = client.file(bucket.uri("key"));
    const refused: [why: string, write: () => Promise<unknown>][] = [
      ["metadata", () => file.write("x", { metadata: { a: "b".repeat(2048) } })],
      ["partSize", () => file.write("x", { partSize: PART - 1 })],
      ["more than the 10", () =>
        file.write("x", {
          tags: Object.fromEntries(Array.from({ length: 11 }, (_, index) => [`t${index}`, "v"])),
        })],
      ["seven days", () => file.presign({ expiresIn: 7 * 24 * 3600 + 1 })],
      ["1024", () => client.file(bucket.uri("k".repeat(1025))).write("x")],
    ];
    for (const [why, write] of refused) {
      const error = await assertRejects(async () => await write(), InvalidInputError);
      assert(error.message.includes(why), error.message);
    }
    assertEquals((await bucket.report()).requests, 0);
  });
});
