/** Data for tests: bytes that tell where they belong, and a comparison that does not print them. */

import { fail } from "@std/assert";

/** Bytes that differ from place to place and from seed to seed. */
export function pattern(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let state = seed >>> 0;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

/** The two hold the same bytes; else says where they first differ. */
export function assertSameBytes(
  actual: Uint8Array | ArrayBuffer,
  expected: Uint8Array,
  what = "the bytes",
): void {
  const found = actual instanceof Uint8Array ? actual : new Uint8Array(actual);
  if (found.length !== expected.length) {
    fail(`${what}: expected ${expected.length} bytes, got ${found.length}`);
  }
  for (let at = 0; at < found.length; at++) {
    if (found[at] !== expected[at]) fail(`${what}: byte ${at} of ${found.length} differs`);
  }
}

/** The bytes, compressed with gzip. */
export async function gzipped(data: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const packed = new Blob([data]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}
