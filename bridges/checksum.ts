// The checksum of bytes where they lie.

import { type BufferLike, lend } from "../ffi/lent.ts";
import { library, libraryNeeds } from "../ffi/library.ts";
import { ensure } from "../ffi/permissions.ts";

const SUM = new BigUint64Array(1);
const SUM_BYTES = new Uint8Array(SUM.buffer);

/**
 * The checksum of bytes, by FNV-1a of 64 bits. The bytes are borrowed: nothing is copied.
 *
 * FNV-1a finds accidental changes and makes keys of a hash table. It is no protection against
 * somebody who wants two contents with one sum.
 *
 * - Of a view, its own range is summed, wherever it starts. Without bytes the sum is
 *   `0xcbf29ce484222325n`.
 * - Memory that is shared or can be resized is read as long as it is now. What another thread
 *   writes to shared memory meanwhile is in the sum or is not, byte by byte.
 * - The call returns when the sum is there. A Worker keeps a notebook's other work going.
 *
 * A notebook shows nothing for a `bigint` that is a cell's last value: show `String(sum)`, or
 * `sum.toString(16)`.
 *
 * @param data Any view, buffer or `RustBuffer`; see {@linkcode BufferLike}.
 * @returns The sum, from 0 to 2^64 - 1.
 * @throws {InvalidInputError} For what has no bytes, and for memory that is detached.
 * @see {@link https://datatracker.ietf.org/doc/draft-eastlake-fnv/ | The FNV algorithm}
 *
 * @example
 * ```ts
 * import { checksumBytes } from "dipper";
 * const bytes = new TextEncoder().encode("foobar");
 * console.log(checksumBytes(bytes).toString(16)); // 85944171f73967e8
 * console.log(checksumBytes(bytes.subarray(0, 1)).toString(16)); // af63dc4c8601ec8c
 * ```
 */
export function checksumBytes(data: BufferLike): bigint {
  const { bytes, shared } = lend(data, "checksumBytes", false);
  ensure("checksumBytes", libraryNeeds());
  library().native.checksumBytes(bytes, shared, SUM_BYTES);
  return SUM[0]!;
}
