// Vectors and matrices as users have them, brought to what crosses: 32-bit numbers, row after row.
//
// A `Float32Array` is borrowed where it lies. Everything else is copied into one: other typed arrays
// and arrays of numbers because each number must be rounded, and shared memory because others may
// write to it meanwhile.

import { type DipperError, invalidInput } from "../ffi/errors.ts";

/** An array of several dimensions, as npm's `ndarray` and `@stdlib/ndarray` have them. */
export interface Matrix {
  /** The numbers. */
  readonly data: ArrayLike<number>;
  /** How many there are along each dimension. */
  readonly shape: ArrayLike<number>;
  /** How far apart neighbours are along each dimension. Default: row after row. */
  readonly stride?: ArrayLike<number>;
  /** The same, under its other name. */
  readonly strides?: ArrayLike<number>;
  /** Where it starts in the data. Default: 0. */
  readonly offset?: number;
}

/** Numbers of one or several vectors. */
export interface Vectors {
  readonly numbers: Float32Array<ArrayBuffer>;
  /** How many vectors they are. */
  readonly count: number;
}

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
  const { numbers, shape } = isMatrix(value)
    ? contiguous(value, operation, what)
    : { numbers: value, shape: undefined };
  if (!isArrayLike(numbers)) throw noNumbers(value, operation, what);
  if (ArrayBuffer.isView(numbers)) refuseDetached(numbers, operation, what);
  const { length } = numbers;
  if (length !== dimension || (shape !== undefined && shape.length !== 1)) {
    throw invalidInput(
      operation,
      shape === undefined || shape.length === 1
        ? `${what} has ${length} numbers, and the table's have ${dimension}`
        : `${what} has the shape (${shape.join(", ")}), and the table's vectors (${dimension})`,
      `pass vectors of ${dimension} numbers, or make a table of another dimension`,
    );
  }
  return singles(numbers, operation, what);
}

/**
 * A matrix, a row for each vector: numbers row after row, an array of two dimensions, or vectors.
 *
 * @throws {InvalidInputError} When it is none, or its rows have another length.
 */
export function matrixOf(value: unknown, dimension: number, operation: string): Vectors {
  const hint = `pass rows of ${dimension} numbers, or make a table of another dimension`;
  if (isMatrix(value)) {
    const { numbers, shape } = contiguous(value, operation, "the matrix");
    if (shape.length !== 2 || shape[1] !== dimension) {
      throw invalidInput(
        operation,
        `the matrix has the shape (${shape.join(", ")}), and the table's rows ${dimension} numbers`,
        hint,
      );
    }
    return { numbers: singles(numbers, operation, "the matrix"), count: shape[0]! };
  }
  if (!isArrayLike(value)) throw noNumbers(value, operation, "the matrix");
  if (ArrayBuffer.isView(value)) refuseDetached(value, operation, "the matrix");
  if (value.length > 0 && typeof value[0] === "object") {
    return rowsOf(value as unknown as ArrayLike<unknown>, dimension, operation, "row");
  }
  if (value.length % dimension !== 0) {
    throw invalidInput(
      operation,
      `the matrix has ${value.length} numbers, which are no whole rows of ${dimension}`,
      hint,
    );
  }
  return { numbers: singles(value, operation, "the matrix"), count: value.length / dimension };
}

/**
 * One query or several: a vector, an array of vectors, or a matrix of two dimensions.
 *
 * @throws {InvalidInputError} When it is none, or has another length.
 */
export function queriesOf(value: unknown, dimension: number, operation: string): Vectors {
  if (isMatrix(value)) {
    return value.shape.length === 1
      ? { numbers: vectorOf(value, dimension, operation, "the query"), count: 1 }
      : matrixOf(value, dimension, operation);
  }
  if (Array.isArray(value) && value.length > 0 && typeof value[0] === "object") {
    return rowsOf(value, dimension, operation, "query");
  }
  return { numbers: vectorOf(value, dimension, operation, "the query"), count: 1 };
}

function rowsOf(
  rows: ArrayLike<unknown>,
  dimension: number,
  operation: string,
  what: string,
): Vectors {
  const count = rows.length;
  const numbers = new Float32Array(count * dimension);
  for (let index = 0; index < count; index++) {
    numbers.set(vectorOf(rows[index], dimension, operation, `${what} ${index}`), index * dimension);
  }
  return { numbers, count };
}

function isArrayLike(value: unknown): value is ArrayLike<number> {
  if (typeof value !== "object" || value === null || value instanceof DataView) return false;
  const { length } = value as { length?: unknown };
  return typeof length === "number" && Number.isSafeInteger(length) && length >= 0;
}

function isMatrix(value: unknown): value is Matrix {
  return typeof value === "object" && value !== null && "data" in value && "shape" in value &&
    !ArrayBuffer.isView(value) && isArrayLike(value.data) && isArrayLike(value.shape);
}

/** The numbers of an array of several dimensions, which stand row after row. */
function contiguous(
  matrix: Matrix,
  operation: string,
  what: string,
): { numbers: ArrayLike<number>; shape: number[] } {
  const shape = Array.from(matrix.shape);
  const given = matrix.stride ?? matrix.strides;
  const { data, offset = 0 } = matrix;
  if (ArrayBuffer.isView(data)) refuseDetached(data, operation, what);
  const size = shape.reduce((all, length) => all * length, 1);
  const counts = [...shape, offset, size];
  if (!counts.every((count) => Number.isSafeInteger(count) && count >= 0)) {
    throw invalidInput(
      operation,
      `${what} has the shape (${shape.join(", ")}) from ${offset} on`,
      "lengths are whole numbers",
    );
  }
  let step = 1;
  for (let at = shape.length - 1; at >= 0; at--) {
    // Where there is one, nobody steps; where there is none, nobody looks.
    const fits = given === undefined || size === 0 || shape[at]! <= 1 || given[at] === step;
    if (!fits) {
      throw invalidInput(
        operation,
        `${what} does not stand row after row: its strides are (${Array.from(given).join(", ")})`,
        "copy it with contiguous(array) first",
      );
    }
    step *= shape[at]!;
  }
  if (offset + size > data.length) {
    throw invalidInput(
      operation,
      `${what} needs ${offset + size} numbers, and its data has ${data.length}`,
      "check its shape and offset",
    );
  }
  const numbers = data instanceof Float32Array
    ? data.subarray(offset, offset + size)
    : Array.prototype.slice.call(data, offset, offset + size) as number[];
  return { numbers, shape };
}

/** Numbers as 32-bit ones: borrowed where they are, copied where they are not. */
function singles(
  values: ArrayLike<number>,
  operation: string,
  what: string,
): Float32Array<ArrayBuffer> {
  if (values instanceof Float32Array && values.buffer instanceof ArrayBuffer) {
    return values as Float32Array<ArrayBuffer>;
  }
  if (ArrayBuffer.isView(values)) {
    const first: unknown = values[0];
    if (typeof first === "bigint") throw noNumbers(values, operation, what);
    return new Float32Array(values);
  }
  const numbers = new Float32Array(values.length);
  for (let at = 0; at < numbers.length; at++) {
    const value: unknown = values[at];
    if (typeof value !== "number") {
      throw invalidInput(
        operation,
        `${what} holds no number at ${at}, but ${value === null ? "null" : typeof value}`,
        "pass numbers",
      );
    }
    numbers[at] = value;
  }
  return numbers;
}

function refuseDetached(view: ArrayBufferView, operation: string, what: string): void {
  try {
    // Throws for a view without memory; its length alone would read as 0.
    (view as Uint8Array).values();
  } catch {
    const detached = view.buffer instanceof ArrayBuffer && view.buffer.detached;
    throw invalidInput(
      operation,
      detached
        ? `${what}'s buffer is detached: it was transferred elsewhere`
        : `${what} lies outside of its buffer, which became shorter`,
      detached ? "use it before transferring it" : "make a new view of the buffer",
    );
  }
}

function noNumbers(value: unknown, operation: string, what: string): DipperError {
  const given = value === null
    ? "null"
    : typeof value === "object"
    ? value.constructor?.name ?? "object"
    : typeof value;
  return invalidInput(
    operation,
    `${what} holds no numbers: a ${given} came`,
    "pass a Float32Array, an array of numbers, or { data, shape }",
  );
}
