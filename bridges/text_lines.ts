// Lines of text out of the bytes of a batch. A batch is decoded and split by the engine, in pieces:
// no call crosses the boundary for a line, and no line is decoded by itself.
//
// V8 makes a long line a slice of the string that it was split from, and so the slice keeps that
// string alive. Hence the pieces: whoever keeps one line in a million keeps 64 KiB with it, and not
// the whole batch.

import type { RawBatch } from "./batches.ts";

/** How much is decoded at once, if no line is longer. */
const PIECE = 64 * 1024;
const LINE_FEED = 10;

/** Decodes what the native side has checked, or replaces what is no text. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The lines of a batch, whose elements have a line feed between them. */
export function textLines({ bytes, elements, offsets }: RawBatch): string[] {
  if (offsets !== undefined) return oneByOne(bytes, offsets);
  if (bytes.length <= PIECE) return decoder.decode(bytes).split("\n");
  const pieces: string[][] = [];
  for (let start = 0; start <= bytes.length;) {
    const end = endOfPiece(bytes, start);
    pieces.push(decoder.decode(bytes.subarray(start, end)).split("\n"));
    start = end + 1;
  }
  const lines = pieces.length === 1 ? pieces[0]! : pieces.flat();
  if (lines.length !== elements) throw new TypeError("a batch does not hold the lines it says");
  return lines;
}

/** The line feed, or the end of the bytes, at which a piece ends. */
function endOfPiece(bytes: Uint8Array, start: number): number {
  if (bytes.length - start <= PIECE) return bytes.length;
  const before = bytes.lastIndexOf(LINE_FEED, start + PIECE);
  if (before >= start) return before;
  const behind = bytes.indexOf(LINE_FEED, start + PIECE);
  return behind === -1 ? bytes.length : behind;
}

/** Elements that have line feeds of their own: records of a topic. */
function oneByOne(bytes: Uint8Array, offsets: Uint32Array): string[] {
  const lines: string[] = [];
  for (let index = 0; index + 1 < offsets.length; index++) {
    const start = offsets[index]! + (index === 0 ? 0 : 1);
    lines.push(decoder.decode(bytes.subarray(start, offsets[index + 1])));
  }
  return lines;
}
