// Tables of the package `apache-arrow`, as Flechette would have them: by their shape, so that the
// package is never loaded here, whatever version the caller has. Values stay where they are; bitmaps
// that begin amid a byte are moved.
//
// How the arrays of `Data` lie is told by its documentation and by `VectorAssembler`, which writes
// them (https://github.com/apache/arrow-js, src/visitor/vectorassembler.ts).

import type { DataType, FlechetteLibrary, Schema } from "./flechette.ts";
import type { ArrayParts, ColumnParts, TableParts } from "./arrow_messages.ts";

/** A type of `apache-arrow`. */
export interface ArrowType {
  /** Which type it is, as Arrow's format numbers them. */
  readonly typeId: number;
  /** The fields of a nested one. */
  readonly children?: readonly ArrowField[] | null;
  /** What else it says of itself. */
  // deno-lint-ignore no-explicit-any -- each type has members of its own
  readonly [member: string]: any;
}

/** A field of `apache-arrow`. */
export interface ArrowField {
  /** Its name. */
  readonly name: string;
  /** Whether there may be nulls. */
  readonly nullable: boolean;
  /** Its type. */
  readonly type: ArrowType;
  /** What else is said of it. */
  readonly metadata?: Map<string, string>;
}

/** An array of `apache-arrow`: its `Data`. */
export interface ArrowData {
  /** Its type. */
  readonly type: ArrowType;
  /** How many values it has. */
  readonly length: number;
  /** At which bit its bitmaps begin. */
  readonly offset: number;
  /** How many nulls. */
  readonly nullCount: number;
  /** The values, or the keys of a dictionary. */
  readonly values?: ArrayBufferView;
  /** Where values of variable length begin. */
  readonly valueOffsets?: ArrayBufferView;
  /** Which values there are. */
  readonly nullBitmap?: Uint8Array;
  /** Which child of a union has a value. */
  readonly typeIds?: Int8Array;
  /** The arrays of its fields. */
  readonly children: readonly ArrowData[];
  /** What the keys stand for. */
  readonly dictionary?: {
    /** Its arrays. */
    readonly data: readonly ArrowData[];
  };
  /** The bytes of views. */
  readonly variadicBuffers?: readonly Uint8Array[];
}

/** A table as `apache-arrow` has it. */
export interface ArrowTable {
  /** Its columns. */
  readonly schema: {
    /** A field of each. */
    readonly fields: readonly ArrowField[];
    /** What else is said of it. */
    readonly metadata?: Map<string, string>;
  };
  /** Its batches. */
  readonly batches: readonly {
    /** The arrays, as children of one. */
    readonly data: ArrowData;
  }[];
}

/** Whether it is a table of `apache-arrow`. */
export function isArrowTable(value: object): value is ArrowTable {
  const { schema, batches } = value as Partial<ArrowTable>;
  return Array.isArray(schema?.fields) && Array.isArray(batches) &&
    batches.every((batch) => Array.isArray(batch?.data?.children));
}

/** The arrays of such a table. Throws a plain `Error` for a type that nobody knows. */
export function arrowParts(library: FlechetteLibrary, table: ArrowTable): TableParts {
  const types = new Types(library);
  const fields = table.schema.fields.map((field) => types.field(field));
  const children = fields.map(({ type }, index): ColumnParts => ({
    type,
    data: table.batches.map(({ data }) => arrays(library, data.children[index]!, type)),
  }));
  const schema = {
    version: library.Version.V5,
    endianness: library.Endianness.Little,
    fields,
    metadata: table.schema.metadata?.size ? table.schema.metadata : null,
  } as Schema;
  return { schema, children };
}

class Types {
  readonly #library: FlechetteLibrary;

  constructor(library: FlechetteLibrary) {
    this.#library = library;
  }

  field({ name, nullable, type, metadata }: ArrowField): Schema["fields"][number] {
    // Flechette's own declaration forgets that there may be none.
    return { name, nullable, type: this.type(type), metadata: metadata?.size ? metadata : null! };
  }

  // The numbers of types, units and precisions are those of Arrow's own format in both packages.
  type(type: ArrowType): DataType {
    const { Type } = this.#library;
    const { typeId } = type;
    const children = type.children?.map((child) => this.field(child));
    const made = (members: object = {}) => ({ typeId, ...members }) as unknown as DataType;
    switch (typeId) {
      case Type.Dictionary:
        return made({
          id: -1,
          dictionary: this.type(type.dictionary),
          indices: this.type(type.indices),
          ordered: type.isOrdered === true,
        });
      case Type.Int:
        return made({ bitWidth: type.bitWidth, signed: type.isSigned });
      case Type.Float:
        return made({ precision: type.precision });
      case Type.Decimal:
        return made({ precision: type.precision, scale: type.scale, bitWidth: type.bitWidth });
      case Type.Date:
      case Type.Interval:
      case Type.Duration:
        return made({ unit: type.unit });
      case Type.Time:
        return made({ unit: type.unit, bitWidth: type.bitWidth });
      case Type.Timestamp:
        return made({ unit: type.unit, timezone: type.timezone ?? null });
      case Type.FixedSizeBinary:
        return made({ stride: type.byteWidth });
      case Type.FixedSizeList:
        return made({ stride: type.listSize, children });
      case Type.Map:
        return made({ keysSorted: type.keysSorted, children });
      case Type.Union:
        return made({ mode: type.mode, typeIds: Array.from(type.typeIds), children });
      case Type.List:
      case Type.LargeList:
      case Type.Struct:
        return made({ children });
      case Type.Null:
      case Type.Bool:
      case Type.Utf8:
      case Type.LargeUtf8:
      case Type.Binary:
      case Type.LargeBinary:
      case Type.Utf8View:
      case Type.BinaryView:
        return made();
      default:
        throw new Error(`the type ${String(type)} (${typeId}) is not known`);
    }
  }
}

function arrays(library: FlechetteLibrary, data: ArrowData, type: DataType): ArrayParts {
  const { Type, UnionMode } = library;
  const { length, offset } = data;
  // deno-lint-ignore no-explicit-any -- the members of Flechette's types differ by `typeId`
  const given = type as any;
  const children = (): ArrayParts[] =>
    given.children.map((field: { type: DataType }, index: number) =>
      arrays(library, data.children[index]!, field.type)
    );
  if (given.typeId === Type.Null) return { length, nullCount: length, type };
  if (given.typeId === Type.Union) {
    const offsets = given.mode === UnionMode.Dense ? data.valueOffsets : null;
    return { length, nullCount: 0, type, typeIds: data.typeIds, offsets, children: children() };
  }
  const { nullCount } = data;
  const validity = nullCount > 0 ? bits(data.nullBitmap, offset, length) : new Uint8Array(0);
  const base = { length, nullCount, type, validity };
  const values = data.values ?? new Uint8Array(0);
  const offsets = data.valueOffsets?.byteLength ? data.valueOffsets : noOffsets(given, Type);
  switch (given.typeId) {
    case Type.Bool:
      return { ...base, values: bits(values as Uint8Array, offset, length) };
    case Type.Utf8:
    case Type.LargeUtf8:
    case Type.Binary:
    case Type.LargeBinary:
      return { ...base, offsets, values };
    case Type.Utf8View:
    case Type.BinaryView:
      return { ...base, values, data: data.variadicBuffers ?? [] };
    case Type.List:
    case Type.LargeList:
    case Type.Map:
      return { ...base, offsets, children: children() };
    case Type.FixedSizeList:
    case Type.Struct:
      return { ...base, children: children() };
    case Type.Dictionary: {
      const chunks = data.dictionary?.data ?? [];
      const column = {
        type: given.dictionary,
        data: chunks.map((chunk) => arrays(library, chunk, given.dictionary)),
      };
      return { ...base, values, dictionary: column };
    }
    default:
      return { ...base, values };
  }
}

/** An empty array may come without its one offset. */
function noOffsets(type: { typeId: number }, Type: FlechetteLibrary["Type"]): ArrayBufferView {
  const large: number[] = [Type.LargeUtf8, Type.LargeBinary, Type.LargeList];
  return large.includes(type.typeId) ? new BigInt64Array(1) : new Int32Array(1);
}

/** Bits from one on, at the beginning of a byte. */
function bits(bitmap: Uint8Array | undefined, offset: number, length: number): Uint8Array {
  if (bitmap === undefined) return new Uint8Array(0);
  const end = (offset + length + 7) >> 3;
  const from = bitmap.subarray(offset >> 3, end);
  const shift = offset & 7;
  if (shift === 0) return from;
  const moved = new Uint8Array((length + 7) >> 3);
  for (let index = 0; index < moved.length; index++) {
    moved[index] = (from[index]! >> shift) | ((from[index + 1] ?? 0) << (8 - shift));
  }
  return moved;
}
