// Options that nobody knows are refused: a misspelt one would otherwise do nothing, in silence.

import { invalidInput, unknownOption } from "../ffi/errors.ts";
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
  if (unknown !== undefined) throw unknownOption(operation, unknown, known);
}
