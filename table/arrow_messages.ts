// A table as messages of Arrow IPC, one batch at a time, in pieces that lie where the table's arrays
// are. Each batch stands alone, with its schema and its dictionaries, so batches
// whose dictionaries differ do not get each other's values.

import type { DataType, FlechetteLibrary, Schema } from "./flechette.ts";

/** The arrays of a column in one batch, named as Flechette names them. */
export interface ArrayParts {
  readonly length: number;
  readonly nullCount: number;
  readonly type: DataType;
  readonly validity?: ArrayBufferView | undefined;
  readonly values?: ArrayBufferView | undefined;
  readonly offsets?: ArrayBufferView | null | undefined;
  readonly sizes?: ArrayBufferView | undefined;
  readonly typeIds?: ArrayBufferView | undefined;
  readonly data?: readonly ArrayBufferView[];
  readonly children?: readonly ArrayParts[];
  readonly dictionary?: ColumnParts;
}

/** A column: its arrays, batch by batch. */
export interface ColumnParts {
  readonly type: DataType;
  readonly data: readonly ArrayParts[];
}

/** What is written of a table: Flechette's own tables are such. */
export interface TableParts {
  readonly schema: Schema;
  readonly children: readonly ColumnParts[];
}

/** The tables of single batches that a table consists of: at least one, for the schema. */
export function* batchesOf(table: TableParts): Generator<TableParts> {
  const count = table.children[0]?.data.length ?? 0;
  if (count <= 1) yield table;
  else {
    for (let index = 0; index < count; index++) {
      const children = table.children.map(({ type, data }) => ({ type, data: [data[index]!] }));
      yield { schema: table.schema, children };
    }
  }
}

/** Whether its batches have dictionaries of their own, which a file of Arrow cannot say. */
export function hasManyDictionaries(table: TableParts): boolean {
  return table.children.some(({ data }) => {
    const seen = new Map<string, unknown>();
    return data.some((array) => differs(array, "", seen));
  });
}

function differs(array: ArrayParts, path: string, seen: Map<string, unknown>): boolean {
  if (array.dictionary !== undefined) {
    const known = seen.get(path);
    if (known !== undefined && known !== array.dictionary) return true;
    seen.set(path, array.dictionary);
  }
  return array.children?.some((child, index) => differs(child, `${path}.${index}`, seen)) ?? false;
}

/** A table of one batch as the pieces of a stream of Arrow IPC; most are the table's own memory. */
export function ipcOf(library: FlechetteLibrary, table: TableParts): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  const write = (bytes: Uint8Array) => void pieces.push(bytes);
  const sink = {
    write,
    pad: (bytes: number) => write(new Uint8Array(bytes)),
    finish: () => null,
  };
  library.tableToIPC(withBuffers(library, withOwnTypes(library, table)) as never, { sink });
  return pieces;
}

/**
 * Flechette finds the dictionary of a column by its type: two columns that share one type would get
 * the same dictionary. So each gets a type of its own.
 */
function withOwnTypes(library: FlechetteLibrary, { schema, children }: TableParts): TableParts {
  const types = schema.fields.map(({ type }) => ownType(type));
  return {
    schema: {
      ...schema,
      fields: schema.fields.map((field, index) => ({ ...field, type: types[index]! })),
    },
    children: children.map(({ data }, index) => ({
      type: types[index]!,
      data: data.map((array) => typed(library, array, types[index]!)),
    })),
  };
}

/** What types have of which Flechette's `DataType` does not tell. */
interface Nested {
  readonly dictionary?: DataType;
  readonly children?: readonly { readonly type: DataType }[];
}

function ownType(type: DataType): DataType {
  const { dictionary, children } = type as Nested;
  return {
    ...type,
    ...(dictionary === undefined ? {} : { dictionary: ownType(dictionary) }),
    ...(children === undefined
      ? {}
      : { children: children.map((field) => ({ ...field, type: ownType(field.type) })) }),
  } as DataType;
}

/**
 * The same array, of another object for its type. Within a list of fixed size Flechette does not
 * count the values of a list that is null, which are not valid either: there they are counted.
 */
function typed(
  library: FlechetteLibrary,
  array: ArrayParts,
  type: DataType,
  counts = false,
): ArrayParts {
  const { length, validity, values, offsets, sizes, typeIds, data } = array;
  const of = type as Nested;
  const within = counts || type.typeId === library.Type.FixedSizeList;
  return {
    length,
    nullCount: counts && validity?.byteLength ? nullsOf(validity, length) : array.nullCount,
    type,
    validity,
    values,
    offsets,
    sizes,
    typeIds,
    ...(data === undefined ? {} : { data }),
    ...(array.children === undefined ? {} : {
      children: array.children.map((child, index) =>
        typed(library, child, of.children![index]!.type, within)
      ),
    }),
    ...(array.dictionary === undefined ? {} : {
      dictionary: {
        type: of.dictionary!,
        data: array.dictionary.data.map((values) => typed(library, values, of.dictionary!)),
      },
    }),
  };
}

/** How many bits are not set. */
function nullsOf(validity: ArrayBufferView, length: number): number {
  const bytes = new Uint8Array(validity.buffer, validity.byteOffset, validity.byteLength);
  let nulls = 0;
  for (let at = 0; at < length; at++) nulls += ~(bytes[at >> 3] ?? 0) >> (at & 7) & 1;
  return nulls;
}

/**
 * Columns of nulls have no buffers, and where there are no others Flechette leaves out the list of
 * them, which readers want. So one gets two that are empty: the schema goes as it is, and nobody
 * looks at them.
 */
function withBuffers(library: FlechetteLibrary, table: TableParts): TableParts {
  const { Type, bool } = library;
  if (table.children.some(({ type }) => type.typeId !== Type.Null)) return table;
  const none = { validity: new Uint8Array(0), values: new Uint8Array(0) };
  const children = table.children.map(({ data }) => ({
    type: bool(),
    data: data.map((array) => ({ ...array, ...none, type: bool() })),
  }));
  return { schema: table.schema, children };
}
