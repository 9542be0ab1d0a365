// An object on S3.

import { type Connection, defined, type Subject } from "../client/connection.ts";
import type { Location } from "../client/location.ts";
import { parseLocation, requireKey, uriOf } from "../client/s3_uri.ts";
import { invalidInput } from "../ffi/errors.ts";
import type { Completed } from "../ffi/queue.ts";
import type { ObjectMessage, Request, WrittenMessage } from "../ffi/symbols.ts";
import { bodyOf, type Writable } from "./body.ts";
import { checkedCall } from "./call_options.ts";
import type { Slice } from "./byte_range.ts";
import { type ObjectAt, objectAt, ObjectFile, slicedFurther, slicesOf } from "./object_file.ts";
import { type PresignOptions, presignRequest } from "./presign.ts";
import type { CallOptions } from "./read_options.ts";
import { type Stat, statOf } from "./stat.ts";

/** What `write` takes beside the data. */
export interface WriteOptions extends CallOptions {
  /** The media type. Default: that of a `Blob` or `Response`, else the server's. */
  contentType?: string;
  /** How the data is encoded, such as `"gzip"`. */
  contentEncoding?: string;
  /** How the object may be cached. */
  cacheControl?: string;
  /** The user's own metadata: names and values that HTTP headers can carry. */
  metadata?: Record<string, string>;
  /** Write only over the object with this ETag; else a `PreconditionFailedError`. */
  ifMatch?: string;
  /** `"*"`: write only if there is no such object; else a `PreconditionFailedError`. */
  ifNoneMatch?: string;
}

/**
 * A lazy handle on an S3 object, or on a part of it. Made by `file()`; making one does no I/O.
 *
 * @example
 * ```ts
 * import { LocalS3 } from "dipper";
 * await using s3 = await LocalS3.start();
 * const client = s3.client();
 * await client.createBucket("example");
 * const f = client.file("s3://example/hello.txt");
 * await f.write("hello");
 * console.log(await f.text()); // hello
 * ```
 */
export class S3File extends ObjectFile {
  readonly #connection: Connection;
  readonly #location: Location & { scheme: "s3" };

  /** @internal */
  constructor(at: ObjectAt, slices: readonly Slice[] = []) {
    super(at, slices);
    this.#connection = at.connection;
    this.#location = at.location as Location & { scheme: "s3" };
  }

  /** The bucket's name. */
  get bucket(): string {
    return this.#location.bucket;
  }

  /** The object's key, as it stands. */
  get key(): string {
    return this.#location.key;
  }

  /** A version of the object; the newest when undefined. */
  get versionId(): string | undefined {
    return objectAt(this).versionId;
  }

  /** A part of it, lazily, as {@linkcode ObjectFile.slice} says. */
  override slice(start?: number, end?: number): S3File {
    return new S3File(objectAt(this), slicedFurther(this, start, end));
  }

  /**
   * Writes the whole object in one request. A `RustBuffer` is sent from where it lies; what
   * JavaScript owns is copied once, and streams are collected first.
   *
   * @param data What to write.
   * @throws {InvalidInputError} For what cannot be written, and for a slice.
   * @throws {PreconditionFailedError} When `ifMatch` or `ifNoneMatch` does not hold.
   * @throws {DipperError} For whatever else the server or the connection reports.
   */
  async write(data: Writable, options: WriteOptions = {}): Promise<Stat> {
    this.#requireWhole("write");
    options = checkedCall(options, "write", this.uri);
    options.signal?.throwIfAborted();
    const metadata = checkedMetadata(options.metadata ?? {}, this.uri);
    // Before the body is read: one error names all that is missing.
    this.#connection.ensure({ operation: "write", uri: this.uri, bucket: this.bucket });
    const body = await bodyOf(data, this.uri, options.signal);
    try {
      const { payload } = await this.#run("write", options, (object) => ({
        operation: "put",
        object,
        ...defined({ buffer: body.handle }),
        write: {
          metadata,
          ...defined({
            contentType: options.contentType ?? body.contentType,
            contentEncoding: options.contentEncoding,
            cacheControl: options.cacheControl,
            ifMatch: options.ifMatch,
            ifNoneMatch: options.ifNoneMatch,
          }),
        },
        progress: false,
      }));
      return statOf(this.uri, (payload as WrittenMessage).stat);
    } finally {
      body.release();
    }
  }

  /**
   * Copies the object, or the version that this handle names, to another key or bucket of the same
   * server. The bytes do not pass this machine; media type and metadata go along. S3 copies at most
   * 5 GB in this way.
   *
   * @param destination Where to: an `s3://` URI, or a file of the same client.
   * @returns What the server tells about the copy.
   * @throws {InvalidInputError} For a slice, and for a file of another client.
   * @throws {NotFoundError} When the object does not exist.
   * @throws {DipperError} For whatever else the server or the connection reports.
   *
   * @example
   * ```ts
   * import { LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("example");
   * const f = client.file("s3://example/a");
   * await f.write("hello");
   * await f.copyTo("s3://example/b");
   * console.log(await client.file("s3://example/b").text()); // hello
   * ```
   */
  async copyTo(destination: string | URL | S3File, options: CallOptions = {}): Promise<Stat> {
    this.#requireWhole("copyTo");
    options = checkedCall(options, "copyTo", this.uri);
    const copy = this.#destination(destination);
    const { bucket, key } = copy;
    await this.#run("copyTo", options, (object) => ({ operation: "copy", object, bucket, key }));
    return await copy.stat(options);
  }

  #destination(destination: string | URL | S3File): S3File {
    if (!(destination instanceof S3File)) {
      const location = requireKey(parseLocation(destination, "copyTo"), "copyTo");
      return new S3File({
        connection: this.#connection,
        location: { scheme: "s3", ...location },
        uri: uriOf(location),
      } as ObjectAt);
    }
    destination.#requireWhole("copyTo");
    if (destination.#connection === this.#connection) return destination;
    throw invalidInput(
      "copyTo",
      `${destination.uri} belongs to another client than ${this.uri}`,
      "pass its URI, or write() what you read",
      this.uri,
    );
  }

  /**
   * Deletes the object, or the version that this handle names. That it does not exist is no error.
   *
   * @throws {DipperError} For whatever the server or the connection reports.
   */
  async delete(options: CallOptions = {}): Promise<void> {
    this.#requireWhole("delete");
    options = checkedCall(options, "delete", this.uri);
    await this.#run("delete", options, (object) => ({ operation: "delete", object }));
  }

  /**
   * Makes a URL with which anybody may do one thing to the object for a while, without credentials.
   * Nothing is sent, unless the credentials have to be fetched first; that the object exists is not
   * checked. The URL is a credential: whoever has it can use it until it ends.
   *
   * A URL made with temporary credentials ends with them. An `expiresIn` beyond that is refused.
   *
   * @returns The URL.
   * @throws {InvalidInputError} For options that cannot be meant, a time that S3 or the credentials
   * do not allow, an anonymous client, and a slice.
   * @throws {UnsupportedError} For a key that no URL can name: one with `.` or `..` in its path.
   * @throws {CredentialsError} When there are no credentials.
   *
   * @example
   * ```ts
   * import { LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("example");
   * const f = client.file("s3://example/hello.txt");
   * const put = await f.presign({ method: "PUT", contentType: "text/plain" });
   * await fetch(put, { method: "PUT", headers: { "content-type": "text/plain" }, body: "hello" });
   * const get = await f.presign({ expiresIn: 60 });
   * console.log(await (await fetch(get)).text()); // hello
   * ```
   */
  async presign(options: PresignOptions = {}): Promise<string> {
    this.#requireWhole("presign");
    const request = presignRequest(options, this.versionId, this.uri);
    const { bucket, key } = this.#location;
    const { payload } = await this.#connection.runHere(
      { operation: "presign", uri: this.uri, bucket },
      (client) => request({ client, bucket, key }),
      defined({ signal: options.signal ?? undefined }),
    );
    return payload as string;
  }

  #requireWhole(operation: string): void {
    if (slicesOf(this).length === 0) return;
    throw invalidInput(
      operation,
      `${operation}: this is a slice of ${this.uri}`,
      `${operation} the whole object`,
      this.uri,
    );
  }

  async #run(
    operation: string,
    options: CallOptions,
    request: (object: ObjectMessage) => Request,
  ): Promise<Completed> {
    const { bucket, key } = this.#location;
    const subject: Subject = { operation, uri: this.uri, bucket };
    return await this.#connection.run(
      subject,
      (client) => request({ client, bucket, key, ...defined({ versionId: this.versionId }) }),
      { signal: options.signal },
    );
  }
}

/** Metadata travels as HTTP headers. */
function checkedMetadata(metadata: Record<string, string>, uri: string): Record<string, string> {
  for (const [name, value] of Object.entries(metadata)) {
    const sound = /^[A-Za-z0-9!#$&'*+.^_`|~-]+$/.test(name) && typeof value === "string" &&
      /^[\x20-\x7e\t]*$/.test(value);
    if (!sound) {
      throw invalidInput(
        "write",
        `the metadata ${JSON.stringify(name)} cannot be an HTTP header`,
        "use letters, digits and hyphens in names and ASCII in values; encodeURIComponent() others",
        uri,
      );
    }
  }
  return { ...metadata };
}
