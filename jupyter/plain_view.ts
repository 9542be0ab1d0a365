// What displays say, as plain text: a title, facts, tables. Terminals ask for it at once, and so it is
// loaded with the values; the same as HTML (`view.ts`) is loaded when a notebook shows something.

import type { Html } from "./html.ts";
import { columnsOf, cutEnd, cutMiddle, visibleText } from "./visible_text.ts";

/** A labelled line of a display. `note` is shown beside the value in a weaker colour. */
export interface Fact {
  /** What the value is. */
  readonly label: string;
  /** The value; it is escaped and cut where it is shown. */
  readonly value: string;
  /** A remark of our own; never text from a bucket. */
  readonly note?: string;
  /** Set for what people copy: addresses, tags, identifiers. */
  readonly code?: boolean;
}

/** A column of a table. */
export interface Column {
  /** The heading. */
  readonly name: string;
  /** Numbers stand at the right. */
  readonly numeric?: boolean;
  /** Set for keys and identifiers. */
  readonly code?: boolean;
  /** Set for sentences and long names beside them: they go on in the next line. */
  readonly wraps?: boolean;
}

/** A cell: its text, and optionally other markup for the HTML and a tooltip. */
export interface Cell {
  /** The cell as plain text. */
  readonly text: string;
  /** The cell as markup, where it is more than its text. */
  readonly html?: Html;
  /** A bar of this length, from 0 to 1, in the place of the text. */
  readonly bar?: number;
  /** What a tooltip says. */
  readonly title?: string;
}

/** A line below a table: words, and code behind them where there is some. */
export type Note = string | { readonly words: string; readonly code?: string };

/** A display that is one table. */
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

/** The longest value of a fact or a cell: an S3 key may have 1,024 bytes, metadata 2 KiB. */
export const MAX_VALUE = 1200;
/** The longest title and label. */
export const MAX_TITLE = 600;

/** The first line as plain text. */
export function plainTitle(name: string, tags: readonly (string | undefined)[]): string {
  const shown = shownTags(tags);
  const first = cutMiddle(name, MAX_TITLE);
  return visibleText(shown.length > 0 ? `${first}: ${shown.join(", ")}` : first);
}

/** The tags that say something. */
export function shownTags(tags: readonly (string | undefined)[]): string[] {
  return tags.filter((tag) => tag !== undefined && tag !== "")
    .map((tag) => cutEnd(tag ?? "", MAX_TITLE));
}

/** Facts as aligned plain lines, indented by two. */
export function plainFacts(facts: readonly Fact[]): string {
  const labels = facts.map(({ label }) => visibleText(cutMiddle(label, MAX_TITLE)));
  const width = Math.max(0, ...labels.map(columnsOf));
  return facts.map(({ value, note }, index) => {
    const label = labels[index] ?? "";
    const shown = visibleText(cutMiddle(value, MAX_VALUE));
    return `  ${pad(label, width)}  ${shown}${note === undefined ? "" : ` ${note}`}`;
  }).join("\n");
}

/** A table as aligned plain lines. */
export function plainTable(columns: readonly Column[], rows: readonly (readonly Cell[])[]): string {
  const lines = [
    columns.map(({ name }) => visibleText(cutMiddle(name, MAX_TITLE))),
    ...rows.map((row) => row.map(({ text }) => visibleText(cutMiddle(text, MAX_VALUE)))),
  ];
  const widths = columns.map((_, index) =>
    Math.max(...lines.map((line) => columnsOf(line[index] ?? "")))
  );
  return lines.map((line) =>
    "  " + line.map((text, index) => {
      const width = widths[index] ?? 0;
      return columns[index]?.numeric ? padStart(text, width) : pad(text, width);
    }).join("  ").trimEnd()
  ).join("\n");
}

/** Parts of a plain-text display, one below the other; empty ones are left out. */
export function plainParts(...parts: (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined && part !== "").join("\n");
}

/** A part that stands apart from what is above it, by an empty line. */
export function below(part: string): string {
  return part === "" ? part : `\n${part}`;
}

/** A display that is one table, as plain text. */
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

function pad(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - columnsOf(text)));
}

function padStart(text: string, width: number): string {
  return " ".repeat(Math.max(0, width - columnsOf(text))) + text;
}
