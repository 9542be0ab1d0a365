/** The memory budget: refused at once, waited for, given back. */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { BudgetExceededError, memory, RustBuffer, S3Client } from "dipper";
import { Bucket } from "./bucket.ts";
import { programAt, runProgram } from "./program.ts";
import { collectUntil, held, memoryTest } from "./settled.ts";
import { WorkerThread } from "./worker_thread.ts";
import type { Holding, ToHolder } from "./workers/holder.ts";

const MIB = 1 << 20;
const { budget } = memory(); // Loads the library, too.

/** Whether a promise settles within a while. */
async function settles(promise: Promise<unknown>, milliseconds: number): Promise<boolean> {
  const done = promise.then(() => true, () => true);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), milliseconds);
  });
  return await Promise.race([done, late]).finally(() => clearTimeout(timer));
}

/** A bucket with an object of 3 MiB, and a client that may hold 4. */
async function smallBudget(): Promise<AsyncDisposable & { client: S3Client; bucket: Bucket }> {
  const bucket = await Bucket.start();
  await bucket.object("3MiB", new Uint8Array(3 * MIB).fill(3));
  await bucket.object("1MiB", new Uint8Array(MIB).fill(1));
  const client = new S3Client({ ...bucket.options, memoryBudget: 4 * MIB });
  return {
    client,
    bucket,
    async [Symbol.asyncDispose]() {
      client.dispose();
      await bucket[Symbol.asyncDispose]();
    },
  };
}

memoryTest("the budget is a number of bytes", () => {
  assert(Number.isSafeInteger(budget) && budget > 0);
});

memoryTest("a RustBuffer beyond the whole budget is refused at once", () => {
  const start = performance.now();
  const error = assertThrows(() => new RustBuffer(budget + 1), BudgetExceededError);
  assertEquals([error.code, error.retryable], ["BudgetExceeded", false]);
  assertStringIncludes(error.message, String(budget + 1));
  assertStringIncludes(error.message, String(budget));
  assert(performance.now() - start < 1000);
  assertEquals(held().bytes, 0);
  assertThrows(() => new RustBuffer(Number.MAX_SAFE_INTEGER), BudgetExceededError);
});

memoryTest("a RustBuffer beside others beyond the budget is refused, naming what is held", () => {
  // Untouched pages cost nothing.
  const large = new RustBuffer(budget - MIB);
  const error = assertThrows(() => new RustBuffer(2 * MIB), BudgetExceededError);
  assertStringIncludes(error.message, String(budget - MIB));
  assertStringIncludes(error.message, "dispose()");
  new RustBuffer(MIB).dispose();
  large.dispose();
  new RustBuffer(2 * MIB).dispose();
});

memoryTest("adopted memory leaves the budget", () => {
  const adopted = new RustBuffer(budget - MIB).adopt();
  new RustBuffer(2 * MIB).dispose();
  adopted.transfer(0);
});

memoryTest("all isolates share the budget", async () => {
  const worker = new WorkerThread<ToHolder, Holding>("holder.ts");
  await worker.ask({ keep: { buffers: 1, adopted: 0, size: budget - MIB } });
  assertThrows(() => new RustBuffer(2 * MIB), BudgetExceededError);
  worker.terminate();
  assert(await collectUntil(() => held().bytes === 0));
  new RustBuffer(2 * MIB).dispose();
});

memoryTest("an object beyond the client's budget is refused at once", async () => {
  await using small = await smallBudget();
  await small.bucket.object("5MiB", new Uint8Array(5 * MIB));
  for (const method of ["bytes", "buffer", "arrayBuffer", "text"] as const) {
    const error = await small.client.file("s3://bucket/5MiB")[method]().then(
      () => undefined,
      (error) => error,
    );
    assertInstanceOf(error, BudgetExceededError);
    assertEquals(error.code, "BudgetExceeded");
    assertEquals(error.uri, "s3://bucket/5MiB");
    assertStringIncludes(error.message, String(4 * MIB));
  }
  // A slice of it fits, and a target of JavaScript's does not count.
  assertEquals((await small.client.file("s3://bucket/5MiB").slice(0, MIB).bytes()).length, MIB);
  const filled = await small.client.file("s3://bucket/5MiB").into(new Uint8Array(5 * MIB));
  assertEquals(filled.length, 5 * MIB);
});

const FREES: Record<string, (buffer: RustBuffer) => void> = {
  "dispose()": (buffer) => buffer.dispose(),
  "adopt()": (buffer) => void buffer.adopt(),
  "transfer(0) of its view": (buffer) => void buffer.view().buffer.transfer(0),
};
for (const [what, free] of Object.entries(FREES)) {
  memoryTest(`a read waits while others hold the budget, until ${what}`, async () => {
    await using small = await smallBudget();
    const first = await small.client.get("s3://bucket/3MiB");
    const second = small.client.get("s3://bucket/3MiB");
    assertEquals(await settles(second, 150), false, "it waits");
    assertEquals(held().buffers, 1);
    assertEquals(held().bytes, 3 * MIB, "and holds nothing meanwhile");
    free(first);
    using buffer = await second;
    assert(buffer.view().every((byte) => byte === 3));
  });
}

memoryTest("bytes() leave the budget as soon as they are there", async () => {
  await using small = await smallBudget();
  const file = small.client.file("s3://bucket/3MiB");
  const all = await Promise.all(Array.from({ length: 10 }, () => file.bytes()));
  assertEquals(all.map((bytes) => bytes.length), Array(10).fill(3 * MIB));
  assertEquals(held().adopted, 10);
});

memoryTest("many buffers pass through a small budget, each disposed", async () => {
  await using small = await smallBudget();
  let most = 0;
  await Promise.all(Array.from({ length: 30 }, async () => {
    using buffer = await small.client.get("s3://bucket/1MiB");
    assertEquals(buffer.view()[0], 1);
    most = Math.max(most, held().bytes);
  }));
  assert(most <= 4 * MIB, `${most} bytes were held`);
});

memoryTest("an abort ends the waiting, and who waits behind is served", async () => {
  await using small = await smallBudget();
  const first = await small.client.get("s3://bucket/3MiB");
  const controller = new AbortController();
  const second = small.client.get("s3://bucket/3MiB", { signal: controller.signal });
  assertEquals(await settles(second, 100), false);
  const third = small.client.get("s3://bucket/1MiB");
  controller.abort(new RangeError("enough"));
  assertInstanceOf(await second.catch((reason) => reason), RangeError);
  assert(await settles(third, 5000), "what fits is not held back by who gave up");
  (await third).dispose();
  first.dispose();
  assertEquals(held(), { bytes: 0, buffers: 0, adopted: 0, operations: 0 });
});

memoryTest("disposing the client ends the waiting", async () => {
  await using small = await smallBudget();
  const first = await small.client.get("s3://bucket/3MiB");
  const second = small.client.get("s3://bucket/3MiB");
  assertEquals(await settles(second, 100), false);
  small.client.dispose();
  const error = await second.catch((error) => error);
  assertEquals(error.code, "ClientGone");
  first.dispose();
});

memoryTest("forgotten buffers do not hold a small budget forever", async () => {
  await using small = await smallBudget();
  const readAndDrop = async () => {
    const buffer = await small.client.get("s3://bucket/3MiB");
    return buffer.byteLength;
  };
  for (let at = 0; at < 12; at++) {
    // No forced collection here: dipper asks for it.
    const done = await settles(readAndDrop(), 3000);
    if (!done) small.client.dispose();
    assert(done, `the read number ${at} waits for garbage`);
  }
});

memoryTest("one client's budget does not hold back another", async () => {
  await using small = await smallBudget();
  using _first = await small.client.get("s3://bucket/3MiB");
  using other = await small.bucket.client.get("s3://bucket/3MiB");
  assertEquals(other.byteLength, 3 * MIB);
});

Deno.test("a server that announces absurd lengths gets an error, and the program lives", async () => {
  const { code, signal, stdout, stderr } = await runProgram(programAt("huge_announcements.ts"));
  assertEquals({ code, signal, stderr }, { code: 0, signal: null, stderr: "" });
  const { names, end } = JSON.parse(stdout) as {
    names: Record<string, string[]>;
    end: Record<string, number>;
  };
  assertEquals(names["4611686018427387904"], [
    "BudgetExceededError",
    "BudgetExceededError",
    "InvalidInputError",
  ]);
  const known = ["BudgetExceededError", "InvalidInputError", "NetworkError"];
  for (const [length, each] of Object.entries(names)) {
    assertEquals(each.length, 3);
    assert(each.every((name) => known.includes(name)), `${length}: ${each.join(", ")}`);
  }
  assertEquals(end, { bytes: 0, buffers: 0, adopted: 0, operations: 0 });
});
