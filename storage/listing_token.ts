// Where a listing goes on, as text: it outlives the listing, the process and what the server gave to
// go on with, because it says no more than what came last.

import { invalidInput } from "../ffi/errors.ts";
import type { PlaceMessage } from "../ffi/symbols.ts";
import type { ListingPlan } from "./listed_pages.ts";

/** A line of a listing, as far as it says where the listing is. */
export interface Position {
  /** The key, or the prefix of a group. */
  readonly name: string;
  /** The version or the upload. */
  readonly id?: string | undefined;
  readonly isGroup: boolean;
}

/** The form of the tokens. */
const FORM = 1;
const BASE64 = { alphabet: "base64url", omitPadding: true } as const;

/** The token of a position. */
export function tokenOf(plan: ListingPlan, position: Position): string {
  const { name, id = "", isGroup } = position;
  const text = JSON.stringify([FORM, ...identityOf(plan), name, id, isGroup]);
  return new TextEncoder().encode(text).toBase64(BASE64);
}

/**
 * The place that a token names.
 *
 * @throws {InvalidInputError} When it is no token, or that of another listing.
 */
export function placeOf(plan: ListingPlan, token: string): PlaceMessage {
  const refused = (what: string) =>
    invalidInput(
      plan.operation,
      `the token is ${what}`,
      "pass what the token property of a listing of the same URI and delimiter gave",
      plan.uri,
    );
  let told: unknown;
  try {
    told = JSON.parse(new TextDecoder().decode(Uint8Array.fromBase64(token, BASE64)));
  } catch {
    throw refused("not one that a listing gave");
  }
  if (!Array.isArray(told) || told.length !== 7 || told[0] !== FORM) {
    throw refused("not one that a listing gave");
  }
  const [, what, uri, delimiter, name, id, isGroup] = told as unknown[];
  if (typeof name !== "string" || typeof id !== "string" || typeof isGroup !== "boolean") {
    throw refused("not one that a listing gave");
  }
  const identity = identityOf(plan);
  if (identity[0] !== what || identity[1] !== uri || identity[2] !== delimiter) {
    throw refused("that of another listing");
  }
  return {
    after: name,
    seen: true,
    ...(id === "" ? {} : { afterId: id }),
    ...(isGroup ? { afterGroup: true } : {}),
  };
}

function identityOf(plan: ListingPlan): [what: string, uri: string, delimiter: string] {
  return [plan.what, plan.uri, plan.delimiter ?? ""];
}
