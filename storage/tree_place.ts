// What names the two sides of a transfer of trees: a folder of a bucket, with the client that reaches
// it, and a directory of this machine.

import type { Connection } from "../client/connection.ts";
import { checkLocation, type Location, parseLocation, quoted } from "../client/s3_uri.ts";
import { invalidInput } from "../ffi/errors.ts";
import { described } from "../ffi/lent.ts";
import { nodeUrl } from "../ffi/node.ts";
import { requireWhole } from "./byte_range.ts";
import { objectAt, ObjectFile, slicesOf } from "./object_file.ts";
import type { ObjectLocation } from "./source.ts";

/**
 * What names a folder of a bucket. A handle on an S3 object is reached through its own client, with
 * its own `customerKey`.
 */
export type PrefixLike = string | URL | ObjectLocation | { readonly uri: string };

/** A folder of a bucket, and how its objects are reached. */
export interface BucketFolder {
  readonly connection: Connection;
  /** The folder: its key ends with a slash, or is empty for the whole bucket. */
  readonly at: Location;
  /** The base64 of the key that the server encrypts and decrypts them with. */
  readonly customerKey: string | undefined;
}

/**
 * The folder of a bucket that a prefix names: what is below it has its key with a slash behind it.
 * The whole bucket for an empty one.
 *
 * @param own How a prefix without a client of its own is reached.
 * @throws {InvalidInputError} When it names no bucket.
 */
export function folderOf(
  prefix: PrefixLike,
  own: Connection,
  operation: string,
): BucketFolder {
  const { connection, at, customerKey } = prefix instanceof ObjectFile
    ? handled(prefix, operation)
    : {
      connection: own,
      at: prefixOf(prefix, operation, "s3://bucket/folder/"),
      customerKey: undefined,
    };
  const { bucket, key } = at;
  const folder = key === "" || key.endsWith("/") ? at : { bucket, key: `${key}/` };
  return { connection, at: folder, customerKey };
}

/** What a handle is on: all of an object's name, which stands for the folder of that name. */
function handled(file: ObjectFile, operation: string): BucketFolder {
  const { connection, location, uri, versionId, customerKey } = objectAt(file);
  const hint = "pass s3://bucket/folder/, or a handle on it";
  if (location.scheme !== "s3") throw invalidInput(operation, `${uri} is not on S3`, hint, uri);
  if (versionId !== undefined) {
    throw invalidInput(operation, `${uri} is one version of an object`, hint, uri);
  }
  requireWhole(slicesOf(file), { operation, uri }, hint);
  const { bucket, key } = location;
  return { connection, at: { bucket, key }, customerKey };
}

/**
 * What a listing or a transfer is of.
 *
 * @throws {InvalidInputError} For what names no bucket; the hint shows the example.
 */
export function prefixOf(
  prefix: PrefixLike,
  operation: string,
  example = "s3://bucket/prefix",
): Location {
  if (typeof prefix === "string" || prefix instanceof URL) return parseLocation(prefix, operation);
  if (typeof prefix === "object" && prefix !== null) {
    if ("bucket" in prefix && "key" in prefix) return checkLocation(prefix, operation);
    const { uri } = prefix as { uri?: unknown };
    if (typeof uri === "string") return parseLocation(uri, operation);
  }
  throw invalidInput(
    operation,
    `${prefix === null ? "null" : typeof prefix} names no bucket`,
    `pass ${example}, a URL, a prefix of a listing, or { bucket, key }`,
  );
}

/**
 * The path of a directory on this machine, as it was given.
 *
 * @throws {InvalidInputError} For what is none.
 */
export function directoryOf(directory: string | URL, operation: string): string {
  const hint = "pass a path such as ./data, or a file: URL";
  let path: string;
  if (typeof directory !== "string" && !(directory instanceof URL)) {
    throw invalidInput(operation, `${described(directory)} is no path of a directory`, hint);
  }
  if (directory instanceof URL || /^file:/i.test(directory)) {
    try {
      path = nodeUrl().fileURLToPath(directory);
    } catch {
      throw invalidInput(operation, `${quoted(String(directory))} names no directory`, hint);
    }
  } else {
    path = directory;
  }
  if (typeof path !== "string" || path === "" || path.includes("\0") || !path.isWellFormed()) {
    throw invalidInput(operation, `${quoted(String(directory))} is no path of a directory`, hint);
  }
  if (/^[A-Za-z][A-Za-z0-9+.-]+:\/\//.test(path)) {
    throw invalidInput(operation, `${quoted(path)} is no directory of this machine`, hint);
  }
  if (path.startsWith("~")) {
    throw invalidInput(
      operation,
      `${quoted(path)} is taken as it stands: dipper does not expand ~`,
      "write the whole path, or ./~ for a directory of that name",
    );
  }
  return path;
}
