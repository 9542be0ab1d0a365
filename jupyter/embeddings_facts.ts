// What is said of a table of vectors: its shape, the first and last vectors, a line through each.

import { type Cell, type Column, describeTable, type TableView } from "./plain_view.ts";
import { countOf, formatCount, formatExactBytes, formatNumber } from "./quantities.ts";

/** What is shown of a table. */
export interface EmbeddingsLike {
  /** How many vectors there are. */
  readonly length: number;
  /** How many numbers each has. */
  readonly dimension: number;
  /** The first and the last vectors, in the order of their numbers. */
  readonly rows: readonly { readonly index: number; readonly vector: Float32Array }[];
  /** It was disposed. */
  readonly disposed?: boolean;
}

const COLUMNS: readonly Column[] = [
  { name: "Row", numeric: true },
  { name: "Numbers", code: true },
  { name: "Shape", code: true },
  { name: "Length", numeric: true },
];
const FIRST_NUMBERS = 4;
const BINS = 24;
const BLOCKS = "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588";

/** The plain-text twin of {@linkcode showEmbeddings}. */
export function describeEmbeddings(table: EmbeddingsLike): string {
  return describeTable(embeddingsTable(table));
}

/** The table as it is shown. */
export function embeddingsTable(table: EmbeddingsLike): TableView {
  return {
    name: "EmbeddingTable",
    tags: tags(table),
    label: "Vectors",
    columns: COLUMNS,
    rows: rows(table),
    notes: [note(table)],
  };
}

function tags({ length, dimension, disposed }: EmbeddingsLike): string[] {
  if (disposed) return ["disposed"];
  return [`${formatCount(length)} \u00d7 ${formatCount(dimension)}`, "float32"];
}

function note({ length, dimension, disposed }: EmbeddingsLike): string {
  if (disposed) return "Its memory is free, unless another isolate holds it.";
  return `${countOf(length, "vector")} in ${
    formatExactBytes(length * dimension * Float32Array.BYTES_PER_ELEMENT)
  } of Rust's memory.`;
}

function rows(table: EmbeddingsLike): Cell[][] {
  const cells: Cell[][] = [];
  let next = 0;
  for (const { index, vector } of table.rows) {
    if (index > next) cells.push(COLUMNS.map(() => ({ text: "\u2026" })));
    next = index + 1;
    const first = Array.from(
      vector.subarray(0, FIRST_NUMBERS),
      (number) => formatNumber(number, 4),
    );
    const rest = vector.length > FIRST_NUMBERS ? ", \u2026" : "";
    cells.push([
      { text: formatCount(index) },
      { text: `${first.join(", ")}${rest}` },
      { text: lineThrough(vector) },
      {
        text: formatNumber(Math.sqrt(vector.reduce((sum, number) => sum + number * number, 0)), 4),
      },
    ]);
  }
  return cells;
}

/** A line of blocks: means of neighbours between the vector's least and greatest mean. */
function lineThrough(vector: Float32Array): string {
  const bins = Math.min(BINS, vector.length);
  const means = Array.from({ length: bins }, (_, bin) => {
    const start = Math.floor(bin * vector.length / bins);
    const end = Math.floor((bin + 1) * vector.length / bins);
    return vector.subarray(start, end).reduce((sum, number) => sum + number, 0) / (end - start);
  });
  const finite = means.filter(Number.isFinite);
  const least = Math.min(...finite);
  const span = Math.max(...finite) - least;
  return means.map((mean) => {
    if (!Number.isFinite(mean)) return "\u00b7";
    const level = span > 0 ? (mean - least) / span * (BLOCKS.length - 1) : 0;
    return BLOCKS[Math.round(level)] ?? "\u00b7";
  }).join("");
}
