// The options of reading a table, checked before anything is sent.

import { invalidInput, type InvalidInputError } from "../ffi/errors.ts";
import { shownValue } from "../ffi/lent.ts";
import { TABLE_FLAGS, type TableOptions } from "./table_options.ts";

/**
 * Refuses options that cannot be meant. What is common to all calls was checked before, and `where`
 * as a text, too.
 *
 * @throws {InvalidInputError} Naming the option.
 */
export function checkTableOptions(
  options: TableOptions,
  { operation, uri }: { operation: string; uri: string },
): void {
  const refused = (what: string, hint: string): InvalidInputError =>
    invalidInput(operation, what, hint, uri);
  const { columns, limit, int64 } = options;
  if (columns !== undefined) checkColumns(columns, refused);
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit >= 0)) {
    throw refused(`limit is ${shown(limit)}`, "pass a whole number of rows, zero or more");
  }
  if (int64 !== undefined && int64 !== "int64" && int64 !== "float64") {
    throw refused(`int64 cannot be ${shown(int64)}`, 'pass "int64" or "float64"');
  }
  const flag = TABLE_FLAGS.find((name) => !["undefined", "boolean"].includes(typeof options[name]));
  if (flag !== undefined) throw refused(`${flag} is neither true nor false`, "pass a boolean");
}

function shown(value: unknown): string {
  return typeof value === "string" ? value : shownValue(value);
}

function checkColumns(
  columns: unknown,
  refused: (what: string, hint: string) => InvalidInputError,
): void {
  const hint = 'pass an array of names: { columns: ["delay", "distance"] }';
  if (!Array.isArray(columns)) throw refused("columns is no array", hint);
  const wrong = columns.findIndex((name) => typeof name !== "string");
  if (wrong >= 0) throw refused(`column ${wrong} is no string`, hint);
  const twice = columns.find((name, at) => columns.indexOf(name) < at);
  if (twice !== undefined) {
    throw refused(`column ${JSON.stringify(twice)} is named twice`, "name each column once");
  }
}
