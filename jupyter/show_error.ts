// How an error shows itself when it is the value of a cell or is inspected: what happened, to what,
// and what to do about it. Errors keep secrets out of their texts; here they are looked for again.

import { markup, preformatted } from "./html.ts";
import { type MediaBundle, mediaBundle } from "./media_bundle.ts";
import { below, type Fact, plainFacts, plainParts, plainTitle } from "./plain_view.ts";
import { formatCount } from "./quantities.ts";
import { shownUri, withoutSecrets } from "./redaction.ts";
import { plainTransferBody, transferBody, type TransferLike } from "./show_transfer.ts";
import { factsTable, title, view } from "./view.ts";
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
  /** Whether the same call may succeed later. */
  readonly retryable?: boolean;
  /** Of many transfers of which some failed: the account of them. */
  readonly report?: TransferLike;
  /** What led to it. */
  readonly cause?: unknown;
}

const MAX_MESSAGE = 4000;
const MAX_FIELD = 300;
/** So far a chain of causes is followed. */
const MAX_CAUSES = 4;
const MAX_CAUSE = 500;

/**
 * Displays an error: its class and code, the message, the hint, where it happened, and what led to
 * it; of many transfers, what failed and why.
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
  const body = e.report === undefined ? undefined : transferBody(e.report);
  return mediaBundle(
    view(
      markup`<div class="dipper-error" role="group" aria-label="Error">${first}${message}${table}${body}</div>`,
    ),
    describeError(e),
  );
}

/** The plain-text twin of {@linkcode showError}. */
export function describeError(e: ErrorLike): string {
  return plainParts(
    plainTitle(cutEnd(e.name, MAX_FIELD), [cutEnd(e.code, MAX_FIELD)]),
    visibleLines(messageOf(e)).split("\n").map((line) => `  ${line}`).join("\n"),
    plainFacts(errorFacts(e)),
    e.report === undefined ? undefined : below(plainTransferBody(e.report)),
  );
}

/** The message without what stands beside it: the hint, and what failed. */
function messageOf({ message, hint, report }: ErrorLike): string {
  if (report !== undefined) {
    const { failures, transferred, skipped, deleted } = report;
    const all = transferred + skipped + deleted + failures.length;
    return `${formatCount(failures.length)} of ${formatCount(all)} failed.`;
  }
  const end = hint === undefined ? "" : visibleLines(`; ${hint}`);
  const alone = end !== "" && message.endsWith(end) ? message.slice(0, -end.length) : message;
  return cutEnd(withoutSecrets(alone), MAX_MESSAGE);
}

function errorFacts(e: ErrorLike): Fact[] {
  const facts: Fact[] = [];
  if (e.hint !== undefined) {
    facts.push({ label: "What to do", value: cutEnd(withoutSecrets(e.hint), MAX_MESSAGE) });
  }
  facts.push(...causesOf(e.cause));
  if (e.operation !== undefined) {
    facts.push({ label: "Operation", value: cutEnd(e.operation, MAX_FIELD) });
  }
  if (e.uri !== undefined && e.report === undefined) {
    facts.push({ label: "URI", value: shownUri(e.uri), code: true });
  }
  if (e.status !== undefined) facts.push({ label: "HTTP status", value: String(e.status) });
  if (e.requestId !== undefined) {
    facts.push({ label: "Request", value: cutEnd(e.requestId, MAX_FIELD), code: true });
  }
  if (e.retryable === true) {
    facts.push({ label: "Again", value: "the same call may succeed later" });
  }
  return facts;
}

/** What led to an error, and what led to that. Anything can be thrown, so nothing of it is trusted. */
function causesOf(cause: unknown): Fact[] {
  const facts: Fact[] = [];
  for (let at = cause; at !== undefined && facts.length < MAX_CAUSES;) {
    const { words, next } = read(at);
    facts.push({ label: "Because", value: cutEnd(withoutSecrets(words), MAX_CAUSE) });
    at = next;
  }
  return facts;
}

function read(cause: unknown): { words: string; next?: unknown } {
  try {
    if (!(cause instanceof Error)) return { words: String(cause) };
    return { words: `${cause.name}: ${cause.message}`, next: cause.cause };
  } catch {
    return { words: "something that has no words" };
  }
}
