// How an array of several dimensions shows itself: its shape and type, and the first rows of the first
// matrix in it.

import type { MediaBundle } from "./media_bundle.ts";
import { describeTable, type TableView } from "./plain_view.ts";
import { countOf, formatCount, formatExactBytes, formatNumber } from "./quantities.ts";
import { showTable } from "./table_view.ts";

/** An array whose elements lie in the order of rows, as {@linkcode showArray} takes it. */
export interface ArrayLikeFacts {
  /** All elements. */
  readonly data: ArrayBufferView & {
    readonly length: number;
    readonly [index: number]: number | bigint;
  };
  /** How many there are along each dimension. */
  readonly shape: readonly number[];
}

const ROWS = 8;
const COLUMNS = 10;
/** Dimensions beyond are not spelled out. */
const DIMENSIONS = 8;

/**
 * Displays an array of several dimensions.
 *
 * @example
 * ```ts
 * showArray({ data: new Float64Array([1, 2, 3, 4]), shape: [2, 2] });
 * ```
 */
export function showArray(array: ArrayLikeFacts): MediaBundle {
  return showTable(tableOf(array));
}

/** The plain-text twin of {@linkcode showArray}. */
export function describeArray(array: ArrayLikeFacts): string {
  return describeTable(tableOf(array));
}

function tableOf({ data, shape }: ArrayLikeFacts): TableView {
  const width = shape.at(-1) ?? 1;
  const height = data.length === 0 ? 0 : shape.at(-2) ?? 1;
  const wide = Math.min(width, COLUMNS);
  const high = Math.min(height, ROWS);
  const lengths = shape.slice(0, DIMENSIONS).map(formatCount);
  if (shape.length > DIMENSIONS) lengths.push("…");
  const matrix = shape.length > 2 ? " of the first matrix" : "";
  return {
    name: "ContiguousArray",
    label: "The first rows",
    tags: [
      shape.length === 0 ? "one element" : lengths.join(" × "),
      data.constructor.name.replace(/Array$/, "").toLowerCase(),
    ],
    columns: [
      { name: "", numeric: true },
      ...Array.from({ length: wide }, (_, at) => ({ name: formatCount(at), numeric: true })),
    ],
    rows: Array.from({ length: high }, (_, row) => [
      { text: formatCount(row) },
      ...Array.from({ length: wide }, (_, at) => ({ text: shown(data[row * width + at]) })),
    ]),
    notes: [
      (high < height || wide < width || matrix !== ""
        ? `First ${countOf(high, "row")} and ${countOf(wide, "column")}${matrix}; `
        : "") + `${countOf(data.length, "element")} in ${formatExactBytes(data.byteLength)}.`,
    ],
  };
}

function shown(element: number | bigint | undefined): string {
  return typeof element === "number" ? formatNumber(element, 6) : String(element ?? "");
}
