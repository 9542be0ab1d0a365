// How what does nothing yet shows itself: a client, a server, and what is to be read in a loop. It says
// what it is, what it leads to, and how to use it; nothing is opened or fetched for that.

import { handleFacts, type HandleLike } from "./handle_facts.ts";
import { markup } from "./html.ts";
import { type MediaBundle, mediaBundle } from "./media_bundle.ts";
import { plainFacts, plainParts, plainTitle } from "./plain_view.ts";
import { factsTable, noteLine, title, view } from "./view.ts";
import { visibleText } from "./visible_text.ts";

/**
 * Displays a handle: what it is, and what to do with it.
 *
 * @example
 * ```ts
 * showHandle({ name: "lines", of: "s3://b/log", use: ["for await (const line of …) { … }"] });
 * ```
 */
export function showHandle(handle: HandleLike): MediaBundle {
  const facts = handleFacts(handle);
  return mediaBundle(
    view(
      title(handle.name, []),
      facts.length > 0 ? factsTable(facts) : undefined,
      handle.use.map((code) => noteLine(markup`<code class="dipper-code">${code}</code>`)),
    ),
    plainParts(
      plainTitle(handle.name, []),
      plainFacts(facts),
      ...handle.use.map((code) => `  ${visibleText(code)}`),
    ),
  );
}
