// How the report of a transfer shows itself: what was done, and what failed and why.

import { type MediaBundle, mediaBundle } from "./media_bundle.ts";
import {
  countOf,
  formatCount,
  formatDuration,
  formatExactBytes,
  formatRate,
} from "./quantities.ts";
import { shownUri, withoutSecrets } from "./redaction.ts";
import {
  type Cell,
  type Column,
  dataTable,
  type Fact,
  factsTable,
  noteLine,
  plainFacts,
  plainParts,
  plainTable,
  plainTitle,
  title,
  view,
} from "./view.ts";
import { cutEnd, cutMiddle } from "./visible_text.ts";

/** A transfer's report, as {@linkcode showTransfer} takes it. */
export interface TransferLike {
  /** The operation, such as `deleteMany`. */
  readonly operation: string;
  /** How many objects or files were transferred. */
  readonly transferred: number;
  /** How many bytes these hold. */
  readonly bytes: number;
  /** How many were left alone. */
  readonly skipped: number;
  /** How many were deleted. */
  readonly deleted: number;
  /** What failed. */
  readonly failures: readonly {
    readonly uri: string;
    readonly error: { readonly code: string; readonly message: string };
  }[];
  /** How long it took. */
  readonly milliseconds: number;
  /** Whether nothing was changed. */
  readonly dryRun: boolean;
}

const FAILURE_ROWS = 20;
const COLUMNS: Column[] = [{ name: "Failed", code: true }, { name: "Code" }, { name: "Reason" }];

/**
 * Displays the report of a transfer: the counts, and the first 20 failures.
 *
 * @example
 * ```ts
 * const counts = { transferred: 2, bytes: 300, skipped: 0, deleted: 0, failures: [] };
 * showTransfer({ operation: "download", ...counts, milliseconds: 12, dryRun: false });
 * ```
 */
export function showTransfer(report: TransferLike): MediaBundle {
  const { tags, facts, rows, note } = parts(report);
  return mediaBundle(
    view(
      title(cutEnd(report.operation, 100), tags),
      factsTable(facts),
      rows.length > 0 ? dataTable("Failures", COLUMNS, rows) : undefined,
      note === undefined ? undefined : noteLine(note),
    ),
    describeTransfer(report),
  );
}

/** The plain-text twin of {@linkcode showTransfer}. */
export function describeTransfer(report: TransferLike): string {
  const { tags, facts, rows, note } = parts(report);
  return plainParts(
    plainTitle(cutEnd(report.operation, 100), tags),
    plainFacts(facts),
    rows.length > 0 ? plainTable(COLUMNS, rows) : undefined,
    note === undefined ? undefined : `  ${note}`,
  );
}

function parts(report: TransferLike): {
  tags: string[];
  facts: Fact[];
  rows: Cell[][];
  note: string | undefined;
} {
  const { transferred, bytes, skipped, deleted, failures, milliseconds } = report;
  const tags = failures.length === 0 ? [] : [`${formatCount(failures.length)} failed`];
  if (report.dryRun) tags.push("dry run: nothing was changed");
  const facts: Fact[] = [];
  const onlyDeletes = report.operation === "deleteMany";
  if (!onlyDeletes) {
    facts.push({ label: "Transferred", value: countOf(transferred, "object") });
    const rate = report.dryRun ? "" : `, ${formatRate(bytes, milliseconds)}`;
    facts.push({ label: "Bytes", value: `${formatExactBytes(bytes)}${rate}` });
  }
  if (skipped > 0) facts.push({ label: "Unchanged", value: countOf(skipped, "object") });
  if (deleted > 0 || onlyDeletes) {
    facts.push({ label: "Deleted", value: countOf(deleted, "object") });
  }
  facts.push({ label: "Time", value: formatDuration(milliseconds) });
  const shown = failures.slice(0, FAILURE_ROWS);
  const rows = shown.map(({ uri, error }): Cell[] => [
    { text: cutMiddle(shownUri(uri), 100) },
    { text: cutEnd(error.code, 60) },
    { text: cutEnd(withoutSecrets(error.message), 300) },
  ]);
  return {
    tags,
    facts,
    rows,
    note: failures.length > shown.length
      ? `First ${shown.length} of ${
        formatCount(failures.length)
      } failures; the report's failures tell all.`
      : undefined,
  };
}
