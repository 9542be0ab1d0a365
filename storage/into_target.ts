// The target of `into`: memory of the caller's, taken away for the time of the read.
//
// Rust writes into it while JavaScript runs, so nobody else may reach it: the caller's buffer is
// detached, as in a BYOB read, and comes back when the read is done or has failed.

import { DipperError, invalidInput } from "../ffi/errors.ts";

/** Private memory, with what is needed to hand it back. */
export interface TakenTarget {
  /** The memory to fill. Nobody else holds it. */
  readonly memory: Uint8Array<ArrayBuffer>;
  /** The first `length` bytes, handed back. */
  filled(length: number): Uint8Array<ArrayBuffer>;
  /** The reason of a failure, with the memory handed back as its `target`. */
  failed(reason: unknown): unknown;
}

/**
 * Takes the caller's memory away.
 *
 * @throws {InvalidInputError} For memory that is detached, shared, read-only, or cannot be detached.
 */
export function takeTarget(target: Uint8Array<ArrayBuffer>, uri: string): TakenTarget {
  const refused = (what: string, hint: string) => invalidInput("into", what, hint, uri);
  // A view, and not merely something with the right prototype.
  if (!ArrayBuffer.isView(target) || !(target instanceof Uint8Array)) {
    throw refused("the target is no Uint8Array", "pass new Uint8Array(size)");
  }
  const { buffer, byteOffset, byteLength } = target;
  if (!(buffer instanceof ArrayBuffer)) {
    throw refused(
      "the target is shared memory, which cannot be detached",
      "pass a Uint8Array of its own, and copy from it",
    );
  }
  if (buffer.detached) {
    throw refused(
      "the target is detached: it was transferred elsewhere",
      "into() hands back a new Uint8Array; use that one the next time",
    );
  }
  if ((buffer as ArrayBuffer & { immutable?: boolean }).immutable === true) {
    throw refused("the target is read-only", "pass memory that may be written");
  }
  let taken: ArrayBuffer;
  try {
    taken = buffer.transfer();
  } catch {
    throw refused(
      "the target cannot be detached: it belongs to a WebAssembly memory",
      "pass a Uint8Array of its own, and copy from it",
    );
  }
  const view = (length: number) => new Uint8Array(taken, byteOffset, length);
  return {
    memory: view(byteLength),
    filled: view,
    failed(reason) {
      const isOurs = reason instanceof DipperError;
      const isAbort = reason instanceof Error && Object.isExtensible(reason);
      if (isOurs || isAbort) Object.assign(reason, { target: view(byteLength) });
      return reason;
    },
  };
}
