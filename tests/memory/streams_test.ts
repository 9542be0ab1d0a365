/** Streams, ranges and many reads: what they hold while they run, and that they let go of it. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { memory, RustBuffer, S3Client } from "dipper";
import { Bucket } from "./bucket.ts";
import { programAt, runProgram } from "./program.ts";
import { assertStamped, collectUntil, held, memoryTest, stamp, turn } from "./settled.ts";
import { WorkerThread } from "./worker_thread.ts";
import type { Holding, ToHolder } from "./workers/holder.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const MIB = 1 << 20;
const GIB = 2 ** 30;

/** Makes an object of stamped bytes. */
async function stamped(bucket: Bucket, size: number): Promise<ReturnType<Bucket["file"]>> {
  using content = new RustBuffer(size);
  stamp(content.view());
  return await bucket.object("stamped", content);
}

/** Waits for what ends by itself. Nothing may need the collector here. */
async function released(patience = 5000): Promise<void> {
  const deadline = performance.now() + patience;
  while (held().operations > 0 || held().bytes > 0) {
    if (performance.now() > deadline) break;
    await turn(5);
  }
  assertEquals(held(), { bytes: 0, buffers: 0, adopted: 0, operations: 0 });
}

memoryTest("a stream of 2 GiB stays within 96 MiB", async () => {
  await using bucket = await Bucket.start();
  {
    using content = new RustBuffer(2 * GIB);
    content.view()[0] = 1;
    content.view()[2 * GIB - 1] = 2;
    await bucket.file("large").write(content);
  }
  const { code, stdout, stderr } = await runProgram(programAt("stream_through.ts"), {
    args: [JSON.stringify(bucket.options)],
    patience: 120_000,
  });
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  const { bytes, first, last, idle, peak } = JSON.parse(stdout);
  assertEquals([bytes, first, last], [2 * GIB, 1, 2]);
  assert(peak - idle < 96 * MIB, `${(peak - idle) / MIB} MiB over idle`);
});

memoryTest("40,000 small objects by getMany leave resident memory flat", async () => {
  await using bucket = await Bucket.start();
  const content = new Uint8Array(16384).fill(1);
  for (let at = 0; at < 200; at++) await bucket.file(`small/${at}`).write(content);
  const { code, stdout, stderr } = await runProgram(programAt("drop_many.ts"), {
    args: [JSON.stringify(bucket.options), "100"],
    patience: 120_000,
  });
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  const { came, warm, after } = JSON.parse(stdout);
  assertEquals(came, 40_000);
  assert(Math.abs(after - warm) < 64 * MIB, `from ${warm / MIB} to ${after / MIB} MiB`);
});

memoryTest("chunks of a stream go to a Worker and stay there", async () => {
  await using bucket = await Bucket.start();
  const file = await stamped(bucket, 4 * MIB);
  const worker = new WorkerThread<ToHolder, Holding>("holder.ts");
  let chunks = 0;
  for await (const chunk of file.stream()) {
    const answer = await worker.ask({ hold: chunk.buffer }, [chunk.buffer]);
    assertEquals([chunk.length, answer.size !== undefined], [0, true]);
    chunks++;
  }
  assert(chunks >= 4);
  assertEquals(held().adopted, 0, "they are JavaScript's own");
  worker.terminate();
});

memoryTest("a stream that is left early is released at once", async () => {
  await using bucket = await Bucket.start();
  const file = await stamped(bucket, 32 * MIB);
  for await (const _ of file.stream()) break;
  await released();
  await file.stream().cancel();
  await released();
  const reader = file.stream().getReader();
  const pending = reader.read();
  await reader.cancel();
  await pending;
  await released();
  const controller = new AbortController();
  const looped = async () => {
    for await (const _ of file.stream({ signal: controller.signal })) controller.abort();
  };
  await assertRejects(looped);
  await released();
});

memoryTest("a stream that is forgotten is released by the collector", async () => {
  await using bucket = await Bucket.start();
  const file = await stamped(bucket, 64 * MIB);
  const controller = new AbortController();
  const begin = async () => {
    for (const options of [{}, { signal: controller.signal }]) {
      const reader = file.stream(options).getReader();
      await reader.read();
    }
  };
  await begin();
  assert(await collectUntil(() => held().bytes === 0 && held().operations === 0));
  // A signal that outlives its streams holds none of them.
  controller.abort();
});

memoryTest("a chunk is never written again after it was handed out", async () => {
  await using bucket = await Bucket.start();
  const size = 16 * MIB;
  const file = await stamped(bucket, size);
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  const reader = file.stream().getReader();
  while (true) {
    // Several reads wait at once.
    const steps = await Promise.all([reader.read(), reader.read(), reader.read()]);
    for (const { value } of steps) if (value !== undefined) chunks.push(value);
    if (steps.some(({ done }) => done)) break;
  }
  const all = new Uint8Array(await new Blob(chunks).arrayBuffer());
  assertStamped(all, size);
});

memoryTest("a BYOB read that is cancelled in flight keeps its memory to the end", async () => {
  await using bucket = await Bucket.start();
  const file = await stamped(bucket, 8 * MIB);
  for (let round = 0; round < 20; round++) {
    const reader = file.stream().getReader({ mode: "byob" });
    const pending = reader.read(new Uint8Array(MIB));
    if (round % 2 === 1) await turn(round % 5);
    await reader.cancel();
    await pending;
    // What took the place of the memory must keep its bytes.
    const others = Array.from({ length: 8 }, () => new Uint8Array(MIB));
    await turn(2);
    assert(others.every((other) => other[0] === 0 && other[MIB - 1] === 0));
  }
  await released();
});

memoryTest(
  "results of ranges belong to the collector, and those of a failure to nobody",
  async () => {
    await using bucket = await Bucket.start();
    const file = await stamped(bucket, 8 * MIB);
    const results = await file.ranges([[0, MIB], [2 * MIB, 3 * MIB], [0, 10]]);
    assertEquals(held().adopted, 3);
    for (const { buffer } of results) buffer.transfer(0);
    assertEquals(held().adopted, 0);
    await assertRejects(() => file.ranges([[0, MIB], [7 * MIB, 9 * MIB]]));
    await released();
  },
);

memoryTest(
  "getMany holds what its consumer has not taken as native memory, and frees it",
  async () => {
    await using bucket = await Bucket.start();
    const content = new Uint8Array(10_000).fill(1);
    for (let at = 0; at < 50; at++) await bucket.file(`${at}`).write(content);
    const uris = Array.from({ length: 50 }, (_, at) => `s3://bucket/${at}`);
    for (const ordered of [false, true]) {
      const iterator = bucket.client.getMany(uris, { ordered })[Symbol.asyncIterator]();
      const { value } = await iterator.next();
      await turn(100);
      assert(held().adopted <= 1, "nothing is mapped before it is taken");
      await iterator.return!();
      value?.bytes?.buffer.transfer(0);
      await released();
    }
  },
);

memoryTest("getMany goes on though its objects are larger than the budget together", async () => {
  await using bucket = await Bucket.start();
  const content = new Uint8Array(MIB).fill(1);
  for (let at = 0; at < 20; at++) await bucket.file(`${at}`).write(content);
  const uris = Array.from({ length: 60 }, (_, at) => `s3://bucket/${at % 20}`);
  for (const ordered of [false, true]) {
    using client = new S3Client({ ...bucket.options, memoryBudget: 3 * MIB });
    let came = 0;
    for await (const { bytes, error } of client.getMany(uris, { ordered })) {
      assertEquals(error, undefined);
      assertEquals(bytes?.length, MIB);
      bytes?.buffer.transfer(0);
      came++;
      await turn(1);
    }
    assertEquals(came, 60);
  }
  await released();
});
