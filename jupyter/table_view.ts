// A display that is one table: a title, the table where it has rows, and lines below it. Most displays
// are such, and their plain-text twins follow from the same facts.

import { markup } from "./html.ts";
import { type MediaBundle, mediaBundle } from "./media_bundle.ts";
import { describeTable, type TableView } from "./plain_view.ts";
import { dataTable, noteLine, title, view } from "./view.ts";

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
