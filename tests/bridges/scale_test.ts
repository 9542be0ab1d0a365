/** `scaleInplace` and `scaleBuffer`: against plain loops, and what they refuse. */
import { tableFromArrays } from "@uwdata/flechette";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { InvalidInputError, memory, RustBuffer, scaleBuffer, scaleInplace } from "dipper";
import { everyWidth, numbers } from "./kernels.ts";
import { addressOf, held, memoryTest } from "../memory/settled.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const FACTORS = [1.5, 2, -0.1, 0, -0, 1 / 3, 1e-30, 1e30, Infinity, NaN];

/** Whether two arrays hold the same numbers, bit by bit but for NaN. */
function same(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
  return true;
}

everyWidth("every length from 0 to 4,096 gives what the loop gives, in 64 bits", () => {
  const source = numbers(4100, 1);
  for (let length = 0; length <= 4096; length++) {
    const factor = FACTORS[length % FACTORS.length]!;
    const offset = length % 4;
    const x = source.slice();
    const expected = source.slice();
    for (let i = offset; i < offset + length; i++) expected[i]! *= factor;
    scaleInplace(x.subarray(offset, offset + length), factor);
    assert(same(x, expected), `${length} numbers from ${offset}, times ${factor}`);
  }
});

everyWidth("every length from 0 to 4,096 gives what the loop gives, in 32 bits", () => {
  const source = Float32Array.from(numbers(4100, 2));
  for (let length = 0; length <= 4096; length++) {
    const factor = FACTORS[length % FACTORS.length]!;
    const offset = length % 4;
    const x = source.slice();
    const expected = source.slice();
    for (let i = offset; i < offset + length; i++) expected[i]! *= factor;
    scaleBuffer(x.subarray(offset, offset + length), factor);
    assert(same(x, expected), `${length} numbers from ${offset}, times ${factor}`);
  }
});

everyWidth("a part from any offset changes its own numbers only", () => {
  const source = numbers(400, 3);
  const short = Float32Array.from(source);
  for (let offset = 0; offset < 130; offset++) {
    for (const length of [0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 64, 200]) {
      const x = source.slice();
      scaleInplace(x.subarray(offset, offset + length), 3);
      assert(same(x, source.map((v, i) => i >= offset && i < offset + length ? v * 3 : v)));
      const y = short.slice();
      scaleBuffer(y.subarray(offset, offset + length), 3);
      assert(same(y, short.map((v, i) => i >= offset && i < offset + length ? v * 3 : v)));
    }
  }
});

memoryTest("the numbers are the caller's: nothing is reserved, and the address stays", () => {
  const x = numbers(1 << 20, 4);
  const address = addressOf(new Uint8Array(x.buffer));
  const before = memory();
  scaleInplace(x, 1.5);
  const after = memory();
  assertEquals(addressOf(new Uint8Array(x.buffer)), address);
  assertEquals([after.bytes, after.pooled], [before.bytes, before.pooled]);
  assertEquals(held().bytes, 0);
});

Deno.test("anything with a buffer is scaled as numbers of 32 bits", () => {
  const make = (): Float32Array<ArrayBuffer> => new Float32Array([1, 2, 3, 4, 5, 6]);
  const cases: Record<string, (x: Float32Array<ArrayBuffer>) => Parameters<typeof scaleBuffer>[0]> =
    {
      "an ArrayBuffer": (x) => x.buffer,
      "a DataView": (x) => new DataView(x.buffer),
      "a Uint8Array": (x) => new Uint8Array(x.buffer),
      "a Buffer of Node's": (x) => Buffer.from(x.buffer),
      "an object with a buffer": ({ buffer, byteLength }) => ({
        buffer,
        byteOffset: 0,
        byteLength,
      }),
    };
  for (const [what, of] of Object.entries(cases)) {
    const x = make();
    scaleBuffer(of(x), 2);
    assertEquals([...x], [2, 4, 6, 8, 10, 12], what);
  }
  const x = make();
  scaleBuffer(new DataView(x.buffer, 4, 8), 10);
  scaleBuffer(Buffer.from(x.buffer, 16, 4), 10);
  scaleBuffer({ buffer: x.buffer, byteOffset: 20, byteLength: 4 }, 10);
  assertEquals([...x], [1, 20, 30, 4, 50, 60]);
});

memoryTest("a RustBuffer and its views are scaled where they lie", () => {
  using buffer = new RustBuffer(16);
  const x = new Float32Array(buffer.view().buffer);
  x.set([1, 2, 3, 4]);
  scaleBuffer(buffer, 2);
  scaleBuffer(buffer.view().subarray(4, 12), 10);
  scaleBuffer(x.subarray(3), -1);
  assertEquals([...x], [2, 40, 60, -8]);
  using doubles = new RustBuffer(16);
  const y = new Float64Array(doubles.view().buffer);
  y.set([1, 2]);
  scaleInplace(y, 3);
  assertEquals([...y], [3, 6]);
});

const GONE = new RustBuffer(8);
GONE.dispose();

const REFUSED: readonly (readonly [what: string, call: () => void, ...said: string[]])[] = [
  ["a Float64Array", () => scaleBuffer(new Float64Array(2), 2), "Float64Array", "scaleInplace"],
  ["an Int32Array", () => scaleBuffer(new Int32Array(2), 2), "Int32Array", "Float32Array"],
  ["a Float16Array", () => scaleBuffer(new Float16Array(2), 2), "Float16Array"],
  ["a BigInt64Array", () => scaleBuffer(new BigInt64Array(2), 2), "BigInt64Array"],
  ["clamped bytes", () => scaleBuffer(new Uint8ClampedArray(8), 2), "of a Uint8ClampedArray"],
  [
    "a picture",
    () => scaleBuffer({ data: new Uint8ClampedArray(16), width: 2, height: 2 }, 2),
    "Uint8ClampedArray",
    "Float32Array",
  ],
  ["seven bytes", () => scaleBuffer(new Uint8Array(7), 2), "7 bytes", "4 bytes", "subarray"],
  [
    "a byte too late",
    () => scaleBuffer(new DataView(new ArrayBuffer(16), 1, 8), 2),
    "start at byte 1",
    "slice()",
  ],
  [
    "two bytes too late",
    () => scaleBuffer(new Uint8Array(16).subarray(2, 10), 2),
    "start at byte 2",
  ],
  ["a Float32Array", () => scaleInplace(new Float32Array(2) as never, 2), "scaleBuffer"],
  ["bytes", () => scaleInplace(new Uint8Array(8) as never, 2), "Uint8Array", "Float64Array"],
  ["an ArrayBuffer", () => scaleInplace(new ArrayBuffer(8) as never, 2), "Float64Array"],
  ["an array", () => scaleInplace([1, 2] as never, 2), "an Array", "new Float64Array"],
  ["a promise", () => scaleInplace(Promise.resolve() as never, 2), "a Promise; await it first"],
  ["a promise of bytes", () => scaleBuffer(Promise.resolve() as never, 2), "await it first"],
  ["nothing", () => scaleInplace(null as never, 2), "this is null; pass a Float64Array"],
  [
    "a column of a table",
    () => scaleInplace(tableFromArrays({ a: [1] }).getChild("a") as never, 2),
    "column.data[0].values",
  ],
  ["an array for 32 bits", () => scaleBuffer([1, 2] as never, 2), "an Array", "new Float32Array"],
  ["a RustBuffer", () => scaleInplace(GONE as never, 2), "a RustBuffer", "view().buffer"],
  [
    "a proxy of numbers",
    () => scaleBuffer(new Proxy(new Float32Array(2), {}), 2),
    "a Proxy",
    "not its Proxy",
  ],
  ["a number", () => scaleInplace(1 as never, 2), "a number"],
  ["nothing", () => scaleInplace(undefined as never, 2), "undefined"],
  ["null", () => scaleBuffer(null as never, 2), "null"],
  ["a text", () => scaleBuffer("canary" as never, 2), "a string"],
  ["a bigint as the factor", () => scaleInplace(new Float64Array(1), 2n as never), "a bigint"],
  ["a text as the factor", () => scaleInplace(new Float64Array(1), "2" as never), "a string"],
  ["no factor", () => scaleBuffer(new Float32Array(1), undefined as never), "undefined"],
  [
    "an object that tells too many bytes",
    () => scaleBuffer({ buffer: new ArrayBuffer(8), byteOffset: 4, byteLength: 8 }, 2),
    "8 bytes from 4",
    "8 bytes",
  ],
  [
    "an object whose buffer is none",
    () => scaleBuffer({ buffer: {} as never, byteOffset: 0, byteLength: 0 }, 2),
    "an Object",
  ],
];

for (const [what, call, ...said] of REFUSED) {
  Deno.test(`refused, saying what came and what to do: ${what}`, () => {
    const error = assertThrows(call, InvalidInputError);
    for (const word of said) assertStringIncludes(error.message, word);
    assert(error.hint, error.message);
    assert(!error.message.includes("canary"));
  });
}

Deno.test("a subclass that tells another length is not believed", () => {
  class Liar extends Float64Array<ArrayBuffer> {
    override get byteLength(): number {
      return 1 << 30;
    }
    override get length(): number {
      return 1 << 27;
    }
    override get byteOffset(): number {
      return -4096;
    }
  }
  const x = new Liar(new Float64Array([1, 2, 3]).buffer);
  scaleInplace(x, 2);
  assertEquals([x[0], x[1], x[2]], [2, 4, 6]);
});

Deno.test("an object whose properties change when they are read again is read once", () => {
  const whole = new Float32Array([1, 2, 3, 4]);
  let reads = 0;
  const shifty = {
    get buffer(): ArrayBuffer {
      return reads++ === 0 ? whole.buffer : new ArrayBuffer(0);
    },
    byteOffset: 0,
    byteLength: 16,
  };
  scaleBuffer(shifty, 2);
  assertEquals([[...whole], reads], [[2, 4, 6, 8], 1]);
});
