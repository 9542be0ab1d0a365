// What writing a table takes, checked before anything is opened.

import { invalidInput } from "../ffi/errors.ts";
import type { EncodingMessage, TableFormatMessage } from "../ffi/symbols.ts";
import type { DataType } from "./flechette.ts";

/** The formats that tables are written in. */
export type TableFileFormat = "parquet" | "arrow" | "arrows" | "csv" | "tsv" | "ndjson" | "json";

/** How a table becomes a file. */
export interface TableEncoding {
  /**
   * The format. Default: what the name says: `.parquet`, `.pq`; `.arrow`, `.feather`, `.ipc` (a file
   * of Arrow IPC); `.arrows` (a stream of it); `.csv`; `.tsv`, `.tab`; `.ndjson`, `.jsonl`;
   * `.json` (an array of objects). Text may end with `.gz` or `.zst` beside that.
   */
  format?: TableFileFormat;
  /**
   * What pages of Parquet (`"snappy"`, which is the default, `"zstd"`, `"gzip"`, `"brotli"`, `"lz4"`)
   * or buffers of Arrow (`"lz4"`, `"zstd"`) are compressed with, or all of a text (`"gzip"`,
   * `"zstd"`; the default where the name ends with `.gz` or `.zst`), or `"none"`, which is the
   * default of all others.
   */
  compression?: "snappy" | "zstd" | "gzip" | "brotli" | "lz4" | "none";
  /** Rows of a row group of Parquet, at most. One that has 128 MiB ends, too. Default: 1,048,576. */
  rowGroupSize?: number;
  /** What separates the fields of CSV: one character of ASCII. Default: `","`. */
  delimiter?: string;
  /** Whether CSV begins with the names of the columns. Default: true. */
  header?: boolean;
  /** What CSV says where there is no value. Default: nothing. */
  nullValue?: string;
  /**
   * Types of Flechette for columns of plain arrays, by name. Default: typed arrays keep theirs;
   * strings are `utf8()`, booleans `bool()`, whole numbers the shortest of `int8()` to `int32()`
   * that holds all of them, other numbers `float64()`, bigints `int64()`, dates `dateDay()` if all
   * are midnights of UTC, else `timestamp()`. In a series of tables plain numbers are `float64()`.
   */
  types?: Readonly<Record<string, DataType>>;
}

/** The names of these options. */
export const TABLE_ENCODING: readonly (keyof TableEncoding)[] = [
  "format",
  "compression",
  "rowGroupSize",
  "delimiter",
  "header",
  "nullValue",
  "types",
];

const EXTENSIONS: Readonly<Record<string, TableFileFormat>> = {
  parquet: "parquet",
  pq: "parquet",
  arrow: "arrow",
  feather: "arrow",
  ipc: "arrow",
  arrows: "arrows",
  csv: "csv",
  tsv: "tsv",
  tab: "tsv",
  ndjson: "ndjson",
  jsonl: "ndjson",
  json: "json",
};

/** What the end of a name says about the compression of a text; nothing for what is not written. */
const COMPRESSED: Readonly<Record<string, "gzip" | "zstd" | undefined>> = {
  gz: "gzip",
  zst: "zstd",
  bz2: undefined,
  xz: undefined,
};
const TEXT = ["gzip", "zstd", "none"];

const COMPRESSIONS: Readonly<Record<TableFileFormat, readonly string[]>> = {
  parquet: ["snappy", "zstd", "gzip", "brotli", "lz4", "none"],
  arrow: ["lz4", "zstd", "none"],
  arrows: ["lz4", "zstd", "none"],
  csv: TEXT,
  tsv: TEXT,
  ndjson: TEXT,
  json: TEXT,
};

/** Checked options, as the encoder takes them. */
export interface CheckedEncoding {
  readonly format: TableFormatMessage;
  readonly encoding: Omit<EncodingMessage, "plain">;
  readonly types: Readonly<Record<string, DataType>>;
}

/**
 * Checks how a table is to be written.
 *
 * @param name What stands behind the last slash of the name.
 * @throws {InvalidInputError} Naming the option that cannot be meant.
 */
export function checkedEncoding(
  options: TableEncoding,
  name: string,
  uri: string,
): CheckedEncoding {
  const refused = (what: string, hint: string) => invalidInput("writeTable", what, hint, uri);
  const formats = Object.keys(COMPRESSIONS);
  const ending = extension(name);
  const isCompressed = Object.hasOwn(COMPRESSED, ending);
  const format = options.format ??
    formatOf(isCompressed ? name.slice(0, -ending.length - 1) : name);
  if (format === undefined) {
    throw refused(
      `the name ${JSON.stringify(name)} does not say which format to write`,
      `pass format: one of ${formats.join(", ")}`,
    );
  }
  if (!formats.includes(format)) {
    throw refused(`${shown(format)} is no format`, `pass one of ${formats.join(", ")}`);
  }
  const { rowGroupSize, delimiter, header, nullValue, types = {} } = options;
  const isText = COMPRESSIONS[format] === TEXT;
  let { compression } = options;
  if (compression !== undefined && !COMPRESSIONS[format].includes(compression)) {
    throw refused(
      `a file of ${format} is not compressed with ${shown(compression)}`,
      `pass one of ${COMPRESSIONS[format].join(", ")}`,
    );
  }
  // Whoever names the format may call a file what he likes; a text is what its name says all the same.
  if (isCompressed && compression === undefined && (isText || options.format === undefined)) {
    compression = isText ? COMPRESSED[ending] : undefined;
    if (compression === undefined) {
      throw refused(
        `a file of ${format} is not written as .${ending}`,
        isText ? "call it .gz or .zst, or say compression" : `leave .${ending} away, or say format`,
      );
    }
  }
  const only = (option: string, value: unknown, ...of: TableFileFormat[]) => {
    if (value !== undefined && !of.includes(format)) {
      throw refused(`a file of ${format} has no ${option}`, `leave ${option} away`);
    }
  };
  only("rowGroupSize", rowGroupSize, "parquet");
  only("delimiter", delimiter, "csv", "tsv");
  only("header", header, "csv", "tsv");
  only("nullValue", nullValue, "csv", "tsv");
  if (rowGroupSize !== undefined && !(Number.isSafeInteger(rowGroupSize) && rowGroupSize > 0)) {
    throw refused("rowGroupSize is not a count of rows", "pass a whole number from 1 on");
  }
  const separates = delimiter === undefined ||
    (typeof delimiter === "string" && delimiter.length === 1 && delimiter > "\0" &&
      delimiter < "\x80" && !['"', "\n", "\r"].includes(delimiter));
  if (!separates) {
    throw refused("delimiter is not one character of ASCII that can separate", 'pass such as ";"');
  }
  if (header !== undefined && typeof header !== "boolean") {
    throw refused("header is not true or false", "pass a boolean");
  }
  if (nullValue !== undefined && !(typeof nullValue === "string" && nullValue.isWellFormed())) {
    throw refused("nullValue is not a string", 'pass such as "NA"');
  }
  const typed = typeof types === "object" && types !== null &&
    Object.values(types).every((type) => typeof (type as Partial<DataType>)?.typeId === "number");
  if (!typed) {
    throw refused(
      "types is not an object of Flechette's types",
      'pass such as { id: int64() }, with int64 from "@uwdata/flechette"',
    );
  }
  const messages: Record<TableFileFormat, TableFormatMessage> = {
    parquet: "parquet",
    arrow: "arrow",
    arrows: "arrowStream",
    csv: "csv",
    tsv: "csv",
    ndjson: "ndjson",
    json: "json",
  };
  const separator = delimiter ?? (format === "tsv" ? "\t" : undefined);
  const encoding = Object.fromEntries(
    Object.entries({
      compression,
      rowGroupRows: rowGroupSize,
      delimiter: separator?.charCodeAt(0),
      header,
      nullValue,
    }).filter(([, value]) => value !== undefined),
  ) as Omit<EncodingMessage, "plain">;
  return { format: messages[format], encoding, types };
}

/** What stands behind the last dot, in small letters. */
function extension(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1).toLowerCase();
}

function formatOf(name: string): TableFileFormat | undefined {
  const ending = extension(name);
  return Object.hasOwn(EXTENSIONS, ending) ? EXTENSIONS[ending] : undefined;
}

function shown(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : typeof value;
}
