// What the bytes of an object are summed by.

import { invalidInput } from "../ffi/errors.ts";
import type { SumMessage } from "../ffi/symbols.ts";

/** What {@linkcode ObjectFile.checksum} sums bytes by. */
export type ChecksumAlgorithm = "fnv1a64" | "crc32" | "crc32c" | "crc64nvme" | "sha1" | "sha256";

const ALGORITHMS: Readonly<Record<ChecksumAlgorithm, SumMessage>> = {
  fnv1a64: "fnv1a64",
  crc32: "crc32",
  crc32c: "crc32c",
  crc64nvme: "crc64nvme",
  sha1: "sha1",
  sha256: "sha256",
};

/** An algorithm as a request names it. */
export function checkedAlgorithm(algorithm: ChecksumAlgorithm, uri: string): SumMessage {
  if (typeof algorithm === "string" && Object.hasOwn(ALGORITHMS, algorithm)) {
    return ALGORITHMS[algorithm];
  }
  const came = typeof algorithm === "string"
    ? `there is no algorithm ${JSON.stringify((algorithm as string).slice(0, 40))}`
    : "the algorithm is no string";
  const names = Object.keys(ALGORITHMS);
  throw invalidInput(
    "checksum",
    `checksum of ${uri}: ${came}`,
    `pass one of ${names.join(", ")}`,
    uri,
  );
}
