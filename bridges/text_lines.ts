// Lines of text out of the bytes of a batch. A batch is decoded and split by the engine, in pieces:
// no call crosses the boundary for a line, and no line is decoded by itself.
//
// V8 makes a long line a slice of the string that it was split from, and so the slice keeps that
// string alive. Hence the pieces: whoever keeps one line in a million keeps some 64 KiB with it,
// and not the whole batch. A piece is decoded when the one before is used up. It is small enough to
// lie in V8's young heap, also with two bytes for a character: what is larger than 128 KiB V8 puts
// elsewhere, and what it finds in use there once, it looks at again only when it marks its old heap.
// And of small pieces less is in use when the young collector runs, so that the young heap stays
// small: 1 GiB of lines held 137 MiB over idle with pieces of 180 KiB, and holds 23.

import type { RawBatch } from "./batches.ts";

/** A piece has at least so many bytes, if the batch has, and not twice as many, if no line is long. */
const PIECE = 64 * 1024;
const LINE_FEED = 10;

/** Decodes what the native side has checked, or replaces what is no text. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** A batch of text, piece by piece. */
export class TextPieces {
  readonly #batch: RawBatch;
  readonly #length: number;
  #start = 0;

  constructor(batch: RawBatch) {
    this.#batch = batch;
    const { bytes, offsets } = batch;
    // Elements that have line feeds of their own stay together.
    const count = offsets !== undefined ? 1 : Math.max(1, Math.floor(bytes.length / PIECE));
    this.#length = Math.ceil(bytes.length / count);
  }

  /** The next lines. They are to be taken out before the next call. */
  next(): RawBatch | undefined {
    const { bytes } = this.#batch;
    const start = this.#start;
    if (start > bytes.length) return undefined;
    const end = endOfPiece(bytes, start, this.#length);
    this.#start = end + 1;
    if (start === 0 && end === bytes.length) return this.#batch;
    const lent = this.#batch.lent && end === bytes.length;
    return { bytes: bytes.subarray(start, end), elements: undefined, offsets: undefined, lent };
  }
}

/** The lines of a batch. What it lent is given back. */
export function textLines(batch: RawBatch): string[] {
  const lines = decoded(batch);
  if (batch.lent) batch.bytes.buffer.transfer(0);
  return lines;
}

/** The elements of a batch have a line feed between them, if none has one itself. */
function decoded({ bytes, elements, offsets }: RawBatch): string[] {
  if (offsets !== undefined) return oneByOne(bytes, offsets);
  const lines = decoder.decode(bytes).split("\n");
  if (elements !== undefined && lines.length !== elements) {
    throw new TypeError("a batch does not hold the lines it says");
  }
  return lines;
}

/** The first line feed behind so many bytes, or the end of them all. */
function endOfPiece(bytes: Uint8Array, start: number, length: number): number {
  if (bytes.length - start <= length) return bytes.length;
  const behind = bytes.indexOf(LINE_FEED, start + length);
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
