// The copy that a refusal advises: an array of several dimensions without gaps.

import { invalidInput } from "../ffi/errors.ts";
import { described, kindOfArray, lend } from "../ffi/lent.ts";
import { displayed } from "../jupyter/media_bundle.ts";
import { isNdArray, layoutOf, type NdArrayLike, shownList, type TypedArray } from "./nd_array.ts";

/** An array of several dimensions whose elements lie one behind the other, in the order of rows. */
export interface ContiguousArray<Data extends TypedArray = TypedArray> {
  /** All elements and nothing else. */
  readonly data: Data;
  /** How many elements there are along each dimension. */
  readonly shape: number[];
  /** How far apart, in elements, neighbours lie along each dimension; npm's `ndarray` asks for it. */
  readonly stride: number[];
  /** The same, as `@stdlib/ndarray` calls it. */
  readonly strides: number[];
  /** Where the first element is. */
  readonly offset: 0;
}

/**
 * Copies an array of several dimensions, so that its elements lie one behind the other in the order
 * of rows. It is a copy always, with a buffer of its own. Strides may be negative (a reversed array)
 * and zero (one element that stands for many); elements of every kind of typed array are copied.
 *
 * @throws {InvalidInputError} For shapes and strides that cannot be, for elements outside of the
 * data, for what is no such array, and for a copy that does not fit into memory.
 *
 * @example
 * ```ts
 * import { contiguous, scaleInplace } from "dipper";
 * const data = new Float64Array([1, 2, 3, 4, 5, 6]);
 * const everySecondColumn = { data, shape: [2, 2], stride: [3, 2] };
 * const copy = contiguous(everySecondColumn);
 * scaleInplace(copy, 10);
 * console.log(copy.data); // Float64Array(4) [ 10, 30, 40, 60 ]
 * ```
 */
export function contiguous<Data extends TypedArray>(
  nd: NdArrayLike<Data>,
): ContiguousArray<Data> {
  const operation = "contiguous";
  if (!isNdArray(nd)) {
    throw invalidInput(
      operation,
      `contiguous takes an array of several dimensions, { data, shape, stride }; this is ` +
        described(nd),
      kindOfArray(nd) === undefined
        ? "describe it as { data, shape, stride, offset }"
        : "a typed array has no gaps; copy it with slice()",
    );
  }
  const { data, shape, strides, offset, size } = layoutOf(nd, operation);
  // Refuses what is detached, and lets go of what a subclass would do.
  const { bytes } = lend(data, operation, false);
  const make = kindOf(data);
  const plain = new make(
    bytes.buffer,
    bytes.byteOffset,
    bytes.byteLength / make.BYTES_PER_ELEMENT,
  );
  const copy = room(make, size, shape);
  if (size > 0) gather(plain, copy, shape, strides, offset);
  const rows = stridesOfRows(shape);
  const array: ContiguousArray<Data> = {
    data: copy as Data,
    shape: [...shape],
    stride: rows,
    strides: [...rows],
    offset: 0,
  };
  return displayed(
    array,
    async () => (await import("../jupyter/show_array.ts")).showArray(array),
  );
}

/** A constructor of typed arrays. */
interface Kind {
  readonly BYTES_PER_ELEMENT: number;
  new (size: number): TypedArray;
  new (buffer: ArrayBuffer, byteOffset: number, length: number): TypedArray;
}

/** The class that the engine made an array of. */
function kindOf(data: TypedArray): Kind {
  return (globalThis as unknown as Record<string, Kind>)[kindOfArray(data)!]!;
}

function room(make: Kind, size: number, shape: readonly number[]): TypedArray {
  try {
    return new make(size);
  } catch {
    throw invalidInput(
      "contiguous",
      `contiguous: a copy of shape ${shownList(shape)} has ${size} elements of ` +
        `${make.BYTES_PER_ELEMENT} bytes each, more than fit into memory`,
      "copy it in parts",
    );
  }
}

function stridesOfRows(shape: readonly number[]): number[] {
  const strides: number[] = [];
  let stride = 1;
  for (const count of shape.toReversed()) {
    strides.unshift(stride);
    stride *= count;
  }
  return strides;
}

/** The same elements in as few dimensions as they have gaps, so that rows are long. */
function joined(
  givenShape: readonly number[],
  givenStrides: readonly number[],
): { shape: number[]; strides: number[] } {
  const shape: number[] = [];
  const strides: number[] = [];
  givenShape.forEach((count, dimension) => {
    if (count === 1) return;
    const stride = givenStrides[dimension]!;
    const last = shape.length - 1;
    if (last >= 0 && strides[last] === stride * count) {
      shape[last]! *= count;
      strides[last] = stride;
    } else {
      shape.push(count);
      strides.push(stride);
    }
  });
  return { shape, strides };
}

/** A row of fewer elements is copied sooner than it is described. */
const LONG = 32;

/** Copies row by row; a long row without gaps at once. */
function gather(
  from: TypedArray,
  to: TypedArray,
  givenShape: readonly number[],
  givenStrides: readonly number[],
  offset: number,
): void {
  const { shape, strides } = joined(givenShape, givenStrides);
  const count = shape.at(-1) ?? 1;
  const step = strides.at(-1) ?? 1;
  const outer = shape.slice(0, -1);
  const index = outer.map(() => 0);
  const [source, target] = [from, to] as unknown as [Float64Array, Float64Array];
  let row = offset;
  for (let at = 0; at < target.length; at += count) {
    if (step === 1 && count >= LONG) target.set(source.subarray(row, row + count), at);
    else for (let i = 0, j = row; i < count; i++, j += step) target[at + i] = source[j]!;
    for (let dimension = outer.length - 1; dimension >= 0; dimension--) {
      row += strides[dimension]!;
      if (++index[dimension]! < outer[dimension]!) break;
      row -= strides[dimension]! * outer[dimension]!;
      index[dimension] = 0;
    }
  }
}
