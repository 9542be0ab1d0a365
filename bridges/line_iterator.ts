// One loop over the lines or messages of a source.

import { type BatchOptions, BatchReader, type LinesOrigin, type RawBatch } from "./batches.ts";
import { byteBatch, byteElements, shownBatch } from "./byte_batch.ts";
import { ElementIterator, type Elements } from "./element_iterator.ts";
import { textLines } from "./text_lines.ts";

/** Opens nothing before it is asked for the first item. */
export function lineIterator<T>(
  origin: LinesOrigin,
  reading: BatchOptions,
  { text, batch }: { readonly text: boolean; readonly batch: boolean },
): AsyncIterator<T, void, void> {
  const elements = elementsOf(text, batch) as (batch: RawBatch) => Elements<T>;
  return new ElementIterator<T>(new BatchReader(origin, reading, text), elements, reading);
}

function elementsOf(text: boolean, batch: boolean): (batch: RawBatch) => Elements<unknown> {
  if (text) return batch ? (raw) => [textLines(raw)] : textLines;
  return batch ? (raw) => [shownBatch(byteBatch(raw))] : byteElements;
}
