// Copies that pass this process: between schemes, and between clients.
//
// What the source says of itself goes along where the destination has a place for it and it stays
// true there: `carried` has the rules.
//
// What is copied is one version from the first byte to the last: where the source has an ETag the
// reads are bound to it, and a local file must not have changed meanwhile. The destination shows
// nothing of a copy that fails.

import { defined } from "../client/connection.ts";
import { shownLocation } from "../client/location.ts";
import { DipperError, PreconditionFailedError } from "../ffi/errors.ts";
import { SizedPieces, type Writable } from "./body.ts";
import { rangeIn } from "./byte_range.ts";
import { blamedOnTags, carriedTags } from "./carried_tags.ts";
import { mediaTypeOf } from "./media_type.ts";
import { objectAt, type ObjectFile, slicesOf } from "./object_file.ts";
import { piecesOf } from "./pieces.ts";
import type { CallOptions } from "./read_options.ts";
import type { Stat } from "./stat.ts";
import type { WriteOptions } from "./write_options.ts";

/**
 * Copies an object, or a part of it, through this process, in bounded memory. What the source says
 * of itself goes along, unless the options say other things.
 *
 * @throws {PreconditionFailedError} When the source changes meanwhile.
 * @throws {AccessDeniedError} When the tags of the source may not be read.
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
  const tags = await tagsOf(source, stat, destination, operation, options);
  const pinned = isFile || stat?.etag === undefined ? {} : { ifMatch: stat.etag };
  // The copy shows itself.
  const stream = source.stream({ ...asked, ...pinned, progress: false });
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
    const known = { ...carried(source, stat, destination), ...tags };
    return await destination.write(data, { ...known, ...said(options) });
  } catch (error) {
    await stream.cancel(error).catch(() => {});
    throw tags.tags === undefined ? error : blamedOnTags(error);
  }
}

/** `null` counts as unset, as for every call. */
function isSaid(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/** Options that are not said leave the source's as they are. */
function said(options: WriteOptions): WriteOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => isSaid(value)));
}

/** The tags to bring along, if the source has any and the caller names no others. */
async function tagsOf(
  source: ObjectFile,
  stat: Stat | undefined,
  destination: ObjectFile,
  operation: string,
  { tags: given, signal }: WriteOptions,
): Promise<{ tags?: Record<string, string> }> {
  const at = objectAt(source);
  const both = [at, objectAt(destination)].every(({ location }) => location.scheme === "s3");
  if (!both || isSaid(given)) return {};
  const tags = await carriedTags(at, stat ?? {}, operation, signal);
  return Object.keys(tags).length === 0 ? {} : { tags };
}

/** What is known of a source. A web server that does not tell the length may still send it. */
async function told(source: ObjectFile, options: CallOptions): Promise<Stat | undefined> {
  try {
    return await source.stat(options);
  } catch (error) {
    const isPage = objectAt(source).location.scheme === "http";
    if (isPage && error instanceof DipperError && error.code === "Unsupported") return undefined;
    throw error;
  }
}

function lengthOf(source: ObjectFile, { size }: Stat): number {
  const { start, end } = rangeIn(slicesOf(source), size);
  return end - start;
}

/**
 * What the destination is told of the source. From S3: type, encoding, language, disposition, cache
 * headers and metadata. From the web: what describes the content; how long a page may be cached
 * says nothing of a copy. Storage class, access list, encryption and locks are matters of the
 * server that keeps an object, and are the destination's own.
 */
function carried(
  source: ObjectFile,
  stat: Stat | undefined,
  destination: ObjectFile,
): WriteOptions {
  if (objectAt(destination).location.scheme !== "s3") return {};
  const { contentType, contentEncoding, metadata = {} } = stat ?? {};
  const { contentLanguage, contentDisposition, cacheControl, expires } = stat ?? {};
  const isPage = objectAt(source).location.scheme === "http";
  const isPart = slicesOf(source).length > 0;
  const type = contentType ?? mediaTypeOf(destination.name) ?? mediaTypeOf(source.name);
  return {
    ...(type === undefined ? {} : { contentType: type }),
    // A part of what is compressed is no whole of it.
    ...(contentEncoding === undefined || isPart ? {} : { contentEncoding }),
    ...defined({ contentLanguage, contentDisposition }),
    ...(isPage ? {} : defined({ cacheControl, expires })),
    ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
  };
}

/**
 * Sees to it that a local file is what it was.
 *
 * @throws {PreconditionFailedError} When it changed meanwhile.
 */
export async function unchanged(
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
