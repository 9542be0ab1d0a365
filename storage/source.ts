// Everything that names an object, brought to one form.

import { type Location, parseLocation } from "../client/location.ts";
import { checkLocation, requireKey, uriOf } from "../client/s3_uri.ts";
import { invalidInput } from "../ffi/errors.ts";
import { described, remedy } from "../ffi/lent.ts";
import type { Slice } from "./byte_range.ts";
import { type ObjectAt, objectAt, ObjectFile, slicesOf } from "./object_file.ts";
import type { Source } from "./read_options.ts";

/** An S3 object named by its parts: takes any key. */
export interface ObjectLocation {
  /** The bucket's name. */
  bucket: string;
  /** The key, as it stands. */
  key: string;
}

/** What a source names, and what else it tells. */
export interface Named extends Omit<ObjectAt, "connection" | "open"> {
  /** The size in bytes, where a listing told it. */
  readonly size?: number | undefined;
  /** The part that a handle is on. */
  readonly slices?: readonly Slice[];
}

/**
 * What a source names.
 *
 * @throws {InvalidInputError} When it names no object.
 */
export function namedBy(source: Source | ObjectLocation, operation: string): Named {
  if (typeof source === "string") {
    const location = parseLocation(source, operation);
    // As nearly all are written: that is their one spelling.
    return source.startsWith("s3://") ? { location, uri: source } : named(location, source);
  }
  if (source instanceof URL) return named(parseLocation(source, operation), source.href);
  if (source instanceof ObjectFile) {
    const { location, uri, versionId, customerKey, map } = objectAt(source);
    return { location, uri, versionId, customerKey, map, slices: slicesOf(source) };
  }
  if (typeof source === "object" && source !== null) {
    if ("bucket" in source && "key" in source) {
      const location = requireKey(checkLocation(source, operation), operation);
      return { location: { scheme: "s3", ...location }, uri: uriOf(location) };
    }
    if ("uri" in source && typeof source.uri === "string") {
      const size = "size" in source ? source.size : undefined;
      // An entry of a listing of versions.
      const versionId = "versionId" in source && typeof source.versionId === "string"
        ? source.versionId
        : undefined;
      const known = Number.isSafeInteger(size) && size! >= 0;
      return {
        ...named(parseLocation(source.uri, operation), source.uri),
        size: known ? size : undefined,
        versionId,
      };
    }
  }
  throw invalidInput(
    operation,
    `${described(source)} names no object`,
    remedy(source, "pass a URI, a path, a URL, an entry of a listing, a file, or { bucket, key }"),
  );
}

/** S3 URIs have one spelling; addresses and paths stay as they were written. */
function named(location: Location, written: string): Named {
  return { location, uri: location.scheme === "s3" ? uriOf(location) : written };
}
