// What reading a table takes.

import type { ArrayOptions } from "./file_array.ts";
import { type Dialect, DIALECT_OPTIONS } from "./dialect.ts";
import type { ExtractionOptions } from "./flechette.ts";

/** What reading a table takes beside what every call takes. */
export interface TableOptions extends ExtractionOptions, Dialect {
  /** The columns that are wanted, in this order. Default: all of them. */
  columns?: readonly string[];
  /**
   * A condition on the rows that are wanted, in the words of SQL: `delay > 60 AND carrier = 'AA'`.
   * `docs/where.md` has its grammar. Default: all rows.
   */
  where?: string;
  /** No more rows than this. */
  limit?: number;
  /**
   * `"float64"` makes each column of 64-bit integers a `Float64Array`, which JavaScript adds up some
   * ten times as fast as a `BigInt64Array`. It is exact: a number beyond 2^53 is an
   * `InvalidInputError`. Columns within others and dictionaries stay as they are stored. Default:
   * `"int64"`, as they are stored.
   */
  int64?: "int64" | "float64";
}

/** The names of those that say how values are read: true or false. */
export const TABLE_FLAGS = [
  "useDate",
  "useDecimalInt",
  "useBigInt",
  "useBigIntTimestamp",
  "useMap",
  "useProxy",
] as const satisfies readonly (keyof TableOptions)[];

/** The names of all. */
export const TABLE_OPTIONS: readonly (keyof TableOptions)[] = [
  "columns",
  "where",
  "limit",
  "int64",
  ...DIALECT_OPTIONS,
  ...TABLE_FLAGS,
];

/** Their names. */
export const ARRAY_OPTIONS: readonly (keyof ArrayOptions)[] = ["rows", "tensor"];
