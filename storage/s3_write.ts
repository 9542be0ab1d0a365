// Writing an S3 object: native memory goes down as a whole, everything else piece by piece.

import { type Connection, defined, type Subject } from "../client/connection.ts";
import type { Location } from "../client/location.ts";
import { watched, watchedSmall, watching } from "../client/watched.ts";
import { metricsFrom, rememberMetrics } from "../ffi/metrics.ts";
import { readablePath } from "../ffi/readable_path.ts";
import type { ObjectMessage, WriteMessage, WrittenMessage } from "../ffi/symbols.ts";
import { type Body, bodyOf, SizedPieces, type Writable } from "./body.ts";
import { mediaTypeOf } from "./media_type.ts";
import { objectAt, type ObjectFile } from "./object_file.ts";
import type { PumpOptions, WriterOptions } from "./pump.ts";
import { scratchFolder } from "./scratch_folder.ts";
import { type Stat, statOf } from "./stat.ts";
import { uploadWriter } from "./upload_writer.ts";
import { checkedWrite, writtenAs } from "./checked_write.ts";
import type { WriteOptions } from "./write_options.ts";

/** What is written to. */
export interface WriteTarget {
  readonly connection: Connection;
  /** Without the client. */
  readonly object: Omit<ObjectMessage, "client">;
  readonly uri: string;
  /** What stands behind the last slash of the key. */
  readonly name: string;
  /** The key of the handle: what is written is encrypted with it, unless the options say another. */
  readonly customerKey?: string | undefined;
}

/** What a handle on an S3 object writes to. */
export function targetOf(file: ObjectFile): WriteTarget {
  const { connection, location, uri, customerKey } = objectAt(file);
  const { bucket, key } = location as Location & { scheme: "s3" };
  return { connection, object: { bucket, key }, uri, name: file.name, customerKey };
}

/** Writes an object from a local file, whose bytes do not pass through JavaScript. */
export async function writeFromFile(
  target: WriteTarget,
  path: string,
  given: WriteOptions,
  operation: string,
): Promise<Stat> {
  const { connection, object, uri } = target;
  const options = checkedWrite(encryptedBy(target, given), operation, uri);
  const contentType = options.contentType ?? mediaTypeOf(target.name) ?? mediaTypeOf(path);
  const write = writtenAs({ ...options, ...defined({ contentType }) }, operation, uri);
  const { signal } = options;
  const { payload } = await watched(operation, uri, options, (onProgress) =>
    connection.run(
      { operation, uri, bucket: object.bucket },
      (client) => ({
        operation: "uploadFile",
        object: { client, ...object },
        path: readablePath(path, operation, path),
        write,
        progress: onProgress !== undefined,
      }),
      { signal, onProgress },
      [{ name: "read", path }],
    ));
  return written(uri, payload as WrittenMessage);
}

/** Writes an object. */
export async function writeObject(
  target: WriteTarget,
  data: Writable,
  given: WriteOptions,
): Promise<Stat> {
  const { connection, object, uri } = target;
  // Copies hand over what they know beside the bytes.
  const operation = (data as unknown) instanceof SizedPieces
    ? (data as unknown as SizedPieces).operation
    : "write";
  const options = checkedWrite(encryptedBy(target, given), operation, uri);
  options.signal?.throwIfAborted();
  const subject: Subject = { operation, uri, bucket: object.bucket };
  // Before the body is read: one error names all that is missing.
  connection.ensure(subject);
  const body = await bodyOf(data, uri);
  const { content } = body;
  const write = writtenAs({ ...options, ...typeOf(target, options, body) }, operation, uri);
  const { signal } = options;
  if (content.kind === "pieces") {
    const pumped = await watched(operation, uri, options, async (onProgress) => {
      const { pump } = await import("./pump.ts");
      const open = () => openUpload(target, subject, write, content.size, onProgress, signal);
      return await pump(content, open, { ...pumping(target, subject, options), onProgress });
    });
    return written(uri, pumped);
  }
  try {
    const { payload } = await watchedSmall(
      operation,
      uri,
      options,
      (onProgress) =>
        connection.run(subject, (client) => ({
          operation: "put",
          object: { client, ...object },
          ...defined({ buffer: content.handle }),
          write,
          progress: onProgress !== undefined,
        }), { signal, onProgress }),
    );
    return written(uri, payload as WrittenMessage);
  } finally {
    content.release();
  }
}

/** A stream that writes an object. */
export function objectWriter(
  target: WriteTarget,
  given: WriteOptions,
): WritableStream<Uint8Array> {
  const { connection, object, uri } = target;
  const options = checkedWrite(encryptedBy(target, given), "writer", uri);
  const subject: Subject = { operation: "writer", uri, bucket: object.bucket };
  const type = options.contentType ?? mediaTypeOf(target.name);
  const write = writtenAs({ ...options, ...defined({ contentType: type }) }, "writer", uri);
  connection.ensure(subject);
  const told = options.progress === false ? options.onProgress : true;
  const writing: WriterOptions = {
    ...pumping(target, subject, options),
    watch: () => watching("writer", uri, options),
  };
  return uploadWriter(
    (signal) => openUpload(target, subject, write, undefined, told, signal),
    uri,
    writing,
  );
}

function encryptedBy({ customerKey }: WriteTarget, options: WriteOptions): WriteOptions {
  return customerKey === undefined ? options : { encryption: { customerKey }, ...options };
}

async function openUpload(
  { connection, object }: WriteTarget,
  subject: Subject,
  write: WriteMessage,
  size: number | undefined,
  onProgress: unknown,
  signal: AbortSignal | undefined,
) {
  return await connection.openUpload(subject, (client) => ({
    operation: "openUpload",
    object: { client, ...object },
    write,
    progress: onProgress !== undefined,
    ...defined({ size, scratch: scratchFolder({ size, partSize: write.partSize }) }),
  }), { signal });
}

function pumping(target: WriteTarget, subject: Subject, options: WriteOptions): PumpOptions {
  return {
    operation: subject.operation,
    signal: options.signal,
    onProgress: options.onProgress,
    onCancelled: () => target.connection.gone(subject),
  };
}

/** What a write brought: what is known of the object now, and what it took. */
export function written(uri: string, { stat, metrics }: WrittenMessage): Stat {
  return rememberMetrics(statOf(uri, stat), metricsFrom(metrics));
}

/** The media type: what the user says, else what the data says, else what the name suggests. */
function typeOf(
  { name }: WriteTarget,
  options: WriteOptions,
  { contentType, isText }: Body,
): { contentType?: string } {
  const said = options.contentType ?? contentType;
  if (said !== undefined) return { contentType: said };
  const guessed = mediaTypeOf(name);
  if (guessed === undefined) return {};
  // What was encoded here is UTF-8; of other bytes nobody knows.
  const charset = isText && guessed.startsWith("text/") ? "; charset=utf-8" : "";
  return { contentType: `${guessed}${charset}` };
}
