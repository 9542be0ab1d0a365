// What a call reads whole.

import type { ReadSubject } from "../client/connection.ts";
import { shownLocation } from "../client/location.ts";
import { requireWhole } from "./byte_range.ts";
import type { Named } from "./source.ts";

/**
 * What is read, as a connection wants it.
 *
 * @throws {InvalidInputError} For a slice, with this hint.
 */
export function wholeSubject(named: Named, operation: string, hint: string): ReadSubject {
  const { location, versionId, customerKey, size, slices } = named;
  const uri = shownLocation(location);
  requireWhole(slices, { operation, uri }, hint);
  return { operation, uri, location, versionId, customerKey, size };
}
