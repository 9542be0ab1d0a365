// How a table of columns shows itself: its columns with their types, how many nulls each has and how
// its values are spread; then its first and last rows.

import { type Html, markup } from "./html.ts";
import { type MediaBundle, mediaBundle } from "./media_bundle.ts";
import { below, type Cell, type Column, plainParts, plainTable, plainTitle } from "./plain_view.ts";
import { countOf, formatBytes, formatCount, formatExactBytes, formatShare } from "./quantities.ts";
import { dataTable, noteLine, title, view } from "./view.ts";
import { cutEnd, cutMiddle } from "./visible_text.ts";

/** A column, as {@linkcode showColumns} takes it. */
export interface ColumnFacts {
  /** Its name. */
  readonly name: string;
  /** Its type, such as `int64` or `timestamp[us, UTC]`. */
  readonly type: string;
  /** Whether its values stand at the right. */
  readonly numeric: boolean;
  /** How many of its values are null. */
  readonly nulls: number;
  /** How many values fall into each of some equal ranges, from the least to the greatest. */
  readonly histogram?: readonly number[];
  /** The least and the greatest value, as text. */
  readonly range?: readonly [least: string, greatest: string];
}

/** A table, as {@linkcode showColumns} takes it. */
export interface ColumnsLike {
  /** How many rows it has. */
  readonly rows: number;
  /** How many columns it has. */
  readonly width: number;
  /** The bytes that its values take, where they are known. */
  readonly bytes?: number;
  /** The first columns: {@linkcode MOST_COLUMNS} at most are asked for. */
  columns(count: number): readonly ColumnFacts[];
  /** The texts of a row, of as many columns. */
  row(index: number, count: number): readonly string[];
  /** Whether the ranges and the spread are those of a sample. */
  readonly sampled: boolean;
}

/** So many columns are described at most. */
export const MOST_COLUMNS = 40;
/** So many of them are shown with their values. */
const MOST_SHOWN = 12;
/** So many rows at the top, and at the end. */
const ENDS = 5;
const VALUE_CHARACTERS = 60;
/** So much of a type a tooltip says. */
const TYPE_CHARACTERS = 300;
const BLOCKS = "▁▂▃▄▅▆▇█";

/**
 * Displays a table.
 *
 * @example
 * ```ts
 * const delay = { name: "delay", type: "int64", numeric: true, nulls: 0 };
 * showColumns({ rows: 1, width: 1, columns: () => [delay], row: () => ["7"], sampled: false });
 * ```
 */
export function showColumns(table: ColumnsLike): MediaBundle {
  const shown = partsOf(table);
  return mediaBundle(
    view(
      title("Table", shown.tags),
      dataTable("The columns", shown.schema.columns, shown.schema.rows),
      shown.values && dataTable(shown.values.label, shown.values.columns, shown.values.rows),
      shown.notes.map((note) => noteLine(note)),
    ),
    plainOf(shown),
  );
}

/** The plain-text twin of {@linkcode showColumns}. */
export function describeColumns(table: ColumnsLike): string {
  return plainOf(partsOf(table));
}

interface Parts {
  readonly tags: readonly string[];
  readonly schema: { readonly columns: readonly Column[]; readonly rows: readonly Cell[][] };
  readonly values:
    | {
      readonly label: string;
      readonly columns: readonly Column[];
      readonly rows: readonly Cell[][];
    }
    | undefined;
  readonly notes: readonly string[];
}

function plainOf({ tags, schema, values, notes }: Parts): string {
  return plainParts(
    plainTitle("Table", tags),
    schema.rows.length > 0 ? plainTable(schema.columns, schema.rows) : undefined,
    values && below(plainTable(values.columns, values.rows)),
    ...notes.map((note) => `  ${note}`),
  );
}

function partsOf(table: ColumnsLike): Parts {
  const { rows, width, bytes, sampled } = table;
  const facts = table.columns(Math.min(width, MOST_COLUMNS));
  const spread = facts.some(({ histogram }) => histogram !== undefined);
  const ranged = facts.some(({ range }) => range !== undefined);
  const notes = [
    ...(width > facts.length ? [`First ${facts.length} of ${countOf(width, "column")}.`] : []),
    ...(width > MOST_SHOWN && rows > 0 ? [`Values of the first ${MOST_SHOWN} columns.`] : []),
    ...(sampled && (spread || ranged) ? ["Ranges and spreads are those of a sample."] : []),
  ];
  return {
    tags: [
      `${countOf(rows, "row")} × ${countOf(width, "column")}`,
      ...(bytes === undefined ? [] : [formatBytes(bytes)]),
    ],
    schema: {
      columns: [
        { name: "Column" },
        { name: "Type", code: true },
        { name: "Nulls", numeric: true },
        ...(ranged ? [{ name: "Least", numeric: true }, { name: "Greatest", numeric: true }] : []),
        ...(spread ? [{ name: "Spread" }] : []),
      ],
      rows: facts.map((fact) => factCells(fact, rows, ranged, spread)),
    },
    values: rows > 0 && width > 0 ? valuesOf(table, facts.slice(0, MOST_SHOWN)) : undefined,
    notes: bytes === undefined ? notes : [...notes, `${formatExactBytes(bytes)} of Rust's memory.`],
  };
}

function factCells(
  { name, type, nulls, histogram, range }: ColumnFacts,
  rows: number,
  ranged: boolean,
  spread: boolean,
): Cell[] {
  return [
    { text: cutMiddle(name, VALUE_CHARACTERS) },
    {
      text: cutEnd(type, VALUE_CHARACTERS),
      ...(type.length > VALUE_CHARACTERS && { title: cutEnd(type, TYPE_CHARACTERS) }),
    },
    { text: formatCount(nulls), ...(nulls > 0 && { title: formatShare(nulls, rows) }) },
    ...(ranged
      ? (range ?? ["", ""]).map((text) => ({ text: cutEnd(text, VALUE_CHARACTERS) }))
      : []),
    ...(spread ? [spreadCell(histogram)] : []),
  ];
}

/** A line of blocks, the highest for the range with most values. */
function spreadCell(histogram: readonly number[] | undefined): Cell {
  if (histogram === undefined) return { text: "" };
  const most = Math.max(1, ...histogram);
  const text = histogram.map((count) =>
    count === 0 ? " " : BLOCKS[Math.round(count / most * (BLOCKS.length - 1))] ?? " "
  ).join("");
  return { text, html: drawn(histogram, most) };
}

function drawn(histogram: readonly number[], most: number): Html {
  // What is there shows, however little it is.
  const bars = histogram.map((count) =>
    markup`<span style="height:${
      (count === 0 ? 0 : Math.max(6, count / most * 100)).toFixed(0)
    }%"></span>`
  );
  return markup`<span class="dipper-spread" aria-hidden="true">${bars}</span>`;
}

function valuesOf(table: ColumnsLike, facts: readonly ColumnFacts[]): Parts["values"] {
  const { rows } = table;
  const whole = rows <= 2 * ENDS;
  const first = Array.from({ length: whole ? rows : ENDS }, (_, at) => at);
  const last = whole ? [] : Array.from({ length: ENDS }, (_, at) => rows - ENDS + at);
  const cells = (index: number): Cell[] => [
    { text: formatCount(index) },
    ...table.row(index, facts.length).map((text) => ({ text: cutEnd(text, VALUE_CHARACTERS) })),
  ];
  const gap = whole ? [] : [[{ text: "…" }, ...facts.map(() => ({ text: "…" }))]];
  return {
    label: whole ? "The rows" : "The first and last rows",
    columns: [
      { name: "", numeric: true },
      ...facts.map(({ name, numeric }) => ({ name: cutMiddle(name, VALUE_CHARACTERS), numeric })),
    ],
    rows: [...first.map(cells), ...gap, ...last.map(cells)],
  };
}
