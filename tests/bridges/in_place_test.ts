/** `logInplace` and `normalizeInplace`: against plain loops. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { InvalidInputError, logInplace, memory, normalizeInplace } from "dipper";
import { everyWidth, numbers, random } from "./kernels.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

/** Whether two numbers are equal but for some units in the last place. */
function near(a: number, b: number, relative: number): boolean {
  return Object.is(a, b) || a === b || Math.abs(a - b) <= relative * Math.abs(b);
}

const ULP = 2 ** -52;
const SHORT_ULP = 2 ** -23;

everyWidth("logarithms are those of Math.log, in 64 and 32 bits, at every length to 4,096", () => {
  const source = numbers(4100, 1);
  const short = Float32Array.from(source);
  const logs = source.map((v) => Math.log(v));
  const shortLogs = short.map((v) => Math.log(v));
  for (let length = 0; length <= 4096; length++) {
    const from = length % 4;
    const x = source.slice();
    logInplace(x.subarray(from, from + length));
    const y = short.slice();
    logInplace(y.subarray(from, from + length));
    for (let i = 0; i < 4100; i++) {
      const done = i >= from && i < from + length;
      if (!near(x[i]!, done ? logs[i]! : source[i]!, done ? ULP : 0)) {
        throw new Error(`of ${length} numbers, log ${source[i]} is ${x[i]}`);
      }
      if (!near(y[i]!, done ? shortLogs[i]! : short[i]!, done ? SHORT_ULP : 0)) {
        throw new Error(`of ${length} numbers, log ${short[i]} is ${y[i]}`);
      }
    }
  }
});

Deno.test("the logarithms of zero, of less, of NaN and of Infinity are those of Math.log", () => {
  const x = [0, -0, -1, -Infinity, NaN, Infinity, 1, 5e-324, Number.MAX_VALUE];
  const y = new Float64Array(x);
  logInplace(y);
  for (const [i, number] of x.entries()) {
    assert(near(y[i]!, Math.log(number), ULP), `log ${number} is ${y[i]}`);
  }
});

/** Vectors normalised by plain loops. */
function normalized(x: Float64Array, kind: string): number[] {
  const count = x.length;
  const sum = (of: (v: number) => number) => x.reduce((sum, v) => sum + of(v), 0);
  if (kind === "l2") {
    const length = Math.sqrt(sum((v) => v * v));
    return [...x].map((v) => length === 0 ? v : v / length);
  }
  if (kind === "minmax") {
    const [min, max] = [Math.min(...x), Math.max(...x)];
    return [...x].map((v) => max === min ? 0 : (v - min) / (max - min));
  }
  const mean = sum((v) => v) / count;
  const deviation = Math.sqrt(sum((v) => (v - mean) ** 2) / count);
  return [...x].map((v) => deviation === 0 ? 0 : (v - mean) / deviation);
}

everyWidth("vectors are normalised as plain loops do it, whole and row by row", () => {
  const next = random(5);
  for (const kind of ["l2", "minmax", "zscore"] as const) {
    for (let dimension = 1; dimension <= 300; dimension += dimension < 70 ? 1 : 23) {
      const source = Float64Array.from({ length: 3 * dimension }, () => next() * 100 - 30);
      const x = source.slice();
      normalizeInplace(x, { kind, dimension });
      const short = Float32Array.from(source);
      normalizeInplace(short, { kind, dimension });
      const whole = source.slice();
      normalizeInplace(whole, { kind });
      const expected = [0, 1, 2].flatMap((row) =>
        normalized(source.subarray(row * dimension, (row + 1) * dimension), kind)
      );
      const once = normalized(source, kind);
      for (let i = 0; i < x.length; i++) {
        assert(Math.abs(x[i]! - expected[i]!) < 1e-12, `${kind} ${dimension}: ${x[i]}`);
        assert(Math.abs(short[i]! - expected[i]!) < 1e-4, `${kind} ${dimension}: ${short[i]}`);
        assert(Math.abs(whole[i]! - once[i]!) < 1e-12, `${kind} ${dimension}: ${whole[i]}`);
      }
    }
  }
});

everyWidth(
  "a vector of every length to 4,096, from every offset, is normalised as the loop does",
  () => {
    const next = random(6);
    const source = Float64Array.from({ length: 4100 }, () => next() * 100 - 30);
    for (const kind of ["l2", "minmax", "zscore"] as const) {
      for (let length = 1; length <= 4096; length++) {
        const from = length % 4;
        const x = source.slice();
        normalizeInplace(x.subarray(from, from + length), { kind });
        const expected = normalized(source.subarray(from, from + length), kind);
        for (let i = 0; i < 4100; i++) {
          const at = i - from;
          const fits = at >= 0 && at < length
            ? Math.abs(x[i]! - expected[at]!) < 1e-12
            : x[i] === source[i];
          if (!fits) throw new Error(`${kind} of ${length} numbers: ${x[i]} at ${i}`);
        }
      }
    }
  },
);

everyWidth("every offset, at the lengths around the widths, in 64 and 32 bits", () => {
  const next = random(7);
  const source = Float64Array.from({ length: 600 }, () => next() * 100 + 1);
  const lengths = [...Array(36).keys(), 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 512, 513];
  const kinds = ["l2", "minmax", "zscore"] as const;
  for (const make of [Float64Array, Float32Array]) {
    const all = make.from(source) as Float64Array<ArrayBuffer>;
    const most = make === Float64Array ? 1e-12 : 2e-6;
    for (let from = 0; from < 34; from++) {
      for (const length of lengths) {
        const part = all.subarray(from, from + length);
        const works = kinds.map((kind) => ({
          work: (x: Float64Array) => normalizeInplace(x, { kind }),
          expected: normalized(Float64Array.from(part), kind),
        }));
        works.push({ work: (x) => logInplace(x), expected: [...part].map((v) => Math.log(v)) });
        for (const { work, expected } of works) {
          const x = all.slice();
          work(x.subarray(from, from + length));
          for (let i = 0; i < x.length; i++) {
            const within = i >= from && i < from + length;
            const fits = within
              ? near(x[i]!, expected[i - from]!, most) ||
                Math.abs(x[i]! - expected[i - from]!) < most
              : x[i] === all[i];
            if (!fits) throw new Error(`${length} numbers from ${from}: ${x[i]} at ${i}`);
          }
        }
      }
    }
  }
});

Deno.test("numbers that are shared give what others give, across every MiB that is copied", () => {
  for (const bytes of [(1 << 20) - 8, 1 << 20, (1 << 20) + 8, (3 << 20) + 16]) {
    for (const make of [Float64Array, Float32Array]) {
      const length = bytes / make.BYTES_PER_ELEMENT;
      const values = Array.from({ length: length + 3 }, (_, i) => Math.abs(Math.sin(i)) + 0.1);
      const x = new make(values) as Float64Array<ArrayBuffer>;
      const memory = new SharedArrayBuffer(x.byteLength) as unknown as ArrayBuffer;
      const shared = new make(memory) as Float64Array<ArrayBuffer>;
      for (const kind of ["l2", "minmax", "zscore", "log"] as const) {
        shared.set(x);
        const own = x.slice();
        for (const numbers of [shared, own]) {
          const part = numbers.subarray(1, 1 + length);
          if (kind === "log") logInplace(part);
          else normalizeInplace(part, { kind });
        }
        const fits = own.every((v, i) =>
          near(shared[i]!, v, 1e-6) || Math.abs(shared[i]! - v) < 1e-6
        );
        assert(fits && shared[0] === x[0] && shared.at(-1) === x.at(-1), `${kind}, ${bytes} bytes`);
      }
    }
  }
});

Deno.test("a vector of zeros, of equal numbers, and of one number", () => {
  const by = (x: number[], kind?: "l2" | "minmax" | "zscore"): number[] => {
    const y = new Float64Array(x);
    normalizeInplace(y, kind === undefined ? {} : { kind });
    return [...y];
  };
  for (const kind of ["l2", "minmax", "zscore"] as const) {
    assertEquals(by([0, 0, 0], kind), [0, 0, 0], kind);
  }
  assertEquals(by([0.1, 0.1, 0.1], "minmax"), [0, 0, 0]);
  assertEquals(by([0.1, 0.1, 0.1], "zscore"), [0, 0, 0]);
  assertEquals([by([5]), by([-5]), by([5], "minmax"), by([5], "zscore")], [[1], [-1], [0], [0]]);
  assertEquals(by([3, 4]), [0.6, 0.8]);
});

Deno.test("NaN and Infinity stay in their vector", () => {
  for (const kind of ["l2", "minmax", "zscore"] as const) {
    const x = new Float64Array([1, NaN, 3, 1, 2, 4]);
    normalizeInplace(x, { kind, dimension: 3 });
    assertEquals([...x.subarray(0, 3)], [NaN, NaN, NaN], kind);
    assert(x.subarray(3).every(Number.isFinite), kind);
  }
  const x = new Float64Array([1, Infinity, -2]);
  normalizeInplace(x);
  assertEquals([...x], [0, NaN, -0]);
});

Deno.test("numbers whose squares have no place in 64 bits have a length too", () => {
  for (const size of [1e300, 1e-300, 1e-320, Number.MAX_VALUE]) {
    const x = new Float64Array([size, -size, size, size]);
    normalizeInplace(x);
    for (const [i, v] of x.entries()) {
      assert(Math.abs(v - (i === 1 ? -0.5 : 0.5)) < 1e-3, `${size}: ${v}`);
    }
  }
});

const x = (): Float64Array => new Float64Array(6);
for (
  const [what, call, ...said] of [
    ["another kind", () => normalizeInplace(x(), { kind: "max" as never }), '"max"', "zscore"],
    ["a kind of nothing", () => normalizeInplace(x(), { kind: "toString" as never }), "toString"],
    ["a kind that is no text", () => normalizeInplace(x(), { kind: 1 as never }), "kind is 1;"],
    ["no dimension", () => normalizeInplace(x(), { dimension: 0 }), "dimension is 0"],
    ["half a dimension", () => normalizeInplace(x(), { dimension: 1.5 }), "1.5"],
    ["a text as dimension", () => normalizeInplace(x(), { dimension: "3" as never }), "a string"],
    ["a dimension that does not divide", () => normalizeInplace(x(), { dimension: 4 }), "6", "4"],
    ["whole numbers", () => normalizeInplace(new Int32Array(6) as never), "Int32Array"],
    ["bytes", () => logInplace(new Uint8Array(8) as never), "Uint8Array"],
    ["a buffer", () => logInplace(new ArrayBuffer(8) as never), "an ArrayBuffer"],
    ["an array", () => logInplace([1, 2] as never), "an Array", "new Float64Array"],
    [
      "rows of an array in the order of columns",
      () => normalizeInplace({ data: x(), shape: [2, 3], stride: [1, 2] }, { dimension: 3 }),
      "columns",
      "contiguous",
    ],
  ] as const
) {
  Deno.test(`refused, and nothing is changed: ${what}`, () => {
    const error = assertThrows(call, InvalidInputError);
    for (const word of said) assertStringIncludes(error.message, word);
    assert(error.hint);
  });
}
