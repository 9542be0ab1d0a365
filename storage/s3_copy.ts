// Copies and moves of S3 objects: by the server where both ends are one client's, else by streaming.
//
// The native side pins the source's version, compares the copy with it, and deletes it after that
// when it is moved. A move by streaming does the same from here.

import { type Connection, defined, type Subject } from "../client/connection.ts";
import type { Location } from "../client/location.ts";
import { watched } from "../client/watched.ts";
import { invalidInput, NotFoundError, PreconditionFailedError } from "../ffi/errors.ts";
import type { ObjectMessage, StatMessage } from "../ffi/symbols.ts";
import { type ObjectAt, objectAt, type ObjectFile, slicesOf } from "./object_file.ts";
import type { CallOptions } from "./read_options.ts";
import { type Stat, statOf } from "./stat.ts";
import { streamedCopy } from "./stream_copy.ts";
import { checkedWrite, writtenAs } from "./checked_write.ts";
import type { WriteOptions } from "./write_options.ts";

type Operation = "copyTo" | "moveTo" | "restore";

/** Copies or moves an S3 object, as `S3File.copyTo` and `S3File.moveTo` say. */
export async function copyObject(
  from: ObjectFile,
  to: ObjectFile,
  operation: Operation,
  options: WriteOptions,
): Promise<Stat> {
  const [source, target] = [objectAt(from), objectAt(to)];
  const here = target.location.scheme === "s3" && target.connection === source.connection;
  if (here && slicesOf(from).length === 0) {
    return await byServer(source, target, operation, options);
  }
  if (operation !== "moveTo") return await streamedCopy(from, to, operation, options);
  return await movedByStreaming(from, to, options);
}

async function byServer(
  from: ObjectAt,
  to: ObjectAt,
  operation: Operation,
  options: WriteOptions,
): Promise<Stat> {
  options = checkedWrite(options, operation, to.uri);
  const [source, target] = [locationOf(from), locationOf(to)];
  const connection: Connection = from.connection;
  // A destination's own key encrypts the copy, as it would a write.
  const { customerKey } = to;
  const write = writtenAs(options, operation, to.uri);
  if (customerKey !== undefined && write.encryption === undefined) {
    write.encryption = { kind: "customer", key: customerKey };
  }
  const subject: Subject = { operation, uri: from.uri, bucket: target.bucket };
  const copy = (onProgress: WriteOptions["onProgress"]) =>
    connection.run(
      subject,
      (client) => {
        const object: ObjectMessage = {
          client,
          bucket: source.bucket,
          key: source.key,
          ...defined({ versionId: from.versionId, customerKey: from.customerKey }),
        };
        return {
          operation: "copy",
          object,
          bucket: target.bucket,
          key: target.key,
          write,
          replaceMetadata: options.metadata !== undefined,
          replaceTags: options.tags !== undefined,
          remove: operation === "moveTo",
          progress: onProgress !== undefined,
        };
      },
      defined({ signal: options.signal, onProgress }),
    );
  const { payload } = await watched(operation, from.uri, options, copy);
  return statOf(to.uri, payload as StatMessage);
}

function locationOf(at: ObjectAt): Location & { scheme: "s3" } {
  return at.location as Location & { scheme: "s3" };
}

/** Streams the object to its new place, looks at both, and deletes it at the old one. */
async function movedByStreaming(
  from: ObjectFile,
  to: ObjectFile,
  options: WriteOptions,
): Promise<Stat> {
  const asked: CallOptions = options.signal ? { signal: options.signal } : {};
  const before = await from.stat(asked);
  await refuseSame(from, to, before, asked);
  // What is read below is that version, or nothing.
  const written = await streamedCopy(from, to, "moveTo", options);
  const [copied, after] = await Promise.all([to.stat(asked), from.stat(asked)]);
  const kept = (what: string, code: "ObjectChanged") =>
    new PreconditionFailedError(`${what}; ${from.uri} was not deleted`, {
      code,
      operation: "moveTo",
      uri: from.uri,
      hint: "move it again",
    });
  if (after.etag !== before.etag || after.size !== before.size) {
    throw kept(`${from.uri} changed after it was copied to ${to.uri}`, "ObjectChanged");
  }
  if (copied.size !== before.size || copied.etag !== (written.etag ?? copied.etag)) {
    throw kept(`${to.uri} was written by somebody else meanwhile`, "ObjectChanged");
  }
  await deleteUnchanged(from, before, asked);
  return copied;
}

/** Deletes what was copied, if it is still that, as far as the server knows such a condition. */
async function deleteUnchanged(
  from: ObjectFile,
  { etag }: Stat,
  { signal }: CallOptions,
): Promise<void> {
  const { connection, location, versionId, uri } = objectAt(from);
  const { bucket, key } = location as Location & { scheme: "s3" };
  // A version does not change.
  const ifMatch = versionId === undefined ? etag : undefined;
  await connection.run(
    { operation: "moveTo", uri, bucket },
    (client) => ({
      operation: "delete",
      object: { client, bucket, key, ...defined({ versionId }) },
      ...defined({ ifMatch }),
    }),
    { signal },
  );
}

/**
 * Refuses a move between two clients that lead to one object: deleting the source would delete it.
 * Names of servers do not tell, so what is there tells.
 */
async function refuseSame(
  from: ObjectFile,
  to: ObjectFile,
  source: Stat,
  asked: CallOptions,
): Promise<void> {
  const [one, other] = [objectAt(from).location, objectAt(to).location];
  if (one.scheme !== "s3" || other.scheme !== "s3" || one.key !== other.key) return;
  let there: Stat;
  try {
    there = await to.stat(asked);
  } catch (error) {
    if (error instanceof NotFoundError) return;
    throw error;
  }
  const same = there.etag === source.etag && there.size === source.size &&
    there.lastModified?.getTime() === source.lastModified?.getTime();
  if (!same) return;
  throw invalidInput(
    "moveTo",
    `${from.uri} and the destination look like one object: same key, bytes and date`,
    "if they are two, delete the source yourself: the destination has the same bytes",
    from.uri,
  );
}
