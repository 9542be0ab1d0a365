// Which parts of an object its preview needs. The first part is the beginning; what it holds decides
// whether there is a second: Parquet keeps its schema at the end, and an image is drawn whole or not
// at all.

import { drawnAs, sniffContent } from "./content_kind.ts";

/** The most bytes of one part. A preview has two parts at most. */
export const PREVIEW_PART_BYTES: number = 64 * 1024;

/**
 * The second part that the preview of an object needs, as offsets; `undefined` where the beginning is
 * enough.
 *
 * @param head The beginning, {@linkcode PREVIEW_PART_BYTES} of it or all there is.
 * @param size The size of the whole in bytes.
 */
export function secondPart(
  head: Uint8Array,
  size: number,
): { start: number; end: number } | undefined {
  if (head.length >= size) return undefined;
  const { kind } = sniffContent(head.subarray(0, PREVIEW_PART_BYTES), false);
  const rest = { start: head.length, end: size };
  if (kind === "parquet") {
    return { start: Math.max(rest.start, size - PREVIEW_PART_BYTES), end: size };
  }
  return drawnAs(kind) !== undefined && size - head.length <= PREVIEW_PART_BYTES ? rest : undefined;
}
