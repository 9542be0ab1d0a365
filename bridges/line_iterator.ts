// One loop over the lines or messages of a source.

import { type BatchOptions, BatchReader, type LinesOrigin, type RawBatch } from "./batches.ts";
import { byteBatch, byteElements, shownBatch } from "./byte_batch.ts";
import { ElementIterator, type Elements } from "./element_iterator.ts";
import { textLines } from "./text_lines.ts";

/** What a loop yields, and as errors name it. */
export interface LineKind {
  readonly text: boolean;
  readonly batch: boolean;
  readonly operation: string;
}

/** Opens nothing before it is asked for the first item. */
export function lineIterator<T>(
  origin: LinesOrigin,
  reading: BatchOptions,
  kind: LineKind,
): AsyncIterator<T, void, void> {
  const { text } = kind;
  const elements = elementsOf(kind) as (batch: RawBatch) => Elements<T>;
  return new ElementIterator<T>(new BatchReader(origin, reading, text), elements, reading);
}

function elementsOf({ text, batch, operation }: LineKind): (batch: RawBatch) => Elements<unknown> {
  if (text) return batch ? (raw) => [textLines(raw)] : textLines;
  if (batch) return (raw) => [shownBatch(byteBatch(raw))];
  return (raw) => byteElements(raw, operation);
}
