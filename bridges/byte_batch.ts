// Elements as bytes: a batch of them, and each by itself.

import type { Elements } from "./element_iterator.ts";
import { invalidInput } from "../ffi/errors.ts";
import { displayed } from "../jupyter/media_bundle.ts";
import type { ElementsLike } from "../jupyter/show_elements.ts";
import type { RawBatch } from "./batches.ts";

/** Lines or messages as bytes, one after the other without anything between them. */
export interface ByteBatch {
  /** The contents, one after the other. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /**
   * One more than there are elements: element `i` is
   * `bytes.subarray(offsets[i], offsets[i + 1])`. The ends of lines and the lengths of messages are
   * left out. This is the layout of a column of texts in Apache Arrow.
   */
  readonly offsets: Uint32Array<ArrayBuffer>;
}

/** A batch as it is handed out. */
export function byteBatch({ bytes, offsets }: RawBatch): ByteBatch {
  if (offsets === undefined) throw new TypeError("a batch of bytes has no offsets");
  return { bytes, offsets };
}

/** Gives a batch displays. */
export function shownBatch(batch: ByteBatch): ByteBatch {
  return displayed(
    batch,
    async () => (await import("../jupyter/show_elements.ts")).showElements(elementsLike(batch)),
  );
}

function elementsLike({ bytes, offsets }: ByteBatch): ElementsLike {
  return {
    name: "ByteBatch",
    noun: "element",
    length: Math.max(0, offsets.length - 1),
    bytes: bytes.length,
    at: (index) => bytes.subarray(offsets[index], offsets[index + 1]),
    use: "bytes.subarray(offsets[i], offsets[i + 1])",
  };
}

/** The elements of a batch, each a view of its bytes. */
export function byteElements(
  batch: RawBatch,
  operation: string,
): Elements<Uint8Array<ArrayBuffer>> {
  const { bytes, offsets } = byteBatch(batch);
  return {
    length: offsets.length - 1,
    at(index) {
      try {
        return bytes.subarray(offsets[index], offsets[index + 1]);
      } catch {
        throw invalidInput(
          operation,
          "somebody transferred the memory that the next ones share with one that came",
          "transfer a copy: slice() it, or read batches",
        );
      }
    },
  };
}
