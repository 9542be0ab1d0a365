// The columns of an Arrow file or stream from its first message, for a display. The message is a
// FlatBuffer: tables whose fields are found through a small index (the vtable) before them.
// The bytes are anybody's: every read is bounds-checked by DataView, fields, nesting and names are
// limited, and what does not fit ends in `undefined`, never in an exception.
// https://arrow.apache.org/docs/format/Columnar.html#encapsulated-message-format
// https://github.com/apache/arrow/blob/main/format/Schema.fbs, Message.fbs
// https://flatbuffers.dev/internals/

import type { ColumnSchema, TableSchema } from "./table_schema.ts";

// Offsets may point many fields to the same children, so the number of all fields is limited too.
const MAX_FIELDS = 4000;
const MAX_NESTING = 8;
const MAX_NAME_BYTES = 256;
const SCHEMA_MESSAGE = 1;

/** Reads the schema from the first bytes of an Arrow file or stream. */
export function arrowSchema(head: Uint8Array): TableSchema | undefined {
  try {
    const data = new DataView(head.buffer, head.byteOffset, head.byteLength);
    // A file begins with "ARROW1" and two bytes of padding, then goes on like a stream.
    let at = data.getUint32(0) === 0x4152524f ? 8 : 0;
    if (data.getUint32(at) === 0xffffffff) at += 4;
    at += 4;
    const message = tableAt(data, at);
    if (message.byte(1, 0) !== SCHEMA_MESSAGE) return undefined;
    const schema = message.table(2);
    if (schema === undefined) return undefined;
    const columns = readFields(schema, 1, 0, { left: MAX_FIELDS }).map((
      { name, type, nullable },
    ) => ({
      name,
      type,
      nullable,
    }));
    return { columns, rows: undefined, parts: undefined, partName: "batch" };
  } catch (error) {
    // DataView throws a RangeError where the bytes end; nothing else is expected.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function readFields(
  owner: FlatTable,
  slot: number,
  depth: number,
  fields: { left: number },
): ColumnSchema[] {
  if (depth > MAX_NESTING) throw new RangeError("nested too deeply");
  const found = owner.tables(slot, fields.left);
  fields.left -= found.length;
  return found.map((field) => {
    const children = (): string =>
      readFields(field, 5, depth + 1, fields).map(childText).join(", ");
    const dictionary = field.table(4);
    const type = typeOf(field.byte(2, 0), field.table(3), children);
    return {
      name: field.text(0),
      nullable: field.byte(1, 0) !== 0,
      type: dictionary === undefined ? type : `dictionary<${type}>`,
    };
  });
}

function childText({ name, type }: ColumnSchema): string {
  return name === "" || name === "item" ? type : `${name}: ${type}`;
}

const TIME_UNITS = ["s", "ms", "µs", "ns"];

/** The type of a field in words; numbers are those of the union `Type` in Schema.fbs. */
function typeOf(kind: number, type: FlatTable | undefined, children: () => string): string {
  const unit = (slot: number, absent: number): string =>
    TIME_UNITS[type?.short(slot, absent) ?? absent] ?? "?";
  switch (kind) {
    case 1:
      return "null";
    case 2:
      return `${type?.byte(1, 0) ? "int" : "uint"}${type?.int(0, 0)}`;
    case 3:
      return ["float16", "float32", "float64"][type?.short(0, 0) ?? 0] ?? "float";
    case 4:
    case 20:
      return kind === 4 ? "binary" : "large binary";
    case 5:
    case 21:
      return kind === 5 ? "string" : "large string";
    case 6:
      return "bool";
    case 7:
      return `decimal(${type?.int(0, 0)}, ${type?.int(1, 0)})`;
    case 8:
      return `date[${type?.short(0, 1) === 0 ? "day" : "ms"}]`;
    case 9:
      return `time[${unit(0, 1)}]`;
    case 10: {
      const zone = type?.text(1) ?? "";
      return `timestamp[${unit(0, 0)}${zone === "" ? "" : `, ${zone}`}]`;
    }
    case 11:
      return "interval";
    case 12:
    case 22:
      return `list<${children()}>`;
    case 13:
      return `struct<${children()}>`;
    case 14:
      return `union<${children()}>`;
    case 15:
      return `fixed binary[${type?.int(0, 0)}]`;
    case 16:
      return `list<${children()}>[${type?.int(0, 0)}]`;
    case 17:
      return `map<${children()}>`;
    case 18:
      return `duration[${unit(0, 1)}]`;
    default:
      return `type ${kind}`;
  }
}

/** A FlatBuffer table: its fields by slot, with their defaults where they are absent. */
class FlatTable {
  constructor(
    readonly data: DataView,
    readonly at: number,
  ) {}

  byte(slot: number, absent: number): number {
    const at = this.#field(slot);
    return at === undefined ? absent : this.data.getUint8(at);
  }

  short(slot: number, absent: number): number {
    const at = this.#field(slot);
    return at === undefined ? absent : this.data.getInt16(at, true);
  }

  int(slot: number, absent: number): number {
    const at = this.#field(slot);
    return at === undefined ? absent : this.data.getInt32(at, true);
  }

  text(slot: number): string {
    const at = this.#field(slot);
    if (at === undefined) return "";
    const start = at + this.data.getUint32(at, true);
    const length = Math.min(this.data.getUint32(start, true), MAX_NAME_BYTES);
    return new TextDecoder().decode(
      new Uint8Array(this.data.buffer, this.data.byteOffset + start + 4, length),
    );
  }

  table(slot: number): FlatTable | undefined {
    const at = this.#field(slot);
    return at === undefined ? undefined : tableAt(this.data, at);
  }

  tables(slot: number, limit: number): FlatTable[] {
    const at = this.#field(slot);
    if (at === undefined) return [];
    const start = at + this.data.getUint32(at, true);
    const length = this.data.getUint32(start, true);
    if (length > limit) throw new RangeError("too many fields");
    return Array.from({ length }, (_, index) => tableAt(this.data, start + 4 + index * 4));
  }

  #field(slot: number): number | undefined {
    const index = this.at - this.data.getInt32(this.at, true);
    const entry = 4 + slot * 2;
    if (entry >= this.data.getUint16(index, true)) return undefined;
    const offset = this.data.getUint16(index + entry, true);
    return offset === 0 ? undefined : this.at + offset;
  }
}

/** The table that the offset at `at` points to. */
function tableAt(data: DataView, at: number): FlatTable {
  return new FlatTable(data, at + data.getUint32(at, true));
}
