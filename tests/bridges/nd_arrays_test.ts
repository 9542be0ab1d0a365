/** Arrays of several dimensions: those of npm's packages, and whatever else says that it is one. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import Ndarray from "@stdlib/ndarray-base-ctor";
import ndarray from "ndarray";
import {
  contiguous,
  InvalidInputError,
  logInplace,
  memory,
  type NdArrayLike,
  normalizeInplace,
  scaleBuffer,
  scaleInplace,
} from "dipper";
import { random } from "./kernels.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const counted = (length: number): Float64Array<ArrayBuffer> =>
  Float64Array.from({ length }, (_, i) => i);

/** The elements in the order of rows, by the definition. */
function elements({ data, shape, offset = 0, ...nd }: NdArrayLike): number[] {
  const strides = "strides" in nd ? nd.strides : nd.stride;
  const walk = (dimension: number, at: number): number[] =>
    dimension === shape.length ? [data[at] as number] : Array.from(
      { length: shape[dimension]! },
      (_, i) => walk(dimension + 1, at + i * strides[dimension]!),
    ).flat();
  return walk(0, offset);
}

Deno.test("npm's ndarray: contiguous ones and slices of rows are scaled in place", () => {
  const data = counted(12);
  const matrix = ndarray(data, [3, 4]);
  scaleInplace(matrix, 2);
  assertEquals([...data], [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22]);
  scaleInplace(matrix.lo(1, 0), 10);
  assertEquals([...data], [0, 2, 4, 6, 80, 100, 120, 140, 160, 180, 200, 220]);
  scaleInplace(matrix.pick(1, null), -1);
  assertEquals([...data.subarray(3, 9)], [6, -80, -100, -120, -140, 160]);
  scaleInplace(matrix.transpose(1, 0), 0);
  assert(data.every((x) => x === 0), "columns lie one behind the other too");
});

Deno.test("npm's ndarray: columns, steps and reversed ones are refused, and copied", () => {
  const data = counted(12);
  const matrix = ndarray(data, [3, 4]);
  for (
    const view of [
      matrix.pick(null, 1),
      matrix.lo(0, 1),
      matrix.hi(3, 2),
      matrix.step(2, 1),
      matrix.step(-1, 1),
      matrix.step(1, -1),
    ]
  ) {
    for (
      const call of [
        () => scaleInplace(view, 2),
        () => logInplace(view),
        () => normalizeInplace(view),
      ]
    ) {
      const error = assertThrows(call, InvalidInputError);
      assertStringIncludes(error.message, "one behind the other");
      assertStringIncludes(error.message, "contiguous(x)");
    }
    const copy = contiguous(view);
    assertEquals([...copy.data], elements(view));
    assertEquals([copy.shape, copy.offset], [view.shape, 0]);
    scaleInplace(copy, 2);
    assertEquals([...copy.data], elements(view).map((x) => 2 * x));
    assertEquals(
      elements(ndarray(copy.data, copy.shape, copy.stride, copy.offset)),
      [...copy.data],
    );
  }
  assertEquals([...data], [...counted(12)], "nothing was changed");
});

Deno.test("@stdlib's ndarray is scaled in place, in the order of rows and of columns", () => {
  for (const order of ["row-major", "column-major"] as const) {
    const data = counted(6);
    const strides = order === "row-major" ? [3, 1] : [1, 2];
    const matrix = new Ndarray("float64", data, [2, 3], strides, 0, order);
    scaleInplace(matrix as never, 3);
    assertEquals([...data], [0, 3, 6, 9, 12, 15], order);
  }
  const data = Float32Array.from(counted(10));
  const part = new Ndarray("float32", data, [2, 2], [2, 1], 3, "row-major");
  scaleBuffer(part as never, 10);
  assertEquals([...data], [0, 1, 2, 30, 40, 50, 60, 7, 8, 9]);
  const gaps = new Ndarray("float32", data, [2, 2], [4, 1], 0, "row-major");
  const error = assertThrows(() => scaleBuffer(gaps as never, 2), InvalidInputError);
  assertStringIncludes(error.message, "strides [4, 1]");
  assertEquals([...contiguous(gaps as never).data], [0, 1, 40, 50]);
  const scalar = new Ndarray("float64", new Float64Array([7]), [], [0], 0, "row-major");
  scaleInplace(scalar as never, 2);
  assertEquals([...contiguous(scalar as never).data], [14]);
});

Deno.test("any view of any array is copied as its definition says", () => {
  const next = random(9);
  const upTo = (limit: number): number => Math.floor(next() * limit);
  for (let round = 0; round < 2000; round++) {
    const shape = Array.from({ length: upTo(5) }, () => upTo(5));
    const stride = shape.map(() => upTo(9) - 4);
    let [low, high] = [0, 0];
    shape.forEach((count, i) => {
      const way = (count - 1) * stride[i]!;
      if (way < 0) low += way;
      else high += way;
    });
    const offset = -low + upTo(3);
    const data = counted(offset + high + 1 + upTo(3));
    const nd = { data, shape, stride, offset };
    const copy = contiguous(nd);
    assertEquals([...copy.data], shape.includes(0) ? [] : elements(nd), JSON.stringify(nd));
    assertEquals(copy.data.buffer.byteLength, copy.data.byteLength, "a buffer of its own");
    assertEquals(contiguous(copy).data, copy.data);
    scaleInplace(copy, 2);
  }
});

Deno.test("every kind of typed array is copied as what it is", () => {
  for (
    const data of [
      new Int8Array([1, -2, 3, 4]),
      new Uint8Array([1, 2, 3, 4]),
      new Uint8ClampedArray([1, 2, 3, 255]),
      new Int16Array([1, -2, 3, 4]),
      new Uint16Array([1, 2, 3, 65535]),
      new Int32Array([1, -2, 3, 4]),
      new Uint32Array([1, 2, 3, 2 ** 32 - 1]),
      new Float16Array([1, -2, NaN, 0.5]),
      new Float32Array([1, -2, NaN, 0.1]),
      new Float64Array([1, -0, NaN, 0.1]),
      new BigInt64Array([1n, -2n, 3n, 4n]),
      new BigUint64Array([1n, 2n, 3n, 2n ** 64n - 1n]),
      new Float64Array(new SharedArrayBuffer(32)).fill(2),
    ]
  ) {
    const { data: copy } = contiguous({ data, shape: [4], stride: [-1], offset: 3 });
    assertEquals(copy.constructor, data.constructor);
    assertEquals([...copy], [...data].reverse() as never);
    assert(copy.buffer instanceof ArrayBuffer);
  }
});

Deno.test("one element that stands for many is copied that often", () => {
  const data = new Float32Array([7, 8]);
  const { data: copy, stride } = contiguous({ data, shape: [3, 2], strides: [0, 1] });
  assertEquals([...copy], [7, 8, 7, 8, 7, 8]);
  assertEquals(stride, [2, 1]);
  assertThrows(
    () => scaleBuffer({ data, shape: [3, 2], strides: [0, 1] }, 2),
    InvalidInputError,
    "contiguous",
  );
});

Deno.test("dimensions of one element, and arrays without elements, have no order to break", () => {
  const data = counted(4);
  scaleInplace({ data, shape: [1, 4, 1], stride: [99, 1, -7] }, 2);
  assertEquals([...data], [0, 2, 4, 6]);
  scaleInplace({ data, shape: [0, 5], stride: [1, 3], offset: 100 }, 2);
  scaleInplace({ data, shape: [], stride: [], offset: 3 }, 10);
  assertEquals([...data], [0, 2, 4, 60]);
});

const data = counted(6);
for (
  const [what, nd, ...said] of [
    ["data that is too short", { data, shape: [2, 4], stride: [4, 1] }, "[2, 4]", "to 7", "has 6"],
    ["an offset that is too large", { data, shape: [6], stride: [1], offset: 1 }, "to 6"],
    ["elements before the data", { data, shape: [3], stride: [-1], offset: 1 }, "from element -1"],
    ["a negative offset", { data, shape: [1], stride: [1], offset: -1 }, "-1"],
    ["half an offset", { data, shape: [1], stride: [1], offset: 0.5 }, "0.5"],
    ["a negative shape", { data, shape: [-2], stride: [1] }, "[-2]"],
    ["half a shape", { data, shape: [1.5], stride: [1] }, "[1.5]"],
    ["NaN as stride", { data, shape: [2], stride: [NaN] }, "[NaN]"],
    ["too few strides", { data, shape: [2, 3], stride: [1] }, "[1]", "[2, 3]"],
    ["no strides", { data, shape: [2, 3] }, "undefined"],
    ["no shape", { data, shape: null, stride: [1] }, "null"],
    ["a text as shape", { data, shape: "6", stride: [1] }, "a string"],
    ["more elements than can be counted", {
      data,
      shape: [2 ** 30, 2 ** 30, 2],
      stride: [0, 0, 0],
    }, "counted"],
    ["strides that leave all numbers", { data, shape: [3], stride: [2 ** 52] }, "has 6"],
    ["an array as data", { data: [1, 2], shape: [2], stride: [1] }, "an Array", "Float64Array"],
    ["a DataView as data", {
      data: new DataView(new ArrayBuffer(8)),
      shape: [1],
      stride: [1],
    }, "a DataView"],
  ] as const
) {
  Deno.test(`refused, with the numbers that do not fit: ${what}`, () => {
    for (const call of [() => contiguous(nd as never), () => scaleInplace(nd as never, 2)]) {
      const error = assertThrows(call, InvalidInputError);
      for (const word of said) assertStringIncludes(error.message, word);
      assert(error.hint, error.message);
    }
    assertEquals([...data], [0, 1, 2, 3, 4, 5]);
  });
}

Deno.test("a copy that fits nowhere is refused, and says how large it would be", () => {
  const one = { data: new Float64Array(1), shape: [2 ** 40, 1000], stride: [0, 0] };
  const error = assertThrows(() => contiguous(one), InvalidInputError);
  assertStringIncludes(error.message, "8 bytes each");
  assertStringIncludes(error.message, String(2 ** 40 * 1000));
});

Deno.test("numbers of another kind are refused by their kind", () => {
  const nd = { data: new Float32Array(4), shape: [2, 2], stride: [2, 1] };
  assertThrows(() => scaleInplace(nd, 2), InvalidInputError, "scaleBuffer");
  const whole = { data: new Int32Array(4), shape: [2, 2], stride: [2, 1] };
  assertThrows(() => scaleInplace(whole, 2), InvalidInputError, "Int32Array");
  assertThrows(() => contiguous(new Float64Array(3) as never), InvalidInputError, "slice()");
  assertThrows(() => contiguous(null as never), InvalidInputError, "null");
});
