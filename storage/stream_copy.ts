// Copies that pass this process: between schemes, and between clients.
//
// What is copied is one version from the first byte to the last: where the source has an ETag the
// reads are bound to it, and a local file must not have changed meanwhile. The destination shows
// nothing of a copy that fails.

import { shownLocation } from "../client/location.ts";
import { DipperError, PreconditionFailedError } from "../ffi/errors.ts";
import { SizedPieces, type Writable } from "./body.ts";
import { rangeIn } from "./byte_range.ts";
import { mediaTypeOf } from "./media_type.ts";
import { objectAt, type ObjectFile, slicesOf } from "./object_file.ts";
import { piecesOf } from "./pieces.ts";
import type { CallOptions } from "./read_options.ts";
import type { Stat } from "./stat.ts";
import type { WriteOptions } from "./write_options.ts";

/**
 * Copies an object, or a part of it, through this process, in bounded memory. Media type, encoding
 * and metadata go along where the destination has a place for them, unless the options say others.
 *
 * @throws {PreconditionFailedError} When the source changes meanwhile.
 * @throws {DipperError} As reading the source and writing the destination.
 */
export async function streamedCopy(
  source: ObjectFile,
  destination: ObjectFile,
  operation: string,
  options: WriteOptions,
): Promise<Stat> {
  const { signal } = options;
  const asked: CallOptions = signal === undefined ? {} : { signal };
  const { scheme } = objectAt(source).location;
  const isFile = scheme === "file";
  const stat = await told(source, asked);
  const pinned = isFile || stat?.etag === undefined ? {} : { ifMatch: stat.etag };
  const stream = source.stream({ ...asked, ...pinned });
  const uri = shownLocation(objectAt(source).location);
  const sized = new SizedPieces(
    piecesOf(stream, uri),
    // What a web server tells may be another length than that of what it sends.
    stat === undefined || scheme === "http" ? undefined : lengthOf(source, stat),
    operation,
    isFile && stat !== undefined ? () => unchanged(source, stat, operation, asked) : undefined,
  );
  try {
    // For this room only: users hand over what is in the type.
    const data = sized as unknown as Writable;
    return await destination.write(data, { ...carried(source, stat, destination), ...options });
  } catch (error) {
    await stream.cancel(error).catch(() => {});
    throw error;
  }
}

/** What is known of a source. A web server that does not tell the length may still send it. */
async function told(source: ObjectFile, options: CallOptions): Promise<Stat | undefined> {
  try {
    return await source.stat(options);
  } catch (error) {
    const isPage = objectAt(source).location.scheme === "http";
    if (isPage && error instanceof DipperError && error.code === "NotS3") return undefined;
    throw error;
  }
}

function lengthOf(source: ObjectFile, { size }: Stat): number {
  const { start, end } = rangeIn(slicesOf(source), size);
  return end - start;
}

/** What the destination is told of the source. */
function carried(
  source: ObjectFile,
  stat: Stat | undefined,
  destination: ObjectFile,
): WriteOptions {
  if (objectAt(destination).location.scheme !== "s3") return {};
  const { contentType, contentEncoding, metadata = {} } = stat ?? {};
  const isPart = slicesOf(source).length > 0;
  const type = contentType ?? mediaTypeOf(destination.name) ?? mediaTypeOf(source.name);
  return {
    ...(type === undefined ? {} : { contentType: type }),
    // A part of what is compressed is no whole of it.
    ...(contentEncoding === undefined || isPart ? {} : { contentEncoding }),
    ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
  };
}

async function unchanged(
  source: ObjectFile,
  before: Stat,
  operation: string,
  options: CallOptions,
): Promise<void> {
  let after: Stat | undefined;
  try {
    after = await source.stat(options);
  } catch (error) {
    if (!(error instanceof DipperError)) throw error;
  }
  const same = after?.size === before.size &&
    after.lastModified?.getTime() === before.lastModified?.getTime();
  if (same) return;
  const uri = shownLocation(objectAt(source).location);
  throw new PreconditionFailedError(`${uri} changed while it was copied`, {
    code: "ObjectChanged",
    operation,
    uri,
    hint: "copy it again",
  });
}
