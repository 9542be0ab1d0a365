// How the nearest vectors show themselves: a table of rows and scores, for each query the best first.

import { type Html, markup } from "./html.ts";
import { type MediaBundle, mediaBundle } from "./media_bundle.ts";
import { countOf, formatCount } from "./quantities.ts";
import {
  type Cell,
  type Column,
  dataTable,
  noteLine,
  plainParts,
  plainTable,
  plainTitle,
  title,
  view,
} from "./view.ts";

/** The result of a search, as {@linkcode showNearest} takes it. */
export interface NearestLike {
  /** Numbers of vectors, nearest first, those of one query after those of the other. */
  readonly indices: Uint32Array;
  /** Their scores, in the same order. */
  readonly scores: Float32Array;
  /** How many queries there were. */
  readonly queries: number;
  /** What the scores are: `dot`, `cosine` or `euclidean`. */
  readonly metric: string;
}

const ROWS = 20;
const BAR_CHARACTERS = 12;

/**
 * Displays the nearest vectors: their numbers and scores, and a bar for each score.
 *
 * @example
 * ```ts
 * const indices = new Uint32Array([7]);
 * showNearest({ indices, scores: new Float32Array([0.5]), queries: 1, metric: "cosine" });
 * ```
 */
export function showNearest(nearest: NearestLike): MediaBundle {
  const { tags, columns, rows, note } = parts(nearest);
  return mediaBundle(
    view(
      title("Nearest", tags),
      rows.length > 0 ? dataTable("The nearest vectors", columns, rows) : undefined,
      note === undefined ? undefined : noteLine(note),
    ),
    describeNearest(nearest),
  );
}

/** The plain-text twin of {@linkcode showNearest}. */
export function describeNearest(nearest: NearestLike): string {
  const { tags, columns, rows, note } = parts(nearest);
  return plainParts(
    plainTitle("Nearest", tags),
    rows.length > 0 ? plainTable(columns, rows) : undefined,
    note && `  ${note}`,
  );
}

function parts({ indices, scores, queries, metric }: NearestLike): {
  tags: string[];
  columns: Column[];
  rows: Cell[][];
  note: string | undefined;
} {
  const each = queries > 0 ? indices.length / queries : 0;
  const several = queries > 1;
  const shown = Math.min(indices.length, scores.length, ROWS);
  const range = rangeOf(scores.subarray(0, shown));
  const rows = Array.from({ length: shown }, (_, at): Cell[] => {
    const score = scores[at] ?? NaN;
    const share = metric === "euclidean" ? fartherIsWorse(score, range) : shareOf(score, range);
    return [
      ...(several ? [{ text: formatCount(Math.floor(at / each)) }] : []),
      { text: formatCount(at % each + 1) },
      { text: formatCount(indices[at] ?? 0) },
      { text: Number.isFinite(score) ? String(Number(score.toPrecision(6))) : String(score) },
      { text: "█".repeat(Math.round(share * BAR_CHARACTERS)), html: bar(share) },
    ];
  });
  return {
    tags: [
      `${countOf(each, "row")}${several ? " for each query" : ""}`,
      ...(several ? [`${formatCount(queries)} queries`] : []),
      metric,
    ],
    columns: [
      ...(several ? [{ name: "Query", numeric: true }] : []),
      { name: "Rank", numeric: true },
      { name: "Row", numeric: true },
      { name: "Score", numeric: true },
      { name: "Between worst and best" },
    ],
    rows,
    note: indices.length > shown
      ? `First ${shown} of ${formatCount(indices.length)}; indices and scores hold all of them.`
      : undefined,
  };
}

function rangeOf(scores: Float32Array): { least: number; span: number } {
  const finite = scores.filter(Number.isFinite);
  const least = Math.min(...finite);
  return { least, span: Math.max(...finite) - least };
}

/** Where a score stands between the worst and the best that are shown. */
function shareOf(score: number, { least, span }: { least: number; span: number }): number {
  return Number.isFinite(score) && span > 0 ? (score - least) / span : 0;
}

/** The same for distances. */
function fartherIsWorse(score: number, range: { least: number; span: number }): number {
  return Number.isFinite(score) && range.span > 0 ? 1 - shareOf(score, range) : 0;
}

function bar(share: number): Html {
  const fill = markup`<span class="dipper-fill" style="width:${(share * 100).toFixed(1)}%"></span>`;
  return markup`<span class="dipper-bar" aria-hidden="true">${fill}</span>`;
}
