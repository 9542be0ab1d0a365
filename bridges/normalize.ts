// Vectors normalised where they lie.

import { invalidInput } from "../ffi/errors.ts";
import { described, shownValue } from "../ffi/lent.ts";
import { library, libraryNeeds } from "../ffi/library.ts";
import { ensure } from "../ffi/permissions.ts";
import { refuseUnknownOptions } from "./known_options.ts";
import type { NdArrayLike } from "./nd_array.ts";
import { lendNumbers } from "./numbers.ts";

/** How vectors are normalised. */
export interface NormalizeOptions {
  /**
   * - `"l2"`, the default: each number is divided by the vector's Euclidean length, which becomes 1.
   *   A vector of zeros stays one.
   * - `"minmax"`: the least number becomes 0 and the greatest 1, by `(x - min) / (max - min)`.
   * - `"zscore"`: the mean becomes 0 and the standard deviation 1, by `(x - mean) / deviation`. It is
   *   the deviation of all numbers, divided by their count, as in NumPy's `std`.
   *
   * By the last two, a vector of equal numbers becomes one of zeros.
   */
  kind?: "l2" | "minmax" | "zscore";
  /**
   * How many numbers a vector has. The vectors lie one behind the other, as the rows of a matrix
   * do, and each is normalised by itself. Default: all numbers are one vector.
   */
  dimension?: number;
}

const KINDS: Record<string, number> = { l2: 0, minmax: 1, zscore: 2 };

/**
 * Normalises numbers where they lie: as one vector, or as rows of `dimension` numbers each.
 *
 * A NaN makes all of its vector NaN. Infinity becomes what the formula gives: by `"l2"` NaN itself,
 * and the other numbers of its vector 0; by `"zscore"` all of its vector NaN. Sums are made with 64
 * bits, also of numbers with 32, and neither overflow nor vanish.
 *
 * What may be passed, and what Stop leaves behind, is as with {@linkcode scaleInplace}; numbers of
 * 32 bits are welcome too. With `dimension`, an array of several dimensions must lie in the order of
 * rows.
 *
 * @param x A `Float64Array`, a `Float32Array`, or an array of several dimensions over one.
 * @throws {InvalidInputError} For options that cannot be meant, a count of numbers that is no
 * multiple of `dimension`, numbers of another kind, with gaps between them, in memory that is
 * detached or read-only.
 *
 * @example
 * ```ts
 * import { normalizeInplace } from "dipper";
 * const x = new Float32Array([3, 4, 0, 2]);
 * normalizeInplace(x, { dimension: 2 });
 * console.log(x); // Float32Array(4) [ 0.6000000238418579, 0.800000011920929, 0, 1 ]
 * ```
 */
export function normalizeInplace(
  x: Float64Array | Float32Array | NdArrayLike,
  options: NormalizeOptions = {},
): void {
  const operation = "normalizeInplace";
  const refused = (what: string, hint: string) =>
    invalidInput(operation, `${operation}: ${what}`, hint);
  refuseUnknownOptions(options, ["kind", "dimension"], operation);
  const { kind = "l2", dimension } = options ?? {};
  const norm = typeof kind === "string" && Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
  if (norm === undefined) {
    throw refused(`kind is ${shownValue(kind)}`, 'pass "l2", "minmax" or "zscore"');
  }
  if (dimension !== undefined && !(Number.isSafeInteger(dimension) && dimension > 0)) {
    const came = typeof dimension === "number" ? dimension : described(dimension);
    throw refused(`dimension is ${came}`, "pass a whole number, one or more");
  }
  const { bytes, shared, width, length, order } = lendNumbers(x, {
    operation,
    kinds: { Float32Array: 4, Float64Array: 8 },
    instead: () => "pass a copy, new Float64Array(x)",
  });
  if (dimension !== undefined && order === "columns") {
    throw refused(
      "the array lies in the order of columns, so that its rows have gaps",
      "pass contiguous(x), which is a copy in the order of rows",
    );
  }
  if (dimension !== undefined && length % dimension !== 0) {
    throw refused(
      `${length} numbers are no rows of ${dimension} numbers each`,
      "pass a dimension that divides their count",
    );
  }
  if (length === 0) return;
  ensure(operation, libraryNeeds());
  library().native.normalize(bytes, shared, width, norm, dimension ?? length);
}
