// The arithmetic of `slice`: lazy ranges like a Blob's, where negative offsets count from the end
// and everything is clamped, although the size is not known yet.

import { invalidInput } from "../ffi/errors.ts";
import { shownValue } from "../ffi/lent.ts";
import type { SpanMessage } from "../ffi/symbols.ts";

/** One `slice(start, end)`, as it was called. */
export interface Slice {
  readonly start: number;
  readonly end: number | undefined;
}

/** Checks the arguments of `slice`. */
export function checkedSlice(start: number, end: number | undefined, uri: string): Slice {
  const whole = (value: unknown, name: string): void => {
    if (typeof value === "number" && Number.isSafeInteger(value)) return;
    throw invalidInput(
      "slice",
      `${name} is not a whole number of bytes: ${shownValue(value)}`,
      "pass byte offsets; negative ones count from the end",
      uri,
    );
  };
  whole(start, "start");
  if (end !== undefined) whole(end, "end");
  // Minus zero is zero.
  return { start: start + 0, end };
}

/**
 * Refuses a part where only a whole object will do.
 *
 * @throws {InvalidInputError} When it is a part.
 */
export function requireWhole(
  slices: readonly Slice[] | undefined,
  { operation, uri }: { operation: string; uri: string },
  hint: string,
): void {
  if (slices === undefined || slices.length === 0) return;
  throw invalidInput(operation, `${operation}: ${uri} is given as a slice`, hint, uri);
}

/**
 * What to ask the server for, if that can be said without knowing the object's size: a whole
 * object, one slice of offsets from one side, or such slices of slices.
 */
export function spanOf(slices: readonly Slice[]): SpanMessage | undefined {
  let span: SpanMessage = { kind: "whole" };
  for (const slice of slices) {
    const narrowed = narrow(span, slice);
    if (narrowed === undefined) return undefined;
    span = narrowed;
  }
  return span;
}

function narrow(span: SpanMessage, { start, end }: Slice): SpanMessage | undefined {
  if (start === 0 && end === undefined) return span;
  if (span.kind === "last" || (end !== undefined && end < 0)) return undefined;
  if (start < 0) {
    return span.kind === "whole" && end === undefined ? { kind: "last", count: -start } : undefined;
  }
  const base = span.kind === "range" ? span.start : 0;
  const limit = span.kind === "range" ? span.end : undefined;
  const ends = [limit, end === undefined ? undefined : base + end].filter((e) => e !== undefined);
  const from = base + start;
  return ends.length === 0
    ? { kind: "range", start: from }
    : { kind: "range", start: from, end: Math.max(from, Math.min(...ends)) };
}

/** The exact range of slices of slices in an object of a known size. */
export function rangeIn(slices: readonly Slice[], size: number): { start: number; end: number } {
  let [first, last] = [0, size];
  for (const { start, end } of slices) {
    const length = last - first;
    const clamp = (offset: number): number =>
      offset < 0 ? Math.max(0, length + offset) : Math.min(offset, length);
    const to = first + clamp(end ?? length);
    first += clamp(start);
    last = Math.max(first, to);
  }
  return { start: first, end: last };
}
