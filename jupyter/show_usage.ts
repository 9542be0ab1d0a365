// How a count of what is stored shows itself.

import type { Html } from "./html.ts";
import { type MediaBundle, mediaBundle } from "./media_bundle.ts";
import { describeUsage, type UsageLike, usageParts } from "./usage_facts.ts";
import { dataTable, noteLine, title, view } from "./view.ts";

/**
 * Displays what is stored below a prefix.
 *
 * @example
 * ```ts
 * const none = { objects: 0, bytes: 0 };
 * showUsage({
 *   uri: "s3://bucket/",
 *   complete: true,
 *   ...none,
 *   folders: [],
 *   extensions: [],
 *   storageClasses: [],
 *   ages: [],
 *   pages: 1,
 *   milliseconds: 5,
 * });
 * ```
 */
export function showUsage(usage: UsageLike): MediaBundle {
  const { name, tags, tables, note } = usageParts(usage);
  return mediaBundle(
    view(
      title(name, tags),
      tables.map(({ label, columns, rows, more }): Html[] => [
        dataTable(`${label} of ${name}`, columns, rows),
        ...(more === undefined ? [] : [noteLine(more)]),
      ]),
      noteLine(note),
    ),
    describeUsage(usage),
  );
}
