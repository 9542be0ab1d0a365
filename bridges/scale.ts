// Numbers multiplied where they lie.

import { invalidInput } from "../ffi/errors.ts";
import { type BufferLike, described } from "../ffi/lent.ts";
import { library, libraryNeeds } from "../ffi/library.ts";
import { ensure } from "../ffi/permissions.ts";
import type { NdArrayLike } from "./nd_array.ts";
import { lendNumbers, type Wanted } from "./numbers.ts";

/**
 * Multiplies numbers of 64 bits where they lie, as `x *= factor` does in NumPy. They are borrowed:
 * nothing is copied, and a part of an array changes its own numbers only.
 *
 * - The numbers of an array of several dimensions must lie one behind the other, in the order of
 *   rows or of columns. For others there is {@linkcode contiguous}.
 * - Each result is that of `x[i] *= factor` in JavaScript, bit by bit; a NaN may have other bits.
 * - Memory that can be resized is changed as long as it is now. In shared memory what another
 *   thread writes meanwhile may be lost, as in JavaScript; no number is ever half one and half
 *   another.
 * - When a notebook's Stop ends the call, the numbers before some point are scaled and the others
 *   are not; the error says how many.
 *
 * @param x A `Float64Array`, or an array of several dimensions over one.
 * @param factor What each number is multiplied by.
 * @throws {InvalidInputError} For numbers of another kind, with gaps between them, in memory that is
 * detached or read-only.
 *
 * @example
 * ```ts
 * import { scaleInplace } from "dipper";
 * const x = new Float64Array([1, 2, 3, 4]);
 * scaleInplace(x.subarray(1, 3), 1.5);
 * console.log(x); // Float64Array(4) [ 1, 3, 4.5, 4 ]
 * scaleInplace({ data: x, shape: [2, 2], stride: [2, 1] }, 2);
 * console.log(x); // Float64Array(4) [ 2, 6, 9, 8 ]
 * ```
 */
export function scaleInplace(x: Float64Array | NdArrayLike, factor: number): void {
  scale(x, factor, {
    operation: "scaleInplace",
    kinds: { Float64Array: 8 },
    instead: (kind) =>
      kind === "Float32Array"
        ? "scale it with scaleBuffer(), or pass a copy, new Float64Array(x)"
        : kind === "Uint8Array"
        ? "if its bytes are such numbers, make a Float64Array over its buffer; else pass a copy, " +
          "new Float64Array(x)"
        : "pass a copy, new Float64Array(x)",
  });
}

/**
 * Multiplies numbers of 32 bits where they lie, in anything that has a buffer: a `Float32Array`, an
 * array of several dimensions over one, and bytes that are such numbers, as a `DataView`, a
 * `Uint8Array`, a `Buffer` of Node's, an `ArrayBuffer`, a {@linkcode RustBuffer} or
 * `{ buffer, byteOffset, byteLength }`. They are borrowed: nothing is copied.
 *
 * All else is as with {@linkcode scaleInplace}. Bytes that are taken for numbers are in the order
 * of the machine, as in a `Float32Array`.
 *
 * @param data The numbers.
 * @param factor What each number is multiplied by.
 * @throws {InvalidInputError} For numbers of another kind, such as a `Float64Array`, for bytes whose
 * count or start is no multiple of four, for numbers with gaps between them, and for memory that is
 * detached or read-only.
 *
 * @example
 * ```ts
 * import { RustBuffer, scaleBuffer } from "dipper";
 * using buffer = new RustBuffer(16);
 * const numbers = new Float32Array(buffer.view().buffer);
 * numbers.set([1, 2, 3, 4]);
 * scaleBuffer(buffer, 2);
 * scaleBuffer(new DataView(numbers.buffer, 8, 4), 10);
 * console.log(numbers); // Float32Array(4) [ 2, 4, 60, 8 ]
 * ```
 */
export function scaleBuffer(
  data: Float32Array | BufferLike | NdArrayLike,
  factor: number,
): void {
  scale(data, factor, {
    operation: "scaleBuffer",
    kinds: { Float32Array: 4 },
    bytesAre: "Float32Array",
    instead: (kind) =>
      kind === "Float64Array"
        ? "scale it with scaleInplace(), or pass a copy, new Float32Array(x)"
        : "pass a copy, new Float32Array(x)",
  });
}

function scale(x: unknown, factor: number, wanted: Wanted): void {
  const { operation } = wanted;
  if (typeof factor !== "number") {
    throw invalidInput(
      operation,
      `${operation}: the factor is ${described(factor)}`,
      "pass a number",
    );
  }
  const { bytes, shared, width } = lendNumbers(x, wanted);
  ensure(operation, libraryNeeds());
  library().native.scale(bytes, shared, width, factor);
}
