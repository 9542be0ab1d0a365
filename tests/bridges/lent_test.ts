/**
 * Memory of every kind that JavaScript has, lent to the native side: what is summed and changed is
 * what the engine says the memory is at that moment, and what is gone is refused.
 */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import vm from "node:vm";
import {
  checksumBytes,
  InvalidInputError,
  logInplace,
  memory,
  normalizeInplace,
  RustBuffer,
  scaleBuffer,
  scaleInplace,
} from "dipper";
import { fnv1a64 } from "./fnv1a.ts";
import { noise } from "./kernels.ts";
import { memoryTest } from "../memory/settled.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const EMPTY = 0xcbf29ce484222325n;

/** The bytes of a buffer of any kind. */
function fill<T extends ArrayBufferLike>(buffer: T, seed = 1): T {
  new Uint8Array(buffer).set(noise(buffer.byteLength, seed));
  return buffer;
}

Deno.test("anything that has bytes is summed", () => {
  const bytes = noise(64, 1);
  const { buffer } = bytes;
  const sum = fnv1a64(bytes);
  for (
    const data of [
      buffer,
      bytes,
      new DataView(buffer),
      new Float64Array(buffer),
      new BigInt64Array(buffer),
      new Float16Array(buffer),
      new Uint8ClampedArray(buffer),
      Buffer.from(buffer),
      { buffer, byteOffset: 0, byteLength: 64 },
      { data: new Uint8ClampedArray(buffer), width: 4, height: 4 },
      new ImageData(new Uint8ClampedArray(buffer), 4, 4),
      fill(new SharedArrayBuffer(64)),
      new Uint8Array(fill(new SharedArrayBuffer(64))),
      new DataView(fill(new SharedArrayBuffer(64))),
      fill(new ArrayBuffer(64, { maxByteLength: 128 })),
      fill(new SharedArrayBuffer(64, { maxByteLength: 128 })),
    ]
  ) {
    assertEquals(checksumBytes(data as never), sum, Object.prototype.toString.call(data));
  }
});

Deno.test("what another realm made is summed and scaled too", () => {
  const foreign = vm.runInNewContext("new Float64Array([1, 2, 3])");
  scaleInplace(foreign, 2);
  assertEquals([foreign[0], foreign[1], foreign[2]], [2, 4, 6]);
  const sum = fnv1a64(new Uint8Array(new Float64Array([2, 4, 6]).buffer));
  assertEquals(checksumBytes(foreign), sum);
  assertEquals(checksumBytes(foreign.buffer), sum);
});

Deno.test("parts that start anywhere are summed where they lie", () => {
  const whole = noise(1000, 2);
  for (let offset = 0; offset < 70; offset++) {
    const expected = fnv1a64(whole.slice(offset, offset + 517));
    const { buffer } = whole;
    const shared = new SharedArrayBuffer(1000);
    new Uint8Array(shared).set(whole);
    for (const memory of [buffer, shared]) {
      assertEquals(checksumBytes(new Uint8Array(memory, offset, 517)), expected);
      assertEquals(checksumBytes(new DataView(memory, offset, 517)), expected);
      const place = { buffer: memory, byteOffset: offset, byteLength: 517 };
      assertEquals(checksumBytes(place), expected);
    }
  }
});

Deno.test("without bytes the sum is the offset basis, and nothing is changed", () => {
  for (
    const data of [
      new ArrayBuffer(0),
      new SharedArrayBuffer(0),
      new Uint8Array(8).subarray(8),
      new DataView(new ArrayBuffer(3), 3),
      Buffer.alloc(0),
      { buffer: new ArrayBuffer(3), byteOffset: 3, byteLength: 0 },
    ]
  ) {
    assertEquals(checksumBytes(data), EMPTY);
    scaleBuffer(data, 2);
  }
  scaleInplace(new Float64Array(0), 2);
  logInplace(new Float32Array(0));
  normalizeInplace(new Float64Array(0));
  normalizeInplace(new Float64Array(0), { dimension: 5 });
});

memoryTest("a RustBuffer without bytes has the sum of nothing", () => {
  using buffer = new RustBuffer(0);
  assertEquals(checksumBytes(buffer), EMPTY);
  scaleBuffer(buffer, 2);
});

Deno.test("memory that is detached is refused", () => {
  const gone = <T extends ArrayBufferView>(view: T): T => {
    (view.buffer as ArrayBuffer).transfer();
    return view;
  };
  const buffer = new ArrayBuffer(8);
  buffer.transfer();
  for (
    const call of [
      () => checksumBytes(gone(new Uint8Array(8))),
      () => checksumBytes(gone(new DataView(new ArrayBuffer(8)))),
      () => checksumBytes(buffer),
      () => checksumBytes({ buffer, byteOffset: 0, byteLength: 0 }),
      () => scaleInplace(gone(new Float64Array(2)), 2),
      () => scaleBuffer(gone(new Float32Array(2)), 2),
      () => scaleBuffer(buffer, 2),
      () => logInplace(gone(new Float32Array(2))),
      () => normalizeInplace(gone(new Float32Array(2))),
      () => scaleInplace({ data: gone(new Float64Array(2)), shape: [0], stride: [1] }, 2),
    ]
  ) {
    const error = assertThrows(call, InvalidInputError);
    assertStringIncludes(error.message, "detached");
  }
});

Deno.test("memory that can be resized is used as long as it is now", () => {
  const buffer = fill(new ArrayBuffer(64, { maxByteLength: 256 }), 3);
  const following = new Uint8Array(buffer);
  const fixed = new Uint8Array(buffer, 32, 32);
  assertEquals(checksumBytes(following), fnv1a64(following.slice()));
  buffer.resize(200);
  assertEquals(checksumBytes(following), fnv1a64(new Uint8Array(buffer).slice()));
  buffer.resize(40);
  assertEquals(checksumBytes(following), fnv1a64(new Uint8Array(buffer).slice()));
  for (
    const data of [fixed, new Float64Array(new ArrayBuffer(64, { maxByteLength: 64 }), 32, 4)]
  ) {
    (data.buffer as ArrayBuffer).resize(40);
    const error = assertThrows(() => checksumBytes(data), InvalidInputError);
    assertStringIncludes(error.message, "shorter");
  }
  const view = new DataView(buffer, 32, 8);
  buffer.resize(8);
  assertStringIncludes(
    assertThrows(() => checksumBytes(view), InvalidInputError).message,
    "shorter",
  );
  const growing = new SharedArrayBuffer(8, { maxByteLength: 64 });
  const x = new Float64Array(growing);
  x[0] = 2;
  growing.grow(16);
  x[1] = 3;
  scaleInplace(x, 2);
  assertEquals([...x], [4, 6]);
});

Deno.test("shared memory is changed in place, its neighbours are not", () => {
  const doubles = new Float64Array(new SharedArrayBuffer(8 * 5000)).fill(1);
  scaleInplace(doubles.subarray(3, 4990), 2);
  assert(doubles.every((x, i) => x === (i >= 3 && i < 4990 ? 2 : 1)));
  const floats = new Float32Array(new SharedArrayBuffer(4 * 5000)).fill(4);
  scaleBuffer(floats.subarray(1, 4999), 0.5);
  assert(floats.every((x, i) => x === (i >= 1 && i < 4999 ? 2 : 4)));
  logInplace(floats);
  assert(Math.abs(floats[1]! - Math.log(2)) < 1e-6);
  normalizeInplace(doubles, { kind: "minmax" });
  assertEquals([doubles[0], doubles[3]], [0, 1]);
});

Deno.test("memory of WebAssembly is borrowed like any other", () => {
  const { buffer } = new WebAssembly.Memory({ initial: 1 });
  const x = new Float64Array(buffer, 8, 3);
  x.set([1, 2, 3]);
  scaleInplace(x, 2);
  assertEquals([...new Float64Array(buffer, 0, 5)], [0, 2, 4, 6, 0]);
  const shared = new WebAssembly.Memory({ initial: 1, maximum: 2, shared: true });
  const y = new Float32Array(shared.buffer, 4, 2).fill(1);
  scaleBuffer(y, 3);
  assertEquals([...y], [3, 3]);
});

Deno.test("memory that nobody may write to is summed, and not changed", async () => {
  const program = `
    import { checksumBytes, scaleInplace, scaleBuffer, RustBuffer } from "dipper";
    const x = new Float64Array([1, 2]);
    const frozen = x.buffer.transferToImmutable();
    const lines = [checksumBytes(frozen), checksumBytes(new Uint8Array(frozen))];
    using buffer = new RustBuffer(16);
    const adopted = buffer.adopt({ immutable: true });
    for (const call of [
      () => scaleInplace(new Float64Array(frozen), 2),
      () => scaleBuffer(frozen, 2),
      () => scaleBuffer(adopted, 2),
      () => scaleBuffer({ buffer: frozen, byteOffset: 0, byteLength: 8 }, 2),
    ]) {
      try { call(); lines.push("changed"); } catch (error) { lines.push(error.message); }
    }
    lines.push(...new Float64Array(frozen));
    console.log(lines.join("\\n"));
  `;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      ...Deno.env.has("DIPPER_TEST_IMPORT_MAP")
        ? [`--import-map=${Deno.env.get("DIPPER_TEST_IMPORT_MAP")}`]
        : [],
      "--v8-flags=--js-immutable-arraybuffer",
      program,
    ],
    cwd: new URL("../..", import.meta.url),
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  const lines = new TextDecoder().decode(stdout).trim().split("\n");
  const sum = fnv1a64(new Uint8Array(new Float64Array([1, 2]).buffer));
  assertEquals(lines.slice(0, 2), [String(sum), String(sum)]);
  for (const line of lines.slice(2, 6)) assertStringIncludes(line, "read-only");
  assertEquals(lines.slice(6), ["1", "2"]);
});

memoryTest("a RustBuffer that is gone says what became of it", () => {
  const disposed = new RustBuffer(8);
  disposed.dispose();
  const error = assertThrows(() => scaleBuffer(disposed, 2), InvalidInputError);
  assertEquals(error.code, "BufferGone");
  assertStringIncludes(error.message, "scaleBuffer: this RustBuffer was disposed");
});

for (
  const [what, data] of [
    ["a text", "canary"],
    ["a number", 7],
    ["a bigint", 7n],
    ["nothing", undefined],
    ["null", null],
    ["an array", [1, 2]],
    ["an object", {}],
    ["a Blob", new Blob(["canary"])],
    ["a function", () => {}],
    ["a prototype", Uint8Array.prototype],
    ["an object made of a prototype", Object.create(Uint8Array.prototype)],
    ["an object made of RustBuffer's", Object.create(RustBuffer.prototype)],
  ] as const
) {
  Deno.test(`no bytes: ${what} is refused`, () => {
    const error = assertThrows(() => checksumBytes(data as never), Error);
    assert(error instanceof InvalidInputError || error instanceof TypeError, String(error));
    assert(!error.message.includes("canary"));
    assert(error.message.length > 20);
  });
}

Deno.test("Workers that change shared numbers at once tear none", async () => {
  const COUNT = 4000;
  const x = new Float64Array(new SharedArrayBuffer(8 * COUNT)).fill(1);
  const workers = Array.from(
    { length: 3 },
    () => new Worker(new URL("./scaling_worker.ts", import.meta.url), { type: "module" }),
  );
  try {
    await Promise.all(workers.map((worker) =>
      new Promise<void>((resolve, reject) => {
        worker.onmessage = () => resolve();
        worker.onerror = (event) => reject(new Error(event.message));
        worker.postMessage(x);
      })
    ));
  } finally {
    for (const worker of workers) worker.terminate();
  }
  // Multiplications may be lost, but each number is a power of two that some loop wrote.
  for (const number of x) {
    assert(Number.isInteger(Math.log2(number)) && number >= 2 && number <= 2 ** 600, `${number}`);
  }
});
