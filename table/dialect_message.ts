// The dialect of a text file, checked, as the native side wants it.

import { InvalidInputError } from "../ffi/errors.ts";
import type { DialectMessage } from "../ffi/symbols.ts";
import { type Dialect, DIALECT_OPTIONS } from "./dialect.ts";

/** The options that are about the format, as they cross; nothing where there are none. */
export function dialectOf(options: Dialect): DialectMessage | undefined {
  if (DIALECT_OPTIONS.every((name) => options[name] === undefined)) return undefined;
  const { skipLines, columnNames, types, nullValues, inferBytes } = options;
  const message: Record<string, unknown> = {};
  for (
    const name of ["format", "delimiter", "quote", "escape", "comment", "encoding"] as const
  ) text(message, name, options[name]);
  if (options.header !== undefined) message["header"] = Boolean(options.header);
  if (options.compression !== undefined) message["compression"] = options.compression;
  count(message, "skip", "skipLines", skipLines);
  count(message, "inferBytes", "inferBytes", inferBytes);
  if (columnNames !== undefined) message["names"] = [...columnNames].map(String);
  if (nullValues !== undefined) message["nullValues"] = [...nullValues].map(String);
  if (types !== undefined) {
    message["types"] = Object.entries(types).map(([name, type]) => [name, String(type)]);
  }
  return message as DialectMessage;
}

function text(message: Record<string, unknown>, name: string, value: string | undefined): void {
  if (value === undefined) return;
  if (typeof value !== "string") throw wrong(name, "text");
  message[name] = value;
}

function count(
  message: Record<string, unknown>,
  place: string,
  name: string,
  value: number | undefined,
): void {
  if (value === undefined) return;
  if (!Number.isSafeInteger(value) || value < 0) throw wrong(name, "a whole number, 0 or more");
  message[place] = value;
}

function wrong(name: string, what: string): InvalidInputError {
  return new InvalidInputError(`${name} is not ${what}`, {
    code: "InvalidInput",
    operation: "table",
    hint: `give { ${name} } as ${what}, or leave it out`,
  });
}
