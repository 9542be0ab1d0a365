// How the report of a transfer shows itself: what was done, and what failed and why.

import { type Html, joined } from "./html.ts";
import { type MediaBundle, mediaBundle } from "./media_bundle.ts";
import {
  type Cell,
  type Column,
  type Fact,
  plainFacts,
  plainParts,
  plainTable,
  plainTitle,
} from "./plain_view.ts";
import {
  countOf,
  formatBytes,
  formatCount,
  formatDuration,
  formatExactBytes,
  formatRate,
} from "./quantities.ts";
import { shownUri, withoutSecrets } from "./redaction.ts";
import { dataTable, factsTable, noteLine, title, view } from "./view.ts";
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
  /** What would be done. */
  readonly steps: readonly {
    readonly action: string;
    readonly target: string;
    readonly source?: string;
    readonly bytes: number;
  }[];
  /** What is nothing that can be transferred. */
  readonly ignored: readonly string[];
}

const FAILURE_ROWS = 20;
const STEP_ROWS = 20;
const IGNORED_ROWS = 10;
const LONGEST_NAME = 100;
const FAILED: Column[] = [{ name: "Failed", code: true, wraps: true }, { name: "Code" }, {
  name: "Reason",
  wraps: true,
}];
const STEPS: Column[] = [
  { name: "Would" },
  { name: "What", code: true, wraps: true },
  { name: "From", code: true, wraps: true },
  { name: "Size", numeric: true },
];
const IGNORED: Column[] = [{ name: "Ignored", code: true }];

/** Rows of one kind, and how many more there are. */
interface Listed {
  readonly label: string;
  readonly columns: Column[];
  readonly rows: Cell[][];
  readonly note: string | undefined;
}

/**
 * Displays the report of a transfer: the counts, the first 20 failures, the first 20 steps of a dry
 * run, and the first 10 files that were ignored.
 *
 * @example
 * ```ts
 * const counts = { transferred: 2, bytes: 300, skipped: 0, deleted: 0, failures: [] };
 * const more = { milliseconds: 12, dryRun: false, steps: [], ignored: [] };
 * showTransfer({ operation: "download", ...counts, ...more });
 * ```
 */
export function showTransfer(report: TransferLike): MediaBundle {
  const { tags } = parts(report);
  return mediaBundle(
    view(title(cutEnd(report.operation, 100), tags), transferBody(report)),
    describeTransfer(report),
  );
}

/** The plain-text twin of {@linkcode showTransfer}. */
export function describeTransfer(report: TransferLike): string {
  const { tags } = parts(report);
  return plainParts(plainTitle(cutEnd(report.operation, 100), tags), plainTransferBody(report));
}

/** A report without its title, for the error that carries it. */
export function transferBody(report: TransferLike): Html {
  const { facts, lists } = parts(report);
  return joined(
    factsTable(facts),
    ...lists.flatMap(({ label, columns, rows, note }) => [
      dataTable(label, columns, rows),
      note === undefined ? undefined : noteLine(note),
    ]),
  );
}

/** The plain-text twin of {@linkcode transferBody}. */
export function plainTransferBody(report: TransferLike): string {
  const { facts, lists } = parts(report);
  return plainParts(
    plainFacts(facts),
    ...lists.flatMap(({ columns, rows, note }) => [
      plainTable(columns, rows),
      note === undefined ? undefined : `  ${note}`,
    ]),
  );
}

function parts(report: TransferLike): { tags: string[]; facts: Fact[]; lists: Listed[] } {
  const { transferred, bytes, skipped, deleted, failures, milliseconds, steps, ignored } = report;
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
  if (ignored.length > 0) facts.push({ label: "Ignored", value: countOf(ignored.length, "file") });
  facts.push({ label: "Time", value: formatDuration(milliseconds) });
  const lists = [
    listed(
      { label: "Failures", columns: FAILED, most: FAILURE_ROWS, what: "failures" },
      failures,
      ({ uri, error }) => [
        { text: named(uri) },
        { text: cutEnd(error.code, 60) },
        { text: cutEnd(withoutSecrets(error.message), 300) },
      ],
    ),
    listed(
      { label: "Steps", columns: STEPS, most: STEP_ROWS, what: "steps" },
      steps,
      ({ action, target, source, bytes }) => [
        { text: cutEnd(action, 20) },
        { text: named(target) },
        { text: source === undefined ? "" : named(source) },
        { text: formatBytes(bytes) },
      ],
    ),
    listed(
      { label: "Ignored", columns: IGNORED, most: IGNORED_ROWS, what: "ignored" },
      ignored,
      (path) => [{ text: named(path) }],
    ),
  ];
  return { tags, facts, lists: lists.filter(({ rows }) => rows.length > 0) };
}

function named(place: string): string {
  return cutMiddle(shownUri(place), LONGEST_NAME);
}

function listed<T>(
  { label, columns, most, what }: { label: string; columns: Column[]; most: number; what: string },
  all: readonly T[],
  rowOf: (one: T) => Cell[],
): Listed {
  const rows = all.slice(0, most).map(rowOf);
  const note = all.length > rows.length
    ? `First ${rows.length} of ${formatCount(all.length)}; the report's ${what} tell all.`
    : undefined;
  return { label, columns, rows, note };
}
