// A key of the customer's own, with which S3 encrypts and decrypts and which it does not keep.

import { invalidInput } from "../ffi/errors.ts";

const KEY_BYTES = 32;

/**
 * A customer's key as base64.
 *
 * @throws {InvalidInputError} For what are not 32 bytes. The message never shows them.
 */
export function customerKeyOf(
  key: Uint8Array | string,
  operation: string,
  uri: string | undefined,
): string {
  const bytes = typeof key === "string" ? decoded(key) : key;
  if (bytes instanceof Uint8Array && bytes.length === KEY_BYTES) {
    return bytes.toBase64();
  }
  throw invalidInput(
    operation,
    "customerKey is not a key of 32 bytes",
    "pass a Uint8Array of 32 random bytes, or their base64, and keep it: nobody else does",
    uri,
  );
}

function decoded(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.fromBase64(text);
  } catch {
    return undefined;
  }
}
