// How a name becomes a place, for the bridges.

import { defined } from "../client/connection.ts";
import { shownLocation } from "../client/location.ts";
import type { ClientLike, Named, PlaceOptions, Places, WritePlace } from "../client/places.ts";
import { invalidInput, UnsupportedError } from "../ffi/errors.ts";
import { checkedCall } from "./call_options.ts";
import { requireWholeFile } from "./destination.ts";
import { mediaTypeOf } from "./media_type.ts";
import { objectAt, ObjectFile, slicesOf } from "./object_file.ts";
import type { Source } from "./read_options.ts";
import { S3Client } from "./s3_client.ts";
import { namedBy } from "./source.ts";
import { checkedLocalWrite, checkedWrite, writtenAs } from "./checked_write.ts";
import type { WriteOptions } from "./write_options.ts";

/** The places of names, where `current` is the client for those that name none. */
export function placesOf(current: () => S3Client): Places {
  const open = (
    at: Named,
    { client = current() }: { client?: ClientLike },
    operation: string,
  ): ObjectFile => {
    if (!(client instanceof S3Client)) {
      throw invalidInput(operation, "client is no S3Client", "pass new S3Client(\u2026)");
    }
    const source = at as Source;
    // So that an error names the call that the user made.
    namedBy(source, operation);
    return client.file(source);
  };
  return {
    toRead(source, given, operation) {
      const options = checkedCall(given, operation);
      const file = fileOf(source, options) ?? open(source, options, operation);
      const { connection, location, versionId, customerKey } = objectAt(file);
      const uri = shownLocation(location);
      return {
        connection,
        subject: { operation, uri, location, versionId, customerKey },
        whole: slicesOf(file).length === 0,
        signal: options.signal,
        onProgress: options.onProgress,
        progress: options.progress,
      };
    },
    toWrite(destination, given, operation) {
      const options = checkedCall(given, operation);
      const file = fileOf(destination, options) ?? open(destination, options, operation);
      const { client: _, ...rest } = options;
      return writePlace(file, rest, operation);
    },
  };
}

/** A file that keeps its own client, because no other is named. */
function fileOf(at: Named, { client }: PlaceOptions): ObjectFile | undefined {
  return client === undefined && at instanceof ObjectFile ? at : undefined;
}

function writePlace(file: ObjectFile, given: WriteOptions, operation: string): WritePlace {
  requireWholeFile(file, operation);
  const { connection, location, versionId, customerKey } = objectAt(file);
  const uri = shownLocation(location);
  if (location.scheme === "http") {
    throw new UnsupportedError(`${operation}: web addresses are only read, as ${uri}`, {
      code: "Unsupported",
      operation,
      uri,
      hint: "name an s3:// URI or a path",
    });
  }
  if (versionId !== undefined) {
    throw invalidInput(operation, `${uri} is one version`, "name it without its versionId", uri);
  }
  if (location.scheme === "file") {
    const { signal, onProgress, progress, ifNoneMatch } = checkedLocalWrite(given, operation, uri);
    const exclusive = ifNoneMatch === "*";
    const { path } = location;
    return { scheme: "file", connection, uri, path, exclusive, signal, onProgress, progress };
  }
  const encrypted = customerKey === undefined ? given : { encryption: { customerKey }, ...given };
  const options = checkedWrite(encrypted, operation, uri);
  const contentType = options.contentType ?? mediaTypeOf(file.name);
  const write = writtenAs({ ...options, ...defined({ contentType }) }, operation, uri);
  const { signal, onProgress, progress } = options;
  const { bucket, key } = location;
  return { scheme: "s3", connection, uri, bucket, key, write, signal, onProgress, progress };
}
