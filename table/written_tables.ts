// What can be written as a table, brought to one form: arrays of Arrow in batches.

import { invalidInput } from "../ffi/errors.ts";
import { described, remedy } from "../ffi/lent.ts";
import { arrowParts, type ArrowTable, isArrowTable } from "./apache_arrow.ts";
import type { ArrayParts, ColumnParts, TableParts } from "./arrow_messages.ts";
import type { DataType, FlechetteLibrary, Schema, Table } from "./flechette.ts";

/** A column of plain values: typed arrays are taken as they lie, others are looked at. */
export type PlainColumn = ArrayBufferView | readonly unknown[];

/** A table as a program has it. */
export type TableLike =
  | Table
  | ArrowTable
  | Readonly<Record<string, PlainColumn>>
  | readonly Readonly<Record<string, unknown>>[];

/** What `writeTable` takes: a table, or a series of them with the same columns. */
export type WritableTable = TableLike | AsyncIterable<TableLike> | Iterable<TableLike>;

/** How plain values become columns. */
export interface Columning {
  readonly library: FlechetteLibrary;
  /** The types of columns of plain values, by name. */
  readonly types: Readonly<Record<string, DataType>>;
  /** Later tables may have other values: numbers are doubles then, unless `types` says else. */
  readonly isSeries: boolean;
  readonly uri: string;
}

const OPERATION = "writeTable";
/** So many rows of plain values are a batch. */
const BATCH_ROWS = 1 << 17;

/** Whether it is a series of tables, and not one. */
export function isSeries(value: unknown): value is AsyncIterable<TableLike> | Iterable<TableLike> {
  if (typeof value !== "object" || value === null || isOneTable(value)) return false;
  if (Array.isArray(value)) return value.length > 0 && isOneTable(value[0]);
  return Symbol.asyncIterator in value ||
    (Symbol.iterator in value && !ArrayBuffer.isView(value));
}

/** Whether it is a table of Flechette or of `apache-arrow`. */
function isOneTable(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    (isFlechetteTable(value) || isArrowTable(value));
}

function isFlechetteTable(value: object): value is Table {
  const { schema, children } = value as Partial<Table>;
  return Array.isArray(schema?.fields) && Array.isArray(children) &&
    children.every((column) => Array.isArray(column?.data) && column.type !== undefined);
}

/**
 * The columns of one table.
 *
 * @throws {InvalidInputError} For what is no table, has no columns, or has columns that cannot stand
 * beside each other.
 */
export function partsOf(value: unknown, columning: Columning): TableParts {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) {
    throw noTable(value, columning);
  }
  if (value instanceof Promise) throw noTable(value, columning);
  if (isFlechetteTable(value)) return checked(value, columning);
  if (isArrowTable(value)) {
    let parts: TableParts;
    try {
      parts = arrowParts(columning.library, value);
    } catch (error) {
      throw refused(
        `the table of apache-arrow cannot be read: ${told(error)}`,
        "cast the column to a type that Flechette has",
        columning,
      );
    }
    return checked(parts, columning);
  }
  return checked(plain(value, columning), columning);
}

function plain(value: object, columning: Columning): TableParts {
  const columns = Array.isArray(value)
    ? columnsOfRows(value, columning)
    : new Map<string, unknown>(Object.entries(value));
  if (columns.size === 0) {
    throw refused(
      "the table has no columns",
      Array.isArray(value)
        ? "an array of rows needs at least one row"
        : "pass { name: values } with at least one column",
      columning,
    );
  }
  for (const name of Object.keys(columning.types)) {
    if (!columns.has(name)) {
      throw refused(
        `types names the column ${JSON.stringify(name)}, which is not there`,
        `the columns are ${[...columns.keys()].join(", ")}`,
        columning,
      );
    }
  }
  const fields: Schema["fields"] = [];
  const children: ColumnParts[] = [];
  let first: { name: string; length: number } | undefined;
  for (const [name, values] of columns) {
    const length = lengthOf(name, values, columning);
    first ??= { name, length };
    // Before anything is built: what cannot stand together is told as it was given.
    if (length !== first.length) {
      throw refused(
        `the column ${JSON.stringify(name)} has ${length} values, and ` +
          `${JSON.stringify(first.name)} has ${first.length}`,
        "give all columns as many values",
        columning,
      );
    }
  }
  for (const [name, values] of columns) {
    const column = columnOf(name, values as PlainColumn, columning);
    fields.push({ name, type: column.type, nullable: true, metadata: null! });
    children.push(column);
  }
  const { Version, Endianness } = columning.library;
  const schema: Schema = {
    version: Version.V5,
    endianness: Endianness.Little,
    fields,
    metadata: null,
  };
  return { schema, children };
}

/** Rows as columns: the names of all rows, in the order in which they come. */
function columnsOfRows(rows: readonly unknown[], columning: Columning): Map<string, unknown> {
  const columns = new Map<string, unknown[]>();
  rows.forEach((row, index) => {
    if (typeof row !== "object" || row === null || Array.isArray(row) || ArrayBuffer.isView(row)) {
      throw refused(
        `row ${index} is no object`,
        "pass rows as { name: value }, or columns as { name: values }",
        columning,
      );
    }
    for (const [name, value] of Object.entries(row)) {
      let column = columns.get(name);
      if (column === undefined) {
        // What earlier rows do not have is null.
        column = new Array(rows.length).fill(null);
        columns.set(name, column);
      }
      column[index] = value;
    }
  });
  return columns;
}

function lengthOf(name: string, values: unknown, columning: Columning): number {
  if (Array.isArray(values)) return values.length;
  if (ArrayBuffer.isView(values) && !(values instanceof DataView)) {
    if (values.buffer instanceof ArrayBuffer && values.buffer.detached) {
      throw detached(name, columning);
    }
    return (values as Uint8Array).length;
  }
  throw refused(
    `the column ${JSON.stringify(name)} is ${described(values)}, and no array`,
    "pass arrays or typed arrays",
    columning,
  );
}

function columnOf(name: string, values: PlainColumn, columning: Columning): ColumnParts {
  const { library, types } = columning;
  const named = Object.hasOwn(types, name) ? types[name] : undefined;
  if (ArrayBuffer.isView(values) && named === undefined) {
    return typedColumn(name, values, columning);
  }
  try {
    const given: readonly unknown[] = ArrayBuffer.isView(values)
      ? Array.from(values as Uint8Array)
      : values;
    const type = named ?? guessed(given, columning);
    const options = { maxBatchRows: BATCH_ROWS };
    const column = library.columnFromArray(given as unknown[], type, options) as ColumnParts;
    // No values, no arrays: all columns of a table have as many of them.
    return column;
  } catch (error) {
    throw refused(
      `the column ${JSON.stringify(name)} cannot be made: ${told(error)}`,
      "pass `types` with a type of Flechette for it",
      columning,
    );
  }
}

/** Where Flechette would guess what does not suit a file. */
function guessed(
  values: readonly unknown[],
  { library, isSeries }: Columning,
): DataType | undefined {
  const there = values.filter((value) => value !== null && value !== undefined);
  if (there.length === 0) return undefined;
  if (there.every((value) => typeof value === "string")) return library.utf8();
  // Another table may bring fractions.
  if (isSeries && there.every((value) => typeof value === "number")) return library.float64();
  return undefined;
}

function typedColumn(name: string, values: ArrayBufferView, columning: Columning): ColumnParts {
  const { library } = columning;
  const kinds: Record<string, (() => DataType) | undefined> = {
    Int8Array: library.int8,
    Int16Array: library.int16,
    Int32Array: library.int32,
    BigInt64Array: library.int64,
    Uint8Array: library.uint8,
    Uint8ClampedArray: library.uint8,
    Uint16Array: library.uint16,
    Uint32Array: library.uint32,
    BigUint64Array: library.uint64,
    Float16Array: library.float16,
    Float32Array: library.float32,
    Float64Array: library.float64,
  };
  const kind = (values as Uint8Array)[Symbol.toStringTag] as string;
  const type = kinds[kind]?.();
  if (type === undefined) {
    throw refused(
      `the column ${JSON.stringify(name)} is a ${kind}, which no column can be`,
      "pass another typed array",
      columning,
    );
  }
  const all = values as Uint8Array;
  const data: ArrayParts[] = [];
  for (let start = 0; start === 0 || start < all.length; start += BATCH_ROWS) {
    const part = all.subarray(start, start + BATCH_ROWS);
    const { length } = part;
    data.push({ length, nullCount: 0, type, validity: new Uint8Array(0), values: part });
  }
  return { type, data };
}

/** Refuses what an encoder could not put side by side. */
function checked(table: TableParts, columning: Columning): TableParts {
  const { fields } = table.schema;
  if (fields.length === 0) {
    throw refused("the table has no columns", "a file of columns needs at least one", columning);
  }
  const names = new Set<string>();
  for (const { name } of fields) {
    if (names.has(name)) {
      throw refused(
        `two columns have the name ${JSON.stringify(name)}`,
        "rename one of them",
        columning,
      );
    }
    names.add(name);
  }
  const lengths = table.children.map(({ data }) =>
    data.reduce((sum, { length }) => sum + length, 0)
  );
  const odd = lengths.findIndex((length) => length !== lengths[0]);
  if (odd >= 0) {
    throw refused(
      `the column ${JSON.stringify(fields[odd]!.name)} has ${lengths[odd]} values, and ` +
        `${JSON.stringify(fields[0]!.name)} has ${lengths[0]}`,
      "give all columns as many values",
      columning,
    );
  }
  if (lengths[0] === 0) return withoutRows(table);
  checkAttached(table, columning);
  const cut = (column: ColumnParts) => column.data.map(({ length }) => length).join();
  const other = table.children.findIndex((column) => cut(column) !== cut(table.children[0]!));
  if (other >= 0) {
    throw refused(
      `the columns ${JSON.stringify(fields[0]!.name)} and ` +
        `${JSON.stringify(fields[other]!.name)} are cut into batches at different rows`,
      "write the table that they come from, or columns of plain values",
      columning,
    );
  }
  return table;
}

/** Refuses a table of which a column went to a Worker, or anywhere else. */
export function checkAttached({ schema, children }: TableParts, columning: Columning): void {
  const gone = children.findIndex(({ data }) => data.some(isDetached));
  if (gone >= 0) throw detached(schema.fields[gone]!.name, columning);
}

function isDetached(array: ArrayParts): boolean {
  const { validity, values, offsets, sizes, typeIds, data = [], children = [] } = array;
  return [validity, values, offsets, sizes, typeIds, ...data].some((view) =>
    view?.buffer instanceof ArrayBuffer && view.buffer.detached
  ) || children.some(isDetached) || (array.dictionary?.data.some(isDetached) ?? false);
}

function detached(name: string, columning: Columning): Error {
  return refused(
    `the memory of the column ${JSON.stringify(name)} is detached`,
    "write it before it is transferred",
    columning,
  );
}

/** A table without rows needs no arrays. */
function withoutRows({ schema, children }: TableParts): TableParts {
  return { schema, children: children.map(({ type }) => ({ type, data: [] })) };
}

function noTable(value: unknown, columning: Columning): Error {
  return refused(
    `${described(value)} is no table`,
    remedy(
      value,
      "pass a table of Flechette or apache-arrow, { name: values }, an array of rows, or an " +
        "iterable of such",
    ),
    columning,
  );
}

function refused(what: string, hint: string, { uri }: Columning): Error {
  return invalidInput(OPERATION, what, hint, uri);
}

function told(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
