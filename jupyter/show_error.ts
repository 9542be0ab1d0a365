// How an error shows itself when it is the value of a cell or is inspected: what happened, to what,
// and what to do about it. Errors keep secrets out of their texts; here they are looked for again.

import { markup, preformatted } from "./html.ts";
import { type MediaBundle, mediaBundle } from "./media_bundle.ts";
import { shownUri, withoutSecrets } from "./redaction.ts";
import { type Fact, factsTable, plainFacts, plainParts, plainTitle, title, view } from "./view.ts";
import { cutEnd, visibleLines } from "./visible_text.ts";

/** An error, as {@linkcode showError} takes it. */
export interface ErrorLike {
  /** The class, such as `NotFoundError`. */
  readonly name: string;
  /** The code, such as `NotFound`. */
  readonly code: string;
  /** What happened, to what, and what to do. */
  readonly message: string;
  /** The operation that failed, such as `get`. */
  readonly operation?: string;
  /** What it was about. */
  readonly uri?: string;
  /** The HTTP status, where a server answered. */
  readonly status?: number;
  /** The server's name for the request. */
  readonly requestId?: string;
  /** What the user can do. */
  readonly hint?: string;
}

const MAX_MESSAGE = 4000;
const MAX_FIELD = 300;

/**
 * Displays an error: its class and code, the message, where it happened, and the hint.
 *
 * @example
 * ```ts
 * showError({ name: "NotFoundError", code: "NotFound", message: "s3://a/b does not exist" });
 * ```
 */
export function showError(e: ErrorLike): MediaBundle {
  const facts = errorFacts(e);
  const first = title(cutEnd(e.name, MAX_FIELD), [cutEnd(e.code, MAX_FIELD)]);
  const message = markup`<p class="dipper-message">${preformatted(messageOf(e))}</p>`;
  const table = facts.length > 0 ? factsTable(facts) : undefined;
  return mediaBundle(
    view(markup`<div class="dipper-error" role="group">${first}${message}${table}</div>`),
    describeError(e),
  );
}

/** The plain-text twin of {@linkcode showError}. */
export function describeError(e: ErrorLike): string {
  return plainParts(
    plainTitle(cutEnd(e.name, MAX_FIELD), [cutEnd(e.code, MAX_FIELD)]),
    visibleLines(messageOf(e)).split("\n").map((line) => `  ${line}`).join("\n"),
    plainFacts(errorFacts(e)),
  );
}

function messageOf(e: ErrorLike): string {
  return cutEnd(withoutSecrets(e.message), MAX_MESSAGE);
}

function errorFacts(e: ErrorLike): Fact[] {
  const facts: Fact[] = [];
  if (e.hint !== undefined) {
    facts.push({ label: "What to do", value: cutEnd(withoutSecrets(e.hint), MAX_MESSAGE) });
  }
  if (e.operation !== undefined) {
    facts.push({ label: "Operation", value: cutEnd(e.operation, MAX_FIELD) });
  }
  if (e.uri !== undefined) facts.push({ label: "URI", value: shownUri(e.uri), code: true });
  if (e.status !== undefined) facts.push({ label: "HTTP status", value: String(e.status) });
  if (e.requestId !== undefined) {
    facts.push({ label: "Request", value: cutEnd(e.requestId, MAX_FIELD), code: true });
  }
  return facts;
}
