// The dialect of a text file, checked, as the native side wants it.

import { InvalidInputError } from "../ffi/errors.ts";
import { described } from "../ffi/lent.ts";
import type { DialectMessage } from "../ffi/symbols.ts";
import { type Dialect, DIALECT_OPTIONS } from "./dialect.ts";

/** How text may be compressed. "auto" is what is found out where nothing is told. */
const COMPRESSIONS = ["auto", "none", "gzip", "deflate", "zstd", "bzip2", "xz"];

/**
 * The options that are about the format, as they cross; nothing where there are none.
 *
 * @throws {InvalidInputError} Naming the option that cannot be meant.
 */
export function dialectOf(options: Dialect): DialectMessage | undefined {
  if (DIALECT_OPTIONS.every((name) => options[name] === undefined)) return undefined;
  const { skipLines, columnNames, types, nullValues, inferBytes } = options;
  const message: Record<string, unknown> = {};
  for (
    const name of ["format", "delimiter", "quote", "escape", "comment", "encoding"] as const
  ) text(message, name, options[name]);
  const { header, compression } = options;
  if (header !== undefined) {
    // A text such as "false" would count as true.
    if (typeof header !== "boolean") throw wrong("header", "true or false");
    message["header"] = header;
  }
  if (compression !== undefined) {
    const words = COMPRESSIONS.map((word) => JSON.stringify(word)).join(", ");
    if (!COMPRESSIONS.includes(compression)) throw wrong("compression", `one of ${words}`);
    if (compression !== "auto") message["compression"] = compression;
  }
  count(message, "skip", "skipLines", skipLines);
  count(message, "inferBytes", "inferBytes", inferBytes);
  texts(message, "names", "columnNames", columnNames);
  texts(message, "nullValues", "nullValues", nullValues);
  if (types !== undefined) message["types"] = typesOf(types);
  return message as DialectMessage;
}

/** Types by column. */
function typesOf(types: unknown): [column: string, type: string][] {
  if (typeof types !== "object" || types === null || Array.isArray(types)) {
    throw wrong("types", 'an object such as { zip: "string" }');
  }
  return Object.entries(types).map(([name, type]) => {
    if (typeof type === "string") return [name, type];
    throw new InvalidInputError(
      `the type of the column ${JSON.stringify(name)} is ${described(type)}`,
      { code: "InvalidInput", operation: "table", hint: 'name it, such as { zip: "string" }' },
    );
  });
}

/** Texts in an array: a single one would be taken apart. Numbers are what they are written as. */
function texts(
  message: Record<string, unknown>,
  place: string,
  name: string,
  value: readonly string[] | undefined,
): void {
  if (value === undefined) return;
  const fits = Array.isArray(value) &&
    value.every((one: unknown) => typeof one === "string" || typeof one === "number");
  if (!fits) throw wrong(name, "an array of texts");
  message[place] = value.map(String);
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
