// Lines of a source that is open to be read: each by itself or in batches, as text or as bytes.

import { watching } from "../client/watched.ts";
import { stoppable } from "../ffi/stop.ts";
import { shownHandle } from "../jupyter/handles.ts";
import { BatchReader, type LinesOrigin } from "./batches.ts";
import { type ByteBatch, byteBatch, byteElements, shownBatch } from "./byte_batch.ts";
import { ElementIterator, type Elements } from "./element_iterator.ts";
import type { RawBatch } from "./batches.ts";
import type { FramesOptions, LinesOptions } from "./line_options.ts";
import { textLines } from "./text_lines.ts";

/** What a loop over lines yields, by its options. */
export type LineOf<O extends LinesOptions> = O extends { as: "bytes"; batch: true } ? ByteBatch
  : O extends { as: "bytes" } ? Uint8Array<ArrayBuffer>
  : O extends { batch: true } ? string[]
  : string;

const LINE = "for await (const line of …)";
const LINES = "for await (const lines of …)";
const BATCH = "for await (const { bytes, offsets } of …)";

/** The lines of a source. Each loop over them opens it anew. */
export function linesOf<O extends LinesOptions>(
  origin: LinesOrigin,
  options: O,
): AsyncIterable<LineOf<O>> {
  const text = options.as !== "bytes";
  const batch = options.batch === true;
  const use = !batch ? LINE : text ? LINES : BATCH;
  return iterable(origin, options, "lines", text, elementsOf(text, batch), use);
}

/** The messages of a source. Each loop over them opens it anew. */
export function framesOf<T extends Uint8Array | ByteBatch>(
  origin: LinesOrigin,
  options: Pick<FramesOptions, "batch" | Looping>,
): AsyncIterable<T> {
  const batch = options.batch === true;
  const use = batch ? BATCH : "for await (const frame of …)";
  return iterable(origin, options, "frames", false, elementsOf(false, batch), use);
}

/** The options of a loop, whatever it yields. */
type Looping = "signal" | "onProgress" | "progress" | "background";

function elementsOf(text: boolean, batch: boolean): (batch: RawBatch) => Elements<unknown> {
  if (text) return batch ? (raw) => [textLines(raw)] : textLines;
  return batch ? (raw) => [shownBatch(byteBatch(raw))] : byteElements;
}

function iterable<T>(
  origin: LinesOrigin,
  options: Pick<LinesOptions, Looping>,
  operation: string,
  text: boolean,
  elements: (batch: RawBatch) => Elements<unknown>,
  use: string,
): AsyncIterable<T> {
  const { signal, onProgress, background } = options;
  const read = {
    [Symbol.asyncIterator]() {
      // Only now it is known which Stop of a notebook is meant.
      const reading = {
        signal: stoppable(operation, signal, background),
        onProgress,
        watch: () => watching(operation, origin.uri ?? "", options),
      };
      return new ElementIterator<T>(
        new BatchReader(origin, reading, text),
        elements as (batch: RawBatch) => Elements<T>,
        reading,
      );
    },
  };
  return shownHandle(read, { name: operation, of: origin.uri, use: [use] });
}
