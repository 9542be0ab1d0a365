/** Adopted memory on its way: to Workers, into streams, clones, and operations of Deno's. */
import { assert, assertEquals } from "@std/assert";
import { memory, RustBuffer } from "dipper";
import { Bucket } from "./bucket.ts";
import {
  addressOf,
  assertStamped,
  collect,
  collectUntil,
  held,
  memoryTest,
  stamp,
  turn,
} from "./settled.ts";
import { WorkerThread } from "./worker_thread.ts";
import type { Holding, ToHolder } from "./workers/holder.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const MIB = 1 << 20;
const holder = () => new WorkerThread<ToHolder, Holding>("holder.ts");

/** An adopted buffer, stamped. */
function adopted(size: number): ArrayBuffer {
  const memory = new RustBuffer(size).adopt();
  stamp(new Uint8Array(memory));
  return memory;
}

memoryTest(
  "a Worker holds a transferred buffer, without a copy, until it is terminated",
  async () => {
    const worker = holder();
    const buffer = adopted(4 * MIB);
    const address = addressOf(buffer);
    const answer = await worker.ask({ hold: buffer }, [buffer]);
    assertEquals([buffer.detached, buffer.byteLength], [true, 0]);
    assertEquals(answer, { address, size: 4 * MIB, intact: true });
    assertEquals(await collectUntil(() => held().bytes === 0, 200), false, "the Worker holds it");
    assertEquals(held().adopted, 1);
    worker.terminate();
  },
);

memoryTest("a Worker that closes itself gives transferred memory back", async () => {
  const worker = holder();
  const buffer = adopted(4 * MIB);
  await worker.ask({ hold: buffer }, [buffer]);
  assertEquals(held().adopted, 1);
  await worker.ask({ close: true });
  assert(await collectUntil(() => held().bytes === 0), "without terminate()");
  worker.terminate();
});

memoryTest("a Worker that throws gives transferred memory back", async () => {
  const worker = holder();
  const buffer = adopted(MIB);
  await worker.ask({ hold: buffer }, [buffer]);
  await worker.fails({ fail: true });
  assert(await collectUntil(() => held().bytes === 0), "without terminate()");
  worker.terminate();
});

memoryTest("memory goes from Worker to Worker and home again at one address", async () => {
  const workers = [holder(), holder(), holder()];
  let buffer = adopted(MIB);
  const address = addressOf(buffer);
  for (const worker of workers) {
    const answer = await worker.ask({ hold: buffer }, [buffer]);
    assertEquals(answer.address, address);
    const back = await worker.ask({ giveBack: true });
    assert(back.memory);
    buffer = back.memory;
  }
  for (const worker of workers) worker.terminate();
  assertEquals(addressOf(buffer), address);
  assertStamped(new Uint8Array(buffer), MIB);
  assertEquals(held().adopted, 1);
});

memoryTest("memory that was made in a Worker outlives it", async () => {
  const worker = holder();
  const { memory: buffer, address } = await worker.ask({ make: MIB });
  worker.terminate();
  assert(buffer);
  await turn(100);
  collect();
  assertEquals(addressOf(buffer), address);
  assertStamped(new Uint8Array(buffer), MIB);
  assertEquals(held(), { bytes: MIB, buffers: 0, adopted: 1, operations: 0 });
});

memoryTest("a Worker's own buffers, held and adopted, go when it is terminated", async () => {
  const worker = holder();
  await worker.ask({ keep: { buffers: 100, adopted: 100, size: 4096 } });
  assertEquals(held(), { bytes: 200 * 4096, buffers: 100, adopted: 100, operations: 0 });
  worker.terminate();
});

memoryTest("two isolates see the same account", async () => {
  const worker = holder();
  using _buffer = new RustBuffer(MIB);
  const { report } = await worker.ask({ report: true });
  assertEquals(report, { ...held(), budget: memory().budget });
  assertEquals(report?.bytes, MIB);
  worker.terminate();
});

memoryTest("fetch, transfer to a Worker, drop everything, collect: zero", async () => {
  const worker = holder();
  await (async () => {
    await using bucket = await Bucket.start();
    const file = await bucket.object("object", stamp(new Uint8Array(4 * MIB)));
    const buffer = await file.arrayBuffer();
    const address = addressOf(buffer);
    const answer = await worker.ask({ hold: buffer }, [buffer]);
    assertEquals(answer, { address, size: 4 * MIB, intact: true });
  })();
  worker.terminate();
});

memoryTest("a byte stream passes an adopted chunk on without a copy", async () => {
  const chunk = new Uint8Array(adopted(MIB));
  const address = addressOf(chunk);
  const stream = new ReadableStream({
    type: "bytes",
    start(controller) {
      controller.enqueue(chunk);
      controller.close();
    },
  });
  assertEquals(chunk.buffer.detached, true, "enqueue() transfers it");
  collect();
  const reader = stream.getReader();
  const { value } = await reader.read();
  assert(value);
  assertEquals(addressOf(value), address);
  assertStamped(value, MIB);
  assertEquals((await reader.read()).done, true);
});

memoryTest("a byte stream that is forgotten or cancelled frees its chunks", async () => {
  const stream = () =>
    new ReadableStream({
      type: "bytes",
      start: (controller) => controller.enqueue(new Uint8Array(adopted(MIB))),
    });
  stream();
  await stream().cancel();
  assert(held().adopted > 0 || held().bytes === 0);
});

memoryTest("a BYOB reader copies out of an adopted chunk", async () => {
  const stream = new ReadableStream({
    type: "bytes",
    start(controller) {
      controller.enqueue(new Uint8Array(adopted(4096)));
      controller.close();
    },
  });
  const reader = stream.getReader({ mode: "byob" });
  let { value } = await reader.read(new Uint8Array(1024));
  assert(value);
  assertStamped(value, 1024);
  // Into memory of Rust's, too.
  ({ value } = await reader.read(new Uint8Array(new RustBuffer(1024).adopt())));
  assert(value);
  assertEquals(new Uint32Array(value.buffer)[0], 256);
  await reader.cancel();
});

memoryTest("an adopted buffer crosses a transform and a Response", async () => {
  const source = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      controller.enqueue(new Uint8Array(adopted(MIB)));
      controller.close();
    },
  });
  const bytes = await new Response(source.pipeThrough(new TransformStream())).bytes();
  assertStamped(bytes, MIB);
});

memoryTest("structuredClone with transfer moves, without it copies", async () => {
  const buffer = adopted(MIB);
  const address = addressOf(buffer);
  const copy = structuredClone(buffer);
  assert(addressOf(copy) !== address);
  assertEquals(held(), { bytes: MIB, buffers: 0, adopted: 1, operations: 0 });
  const moved = structuredClone(buffer, { transfer: [buffer] });
  assertEquals([buffer.detached, addressOf(moved)], [true, address]);
  moved.transfer(0);
  assertEquals(held().bytes, 0, "transfer(0) frees at once");
  assertStamped(new Uint8Array(copy), MIB);
  await turn();
});

memoryTest("transfer() to another length copies, and frees the old memory at once", () => {
  const grown = adopted(4096).transfer(8192);
  assertEquals(held().bytes, 0);
  assertStamped(new Uint8Array(grown, 0, 4096), 4096);
});

memoryTest("Deno.writeFile of 256 MiB is whole though the last view is collected", async () => {
  const size = 256 * MIB;
  const path = await Deno.makeTempFile({ prefix: "dipper-test-" });
  try {
    let done = false;
    const writing = (() => {
      const view = new Uint8Array(adopted(size));
      return Deno.writeFile(path, view).then(() => void (done = true));
    })();
    let collections = 0;
    while (!done) {
      collect();
      collections++;
      // What is freed too early is now somebody else's.
      using other = new RustBuffer(32 * MIB);
      other.view().fill(0xff, 0, 4096);
      if (!done) assertEquals(held().adopted, 1, "the operation keeps the memory alive");
      await turn();
    }
    await writing;
    assert(collections > 1, "it was collected while in flight");
    assert(await collectUntil(() => held().bytes === 0));
    assertStamped(await Deno.readFile(path), size);
  } finally {
    await Deno.remove(path);
  }
});

memoryTest("Deno.writeFile of a borrowed view is whole though the buffer is disposed", async () => {
  const size = 64 * MIB;
  const path = await Deno.makeTempFile({ prefix: "dipper-test-" });
  try {
    const buffer = new RustBuffer(size);
    stamp(buffer.view());
    const writing = Deno.writeFile(path, buffer.view());
    buffer.dispose();
    assertEquals(buffer.byteLength, 0);
    using other = new RustBuffer(size);
    other.view().fill(0xff);
    await writing;
    assertStamped(await Deno.readFile(path), size);
  } finally {
    await Deno.remove(path);
  }
});
