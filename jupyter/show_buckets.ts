// How the buckets of an account show themselves.

import type { MediaBundle } from "./media_bundle.ts";
import { type Cell, type Column, describeTable, type TableView } from "./plain_view.ts";
import { countOf, formatCount, formatDate } from "./quantities.ts";
import { showTable } from "./table_view.ts";
import { cutMiddle } from "./visible_text.ts";

/** A bucket, as {@linkcode showBuckets} takes it. */
export interface BucketLike {
  /** The name of the bucket. */
  readonly name: string;
  /** When it was created, where the server says so. */
  readonly createdAt?: Date;
  /** Where it lies, where the server says so. */
  readonly region?: string;
}

const PAGE_ROWS = 50;

/**
 * Displays buckets: a table of the first 50 with region and date where they are known.
 *
 * @example
 * ```ts
 * showBuckets([{ name: "taxi", region: "eu-central-1" }]);
 * ```
 */
export function showBuckets(buckets: readonly BucketLike[]): MediaBundle {
  return showTable(tableOf(buckets));
}

/** The plain-text twin of {@linkcode showBuckets}. */
export function describeBuckets(buckets: readonly BucketLike[]): string {
  return describeTable(tableOf(buckets));
}

function tableOf(buckets: readonly BucketLike[]): TableView {
  const shown = buckets.slice(0, PAGE_ROWS);
  const hasRegions = shown.some(({ region }) => region !== undefined);
  const hasDates = shown.some(({ createdAt }) => createdAt !== undefined);
  const columns: Column[] = [{ name: "Name", code: true }];
  if (hasRegions) columns.push({ name: "Region" });
  if (hasDates) columns.push({ name: "Created", numeric: true });
  const rows = shown.map(({ name, region, createdAt }) => {
    const cells: Cell[] = [{ text: cutMiddle(name, 100), title: `s3://${cutMiddle(name, 100)}/` }];
    if (hasRegions) cells.push({ text: cutMiddle(region ?? "", 60) });
    if (hasDates) cells.push({ text: createdAt === undefined ? "" : formatDate(createdAt) });
    return cells;
  });
  return {
    name: "Buckets",
    label: "Buckets",
    tags: [buckets.length === 0 ? "none" : countOf(buckets.length, "bucket")],
    columns,
    rows,
    notes: buckets.length > shown.length
      ? [`First ${shown.length} of ${formatCount(buckets.length)}; the array holds all of them.`]
      : [],
  };
}
