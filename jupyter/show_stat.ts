// How the properties of an object show themselves.

import { type MediaBundle, mediaBundle } from "./media_bundle.ts";
import { describeStat, statFacts, type StatLike } from "./stat_facts.ts";
import { factsTable, title, view } from "./view.ts";

/**
 * Displays the properties of an object, without its content.
 *
 * @example
 * ```ts
 * showStat({ uri: "s3://bucket/a.txt", size: 4, metadata: {} });
 * ```
 */
export function showStat(s: StatLike & { uri: string }): MediaBundle {
  return mediaBundle(view(title("Stat", []), factsTable(statFacts(s))), describeStat(s));
}
