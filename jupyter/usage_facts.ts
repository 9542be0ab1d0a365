// What is said of a count of what is stored: the totals, and what they are made of by folder,
// extension, storage class and age.

import { below, type Cell, type Column, plainParts, plainTable, plainTitle } from "./plain_view.ts";
import {
  countOf,
  formatBytes,
  formatCount,
  formatDuration,
  formatExactBytes,
  formatShare,
} from "./quantities.ts";
import { shownUri } from "./redaction.ts";
import { cutMiddle } from "./visible_text.ts";

/** So many objects, and the bytes they hold. */
interface CountLike {
  readonly objects: number;
  readonly bytes: number;
}

/** What is stored, as its displays take it. */
export interface UsageLike extends CountLike {
  /** What was counted. */
  readonly uri: string;
  /** Whether all of it was counted. */
  readonly complete: boolean;
  /** The largest first; without a URI: all that are not told apart. */
  readonly folders: readonly (CountLike & { readonly uri?: string })[];
  /** The largest first; without a name: all that are not told apart. */
  readonly extensions: readonly (CountLike & { readonly extension?: string })[];
  /** The largest first. */
  readonly storageClasses: readonly (CountLike & { readonly storageClass: string })[];
  /** The youngest first. */
  readonly ages: readonly (CountLike & { readonly fromDays: number; readonly toDays?: number })[];
  /** How many pages were listed. */
  readonly pages: number;
  /** How long it took, in milliseconds. */
  readonly milliseconds: number;
}

/** Rows of each table. */
const MOST_ROWS = 10;
const MAX_NAME = 120;

/** A count in a terminal. */
export function describeUsage(usage: UsageLike): string {
  const { name, tags, tables, note } = usageParts(usage);
  return plainParts(
    plainTitle(name, tags),
    ...tables.map(({ columns, rows, more }) =>
      below(plainParts(plainTable(columns, rows), more && `  ${more}`))
    ),
    below(`  ${note}`),
  );
}

interface Table {
  readonly label: string;
  readonly columns: Column[];
  readonly rows: Cell[][];
  readonly more: string | undefined;
}

/** The title, the tables and the line below them. */
export function usageParts(
  usage: UsageLike,
): { name: string; tags: string[]; tables: Table[]; note: string } {
  const { objects, bytes, complete, pages, milliseconds } = usage;
  const name = cutMiddle(shownUri(usage.uri), 200);
  const table = (label: string, lines: readonly (CountLike & { cell: Cell })[], code = false) => ({
    label,
    columns: [
      { name: label, code },
      { name: "Objects", numeric: true },
      { name: "Size", numeric: true },
      { name: "Share", numeric: true },
    ],
    rows: lines.slice(0, MOST_ROWS).map((line): Cell[] => [
      line.cell,
      { text: formatCount(line.objects) },
      { text: formatBytes(line.bytes), title: formatExactBytes(line.bytes) },
      { text: bytes > 0 ? formatShare(line.bytes, bytes) : "" },
    ]),
    more: lines.length > MOST_ROWS
      ? `The largest ${MOST_ROWS} of ${formatCount(lines.length)}; the report holds all of them.`
      : undefined,
  });
  const tables = [
    table(
      "Folder",
      usage.folders.map(({ uri, objects, bytes }) => ({
        objects,
        bytes,
        cell: uri === undefined
          ? { text: "all others" }
          : { text: cutMiddle(shownUri(uri), MAX_NAME), title: cutMiddle(shownUri(uri), 1200) },
      })),
      true,
    ),
    table(
      "Extension",
      usage.extensions.map(({ extension, ...count }) => ({
        ...count,
        cell: {
          text: extension === undefined
            ? "all others"
            : extension === ""
            ? "none"
            : `.${cutMiddle(extension, MAX_NAME)}`,
        },
      })),
    ),
    table(
      "Storage class",
      usage.storageClasses.map(({ storageClass, ...count }) => ({
        ...count,
        cell: { text: storageClass === "" ? "not told" : cutMiddle(storageClass, MAX_NAME) },
      })),
    ),
    table(
      "Age",
      usage.ages.filter((age) => age.objects > 0).map(({ fromDays, toDays, ...count }) => ({
        ...count,
        cell: { text: ageOf(fromDays, toDays) },
      })),
    ),
  ].filter(({ rows }) => rows.length > 0);
  return {
    name,
    tags: [
      countOf(objects, "object"),
      formatBytes(bytes),
      ...(complete ? [] : ["not all was counted"]),
    ],
    tables,
    note: `${countOf(pages, "page")} listed in ${formatDuration(milliseconds)}.`,
  };
}

function ageOf(fromDays: number, toDays: number | undefined): string {
  if (toDays === undefined) return `${formatCount(fromDays)} days and more`;
  if (fromDays === 0) return `under ${countOf(toDays, "day")}`;
  return `${formatCount(fromDays)} to ${countOf(toDays, "day")}`;
}
