// How a listing shows itself: its first rows, what there is in total, and how to get the rest. Only
// the first page is rendered, so ten thousand entries cost no more than a hundred.

import { type Html, markedText, markup } from "./html.ts";
import type { MediaBundle } from "./media_bundle.ts";
import { type Cell, type Column, describeTable, type Note, type TableView } from "./plain_view.ts";
import { countOf, formatBytes, formatCount, formatDate, formatExactBytes } from "./quantities.ts";
import { shownUri, withoutSecrets } from "./redaction.ts";
import { showTable } from "./table_view.ts";
import { cutEnd, cutMiddle, visibleText } from "./visible_text.ts";

/** An object or a common prefix ("folder"), as {@linkcode showListing} takes it. */
export type EntryLike =
  | {
    readonly uri: string;
    readonly key: string;
    /** Bytes. */
    readonly size: number;
    readonly lastModified: Date;
    readonly etag?: string;
    readonly storageClass?: string;
    /** In a listing of versions. */
    readonly versionId?: string;
    readonly isLatest?: boolean;
    readonly deleteMarker?: boolean;
  }
  | { readonly uri: string; readonly prefix: string };

/** A listing, as {@linkcode showListing} takes it. */
export interface ListingLike {
  /** What is listed. */
  readonly uri: string;
  /** The entries that are known, in order. */
  readonly entries: readonly EntryLike[];
  /** Whether `entries` is all there is, or the beginning. */
  readonly complete: boolean;
  /** The options of the call, as they were given. */
  readonly options?: Readonly<Record<string, string | number | boolean>>;
  /** How many names were looked at, where only those that match are entries. */
  readonly looked?: number;
  /** How to read all, in code, where it is not `list`. */
  readonly use?: string;
  /** The user holds all entries already, as an array. */
  readonly isArray?: boolean;
  /** Why there are no entries. */
  readonly note?: string;
}

const PAGE_ROWS = 20;
const MAX_KEY = 160;
const MAX_ID = 40;
const MAX_URI = 200;
const MAX_NOTE = 600;

/**
 * Displays a listing: a table of the first 20 entries, the totals in objects and bytes, and the
 * call that gives all of them.
 *
 * @example
 * ```ts
 * showListing({ uri: "s3://bucket/", entries: [], complete: true });
 * ```
 */
export function showListing(l: ListingLike): MediaBundle {
  return showTable(tableOf(l));
}

/** The plain-text twin of {@linkcode showListing}. */
export function describeListing(l: ListingLike): string {
  return describeTable(tableOf(l));
}

function tableOf(l: ListingLike): TableView {
  let objects = 0;
  let folders = 0;
  let bytes = 0;
  for (const entry of l.entries) {
    if ("prefix" in entry) folders++;
    else {
      objects++;
      bytes += entry.size;
    }
  }
  const shown = l.entries.slice(0, PAGE_ROWS);
  // Nearly every object is STANDARD; the column appears where it says something.
  const hasClasses = shown.some((entry) =>
    "key" in entry && entry.storageClass !== undefined && entry.storageClass !== "STANDARD"
  );
  const hasVersions = shown.some((entry) => "key" in entry && entry.versionId !== undefined);
  const columns: Column[] = [
    { name: "Key", code: true },
    { name: "Size", numeric: true },
    { name: "Modified", numeric: true },
  ];
  if (hasClasses) columns.push({ name: "Class" });
  if (hasVersions) columns.push({ name: "Version", code: true });
  const name = cutMiddle(shownUri(l.uri), MAX_URI);
  const atLeast = l.complete ? "" : " or more";
  const nothing = l.note !== undefined
    ? "not listed"
    : l.looked !== undefined
    ? "nothing matches"
    : l.complete
    ? "empty"
    : "nothing yet";
  const tags = l.entries.length === 0 ? [nothing] : [
    ...(objects > 0 ? [`${countOf(objects, hasVersions ? "version" : "object")}${atLeast}`] : []),
    ...(folders > 0 ? [`${countOf(folders, "folder")}${atLeast}`] : []),
    ...(objects > 0 ? [`${formatBytes(bytes)}${atLeast}`] : []),
  ];
  return {
    name,
    tags,
    label: `Entries of ${name}`,
    columns,
    rows: shown.map((entry) => row(entry, hasClasses, hasVersions)),
    notes: notes(l),
  };
}

function row(entry: EntryLike, hasClasses: boolean, hasVersions: boolean): Cell[] {
  const path = "prefix" in entry ? entry.prefix : entry.key;
  const text = cutMiddle(path, MAX_KEY);
  const key: Cell = { text, html: keyMarkup(text), title: cutMiddle(shownUri(entry.uri), 1200) };
  const cells = "prefix" in entry
    ? [key, { text: "folder", html: markup`<span class="dipper-weak">folder</span>` }, { text: "" }]
    : [
      key,
      entry.deleteMarker
        ? { text: "deleted" }
        : { text: formatBytes(entry.size), title: formatExactBytes(entry.size) },
      { text: formatDate(entry.lastModified) },
    ];
  if (hasClasses) {
    cells.push({ text: "prefix" in entry ? "" : cutMiddle(entry.storageClass ?? "", MAX_ID) });
  }
  if (hasVersions) {
    const id = "prefix" in entry ? "" : cutMiddle(entry.versionId ?? "", MAX_ID);
    cells.push({ text: "key" in entry && entry.isLatest ? `${id} (latest)` : id });
  }
  return cells;
}

/** A key with its path in a weaker colour, so that the names stand out. */
function keyMarkup(key: string): Html {
  const cut = key.lastIndexOf("/", key.length - 2) + 1;
  const path = markup`<span class="dipper-weak">${markedText(key.slice(0, cut))}</span>`;
  return markup`<bdi>${path}${markedText(key.slice(cut))}</bdi>`;
}

function notes(l: ListingLike): Note[] {
  const notes: Note[] = [];
  if (l.note !== undefined) {
    notes.push({ words: visibleText(cutEnd(withoutSecrets(l.note), MAX_NOTE)) });
  }
  if (l.looked !== undefined && !l.complete) {
    notes.push({
      words: `Looked at the first ${countOf(l.looked, "name")} for what matches; there are more.`,
    });
  }
  const { length } = l.entries;
  if (l.note !== undefined || (l.complete && length <= PAGE_ROWS)) return notes;
  if (length > 0) {
    const of = l.complete ? ` of ${formatCount(length)}` : "; there are more";
    const rest = l.isArray ? "; the array holds all of them" : "";
    notes.push({ words: `First ${formatCount(Math.min(length, PAGE_ROWS))}${of}${rest}.` });
  }
  if (l.isArray) return notes;
  if (l.use !== undefined) return [...notes, { words: "All of them:", code: l.use }];
  const call = callOf(l);
  return [
    ...notes,
    { words: "All of them:", code: `await ${call}.toArray()` },
    { words: "One by one:", code: `for await (const entry of ${call}) { … }` },
  ];
}

/** The call, to be copied. */
function callOf({ uri, options = {} }: ListingLike): string {
  const given = Object.entries(options)
    .map(([name, value]) => `${name}: ${literal(value)}`);
  const second = given.length > 0 ? `, { ${given.join(", ")} }` : "";
  return `list(${literal(shownUri(uri))}${second})`;
}

function literal(value: string | number | boolean): string {
  if (typeof value !== "string") return String(value);
  return visibleText(JSON.stringify(cutMiddle(withoutSecrets(value), MAX_URI)));
}
