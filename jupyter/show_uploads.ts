// How uploads that are not complete show themselves: their parts cost money, so the display names the
// call that ends them.

import type { MediaBundle } from "./media_bundle.ts";
import { type Column, describeTable, type TableView } from "./plain_view.ts";
import { countOf, formatCount, formatDate } from "./quantities.ts";
import { shownUri, withoutSecrets } from "./redaction.ts";
import { showTable } from "./table_view.ts";
import { cutEnd, cutMiddle, visibleText } from "./visible_text.ts";

/** An upload, as {@linkcode showUploads} takes it. */
export interface UploadLike {
  /** The URI of the object that it would be. */
  readonly uri: string;
  /** Its key. */
  readonly key: string;
  /** The server's name for it. */
  readonly uploadId: string;
  /** When it was begun. */
  readonly initiated: Date;
}

/** A listing of uploads, as {@linkcode showUploads} takes it. */
export interface UploadsLike {
  /** What is listed. */
  readonly uri: string;
  /** The uploads that are known, in order. */
  readonly uploads: readonly UploadLike[];
  /** Whether `uploads` is all there is, or the beginning. */
  readonly complete: boolean;
  /** Why there are none. */
  readonly note?: string;
}

const PAGE_ROWS = 20;
const MAX_KEY = 160;
const MAX_ID = 40;
const COLUMNS: Column[] = [
  { name: "Key", code: true },
  { name: "Begun", numeric: true },
  { name: "Upload", code: true },
];

/**
 * Displays incomplete uploads: a table of the first 20, and the call that ends them.
 *
 * @example
 * ```ts
 * showUploads({ uri: "s3://bucket/", uploads: [], complete: true });
 * ```
 */
export function showUploads(l: UploadsLike): MediaBundle {
  return showTable(tableOf(l));
}

/** The plain-text twin of {@linkcode showUploads}. */
export function describeUploads(l: UploadsLike): string {
  return describeTable(tableOf(l));
}

function tableOf(l: UploadsLike): TableView {
  const count = l.uploads.length;
  const shown = l.uploads.slice(0, PAGE_ROWS);
  const name = cutMiddle(shownUri(l.uri), 200);
  const more = l.complete ? "" : " or more";
  const argument = visibleText(JSON.stringify(cutMiddle(shownUri(l.uri), 200)));
  return {
    name,
    label: `Incomplete uploads of ${name}`,
    columns: COLUMNS,
    tags: [
      count === 0
        ? (l.note === undefined ? "no incomplete uploads" : "not listed")
        : `${countOf(count, "incomplete upload")}${more}`,
    ],
    rows: shown.map(({ uri, key, uploadId, initiated }) => [
      { text: cutMiddle(key, MAX_KEY), title: cutMiddle(shownUri(uri), 1200) },
      { text: formatDate(initiated) },
      { text: cutMiddle(uploadId, MAX_ID) },
    ]),
    notes: [
      ...(l.note === undefined ? [] : [visibleText(cutEnd(withoutSecrets(l.note), 600))]),
      ...(count > shown.length ? [`First ${formatCount(shown.length)}.`] : []),
      ...(count > 0
        ? [`Their parts are stored and paid for until: await abortIncompleteUploads(${argument})`]
        : []),
    ],
  };
}
