// Options that nobody knows are refused: a misspelt one would otherwise do nothing, in silence.

import { invalidInput } from "../ffi/errors.ts";
import { described } from "../ffi/lent.ts";

/**
 * Refuses options that are no object, and names that no option has.
 *
 * @throws {InvalidInputError} Naming the first of them, and those that there are.
 */
export function refuseUnknownOptions(
  options: unknown,
  known: readonly string[],
  operation: string,
): void {
  if (options === undefined || options === null) return;
  if (typeof options !== "object") {
    throw invalidInput(
      operation,
      `${operation}: the options are ${described(options)}`,
      `pass { ${known[0]}: \u2026 }`,
    );
  }
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw invalidInput(
    operation,
    `there is no option ${unknown.slice(0, 40)}`,
    `known ${known.length === 1 ? "is" : "are"} ${known.join(", ")}`,
  );
}
