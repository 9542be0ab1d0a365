// A table without columns. It has rows all the same: `columns: []` asks for nothing but how many.
// Flechette counts the values of the first column, so its tables without columns have no rows.

import type { FlechetteLibrary, Schema, Table } from "./flechette.ts";

/** A table of so many rows, each an empty object. */
export function rowsOnly(library: FlechetteLibrary, schema: Schema, rows: number): Table {
  class RowsOnly extends library.Table {
    override get numRows(): number {
      return rows;
    }

    override at(index: number): Record<string, never> {
      // As Flechette does it beyond the end.
      return index < 0 || index >= rows ? null! : {};
    }

    override get(index: number): Record<string, never> {
      return this.at(index);
    }

    override toArray(): Record<string, never>[] {
      return Array.from({ length: rows }, () => ({}));
    }

    override *[Symbol.iterator](): Generator<Record<string, never>> {
      for (let row = 0; row < rows; row++) yield {};
    }
  }
  return new RowsOnly(schema, []);
}
