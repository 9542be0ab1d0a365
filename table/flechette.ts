// Flechette, whose tables dipper gives: loaded when the first table is read, and never before. The
// specifier is kept out of Deno's sight on purpose: an `import()` that it can read is resolved when
// dipper is imported, which costs time and, the first time, a download.

import type * as Flechette from "npm:@uwdata/flechette@2.4.0";

/** All that `import * as flechette from "npm:@uwdata/flechette@2.4.0"` brings. */
export type FlechetteLibrary = typeof Flechette;

/**
 * A table of `@uwdata/flechette` 2.4.0: `getChild(name)` is a column, `at(index)` a row, `numRows` and
 * `names` say what there is. See https://idl.uw.edu/flechette/api/table.
 */
export type Table = Flechette.Table;

/**
 * A column of such a table: `at(index)` is a value, `data` the list of its batches, each with the
 * typed array `values`. See https://idl.uw.edu/flechette/api/column.
 */
export type Column = ReturnType<Table["getChild"]>;

/** How Flechette gives single values. See https://idl.uw.edu/flechette/api/#tableFromIPC. */
export type ExtractionOptions = Flechette.ExtractionOptions;

/** The columns of a table, with their types. */
export type Schema = Flechette.Schema;

/** The type of a column. */
export type DataType = Flechette.DataType;

/** The package. The version is in `deno.json`, too; a test compares. */
export const PACKAGE = "npm:@uwdata/flechette@2.4.0";

let loading: Promise<FlechetteLibrary> | undefined;

/** The library, loaded at the first call. A failure is forgotten: the next call tries again. */
export function flechette(): Promise<FlechetteLibrary> {
  loading ??= (import(PACKAGE) as Promise<FlechetteLibrary>).catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  return loading;
}
