/** What is forgotten is collected, and many buffers leave nothing behind. */
import { assert, assertEquals } from "@std/assert";
import { memory, RustBuffer } from "dipper";
import { Bucket } from "./bucket.ts";
import { HeldServer } from "./held_server.ts";
import { collectUntil, held, memoryTest, turn } from "./settled.ts";

const { budget } = memory(); // Loads the library, too. Within a test, Deno would count that as a leak.

const MANY = 100_000;
const ZERO = { bytes: 0, buffers: 0, adopted: 0, operations: 0 };

memoryTest("a forgotten RustBuffer is collected", () => {
  new RustBuffer(1 << 20).view().fill(1);
  assertEquals(held(), { bytes: 1 << 20, buffers: 1, adopted: 0, operations: 0 });
});

memoryTest("a forgotten adopted buffer is collected", () => {
  new RustBuffer(1 << 20).adopt();
  assertEquals(held(), { bytes: 1 << 20, buffers: 0, adopted: 1, operations: 0 });
});

memoryTest("a view keeps the memory of a forgotten buffer alive", async () => {
  let view: Uint8Array | undefined = new RustBuffer(1 << 20).view().fill(5);
  assertEquals(await collectUntil(() => held().bytes === 0, 300), false);
  assert(view.every((byte) => byte === 5));
  view = undefined;
});

for (const method of ["bytes", "arrayBuffer", "buffer", "text", "blob"] as const) {
  memoryTest(`forgotten results of ${method}() are collected`, async () => {
    await using bucket = await Bucket.start();
    const file = await bucket.object("object", "x".repeat(1 << 20));
    for (let i = 0; i < 20; i++) await file[method]();
    await Promise.all(Array.from({ length: 20 }, () => file[method]()));
    assertEquals(held().operations, 0);
  });
}

memoryTest("promises that nobody awaits leave nothing", async () => {
  await using server = new HeldServer(1 << 20);
  void server.file("object").bytes();
  void server.file("object").buffer();
  void server.file("object").into(new Uint8Array(1 << 20));
  await server.arrived(3);
  await collectUntil(() => false, 100);
  assertEquals(held().operations, 3, "operations are not collected");
  server.release();
  assert(await collectUntil(() => held().operations === 0));
});

memoryTest("forgotten RustBuffers do not fill the budget", async () => {
  // Four times the budget in all. Untouched pages cost nothing.
  const size = Math.floor(budget / 8);
  for (let i = 0; i < 32; i++) {
    new RustBuffer(size);
    await turn();
  }
});

memoryTest("100,000 buffers created and disposed", () => {
  for (let i = 0; i < MANY; i++) {
    const buffer = new RustBuffer(1 + i % 300);
    buffer.view()[0] = i;
    buffer.dispose();
  }
  assertEquals(held(), ZERO);
});

memoryTest("100,000 buffers alive at once, then disposed", () => {
  const buffers = Array.from({ length: MANY }, () => new RustBuffer(64));
  assertEquals(held(), { bytes: 64 * MANY, buffers: MANY, adopted: 0, operations: 0 });
  buffers.forEach((buffer, at) => new Uint32Array(buffer.view().buffer).fill(at));
  assert(buffers.every((buffer, at) => new Uint32Array(buffer.view().buffer)[15] === at));
  for (const buffer of buffers) buffer.dispose();
  assertEquals(held(), ZERO);
});

memoryTest("100,000 forgotten buffers, a third of them adopted, a third unsafe", async () => {
  for (let i = 0; i < MANY; i++) {
    const buffer = new RustBuffer(1 + i % 300);
    if (i % 3 === 0) buffer.adopt();
    if (i % 3 === 1) buffer.unsafeView();
    if (i % 10_000 === 0) await turn();
  }
});

memoryTest("100,000 adopted buffers, freed by transfer(0)", () => {
  for (let i = 0; i < MANY; i++) new RustBuffer(64).adopt().transfer(0);
  assertEquals(held(), ZERO);
});
