/** `into`: memory of the caller's that is taken, filled in private, and handed back. */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { DipperError, InvalidInputError, memory, NotFoundError, RustBuffer } from "dipper";
import { Bucket } from "./bucket.ts";
import { HeldServer } from "./held_server.ts";
import { addressOf, assertStamped, held, memoryTest, stamp } from "./settled.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const KIB = 1024;

/** What a failed `into` hands back. */
async function failureOf(reading: Promise<unknown>): Promise<DipperError> {
  const error = await reading.then(() => undefined, (error) => error);
  assertInstanceOf(error, DipperError);
  return error;
}

memoryTest("into() takes the target, fills it at its address, and hands it back", async () => {
  await using bucket = await Bucket.start();
  const file = await bucket.object("object", stamp(new Uint8Array(64 * KIB)));
  const target = new Uint8Array(64 * KIB);
  const address = addressOf(target);
  const reading = file.into(target);
  assertEquals([target.length, target.buffer.detached], [0, true], "taken at once");
  const filled = await reading;
  assertStamped(filled, 64 * KIB);
  assertEquals(addressOf(filled), address);
  assertEquals([filled.byteOffset, filled.buffer.byteLength], [0, 64 * KIB]);
  assertEquals(held().bytes, 0, "the memory is JavaScript's");
  // And again with the same memory.
  assertEquals(addressOf(await file.into(filled)), address);
});

memoryTest("a longer target is handed back as far as it was filled", async () => {
  await using bucket = await Bucket.start();
  const file = await bucket.object("object", new Uint8Array([1, 2, 3, 4]));
  const filled = await file.into(new Uint8Array(10).fill(9));
  assertEquals(filled, new Uint8Array([1, 2, 3, 4]));
  assertEquals(new Uint8Array(filled.buffer), new Uint8Array([1, 2, 3, 4, 9, 9, 9, 9, 9, 9]));
});

memoryTest("a part of a buffer is filled, and its neighbours are not", async () => {
  await using bucket = await Bucket.start();
  const file = await bucket.object("object", new Uint8Array([1, 2, 3, 4]));
  const whole = new Uint8Array(16).fill(9);
  const filled = await file.into(whole.subarray(5, 9));
  assertEquals([filled.byteOffset, filled.length, filled.buffer.byteLength], [5, 4, 16]);
  assertEquals(
    new Uint8Array(filled.buffer),
    new Uint8Array([9, 9, 9, 9, 9, 1, 2, 3, 4, 9, 9, 9, 9, 9, 9, 9]),
  );
  assertEquals(whole.length, 0, "the whole buffer was taken");
});

memoryTest("a slice fills a target of its own length", async () => {
  await using bucket = await Bucket.start();
  const file = await bucket.object("object", new Uint8Array([1, 2, 3, 4]));
  assertEquals(await file.slice(1, 3).into(new Uint8Array(2)), new Uint8Array([2, 3]));
  assertEquals(await file.slice(4).into(new Uint8Array(2)), new Uint8Array());
});

memoryTest("an empty object fills an empty target", async () => {
  await using bucket = await Bucket.start();
  const file = await bucket.object("object", "");
  assertEquals((await file.into(new Uint8Array(0))).length, 0);
  assertEquals((await file.into(new Uint8Array(5))).length, 0);
});

for (const room of [0, 3]) {
  memoryTest(
    `a target of ${room} bytes for an object of 4 is refused and handed back`,
    async () => {
      await using bucket = await Bucket.start();
      const file = await bucket.object("object", new Uint8Array([1, 2, 3, 4]));
      const target = new Uint8Array(room).fill(9);
      const address = addressOf(target);
      const error = await failureOf(file.into(target));
      assertInstanceOf(error, InvalidInputError);
      assertStringIncludes(error.message, `${room} bytes`);
      assertStringIncludes(error.message, "slice");
      assertEquals(error.target, new Uint8Array(room).fill(9));
      if (room > 0) assertEquals(addressOf(error.target as Uint8Array<ArrayBuffer>), address);
    },
  );
}

memoryTest(
  "a RustBuffer's view may be the target: its memory is filled and stays counted",
  async () => {
    await using bucket = await Bucket.start();
    const file = await bucket.object("object", stamp(new Uint8Array(64 * KIB)));
    const buffer = new RustBuffer(64 * KIB);
    const address = addressOf(buffer.view());
    const reading = file.into(buffer.view());
    buffer.dispose();
    const filled = await reading;
    assertEquals(addressOf(filled), address);
    assertStamped(filled, 64 * KIB);
    assertEquals(held().bytes, 64 * KIB);
  },
);

memoryTest("adopted memory may be the target again and again", async () => {
  await using bucket = await Bucket.start();
  const file = await bucket.object("object", stamp(new Uint8Array(64 * KIB)));
  let bytes = await file.bytes();
  const address = addressOf(bytes);
  for (let i = 0; i < 10; i++) bytes = await file.into(bytes.fill(0));
  assertEquals(addressOf(bytes), address);
  assertStamped(bytes, 64 * KIB);
  assertEquals(held(), { bytes: 64 * KIB, buffers: 0, adopted: 1, operations: 0 });
});

memoryTest("a resizable target is filled, and cannot be resized meanwhile", async () => {
  await using server = new HeldServer(64 * KIB);
  const buffer = new ArrayBuffer(64 * KIB, { maxByteLength: 256 * KIB });
  const reading = server.file("object").into(new Uint8Array(buffer));
  await server.arrived(1);
  assertEquals(buffer.detached, true);
  assertThrows(() => buffer.resize(0), TypeError);
  server.release();
  const filled = await reading;
  assertEquals([filled.length, filled[0], filled.at(-1)], [64 * KIB, 1, 2]);
  // Handed back, it can be resized again.
  filled.buffer.resize(128 * KIB);
  assertEquals(filled.buffer.byteLength, 128 * KIB);
});

memoryTest("a length-tracking and a partial view of a resizable buffer", async () => {
  await using bucket = await Bucket.start();
  const file = await bucket.object("object", new Uint8Array([1, 2, 3, 4]));
  const tracking = new Uint8Array(new ArrayBuffer(8, { maxByteLength: 64 }), 4);
  assertEquals(await file.into(tracking), new Uint8Array([1, 2, 3, 4]));
  const outside = new ArrayBuffer(8, { maxByteLength: 64 });
  const view = new Uint8Array(outside, 4, 4);
  outside.resize(2);
  const error = await failureOf(file.into(view));
  assertInstanceOf(error, InvalidInputError);
});

memoryTest("nobody can reach the target while it is being filled", async () => {
  await using server = new HeldServer(64 * KIB);
  const target = new Uint8Array(64 * KIB);
  const reading = server.file("object").into(target);
  await server.arrived(1);
  assertEquals(target.length, 0);
  assertThrows(() => target.fill(9), TypeError);
  assertThrows(() => target.buffer.transfer(), TypeError);
  const again = await failureOf(server.file("object").into(target));
  assertStringIncludes(again.message, "detached");
  server.release();
  const filled = await reading;
  assert(filled.subarray(0, 32 * KIB).every((byte) => byte === 1));
  assert(filled.subarray(32 * KIB).every((byte) => byte === 2));
});

const REFUSED: Record<string, [make: () => unknown, says: string]> = {
  "a detached buffer": [() => {
    const target = new Uint8Array(8);
    target.buffer.transfer();
    return target;
  }, "detached"],
  "shared memory": [() => new Uint8Array(new SharedArrayBuffer(8)), "shared memory"],
  "growable shared memory": [
    () => new Uint8Array(new SharedArrayBuffer(8, { maxByteLength: 16 })),
    "shared memory",
  ],
  "WebAssembly memory": [
    () => new Uint8Array(new WebAssembly.Memory({ initial: 1 }).buffer),
    "WebAssembly memory",
  ],
  "shared WebAssembly memory": [
    () => new Uint8Array(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer),
    "shared memory",
  ],
  "a Float64Array": [() => new Float64Array(8), "no Uint8Array"],
  "an ArrayBuffer": [() => new ArrayBuffer(8), "no Uint8Array"],
  "a DataView": [() => new DataView(new ArrayBuffer(8)), "no Uint8Array"],
  "a RustBuffer": [() => new RustBuffer(8), "no Uint8Array"],
  "an array": [() => [1, 2], "no Uint8Array"],
  "null": [() => null, "no Uint8Array"],
  "nothing": [() => undefined, "no Uint8Array"],
  "an impostor": [() => Object.create(Uint8Array.prototype), ""],
};

for (const [name, [make, says]] of Object.entries(REFUSED)) {
  memoryTest(`${name} is refused as a target, and left as it was`, async () => {
    await using server = new HeldServer(8);
    const target = make() as Uint8Array<ArrayBuffer>;
    const before = ArrayBuffer.isView(target) ? target.byteLength : undefined;
    const error = await failureOf(server.file("object").into(target));
    assertInstanceOf(error, InvalidInputError);
    assertEquals([error.code, error.operation], ["InvalidInput", "into"]);
    assertStringIncludes(error.message, says);
    assert(error.hint !== undefined);
    if (before !== undefined) assertEquals(target.byteLength, before);
    assertEquals(held().operations, 0, "nothing was sent");
    if (target instanceof RustBuffer) target.dispose();
  });
}

memoryTest("a refused WebAssembly memory still works", async () => {
  await using server = new HeldServer(8);
  const wasm = new WebAssembly.Memory({ initial: 1 });
  const target = new Uint8Array(wasm.buffer as ArrayBuffer);
  target[0] = 7;
  await failureOf(server.file("object").into(target));
  assertEquals([target[0], target.length], [7, 65536]);
  wasm.grow(1);
  assertEquals(new Uint8Array(wasm.buffer)[0], 7);
});

memoryTest("a missing object hands the target back untouched", async () => {
  await using bucket = await Bucket.start();
  const target = new Uint8Array(64).fill(9).subarray(8, 16);
  const address = addressOf(target);
  const error = await failureOf(bucket.file("missing").into(target));
  assertInstanceOf(error, NotFoundError);
  assert(error.target);
  assertEquals(error.target, new Uint8Array(8).fill(9));
  assertEquals([error.target.byteOffset, addressOf(error.target as Uint8Array<ArrayBuffer>)], [
    8,
    address,
  ]);
});

memoryTest("an abort hands the target back with the signal's reason", async () => {
  await using server = new HeldServer(64 * KIB);
  const target = new Uint8Array(64 * KIB);
  const address = addressOf(target);
  const controller = new AbortController();
  const reading = server.file("object").into(target, { signal: controller.signal });
  await server.arrived(1);
  controller.abort();
  const reason = await reading.then(() => undefined, (reason) => reason);
  assertEquals(reason, controller.signal.reason);
  assertEquals([reason.name, reason.target.length], ["AbortError", 64 * KIB]);
  assertEquals(addressOf(reason.target), address);
  assertEquals(held().operations, 0);
  // Nobody writes to it any more.
  reason.target.fill(7);
  server.release();
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert(reason.target.every((byte: number) => byte === 7));
});

memoryTest("a signal that is aborted already leaves the target with its owner", async () => {
  await using server = new HeldServer(64);
  const target = new Uint8Array(64);
  const signal = AbortSignal.abort();
  const reason = await server.file("object").into(target, { signal }).then(
    () => undefined,
    (reason) => reason,
  );
  assertEquals(reason, signal.reason);
  const back: Uint8Array = target.length > 0 ? target : reason.target;
  assertEquals(back.length, 64);
});

memoryTest("a reason that cannot carry the target is still the rejection", async () => {
  await using server = new HeldServer(64 * KIB);
  for (const reason of ["enough", 7, Object.freeze(new Error("frozen"))]) {
    const controller = new AbortController();
    const { signal } = controller;
    const reading = server.file("object").into(new Uint8Array(64 * KIB), { signal });
    await new Promise((resolve) => setTimeout(resolve, 20));
    controller.abort(reason);
    assertEquals(await reading.then(() => undefined, (reason) => reason), reason);
  }
});

memoryTest("one signal for two targets: its reason hands one of them back", async () => {
  await using server = new HeldServer(64 * KIB);
  const controller = new AbortController();
  const { signal } = controller;
  const targets = [new Uint8Array(64 * KIB).fill(1), new Uint8Array(64 * KIB).fill(2)];
  const addresses = targets.map(addressOf);
  const readings = targets.map((target, at) =>
    server.file(`object${at}`).into(target, { signal }).then(() => undefined, (reason) => reason)
  );
  await server.arrived(2);
  controller.abort();
  const reasons = await Promise.all(readings);
  // The reason is the signal's own, as everywhere on the platform, and has room for one target.
  for (const reason of reasons) assertStrictEquals(reason, signal.reason);
  assert(addresses.includes(addressOf(signal.reason.target)));
});
