// How the nearest vectors show themselves: a table of rows and scores, for each query the best first.

import type { MediaBundle } from "./media_bundle.ts";
import { type Cell, describeTable, type TableView } from "./plain_view.ts";
import { countOf, formatCount, formatNumber } from "./quantities.ts";
import { showTable } from "./table_view.ts";

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
  return showTable(tableOf(nearest));
}

/** The plain-text twin of {@linkcode showNearest}. */
export function describeNearest(nearest: NearestLike): string {
  return describeTable(tableOf(nearest));
}

function tableOf({ indices, scores, queries, metric }: NearestLike): TableView {
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
      { text: formatNumber(score, 6) },
      { text: "█".repeat(Math.round(share * BAR_CHARACTERS)), bar: share },
    ];
  });
  return {
    name: "Nearest",
    label: "The nearest vectors",
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
    notes: indices.length > shown
      ? [`First ${shown} of ${formatCount(indices.length)}; indices and scores hold all of them.`]
      : [],
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
