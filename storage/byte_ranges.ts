// `ranges`: several parts of one object, near neighbours in one request, each result with memory
// of its own.

import type { Connection, ReadSubject } from "../client/connection.ts";
import { defined } from "../client/connection.ts";
import { errorOf, invalidInput, InvalidInputError } from "../ffi/errors.ts";
import { adoptedBytes } from "../ffi/memory.ts";
import { metricsFrom, rememberMetrics } from "../ffi/metrics.ts";
import { shownBytes } from "../ffi/shown_bytes.ts";
import type { ReadMessage, SpanMessage } from "../ffi/symbols.ts";
import type { ReadOptions } from "./read_options.ts";
import { displayed } from "../jupyter/media_bundle.ts";
import { showElements } from "../jupyter/show_elements.ts";

/** Neighbours that are no further apart share a request: reading over costs less than asking. */
const GAP = 1024 * 1024;

/** What the ranges are of. */
export interface RangesOf {
  readonly connection: Connection;
  readonly subject: ReadSubject;
  /** The part of the object that the offsets count in. */
  span(): Promise<{ span: SpanMessage; ifMatch: string | undefined }>;
}

/** Reads the ranges, in their order. */
export async function readRanges(
  given: readonly (readonly [start: number, end: number])[],
  options: ReadOptions,
  { connection, subject, span }: RangesOf,
): Promise<Uint8Array<ArrayBuffer>[]> {
  const pairs = checkedRanges(given, subject.uri);
  options.signal?.throwIfAborted();
  if (pairs.length === 0) return [];
  const within = await span();
  const ranges = inObject(pairs, within.span, subject.uri);
  const results = new Array<Uint8Array<ArrayBuffer> | undefined>(ranges.length);
  try {
    const { payload } = await connection.read(subject, ({ client, source }) => ({
      operation: "ranges",
      client,
      source,
      ranges,
      gap: GAP,
      progress: options.onProgress !== undefined,
      ...defined({ ifMatch: within.ifMatch }),
    }), {
      signal: options.signal,
      onProgress: options.onProgress,
      onItem(index, buffer, _length, failure) {
        if (failure !== undefined) throw errorOf(failure, subject.operation);
        // At once: what JavaScript owns no longer counts against the budget that the others need.
        results[index] = shownBytes(adoptedBytes(buffer));
      },
    });
    const metrics = metricsFrom((payload as ReadMessage).metrics);
    const all = results.map((bytes) => rememberMetrics(bytes ?? new Uint8Array(0), metrics));
    return rememberMetrics(shownRanges(all), metrics);
  } catch (reason) {
    // Nobody has seen them: their memory is free at once.
    for (const bytes of results) bytes?.buffer.transfer(0);
    throw reason;
  }
}

function checkedRanges(
  given: readonly (readonly [start: number, end: number])[],
  uri: string,
): [start: number, end: number][] {
  const refused = (what: string) =>
    invalidInput("ranges", what, "pass pairs [start, end] of byte offsets, start <= end", uri);
  if (!Array.isArray(given)) throw refused("the ranges are no array");
  return Array.from(given, (range: unknown, index) => {
    if (!Array.isArray(range) || range.length !== 2) throw refused(`range ${index} is no pair`);
    const [start, end]: unknown[] = range;
    if (!isOffset(start) || !isOffset(end)) {
      throw refused(`range ${index} is not made of whole numbers, zero or more`);
    }
    if (start > end) throw refused(`range ${index} is reversed: ${start} to ${end}`);
    // Minus zero is zero.
    return [start + 0, end + 0];
  });
}

function isOffset(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** Ranges of a slice as ranges of the whole object. */
function inObject(
  pairs: [start: number, end: number][],
  span: SpanMessage,
  uri: string,
): [start: number, end: number][] {
  if (span.kind === "whole") return pairs;
  if (span.kind === "last") throw new TypeError("the end of an object of unknown size");
  const length = span.end === undefined
    ? Number.MAX_SAFE_INTEGER - span.start
    : span.end - span.start;
  return pairs.map(([start, end], index) => {
    if (end > length) {
      throw new InvalidInputError(
        `range ${index} ends at ${end}, behind the slice's ${length} bytes`,
        { code: "InvalidRange", operation: "ranges", uri, hint: "ask for less" },
      );
    }
    return [span.start + start, span.start + end];
  });
}

/** Results that show themselves together, too. */
function shownRanges(all: Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer>[] {
  return displayed(all, () =>
    showElements({
      name: "ranges",
      noun: "range",
      length: all.length,
      bytes: all.reduce((sum, { length }) => sum + length, 0),
      at: (index) => all[index] ?? new Uint8Array(0),
      use: "results[0]",
    }));
}
