// How what does nothing yet shows itself: a client, a server, and what is to be read in a loop. It says
// what it is, what it leads to, and how to use it; nothing is opened or fetched for that.

import { markup } from "./html.ts";
import { type MediaBundle, mediaBundle } from "./media_bundle.ts";
import { shownUri, withoutSecrets } from "./redaction.ts";
import {
  type Fact,
  factsTable,
  noteLine,
  plainFacts,
  plainParts,
  plainTitle,
  title,
  view,
} from "./view.ts";
import { cutEnd, cutMiddle, visibleText } from "./visible_text.ts";

/** What {@linkcode showHandle} takes. */
export interface HandleLike {
  /** What it is, such as `S3Client` or `lines`. */
  readonly name: string;
  /** What the address is called. Default: `Of`. */
  readonly label?: string;
  /** What it leads to; credentials and signed queries are not shown. */
  readonly of?: string | undefined;
  /** What else is known. */
  readonly facts?: readonly Fact[];
  /** How to use it: code of our own, to be copied. */
  readonly use: readonly string[];
}

const MAX_ADDRESS = 200;
const MAX_VALUE = 300;

/**
 * Displays a handle: what it is, and what to do with it.
 *
 * @example
 * ```ts
 * showHandle({ name: "lines", of: "s3://b/log", use: ["for await (const line of …) { … }"] });
 * ```
 */
export function showHandle(handle: HandleLike): MediaBundle {
  const facts = factsOf(handle);
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

/** A handle on one line, for a terminal: `lines of s3://b/log: for await (const line of …)`. */
export function describeHandle({ name, of, use }: HandleLike): string {
  const what = of === undefined ? name : `${name} of ${addressOf(of)}`;
  return visibleText(use[0] === undefined ? what : `${what}: ${use[0]}`);
}

function factsOf({ of, label = "Of", facts = [] }: HandleLike): Fact[] {
  return [
    ...(of === undefined ? [] : [{ label, value: addressOf(of), code: true }]),
    ...facts.map((fact) => ({ ...fact, value: cutEnd(withoutSecrets(fact.value), MAX_VALUE) })),
  ];
}

function addressOf(of: string): string {
  return cutMiddle(shownUri(of), MAX_ADDRESS);
}
