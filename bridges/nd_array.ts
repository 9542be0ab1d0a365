// Arrays of several dimensions, as npm's `ndarray` and `@stdlib/ndarray` have them: one flat array,
// and how far apart its neighbours lie along each dimension.

import { invalidInput } from "../ffi/errors.ts";
import { described, kindOfArray, lengthOfArray, shownValue } from "../ffi/lent.ts";

/** A typed array of any kind. */
export type TypedArray =
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float16Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;

/**
 * An array of several dimensions over a flat one. The element at `i, j, ...` is
 * `data[offset + i * stride[0] + j * stride[1] + ...]`. Strides count elements, not bytes.
 *
 * Arrays of npm's `ndarray` (`stride`) and of `@stdlib/ndarray` (`strides`) are such arrays.
 */
export type NdArrayLike<Data extends TypedArray = TypedArray> =
  & {
    /** All elements, and perhaps others between them. */
    readonly data: Data;
    /** How many elements there are along each dimension. */
    readonly shape: ArrayLike<number>;
    /** Where in `data` the first element is. Default: 0. */
    readonly offset?: number;
  }
  & ({ readonly stride: ArrayLike<number> } | { readonly strides: ArrayLike<number> });

/** Where the elements of an array are, checked. */
export interface Layout {
  readonly data: TypedArray;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
  /** How many elements the array has. */
  readonly size: number;
}

/** Whether something is meant to be an array of several dimensions. */
export function isNdArray(x: unknown): x is NdArrayLike {
  return typeof x === "object" && x !== null && !ArrayBuffer.isView(x) && "data" in x &&
    "shape" in x;
}

/**
 * Checks where the elements of an array are. Each property is read once.
 *
 * @throws {InvalidInputError} For shapes and strides that cannot be, and for elements outside of
 * the data.
 */
export function layoutOf(nd: NdArrayLike, operation: string): Layout {
  const refused = (what: string, hint: string) =>
    invalidInput(operation, `${operation}: ${what}`, hint);
  const given = nd as unknown as Record<string, unknown>;
  const { data, shape: givenShape } = given;
  const givenOffset = given.offset;
  if (kindOfArray(data) === undefined) {
    throw refused(
      `the data of the array is ${described(data)}`,
      "make it a typed array, such as new Float64Array(data)",
    );
  }
  const shape = listOf(givenShape);
  if (shape === undefined || !shape.every((count) => Number.isSafeInteger(count) && count >= 0)) {
    throw refused(
      `the shape of the array is ${shownList(givenShape)}`,
      "a shape is a list of whole numbers, zero or more",
    );
  }
  const givenStrides = given.strides ?? given.stride;
  const strides = shape.length === 0 ? [] : listOf(givenStrides);
  if (strides === undefined || strides.length !== shape.length || !strides.every(isWhole)) {
    throw refused(
      `the strides of the array are ${shownList(givenStrides)}, its shape is ${shownList(shape)}`,
      "give it one whole number for each dimension, in stride or strides",
    );
  }
  const offset = givenOffset ?? 0;
  if (!isWhole(offset) || offset < 0) {
    throw refused(
      `the offset of the array is ${typeof offset === "number" ? offset : described(offset)}`,
      "an offset is a whole number, zero or more",
    );
  }
  const size = shape.reduce((product, count) => product * count, 1);
  // Without elements nothing is reached, whatever the strides and the other counts.
  if (shape.includes(0)) {
    return { data: data as TypedArray, shape, strides, offset, size: 0 };
  }
  let first = offset;
  let last = offset;
  shape.forEach((count, dimension) => {
    const way = (count - 1) * strides[dimension]!;
    if (way < 0) first += way;
    else last += way;
  });
  const length = lengthOfArray(data as TypedArray);
  if (!Number.isSafeInteger(size)) {
    throw refused(
      `an array of shape ${shownList(shape)} has more elements than can be counted`,
      "make it smaller",
    );
  }
  if (!(first >= 0 && last < length)) {
    throw refused(
      `an array of shape ${shownList(shape)} with strides ${shownList(strides)} from offset ` +
        `${offset} reaches from element ${first} to ${last}, and its data has ${length}`,
      "give it data for all its elements",
    );
  }
  return { data: data as TypedArray, shape, strides, offset, size };
}

/**
 * In what order the elements of an array lie one behind the other, without gaps: that of rows, that
 * of columns, or neither. What has one dimension, or none, lies in that of rows.
 */
export function orderOf({ shape, strides, size }: Layout): "rows" | "columns" | undefined {
  if (size <= 1) return "rows";
  const dense = (dimensions: number[]): boolean => {
    let expected = 1;
    return dimensions.every((dimension) => {
      const count = shape[dimension]!;
      if (count === 1) return true;
      const fits = strides[dimension] === expected;
      expected *= count;
      return fits;
    });
  };
  const dimensions = [...shape.keys()];
  if (dense(dimensions.toReversed())) return "rows";
  return dense(dimensions) ? "columns" : undefined;
}

/** Numbers as they stand in a message, a few of them. */
export function shownList(list: unknown): string {
  const numbers = listOf(list);
  if (numbers === undefined) return described(list);
  const shown = numbers.slice(0, 8).map(shownValue);
  return `[${shown.join(", ")}${numbers.length > 8 ? ", \u2026" : ""}]`;
}

/** A list as an array of its own; undefined for what is none, or has more dimensions than fit. */
function listOf(list: unknown): number[] | undefined {
  if (typeof list !== "object" || list === null) return undefined;
  const { length } = list as ArrayLike<number>;
  if (!Number.isSafeInteger(length) || length < 0 || length > 64) return undefined;
  return Array.from(list as ArrayLike<number>);
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value);
}
