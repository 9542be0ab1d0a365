/** The verbs of `RustBuffer`: borrow, move, copy, and what each does to the others. */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertNotStrictEquals,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { InvalidInputError, memory, RustBuffer, UnsupportedError } from "dipper";
import { Bucket } from "./bucket.ts";
import { programAt, runProgram } from "./program.ts";
import { addressOf, collectUntil, held, memoryTest } from "./settled.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const SIZES = [1, 63, 64, 65, 128 * 1024 - 1, 128 * 1024, 128 * 1024 + 1, 1 << 20];

for (const size of SIZES) {
  memoryTest(`new RustBuffer(${size}) is zeroed, at a 64-byte boundary, and counted`, () => {
    {
      using buffer = new RustBuffer(size);
      assertEquals(buffer.byteLength, size);
      assertEquals(addressOf(buffer.view()) % 64n, 0n);
      assert(buffer.view().every((byte) => byte === 0));
      assertEquals(held(), { bytes: size, buffers: 1, adopted: 0, operations: 0 });
      buffer.view().fill(0xff);
    }
    assertEquals(held().bytes, 0);
    // The memory of the one before, most likely.
    using again = new RustBuffer(size);
    assert(again.view().every((byte) => byte === 0), "memory that is used again is zeroed");
  });

  memoryTest(`bytes() of ${size} bytes start at a 64-byte boundary`, async () => {
    await using bucket = await Bucket.start();
    const file = await bucket.object("object", new Uint8Array(size).fill(9));
    const bytes = await file.bytes();
    assertEquals(addressOf(bytes) % 64n, 0n);
    assertEquals([bytes.byteOffset, bytes.byteLength, bytes.buffer.byteLength], [0, size, size]);
    assert(bytes.every((byte) => byte === 9));
    assertEquals(held(), { bytes: size, buffers: 0, adopted: 1, operations: 0 });
    const memory = await file.arrayBuffer();
    assertEquals(addressOf(memory) % 64n, 0n);
    using buffer = await file.buffer();
    assertEquals(addressOf(buffer.view()) % 64n, 0n);
  });
}

memoryTest("an empty RustBuffer works and holds nothing", () => {
  const buffer = new RustBuffer(0);
  assertEquals(buffer.view().length, 0);
  assertEquals(buffer.toBytes().length, 0);
  assertEquals(buffer.pointer, null);
  assertEquals(buffer.unsafeView().byteLength, 0);
  assertEquals(held().bytes, 0);
  assertEquals(buffer.adopt().byteLength, 0);
  assertThrows(() => buffer.view(), InvalidInputError, "adopt()");
  new RustBuffer(0).dispose();
});

for (const size of [-1, 0.5, NaN, Infinity, 2 ** 53, "8", null, undefined, 8n, {}, []]) {
  memoryTest(`new RustBuffer(${Deno.inspect(size)}) is refused`, () => {
    const error = assertThrows(
      () => new RustBuffer(size as number),
      InvalidInputError,
      "RustBuffer cannot have",
    );
    assertEquals(error.code, "InvalidInput");
  });
}

memoryTest("view() is the one Uint8Array", () => {
  using buffer = new RustBuffer(16);
  const view = buffer.view();
  view.set([1, 2, 3]);
  assertStrictEquals(buffer.view(), view);
  assertStrictEquals(buffer.view().buffer, view.buffer);
  assertEquals([view.byteOffset, view.length], [0, 16]);
  assertEquals(addressOf(view), Deno.UnsafePointer.value(buffer.pointer));
});

memoryTest("toBytes() is independent of the buffer", () => {
  const buffer = new RustBuffer(4);
  buffer.view().set([1, 2, 3, 4]);
  const copy = buffer.toBytes();
  assert(addressOf(copy) !== addressOf(buffer.view()));
  buffer.view().fill(9);
  buffer.dispose();
  assertEquals(copy, new Uint8Array([1, 2, 3, 4]));
  assertEquals(held().bytes, 0);
});

memoryTest("adopt() keeps the address and detaches earlier views", () => {
  const buffer = new RustBuffer(1 << 20);
  const view = buffer.view();
  view.set([1, 2, 3], 5);
  const before = addressOf(view);
  const adopted = buffer.adopt();
  assertEquals(addressOf(adopted), before);
  assertEquals([...new Uint8Array(adopted, 5, 3)], [1, 2, 3]);
  assertEquals([view.length, view.buffer.detached], [0, true]);
  assertEquals([buffer.byteLength, buffer.pointer], [0, null]);
  assertEquals(held(), { bytes: 1 << 20, buffers: 0, adopted: 1, operations: 0 });
  adopted.transfer(0);
  assertEquals(held(), { bytes: 0, buffers: 0, adopted: 0, operations: 0 });
});

memoryTest("dispose() frees at once and detaches the view; twice is harmless", () => {
  const buffer = new RustBuffer(1 << 20);
  const view = buffer.view();
  view[0] = 1;
  buffer.dispose();
  assertEquals(held().bytes, 0);
  assertEquals([view.length, view[0], view.buffer.detached], [0, undefined, true]);
  for (let i = 0; i < 3; i++) buffer.dispose();
  buffer[Symbol.dispose]();
  assertEquals(held(), { bytes: 0, buffers: 0, adopted: 0, operations: 0 });
});

memoryTest("using disposes, also when the block throws", () => {
  let view = new Uint8Array();
  assertThrows(() => {
    using buffer = new RustBuffer(64);
    view = buffer.view();
    throw new RangeError("out");
  }, RangeError);
  assertEquals([view.length, held().bytes], [0, 0]);
});

memoryTest("dispose() after adopt() leaves the adopted memory alone", () => {
  const buffer = new RustBuffer(64);
  const adopted = buffer.adopt();
  buffer.dispose();
  assertEquals(adopted.byteLength, 64);
  assertThrows(() => buffer.view(), InvalidInputError, "adopt()");
});

const ENDS = {
  "disposed": {
    end: (buffer: RustBuffer): unknown => buffer.dispose(),
    says: "this RustBuffer was disposed",
  },
  "adopted": {
    end: (buffer: RustBuffer): unknown => buffer.adopt(),
    says: "this RustBuffer was moved out by adopt()",
  },
  "transferred through its view": {
    end: (buffer: RustBuffer): unknown =>
      structuredClone(buffer.view(), { transfer: [buffer.view().buffer] }),
    says: "this RustBuffer was transferred through its view",
  },
};
const USES: Record<string, (buffer: RustBuffer) => unknown> = {
  view: (buffer) => buffer.view(),
  adopt: (buffer) => buffer.adopt(),
  toBytes: (buffer) => buffer.toBytes(),
  unsafeView: (buffer) => buffer.unsafeView(),
};

for (const [state, { end, says }] of Object.entries(ENDS)) {
  for (const [method, use] of Object.entries(USES)) {
    memoryTest(`${method}() of a buffer that was ${state} says so`, () => {
      const buffer = new RustBuffer(8);
      const kept = end(buffer);
      const error = assertThrows(() => use(buffer), InvalidInputError);
      assertEquals([error.name, error.code], ["InvalidInputError", "BufferGone"]);
      assertEquals([error.operation, error.retryable], [method, false]);
      assertStringIncludes(error.message, `${method}: ${says}`);
      assert(error.hint !== undefined && error.message.endsWith(error.hint));
      assertEquals([buffer.byteLength, buffer.pointer], [0, null]);
      buffer.dispose();
      Deno.inspect(buffer);
      assertThrows(() => use(buffer), InvalidInputError, says);
      if (kept !== undefined) assertEquals(held().bytes, 8, "its new owner still has it");
    });
  }

  memoryTest(`write() of a buffer that was ${state} says so`, async () => {
    await using bucket = await Bucket.start();
    const buffer = new RustBuffer(8);
    const kept = end(buffer);
    const error = await bucket.file("object").write(buffer).then(() => undefined, (error) => error);
    assertInstanceOf(error, InvalidInputError);
    assertEquals([error.code, error.operation], ["BufferGone", "write"]);
    assertStringIncludes(error.message, says);
    assertEquals(await bucket.file("object").exists(), false);
    assert(kept !== null);
  });
}

memoryTest("unsafeView() has the same address and is the one mapping", () => {
  const buffer = new RustBuffer(4096);
  const safe = buffer.view();
  safe.set([1, 2, 3]);
  const address = addressOf(safe);

  const unsafe = buffer.unsafeView();
  assertEquals(addressOf(unsafe), address);
  assertEquals([...new Uint8Array(unsafe, 0, 3)], [1, 2, 3]);
  assertEquals([safe.length, safe.buffer.detached], [0, true]);
  assertStrictEquals(buffer.unsafeView(), unsafe);
  assertEquals(buffer.byteLength, 4096);
  assertEquals(buffer.toBytes().subarray(0, 3), new Uint8Array([1, 2, 3]));

  new Uint8Array(unsafe)[0] = 7;
  const again = buffer.view();
  assertEquals(unsafe.detached, true, "view() detaches it");
  assertNotStrictEquals(again, safe);
  assertEquals([addressOf(again), again[0]], [address, 7]);

  const second = buffer.unsafeView();
  assertEquals([addressOf(second), again.length], [address, 0]);
  const adopted = buffer.adopt();
  assertEquals([second.detached, addressOf(adopted)], [true, address]);
  assertEquals(held(), { bytes: 4096, buffers: 0, adopted: 1, operations: 0 });
});

memoryTest("dispose() detaches the unsafe view and frees the memory", () => {
  const buffer = new RustBuffer(1 << 20);
  const unsafe = buffer.unsafeView();
  buffer.dispose();
  assertEquals([unsafe.detached, held().bytes], [true, 0]);
});

memoryTest("an unsafe view keeps the memory of a forgotten buffer alive", async () => {
  let unsafe: ArrayBuffer | undefined = ((): ArrayBuffer => {
    const buffer = new RustBuffer(1 << 20);
    buffer.view().fill(5);
    return buffer.unsafeView();
  })();
  assertEquals(await collectUntil(() => held().bytes === 0, 300), false);
  assert(new Uint8Array(unsafe).every((byte) => byte === 5));
  unsafe = undefined;
});

memoryTest(
  "without the flag, adopt({ immutable: true }) names it and leaves the buffer whole",
  () => {
    using buffer = new RustBuffer(8);
    const view = buffer.view();
    const error = assertThrows(() => buffer.adopt({ immutable: true }), UnsupportedError);
    assertEquals(error.code, "FeatureDisabled");
    assertStringIncludes(error.message, "--v8-flags=--js-immutable-arraybuffer");
    assertStringIncludes(error.message, "DENO_V8_FLAGS");
    assertStrictEquals(buffer.view(), view);
    assertEquals(view.length, 8);
  },
);

Deno.test("with the flag, immutable buffers refuse writes, transfer and into()", async () => {
  const { code, stdout, stderr } = await runProgram(programAt("immutable.ts"), {
    flags: ["--v8-flags=--expose-gc,--js-immutable-arraybuffer"],
  });
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertEquals(JSON.parse(stdout), {
    immutable: true,
    sameAddress: true,
    content: [1, 2, 3, 4],
    viewLength: 0,
    written: [1, 2, 3, 4],
    transfer: "TypeError",
    into: ["InvalidInputError", "the target is read-only"],
    written2: "whole",
    held: { bytes: 4096, adopted: 1 },
    end: { bytes: 0, buffers: 0, adopted: 0, operations: 0 },
  });
});
