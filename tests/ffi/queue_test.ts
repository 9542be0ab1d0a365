/** The queue as the rest of dipper uses it: promises, aborts, progress. */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { InternalError, LocalS3, memory, type Progress } from "dipper";
import { library } from "../../ffi/library.ts";
import { submit } from "../../ffi/queue.ts";
import type { Request, Submission } from "../../ffi/symbols.ts";
import { Bucket } from "../memory/bucket.ts";
import { HeldServer } from "../memory/held_server.ts";
import { runProgram } from "../memory/program.ts";
import { held, memoryTest, turn } from "../memory/settled.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const MIB = 1 << 20;
const nothing: Submission = { granted: [], request: { operation: "nothing" } };

function of(request: Request): Submission {
  return { granted: [], request };
}

/** Keeps the event loop busy until the native side has nothing under way. */
async function blockUntilDone(): Promise<void> {
  for (let i = 0; i < 50 && held().operations + held().buffers === 0; i++) await null;
  const start = performance.now();
  while (held().operations > 0 && performance.now() - start < 30_000);
  assertEquals(held().operations, 0);
}

memoryTest("100,000 operations submitted together all settle", async () => {
  let settled = 0;
  const all = Array.from({ length: 100_000 }, () => submit(nothing).then(() => void settled++));
  await Promise.all(all);
  assertEquals(settled, 100_000);
});

memoryTest("one that panics rejects by name, and those beside it do not", async () => {
  const all = [submit(nothing), submit(of({ operation: "panic" })), submit(nothing)];
  const [before, panic, after] = await Promise.allSettled(all);
  assertEquals([before?.status, after?.status], ["fulfilled", "fulfilled"]);
  assert(panic?.status === "rejected");
  assertInstanceOf(panic.reason, InternalError);
  assertEquals([panic.reason.code, panic.reason.operation], ["Internal", "panic"]);
  assertStringIncludes(panic.reason.message, "panic panicked");
  await submit(nothing);
});

Deno.test("panics write nothing to the program's output", async () => {
  const ended = await runProgram(new URL("./panic_program.ts", import.meta.url));
  assertEquals(
    { code: ended.code, stdout: ended.stdout, stderr: ended.stderr },
    { code: 0, stdout: "100 panics, still here\n", stderr: "" },
  );
});

memoryTest("one bad request fails alone, as bad input", async () => {
  await using bucket = await Bucket.start();
  const file = bucket.file("object");
  const [good, bad, other] = await Promise.allSettled([
    file.write("hello"),
    file.write("x", { contentType: "text/\ud800" }),
    submit(nothing),
  ]);
  assertEquals([good.status, bad.status, other.status], ["fulfilled", "rejected", "fulfilled"]);
  assert(bad.status === "rejected");
  assertEquals([bad.reason.name, bad.reason.code], ["InvalidInputError", "InvalidInput"]);
  assertEquals(await file.text(), "hello");
});

memoryTest("a completion larger than the room arrives whole", async () => {
  await using bucket = await Bucket.start();
  // 400 keys of 700 bytes make one page of more than 64 KiB.
  const keys = Array.from({ length: 400 }, (_, at) => `${at}`.padStart(4, "0") + "k".repeat(700));
  await Promise.all(keys.map((key) => bucket.file(key).write("")));
  const entries = await bucket.client.list("s3://bucket/").toArray();
  assertEquals(entries.map((entry) => "key" in entry ? entry.key : ""), keys);
});

// -- aborts ----------------------------------------------------------------------------------------

const ENDLESS = { bytes: 0, buffers: 0, adopted: 0, operations: 0 };

memoryTest("a signal that is aborted before rejects at once, and nothing starts", async () => {
  const signal = AbortSignal.abort(new RangeError("before"));
  await assertRejects(() => submit(nothing, { signal }), RangeError, "before");
  assertEquals(held(), ENDLESS);
});

memoryTest("an abort in the same turn, before it is sent", async () => {
  const controller = new AbortController();
  const running = submit(nothing, { signal: controller.signal });
  controller.abort(new RangeError("same turn"));
  await assertRejects(() => running, RangeError, "same turn");
});

memoryTest("an abort during the operation ends it", async () => {
  await using server = new HeldServer(MIB);
  const controller = new AbortController();
  const reading = server.file("object").bytes({ signal: controller.signal });
  await server.arrived(1);
  const start = performance.now();
  controller.abort();
  await assertRejects(() => reading, DOMException);
  assert(performance.now() - start < 10_000);
});

memoryTest("AbortSignal.timeout rejects with a TimeoutError", async () => {
  await using server = new HeldServer(MIB);
  const reading = server.file("object").bytes({ signal: AbortSignal.timeout(50) });
  const reason = await reading.catch((reason) => reason);
  assertEquals([reason.name, reason instanceof DOMException], ["TimeoutError", true]);
});

memoryTest("an abort after the completion changes nothing", async () => {
  await using bucket = await Bucket.start();
  const file = await bucket.object("object", "hello");
  const controller = new AbortController();
  const bytes = await file.bytes({ signal: controller.signal });
  controller.abort();
  await turn();
  assertEquals(new TextDecoder().decode(bytes), "hello");
});

memoryTest(
  "an abort between the end and its arrival still rejects, and frees the bytes",
  async () => {
    await using bucket = await Bucket.start();
    const file = await bucket.object("object", new Uint8Array(MIB));
    const controller = new AbortController();
    const reading = file.buffer({ signal: controller.signal });
    await blockUntilDone();
    controller.abort(new RangeError("late"));
    await assertRejects(() => reading, RangeError, "late");
    assertEquals(held(), ENDLESS);
  },
);

memoryTest("an abort between a server's start and its arrival stops the server", async () => {
  const temporary = await Deno.makeTempDir({ prefix: "dipper-test-" });
  const before = Deno.env.get("TMPDIR");
  Deno.env.set("TMPDIR", temporary);
  try {
    const controller = new AbortController();
    const starting = LocalS3.start({ signal: controller.signal });
    await blockUntilDone();
    assertEquals([...Deno.readDirSync(temporary)].length, 1, "the server is there");
    controller.abort();
    await assertRejects(() => starting, DOMException);
    const deadline = performance.now() + 30_000;
    while ([...Deno.readDirSync(temporary)].length > 0 && performance.now() < deadline) {
      await turn(10);
    }
    assertEquals([...Deno.readDirSync(temporary)], [], "its directory is gone with it");
  } finally {
    if (before === undefined) Deno.env.delete("TMPDIR");
    else Deno.env.set("TMPDIR", before);
    await Deno.remove(temporary, { recursive: true });
  }
});

memoryTest("one signal ends a thousand operations, and keeps no listener", async () => {
  await using server = new HeldServer(8);
  const controller = new AbortController();
  const { signal } = controller;
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = ((...args: Parameters<typeof add>) => {
    listeners++;
    add(...args);
  }) as typeof add;
  signal.removeEventListener = ((...args: Parameters<typeof remove>) => {
    listeners--;
    remove(...args);
  }) as typeof remove;
  await Promise.all(Array.from({ length: 100 }, () => submit(nothing, { signal })));
  assertEquals(listeners, 0, "operations that ended listen no more");
  const reading = Array.from(
    { length: 1000 },
    () => server.file("object").bytes({ signal }).catch((reason) => reason),
  );
  await turn(50);
  controller.abort();
  const reasons = await Promise.all(reading);
  assert(reasons.every((reason) => reason === signal.reason));
});

memoryTest("cancelling what has ended is harmless", async () => {
  const { native } = library();
  const controller = new AbortController();
  for (let i = 0; i < 100; i++) await submit(nothing, { signal: controller.signal });
  controller.abort();
  native.cancel(1e15 as Parameters<typeof native.cancel>[0]);
  await submit(nothing);
});

// -- progress --------------------------------------------------------------------------------------

memoryTest("progress rises from zero to the whole", async () => {
  await using bucket = await Bucket.start();
  const file = await bucket.object("object", new Uint8Array(32 * MIB));
  const seen: Progress[] = [];
  await file.bytes({ onProgress: (progress) => seen.push(progress) });
  assert(seen.length >= 1);
  assertEquals([seen.at(-1)?.bytes, seen.at(-1)?.total], [32 * MIB, 32 * MIB]);
  assertEquals(
    seen.map(({ bytes }) => bytes),
    seen.map(({ bytes }) => bytes).toSorted((a, b) => a - b),
  );
  assert(seen.every(({ total }) => total === 32 * MIB));
});

memoryTest("a progress listener that throws ends its operation with what it threw", async () => {
  await using server = new HeldServer(MIB);
  const other = server.file("other").bytes();
  const reading = server.file("object").bytes({
    onProgress() {
      throw new RangeError("from the listener");
    },
  });
  await assertRejects(() => reading, RangeError, "from the listener");
  server.release();
  assertEquals((await other).length, MIB, "the one beside it goes on");
});

memoryTest("a listener that throws at the very end still decides", async () => {
  await using bucket = await Bucket.start();
  const file = await bucket.object("object", new Uint8Array(MIB));
  for (const thrown of [new RangeError("late"), undefined, "text"]) {
    const reading = file.buffer({
      onProgress({ bytes, total }) {
        if (bytes === total) throw thrown;
      },
    });
    let reason: unknown = "nothing was thrown";
    await reading.catch((caught) => reason = caught);
    assertEquals(reason, thrown);
  }
  assertEquals(held(), ENDLESS);
});

memoryTest("a progress listener may abort, start work, and look at memory", async () => {
  await using server = new HeldServer(MIB);
  const controller = new AbortController();
  const { signal } = controller;
  const started: Promise<unknown>[] = [];
  const reading = server.file("object").bytes({
    signal,
    onProgress() {
      assert(memory().operations > 0);
      started.push(submit(nothing));
      controller.abort(new RangeError("from within"));
    },
  });
  await assertRejects(() => reading, RangeError, "from within");
  assert(started.length > 0);
  await Promise.all(started);
});

memoryTest("a listener that is no function ends its operation with the error", async () => {
  await using bucket = await Bucket.start();
  const file = await bucket.object("object", "hello");
  const onProgress = 7 as unknown as () => void;
  await assertRejects(() => file.bytes({ onProgress }));
});
