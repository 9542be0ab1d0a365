// Where something is copied or moved to.

import { shownLocation } from "../client/location.ts";
import { invalidInput } from "../ffi/errors.ts";
import { requireWhole } from "./byte_range.ts";
import { objectAt, type ObjectFile, slicesOf } from "./object_file.ts";

/**
 * What a destination names. A URI or a path is reached through the client of the file that is
 * copied; a file, through its own.
 *
 * @throws {InvalidInputError} For what names no object, and for what cannot be written: a part of an
 * object, a version, a web address.
 */
export function destinationOf(
  from: ObjectFile,
  destination: string | URL | ObjectFile,
  operation: string,
): ObjectFile {
  const to = objectAt(from).open(destination, operation);
  requireWholeFile(to, operation);
  const { location, versionId } = objectAt(to);
  const uri = shownLocation(location);
  if (versionId !== undefined) {
    throw invalidInput(operation, `${uri} is one version`, "name it without its versionId", uri);
  }
  if (location.scheme === "http") {
    throw invalidInput(
      operation,
      `${uri} is a web address, which dipper only reads`,
      "name an s3:// URI or a path",
      uri,
    );
  }
  return to;
}

/**
 * Sees to it that a handle is on a whole object.
 *
 * @throws {InvalidInputError} When it is on a part.
 */
export function requireWholeFile(file: ObjectFile, operation: string): void {
  const uri = shownLocation(objectAt(file).location);
  requireWhole(slicesOf(file), { operation, uri }, `${operation} the whole object`);
}
