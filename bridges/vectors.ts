// Vectors and matrices as users have them, brought to what crosses: 32-bit numbers, row after row.
//
// A `Float32Array` is borrowed where it lies. Everything else is copied into one: other typed arrays
// and arrays of numbers because each number must be rounded, and shared memory because others may
// write to it meanwhile.
//
// Of a typed array counts what the engine says, not what a subclass tells; a property of any other
// object is read once.

import { type DipperError, invalidInput } from "../ffi/errors.ts";
import { described, kindOfArray, placeOfView, remedy, shownValue } from "../ffi/lent.ts";
import type { VectorColumn } from "./matrix.ts";

/** Numbers of one or several vectors. */
export interface Vectors {
  readonly numbers: Float32Array<ArrayBuffer>;
  /** How many vectors they are. */
  readonly count: number;
}

/** The most dimensions that an array is taken with: all but two are refused, with their lengths. */
const MOST_DIMENSIONS = 64;

/** An array of several dimensions, each property read once. */
interface Given {
  readonly data: ArrayLike<number>;
  readonly shape: readonly number[];
  readonly strides: readonly unknown[] | undefined;
  readonly offset: unknown;
}

/** What was passed: numbers, vectors, or an array of several dimensions. */
type Value = { readonly matrix: Given } | { readonly matrix?: undefined; readonly given: unknown };

/**
 * One vector.
 *
 * @throws {InvalidInputError} When it is none, or has another length.
 */
export function vectorOf(
  value: unknown,
  dimension: number,
  operation: string,
  what = "the vector",
): Float32Array<ArrayBuffer> {
  return vectorIn(valueOf(value), dimension, operation, what);
}

function vectorIn(
  value: Value,
  dimension: number,
  operation: string,
  what: string,
): Float32Array<ArrayBuffer> {
  const hint = `pass vectors of ${dimension} numbers, or make a table of another dimension`;
  if (value.matrix !== undefined) {
    const { shape } = value.matrix;
    const numbers = contiguous(value.matrix, operation, what);
    if (shape.length !== 1) {
      throw invalidInput(
        operation,
        `${what} has the shape (${shape.join(", ")}), and the table's vectors (${dimension})`,
        hint,
      );
    }
    if (numbers.count !== dimension) throw wrongLength(numbers.count);
    return singles(numbers, operation, what);
  }
  const values = plain(value.given, operation, what);
  const { length: count } = values;
  if (count !== dimension) throw wrongLength(count);
  return singles({ values, from: 0, count }, operation, what);

  function wrongLength(length: number): DipperError {
    return invalidInput(
      operation,
      `${what} has ${length} numbers, and the table's have ${dimension}`,
      hint,
    );
  }
}

/**
 * A matrix, a row for each vector: numbers row after row, an array of two dimensions, or vectors.
 *
 * @throws {InvalidInputError} When it is none, or its rows have another length.
 */
export function matrixOf(value: unknown, dimension: number, operation: string): Vectors {
  return matrixIn(valueOf(value), dimension, operation);
}

function matrixIn(value: Value, dimension: number, operation: string): Vectors {
  const what = "the matrix";
  const hint = `pass rows of ${dimension} numbers, or make a table of another dimension`;
  if (value.matrix !== undefined) {
    const { shape } = value.matrix;
    const numbers = contiguous(value.matrix, operation, what);
    if (shape.length !== 2 || shape[1] !== dimension) {
      throw invalidInput(
        operation,
        `the matrix has the shape (${shape.join(", ")}), and the table's rows ${dimension} numbers`,
        hint,
      );
    }
    return { numbers: singles(numbers, operation, what), count: shape[0]! };
  }
  const values = plain(value.given, operation, what);
  const { length } = values;
  if (length > 0 && typeof values[0] === "object") {
    return rowsOf(values as ArrayLike<unknown>, length, dimension, operation, "row");
  }
  if (length % dimension !== 0) {
    throw invalidInput(
      operation,
      `the matrix has ${length} numbers, which are no whole rows of ${dimension}`,
      hint,
    );
  }
  const numbers = singles({ values, from: 0, count: length }, operation, what);
  return { numbers, count: length / dimension };
}

/**
 * One query or several: a vector, an array of vectors, or a matrix of two dimensions.
 *
 * @throws {InvalidInputError} When it is none, or has another length.
 */
export function queriesOf(queries: unknown, dimension: number, operation: string): Vectors {
  const value = valueOf(queries);
  if (value.matrix !== undefined) {
    return value.matrix.shape.length === 1
      ? { numbers: vectorIn(value, dimension, operation, "the query"), count: 1 }
      : matrixIn(value, dimension, operation);
  }
  const { given } = value;
  if (Array.isArray(given) && given.length > 0 && typeof given[0] === "object") {
    return rowsOf(given, given.length, dimension, operation, "query");
  }
  return { numbers: vectorIn(value, dimension, operation, "the query"), count: 1 };
}

function rowsOf(
  rows: ArrayLike<unknown>,
  count: number,
  dimension: number,
  operation: string,
  what: string,
): Vectors {
  const numbers = room(count * dimension, operation);
  for (let index = 0; index < count; index++) {
    numbers.set(vectorOf(rows[index], dimension, operation, `${what} ${index}`), index * dimension);
  }
  return { numbers, count };
}

/** Memory for so many numbers; a length that nobody has is refused. */
function room(length: number, operation: string): Float32Array<ArrayBuffer> {
  try {
    return new Float32Array(length);
  } catch {
    throw invalidInput(
      operation,
      `${length} numbers are more than fit into memory at once`,
      "pass them in parts",
    );
  }
}

function isArrayLike(value: unknown): value is ArrayLike<number> {
  if (typeof value !== "object" || value === null) return false;
  if (ArrayBuffer.isView(value)) return kindOfArray(value) !== undefined;
  let length: unknown;
  try {
    ({ length } = value as { length?: unknown });
  } catch {
    // A Proxy of a typed array has none.
    return false;
  }
  return typeof length === "number" && Number.isSafeInteger(length) && length >= 0;
}

function valueOf(something: unknown): Value {
  const value = isColumn(something) ? something.toArray() : something;
  const may = typeof value === "object" && value !== null && !ArrayBuffer.isView(value) &&
    "data" in value && "shape" in value;
  if (!may) return { given: value };
  const { data, shape: lengths, offset, stride, strides } = value as Record<string, unknown>;
  const shape = listOf(lengths);
  if (!isArrayLike(data) || shape === undefined) return { given: value };
  const steps = stride ?? strides;
  return {
    matrix: {
      data,
      shape: shape as number[],
      strides: steps === undefined || steps === null ? undefined : listOf(steps) ?? [],
      offset: offset ?? 0,
    },
  };
}

function isColumn(value: unknown): value is VectorColumn {
  return typeof value === "object" && value !== null && !ArrayBuffer.isView(value) &&
    !Array.isArray(value) && "length" in value && "toArray" in value &&
    typeof value.toArray === "function";
}

/** A short list as an array of its own; undefined for what is none. */
function listOf(list: unknown): unknown[] | undefined {
  if (!isArrayLike(list)) return undefined;
  const { length } = list;
  if (length > MOST_DIMENSIONS) return undefined;
  return Array.from({ length }, (_, at) => list[at]);
}

/** The numbers of an array of several dimensions, which stand row after row. */
function contiguous(matrix: Given, operation: string, what: string): Run {
  const { shape, strides, offset } = matrix;
  const data = plain(matrix.data, operation, what);
  const { length } = data;
  const size = shape.reduce((all, count) => all * count, 1);
  const isCount = (count: unknown): count is number =>
    Number.isSafeInteger(count) && count as number >= 0;
  if (![...shape, size].every(isCount) || !isCount(offset)) {
    throw invalidInput(
      operation,
      `${what} has the shape (${shownList(shape)}) from ${shownList([offset])} on`,
      "lengths are whole numbers",
    );
  }
  let step = 1;
  for (let at = shape.length - 1; at >= 0; at--) {
    // Where there is one, nobody steps; where there is none, nobody looks.
    const fits = strides === undefined || size === 0 || shape[at]! <= 1 || strides[at] === step;
    if (!fits) {
      throw invalidInput(
        operation,
        `${what} does not stand row after row: its strides are (${shownList(strides)})`,
        "copy it with contiguous(array) first",
      );
    }
    step *= shape[at]!;
  }
  if (offset + size > length) {
    throw invalidInput(
      operation,
      `${what} needs ${offset + size} numbers, and its data has ${length}`,
      "check its shape and offset",
    );
  }
  return { values: data, from: offset, count: size };
}

function shownList(list: readonly unknown[]): string {
  return list.map(shownValue).join(", ");
}

/**
 * What a typed array holds, without what a subclass adds; another array as it is.
 *
 * @throws {InvalidInputError} For what is neither, and for what has no memory any more.
 */
function plain(value: unknown, operation: string, what: string): ArrayLike<number> {
  if (!isArrayLike(value)) throw noNumbers(value, operation, what);
  if (!ArrayBuffer.isView(value)) return value;
  const place = placeOfView(value);
  if (place === "detached") {
    throw invalidInput(
      operation,
      `${what}'s buffer is detached: it was transferred elsewhere`,
      "use it before transferring it",
    );
  }
  if (place === "cut") {
    throw invalidInput(
      operation,
      `${what} lies outside of its buffer, which became shorter`,
      "make a new view of the buffer",
    );
  }
  const kind = kindOfArray(value)!;
  if (kind.startsWith("Big")) throw noNumbers(value, operation, what);
  const make = (globalThis as unknown as Record<string, typeof Float32Array>)[kind]!;
  const { buffer, byteOffset, byteLength } = place;
  return new make(buffer, byteOffset, byteLength / make.BYTES_PER_ELEMENT);
}

/** Neighbours of an array. */
interface Run {
  readonly values: ArrayLike<number>;
  readonly from: number;
  readonly count: number;
}

/** Numbers as 32-bit ones: borrowed where they are, copied where they are not. */
function singles(
  { values, from, count }: Run,
  operation: string,
  what: string,
): Float32Array<ArrayBuffer> {
  if (ArrayBuffer.isView(values)) {
    const part = (values as Float32Array).subarray(from, from + count);
    if (part instanceof Float32Array && part.buffer instanceof ArrayBuffer) {
      return part as Float32Array<ArrayBuffer>;
    }
    const numbers = room(count, operation);
    numbers.set(part);
    return numbers;
  }
  const numbers = room(count, operation);
  for (let at = 0; at < count; at++) {
    const value: unknown = values[from + at];
    if (typeof value !== "number") {
      throw invalidInput(
        operation,
        `${what} holds no number at ${at}, but ${described(value)}`,
        "pass numbers; addMany() takes rows of them",
      );
    }
    numbers[at] = value;
  }
  return numbers;
}

function noNumbers(value: unknown, operation: string, what: string): DipperError {
  return invalidInput(
    operation,
    `${what} holds no numbers: this is ${described(value)}`,
    remedy(value, "pass a Float32Array, an array of numbers, or { data, shape }"),
  );
}
