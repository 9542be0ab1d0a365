/**
 * FNV-1a of 64 bits as JavaScript computes it, and vectors that its authors published.
 */

/** The sum of bytes, by 32-bit halves. Independent of the library's way. */
export function fnv1a64(bytes: Uint8Array): bigint {
  let low = 0x84222325 | 0;
  let high = 0xcbf29ce4 | 0;
  for (const byte of bytes) {
    low ^= byte;
    // The prime is 2^40 + 0x1b3.
    const carried = Math.floor((low >>> 0) * 0x1b3 / 2 ** 32);
    high = (Math.imul(high, 0x1b3) + (low << 8) + carried) | 0;
    low = Math.imul(low, 0x1b3);
  }
  return BigInt(high >>> 0) << 32n | BigInt(low >>> 0);
}

/** The definition, by big integers. */
export function fnv1a64ByDefinition(bytes: Uint8Array): bigint {
  let sum = 0xcbf29ce484222325n;
  for (const byte of bytes) {
    sum = BigInt.asUintN(64, (sum ^ BigInt(byte)) * 0x100000001b3n);
  }
  return sum;
}

/**
 * Texts and their sums, from `test_fnv.c` of the authors' reference source
 * (http://www.isthe.com/chongo/src/fnv/test_fnv.c) and from the Internet draft
 * draft-eastlake-fnv, appendix with test values.
 */
export const PUBLISHED: readonly (readonly [text: string, sum: bigint])[] = [
  ["", 0xcbf29ce484222325n],
  ["a", 0xaf63dc4c8601ec8cn],
  ["b", 0xaf63df4c8601f1a5n],
  ["c", 0xaf63de4c8601eff2n],
  ["d", 0xaf63d94c8601e773n],
  ["e", 0xaf63d84c8601e5c0n],
  ["f", 0xaf63db4c8601ead9n],
  ["fo", 0x08985907b541d342n],
  ["foo", 0xdcb27518fed9d577n],
  ["foob", 0xdd120e790c2512afn],
  ["fooba", 0xcac165afa2fef40an],
  ["foobar", 0x85944171f73967e8n],
  ["\0", 0xaf63bd4c8601b7dfn],
  ["a\0", 0x089be207b544f1e4n],
  ["foobar\0", 0x34531ca7168b8f38n],
];
