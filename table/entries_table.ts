// Entries of a listing as a table: a column of each of their properties.

import type { Column, DataType, ExtractionOptions, FlechetteLibrary, Table } from "./flechette.ts";
import { flechette } from "./flechette.ts";
import { shownTable } from "./shown_table.ts";

/** A property of entries, and what its column is. */
type Kind = "text" | "size" | "time" | "flag";

/** In this order. Columns that no entry has are left out, but for the first four. */
const COLUMNS: readonly (readonly [name: string, kind: Kind, always?: boolean])[] = [
  ["uri", "text", true],
  ["key", "text", true],
  ["size", "size", true],
  ["lastModified", "time", true],
  ["prefix", "text"],
  ["etag", "text"],
  ["storageClass", "text"],
  ["owner", "text"],
  ["versionId", "text"],
  ["isLatest", "flag"],
  ["deleteMarker", "flag"],
  ["uploadId", "text"],
  ["initiated", "time"],
];

/** A table of entries: objects, versions, groups or uploads. */
export async function entriesTable(
  entries: readonly object[],
  options: ExtractionOptions,
): Promise<Table> {
  const library = await flechette();
  const columns: [string, Column][] = [];
  for (const [name, kind, always] of COLUMNS) {
    const isUpload = entries.length > 0 && "uploadId" in entries[0]!;
    const wanted = (always === true && !(isUpload && ["size", "lastModified"].includes(name))) ||
      entries.some((entry) => name in entry);
    if (!wanted) continue;
    const values = entries.map((entry) => valueOf((entry as Record<string, unknown>)[name]));
    const column = library.columnFromArray(values, typeOf(library, kind), options);
    columns.push([name, column as Column]);
  }
  return shownTable(library, library.tableFromColumns(columns, options.useProxy));
}

/** Owners are told by their id. */
function valueOf(value: unknown): unknown {
  if (value === undefined) return null;
  if (typeof value === "number") return BigInt(value);
  const isOwner = typeof value === "object" && value !== null && "id" in value;
  return isOwner ? value.id : value;
}

function typeOf(library: FlechetteLibrary, kind: Kind): DataType {
  switch (kind) {
    case "text":
      return library.utf8();
    case "size":
      return library.int64();
    case "time":
      return library.timestamp(library.TimeUnit.MILLISECOND, "UTC");
    case "flag":
      return library.bool();
  }
}
