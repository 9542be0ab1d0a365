// A display that is one table: a title, the table where it has rows, and lines below it. Most displays
// are such, and their plain-text twins follow from the same facts.

import { markup } from "./html.ts";
import { type MediaBundle, mediaBundle } from "./media_bundle.ts";
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

/** A line below a table: words, and code behind them where there is some. */
export type Note = string | { readonly words: string; readonly code?: string };

/** What is shown. */
export interface TableView {
  /** The title. */
  readonly name: string;
  /** What the thing is, beside the title. */
  readonly tags: readonly string[];
  /** What the table is called, for screen readers. */
  readonly label: string;
  /** The columns of the table. */
  readonly columns: readonly Column[];
  /** Its rows; without one there is no table. */
  readonly rows: readonly (readonly Cell[])[];
  /** The lines below it. */
  readonly notes: readonly Note[];
}

/** The display. */
export function showTable(shown: TableView): MediaBundle {
  const { name, tags, label, columns, rows, notes } = shown;
  return mediaBundle(
    view(
      title(name, tags),
      rows.length > 0 ? dataTable(label, columns, rows) : undefined,
      notes.map((note) => {
        const { words, code } = typeof note === "string" ? { words: note } : note;
        return noteLine([words, code && markup` <code class="dipper-code">${code}</code>`]);
      }),
    ),
    describeTable(shown),
  );
}

/** The plain-text twin of {@linkcode showTable}. */
export function describeTable({ name, tags, columns, rows, notes }: TableView): string {
  return plainParts(
    plainTitle(name, tags),
    rows.length > 0 ? plainTable(columns, rows) : undefined,
    ...notes.map((note) => {
      const { words, code } = typeof note === "string" ? { words: note } : note;
      return `  ${words}${code === undefined ? "" : ` ${code}`}`;
    }),
  );
}
