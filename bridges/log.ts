// Numbers replaced by their logarithms where they lie.

import { library, libraryNeeds } from "../ffi/library.ts";
import { ensure } from "../ffi/permissions.ts";
import type { NdArrayLike } from "./nd_array.ts";
import { lendNumbers } from "./numbers.ts";

/**
 * Replaces each number by its natural logarithm, where it lies. As with `Math.log` a number below
 * zero becomes NaN, zero becomes `-Infinity`, and NaN and `Infinity` stay. A result may differ from
 * `Math.log` in its last bit.
 *
 * What may be passed, and what Stop leaves behind, is as with {@linkcode scaleInplace}; numbers of
 * 32 bits are welcome too.
 *
 * @param x A `Float64Array`, a `Float32Array`, or an array of several dimensions over one.
 * @throws {InvalidInputError} For numbers of another kind, with gaps between them, in memory that is
 * detached or read-only.
 *
 * @example
 * ```ts
 * import { logInplace } from "dipper";
 * const x = new Float64Array([1, Math.E, 0, -1]);
 * logInplace(x);
 * console.log(x); // Float64Array(4) [ 0, 1, -Infinity, NaN ]
 * ```
 */
export function logInplace(x: Float64Array | Float32Array | NdArrayLike): void {
  const { bytes, shared, width } = lendNumbers(x, {
    operation: "logInplace",
    kinds: { Float32Array: 4, Float64Array: 8 },
    instead: () => "pass a copy, new Float64Array(x)",
  });
  ensure("logInplace", libraryNeeds());
  library().native.log(bytes, shared, width);
}
