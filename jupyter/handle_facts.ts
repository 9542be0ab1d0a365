// What is said of what does nothing yet: a client, a server, and what is to be read in a loop.

import type { Fact } from "./plain_view.ts";
import { shownUri, withoutSecrets } from "./redaction.ts";
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

/** A handle on one line, for a terminal: `lines of s3://b/log: for await (const line of ...)`. */
export function describeHandle({ name, of, use }: HandleLike): string {
  const what = of === undefined ? name : `${name} of ${addressOf(of)}`;
  return visibleText(use[0] === undefined ? what : `${what}: ${use[0]}`);
}

/** The lines below its name. */
export function handleFacts({ of, label = "Of", facts = [] }: HandleLike): Fact[] {
  return [
    ...(of === undefined ? [] : [{ label, value: addressOf(of), code: true }]),
    ...facts.map((fact) => ({ ...fact, value: cutEnd(withoutSecrets(fact.value), MAX_VALUE) })),
  ];
}

function addressOf(of: string): string {
  return cutMiddle(shownUri(of), MAX_ADDRESS);
}
