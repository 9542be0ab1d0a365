/**
 * The bytes of the fault server's objects: they follow from a seed, by the same arithmetic as in
 * `native/faults/src/content.rs`.
 */

const BLOCK = 64 * 1024;

/** Which bytes. */
export interface Seeded {
  /** How many. */
  size: number;
  /** What they follow from; without it all are zero. */
  seed?: number;
}

/** The bytes of an object. A change makes the next version; `key` is for the objects of `any`. */
export function contentOf({ size, seed }: Seeded, version = 0, key = ""): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.ceil(size / 4) * 4);
  if (seed === undefined) return bytes.subarray(0, size);
  const own = (seed ^ hashed(key) ^ Math.imul(version, 0x9e3779b9)) >>> 0;
  const words = new DataView(bytes.buffer);
  const first = Uint32Array.from({ length: BLOCK / 4 }, (_, place) => mixed(own, place));
  for (let block = 0; block * BLOCK < bytes.length; block++) {
    const with_ = mixed((own ^ 0x5bd1e995) >>> 0, block);
    const start = block * BLOCK;
    const end = Math.min(bytes.length, start + BLOCK);
    for (let at = start; at < end; at += 4) {
      words.setUint32(at, first[(at - start) / 4]! ^ with_, true);
    }
  }
  return bytes.subarray(0, size);
}

function mixed(seed: number, place: number): number {
  let word = (seed + Math.imul(place + 1, 0x9e3779b1)) >>> 0;
  word = Math.imul(word ^ (word >>> 16), 0x7feb352d);
  word = Math.imul(word ^ (word >>> 15), 0x846ca68b);
  return (word ^ (word >>> 16)) >>> 0;
}

function hashed(key: string): number {
  if (key === "") return 0;
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(key)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
