// The values of a table in a form that JSON and pyarrow's program agree on (arrow_files.py):
// integers, times and decimals as their digits, bytes as hexadecimal.

import { type Column, type DataType, type Table, TimeUnit, Type } from "@uwdata/flechette";

/** How a table is read so that nothing of a value is lost. */
export const EXACT = { useBigInt: true, useBigIntTimestamp: true, useDecimalInt: true } as const;

/** What arrow_files.py tells of a file. */
export interface Told {
  readonly name: string;
  readonly names: string[];
  readonly types: string[];
  readonly rows: number;
  readonly values: Record<string, unknown[]>;
}

/** All values of a table that was read with `EXACT`. */
export function plainColumns(table: Table): Record<string, unknown[]> {
  return Object.fromEntries(
    table.names.map((name) => {
      const column: Column<unknown> = table.getChild(name);
      return [name, Array.from(column, (value) => plainValue(value, column.type))];
    }),
  );
}

/** Nanoseconds of a unit. */
const NANOSECONDS: Record<number, bigint> = {
  [TimeUnit.SECOND]: 1_000_000_000n,
  [TimeUnit.MILLISECOND]: 1_000_000n,
  [TimeUnit.MICROSECOND]: 1000n,
  [TimeUnit.NANOSECOND]: 1n,
};

function plainValue(value: unknown, given: DataType): unknown {
  if (value === null || value === undefined) return null;
  // deno-lint-ignore no-explicit-any -- the members of types differ by `typeId`
  const type = given as any;
  switch (type.typeId) {
    case Type.Int:
    case Type.Decimal:
      return String(value);
    case Type.Float:
      return ofFloat(value as number);
    case Type.Date:
      return String(value);
    case Type.Time:
    case Type.Timestamp:
    case Type.Duration:
      return String(BigInt(value as bigint | number) * NANOSECONDS[type.unit]!);
    case Type.Interval:
      return Array.from(value as Float64Array);
    case Type.Binary:
    case Type.LargeBinary:
    case Type.BinaryView:
    case Type.FixedSizeBinary:
      return (value as Uint8Array).toHex();
    case Type.List:
    case Type.LargeList:
    case Type.ListView:
    case Type.LargeListView:
    case Type.FixedSizeList:
      return Array.from(
        value as Iterable<unknown>,
        (item) => plainValue(item, type.children[0].type),
      );
    case Type.Struct:
      return Object.fromEntries(
        // deno-lint-ignore no-explicit-any -- as above
        type.children.map(({ name, type }: any) => [
          name,
          plainValue((value as Record<string, unknown>)[name], type),
        ]),
      );
    case Type.Map: {
      const [key, item] = type.children[0].type.children;
      return (value as [unknown, unknown][]).map((
        [name, one],
      ) => [plainValue(name, key.type), plainValue(one, item.type)]);
    }
    case Type.Dictionary:
      return plainValue(value, type.dictionary);
    case Type.RunEndEncoded:
      return plainValue(value, type.children[1].type);
    case Type.Union:
      return typeof value === "bigint" || typeof value === "number" ? String(value) : value;
    default:
      return value;
  }
}

/** JSON has neither. */
function ofFloat(value: number): unknown {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  return value;
}
