// How an array of several dimensions shows itself: its shape and type, and the first rows of the first
// matrix in it.

import { type MediaBundle, mediaBundle } from "./media_bundle.ts";
import { countOf, formatCount, formatExactBytes } from "./quantities.ts";
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
  const { tags, columns, rows, note } = parts(array);
  return mediaBundle(
    view(
      title("ContiguousArray", tags),
      rows.length > 0 ? dataTable("The first rows", columns, rows) : undefined,
      noteLine(note),
    ),
    describeArray(array),
  );
}

/** The plain-text twin of {@linkcode showArray}. */
export function describeArray(array: ArrayLikeFacts): string {
  const { tags, columns, rows, note } = parts(array);
  return plainParts(
    plainTitle("ContiguousArray", tags),
    rows.length > 0 ? plainTable(columns, rows) : undefined,
    `  ${note}`,
  );
}

function parts({ data, shape }: ArrayLikeFacts): {
  tags: string[];
  columns: Column[];
  rows: Cell[][];
  note: string;
} {
  const width = shape.at(-1) ?? 1;
  const height = data.length === 0 ? 0 : shape.at(-2) ?? 1;
  const wide = Math.min(width, COLUMNS);
  const high = Math.min(height, ROWS);
  const lengths = shape.slice(0, DIMENSIONS).map(formatCount);
  if (shape.length > DIMENSIONS) lengths.push("…");
  const matrix = shape.length > 2 ? " of the first matrix" : "";
  return {
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
    note:
      (high < height || wide < width || matrix !== ""
        ? `First ${countOf(high, "row")} and ${countOf(wide, "column")}${matrix}; `
        : "") + `${countOf(data.length, "element")} in ${formatExactBytes(data.byteLength)}.`,
  };
}

function shown(element: number | bigint | undefined): string {
  if (typeof element !== "number") return String(element ?? "");
  return Number.isFinite(element) ? String(Number(element.toPrecision(6))) : String(element);
}
