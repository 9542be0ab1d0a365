// The columns of a Parquet file from its footer, for a display: names, types, rows and row groups.
// The footer is a Thrift structure in the compact protocol. Only its beginning is read (version,
// schema, number of rows, number of row groups), so its length does not matter.
// The bytes are anybody's: every read is bounds-checked by DataView, each step moves forward, and
// what does not fit ends in `undefined`, never in an exception.
// https://parquet.apache.org/docs/file-format/metadata/
// https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md

import type { ColumnSchema, TableSchema } from "./table_schema.ts";

const MAX_FOOTER = 256 * 1024;
const MAX_COLUMNS = 2000;
const MAX_NESTING = 32;
const MAX_NAME_BYTES = 256;

// Compact protocol types.
const BINARY = 8;
const LIST = 9;
const SET = 10;
const MAP = 11;
const STRUCT = 12;

const PHYSICAL_TYPES = [
  "boolean",
  "int32",
  "int64",
  "int96",
  "float",
  "double",
  "binary",
  "fixed binary",
];

// ConvertedType of parquet.thrift, by number; LogicalType, by field.
const CONVERTED_TYPES = (
  "string map map-entry list enum decimal date time[ms] time[µs] timestamp[ms] timestamp[µs] " +
  "uint8 uint16 uint32 uint64 int8 int16 int32 int64 json bson interval"
).split(" ");
const LOGICAL_TYPES: Record<number, string> = {
  1: "string",
  2: "map",
  3: "list",
  4: "enum",
  5: "decimal",
  6: "date",
  7: "time",
  8: "timestamp",
  10: "",
  12: "json",
  13: "bson",
  14: "uuid",
  15: "float16",
};

interface SchemaElement {
  name: string;
  physical?: number;
  repetition?: number;
  children: number;
  converted?: number;
  logical?: number;
  scale?: number;
  precision?: number;
}

/**
 * Reads the schema from the end of a Parquet file.
 *
 * @param tail The last bytes of the file, up to all of them.
 * @returns `undefined` where the footer is not whole in `tail`, encrypted or malformed.
 */
export function parquetSchema(tail: Uint8Array): TableSchema | undefined {
  try {
    const end = new DataView(tail.buffer, tail.byteOffset, tail.byteLength);
    if (end.getUint32(tail.length - 4) !== 0x50415231) return undefined;
    const length = end.getUint32(tail.length - 8, true);
    const start = tail.length - 8 - length;
    if (start < 0) return undefined;
    return readFooter(new CompactReader(tail.slice(start, start + Math.min(length, MAX_FOOTER))));
  } catch (error) {
    // DataView throws a RangeError where the bytes end; nothing else is expected.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function readFooter(reader: CompactReader): TableSchema | undefined {
  let elements: SchemaElement[] = [];
  let rows: number | undefined;
  let parts: number | undefined;
  reader.fields((id, type) => {
    if (id === 2 && type === LIST) elements = readElements(reader);
    else if (id === 3) rows = reader.integer();
    else if (id === 4 && type === LIST) {
      parts = reader.listHeader().size;
      return false;
    } else reader.skip(type);
    return true;
  });
  const columns = leavesOf(elements);
  if (columns === undefined || columns.length === 0) return undefined;
  return { columns, rows, parts, partName: "row group" };
}

function readElements(reader: CompactReader): SchemaElement[] {
  const { size } = reader.listHeader();
  if (size > MAX_COLUMNS) throw new RangeError("too many columns");
  const elements: SchemaElement[] = [];
  for (let index = 0; index < size; index++) {
    const element: SchemaElement = { name: "", children: 0 };
    reader.fields((id, type) => {
      if (id === 1) element.physical = reader.integer();
      else if (id === 3) element.repetition = reader.integer();
      else if (id === 4 && type === BINARY) element.name = reader.text();
      else if (id === 5) element.children = reader.integer();
      else if (id === 6) element.converted = reader.integer();
      else if (id === 7) element.scale = reader.integer();
      else if (id === 8) element.precision = reader.integer();
      else if (id === 10 && type === STRUCT) {
        reader.fields((field, fieldType) => {
          element.logical = field;
          reader.skip(fieldType);
          return true;
        });
      } else reader.skip(type);
      return true;
    });
    elements.push(element);
  }
  return elements;
}

/** The schema is a tree in depth-first order; columns are its leaves, named by their path. */
function leavesOf(elements: SchemaElement[]): ColumnSchema[] | undefined {
  const columns: ColumnSchema[] = [];
  const open: { name: string; left: number; nullable: boolean }[] = [];
  const [root, ...rest] = elements;
  if (root === undefined) return undefined;
  for (const element of rest) {
    while (open.at(-1)?.left === 0) open.pop();
    const parent = open.at(-1);
    if (parent !== undefined) parent.left--;
    const nullable = element.repetition !== 0 || parent?.nullable === true;
    if (element.children > 0) {
      if (open.length >= MAX_NESTING) return undefined;
      open.push({ name: element.name, left: element.children, nullable });
      continue;
    }
    const path = [...open.map(({ name }) => name), element.name].join(".");
    columns.push({ name: path, type: typeOf(element), nullable });
  }
  return columns;
}

function typeOf(element: SchemaElement): string {
  const physical = PHYSICAL_TYPES[element.physical ?? -1] ?? "unknown";
  const converted = CONVERTED_TYPES[element.converted ?? -1];
  const logical = LOGICAL_TYPES[element.logical ?? -1];
  const name = converted ?? (logical || undefined);
  if (name === undefined) return physical;
  if (name === "decimal") return `decimal(${element.precision ?? "?"}, ${element.scale ?? 0})`;
  return name;
}

/** Reads the Thrift compact protocol. */
class CompactReader {
  readonly #data: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Calls `field` for each field of a structure until it returns false. */
  fields(field: (id: number, type: number) => boolean): void {
    let id = 0;
    while (true) {
      const header = this.#byte();
      const type = header & 15;
      if (type === 0) return;
      id = header >> 4 === 0 ? this.integer() : id + (header >> 4);
      if (!field(id, type)) return;
    }
  }

  listHeader(): { size: number; type: number } {
    const header = this.#byte();
    const short = header >> 4;
    return { size: short === 15 ? this.#varint() : short, type: header & 15 };
  }

  /** A zigzag integer. Beyond 2^53 it loses precision, which no count in a file reaches. */
  integer(): number {
    const value = this.#varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  text(): string {
    const length = this.#varint();
    const start = this.#data.byteOffset + this.#at;
    const bytes = new Uint8Array(this.#data.buffer, start, Math.min(length, MAX_NAME_BYTES));
    this.#at += length;
    return new TextDecoder().decode(bytes);
  }

  skip(type: number, depth = 0): void {
    if (depth > MAX_NESTING) throw new RangeError("nested too deeply");
    if (type === 1 || type === 2) return;
    if (type === 3) this.#at++;
    else if (type <= 6) this.#varint();
    else if (type === 7) this.#at += 8;
    else if (type === BINARY) this.#at += this.#varint();
    else if (type === LIST || type === SET) {
      const { size, type: inner } = this.listHeader();
      for (let index = 0; index < size; index++) this.#skipElement(inner, depth);
    } else if (type === MAP) {
      const size = this.#varint();
      const types = size > 0 ? this.#byte() : 0;
      for (let index = 0; index < size; index++) {
        this.#skipElement(types >> 4, depth);
        this.#skipElement(types & 15, depth);
      }
    } else if (type === STRUCT) {
      this.fields((_, inner) => {
        this.skip(inner, depth + 1);
        return true;
      });
    } else throw new RangeError(`no such type: ${type}`);
  }

  /** Inside lists a boolean takes a byte; in a structure it is part of the header. */
  #skipElement(type: number, depth: number): void {
    if (type === 1 || type === 2) this.#byte();
    else this.skip(type, depth + 1);
    this.#data.getUint8(this.#at - 1);
  }

  #byte(): number {
    return this.#data.getUint8(this.#at++);
  }

  #varint(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#byte();
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw new RangeError("an integer of more than ten bytes");
  }
}
