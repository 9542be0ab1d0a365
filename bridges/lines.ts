// Lines of a source, each by itself or in batches, as text or as bytes. What reads them is loaded with
// the first loop (`line_iterator.ts`).

import { LateIterator } from "../client/late_iterator.ts";
import { watching } from "../client/watched.ts";
import { stoppable } from "../ffi/stop.ts";
import { shownHandle } from "../jupyter/handles.ts";
import type { LinesOrigin } from "./batches.ts";
import type { ByteBatch } from "./byte_batch.ts";
import type { FramesOptions, LinesOptions } from "./line_options.ts";

/** What a loop over lines yields, by its options. */
export type LineOf<O extends LinesOptions> = O extends { as: "bytes"; batch: true } ? ByteBatch
  : O extends { as: "bytes" } ? Uint8Array<ArrayBuffer>
  : O extends { batch: true } ? string[]
  : string;

const LINE = "for await (const line of \u2026)";
const LINES = "for await (const lines of \u2026)";
const BATCH = "for await (const { bytes, offsets } of \u2026)";

/** The lines of a source. Each loop over them opens it anew. */
export function linesOf<O extends LinesOptions>(
  origin: LinesOrigin,
  options: O,
): AsyncIterable<LineOf<O>> {
  const text = options.as !== "bytes";
  const batch = options.batch === true;
  const use = !batch ? LINE : text ? LINES : BATCH;
  return iterable(origin, options, "lines", { text, batch }, use);
}

/** The messages of a source. Each loop over them opens it anew. */
export function framesOf<T extends Uint8Array | ByteBatch>(
  origin: LinesOrigin,
  options: Pick<FramesOptions, "batch" | Looping>,
): AsyncIterable<T> {
  const batch = options.batch === true;
  const use = batch ? BATCH : "for await (const frame of \u2026)";
  return iterable(origin, options, "frames", { text: false, batch }, use);
}

/** The options of a loop, whatever it yields. */
type Looping = "signal" | "onProgress" | "progress" | "background";

function iterable<T>(
  origin: LinesOrigin,
  options: Pick<LinesOptions, Looping>,
  operation: string,
  kind: { readonly text: boolean; readonly batch: boolean },
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
      return new LateIterator<T>(async () => {
        const { lineIterator } = await import("./line_iterator.ts");
        return lineIterator<T>(origin, reading, { ...kind, operation });
      });
    },
  };
  return shownHandle(read, { name: operation, of: origin.uri, use: [use] });
}
