// How several runs of bytes show themselves: a batch of lines or messages, and the results of
// `ranges`. A table of the first ones; each shows its beginning, as text or in hexadecimal.

import { sniffContent } from "./content_kind.ts";
import type { MediaBundle } from "./media_bundle.ts";
import { type Cell, type Column, describeTable, type TableView } from "./plain_view.ts";
import { countOf, formatBytes, formatCount, formatExactBytes } from "./quantities.ts";
import { showTable } from "./table_view.ts";
import { cutEnd } from "./visible_text.ts";

/** Several runs of bytes, as {@linkcode showElements} takes them. */
export interface ElementsLike {
  /** What they are, such as `ByteBatch` or `ranges`. */
  readonly name: string;
  /** What one is called, such as `element`. */
  readonly noun: string;
  /** How many there are. */
  readonly length: number;
  /** The bytes of all together. */
  readonly bytes: number;
  /** One of them. It is asked for the first few only. */
  at(index: number): Uint8Array;
  /** How to get one, in code. */
  readonly use: string;
}

const ROWS = 10;
/** So much of an element is looked at. */
const HEAD_BYTES = 256;
const TEXT_CHARACTERS = 72;
const HEX_BYTES = 16;
const COLUMNS: readonly Column[] = [
  { name: "#", numeric: true },
  { name: "Size", numeric: true },
  { name: "Begins with", code: true },
];

/**
 * Displays several runs of bytes: how many, how long together, and a table of the first ten.
 *
 * @example
 * ```ts
 * const bytes = new Uint8Array([104, 105]);
 * const more = { noun: "element", length: 1, bytes: 2, at: () => bytes, use: "batch.bytes" };
 * showElements({ name: "ByteBatch", ...more });
 * ```
 */
export function showElements(elements: ElementsLike): MediaBundle {
  return showTable(tableOf(elements));
}

/** The plain-text twin of {@linkcode showElements}. */
export function describeElements(elements: ElementsLike): string {
  return describeTable(tableOf(elements));
}

function tableOf(elements: ElementsLike): TableView {
  const { name, noun, length, bytes, use } = elements;
  return {
    name,
    tags: [countOf(length, noun), formatBytes(bytes)],
    label: `The first of ${countOf(length, noun)}`,
    columns: COLUMNS,
    rows: rowsOf(elements),
    notes: [
      ...(length > ROWS ? [`First ${ROWS} of ${formatCount(length)}.`] : []),
      ...(length > 0 ? [`One of them: ${use}`] : []),
    ],
  };
}

function rowsOf({ length, at }: ElementsLike): Cell[][] {
  return Array.from({ length: Math.min(length, ROWS) }, (_, index) => {
    const bytes = at(index);
    return [
      { text: formatCount(index) },
      { text: formatBytes(bytes.length), title: formatExactBytes(bytes.length) },
      { text: beginningOf(bytes) },
    ];
  });
}

/** Text as it is, a known format by its name, and the rest in hexadecimal. */
function beginningOf(bytes: Uint8Array): string {
  if (bytes.length === 0) return "";
  const head = bytes.slice(0, HEAD_BYTES);
  const { kind, label, text } = sniffContent(head, head.length === bytes.length);
  if (text !== undefined) return cutEnd(text, TEXT_CHARACTERS);
  if (kind !== "binary") return label;
  const hex = Array.from(head.subarray(0, HEX_BYTES), (byte) => byte.toString(16).padStart(2, "0"));
  return hex.join(" ") + (bytes.length > HEX_BYTES ? " …" : "");
}
