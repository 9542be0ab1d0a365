// An object on S3.

import { type Connection, defined, type Subject } from "../client/connection.ts";
import type { Location } from "../client/location.ts";
import { invalidInput } from "../ffi/errors.ts";
import type { Completed } from "../ffi/queue.ts";
import type { ObjectMessage, Request } from "../ffi/symbols.ts";
import type { Writable } from "./body.ts";
import { checkedCall } from "./call_options.ts";
import type { Slice } from "./byte_range.ts";
import { destinationOf } from "./destination.ts";
import { type ObjectAt, objectAt, ObjectFile, slicedFurther, slicesOf } from "./object_file.ts";
import { type PresignOptions, presignRequest } from "./presign.ts";
import type { CallOptions } from "./read_options.ts";
import { objectWriter, targetOf, writeObject, type WriteTarget } from "./s3_write.ts";
import type { Stat } from "./stat.ts";
import { streamedCopy } from "./stream_copy.ts";
import type { WriteOptions } from "./write_options.ts";

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
   * Writes the whole object: what is short in one request, what is long in parts that are sent
   * beside each other. A `RustBuffer` is sent from where it lies. What JavaScript owns is copied
   * once, piece by piece, into memory that is used again: a stream of any length takes no more than
   * a few parts. The server verifies a checksum. What fails is tried again, and what cannot be
   * finished is aborted: no part of it stays.
   *
   * Up to 8 MiB that JavaScript owns are copied before the call returns. Leave what is longer as it
   * is until the promise settles.
   *
   * @param data What to write.
   * @returns What is known of the object now; `metricsOf` of it tells what it took.
   * @throws {InvalidInputError} For what cannot be written, for options that S3 would refuse, and
   * for a slice or a version. Nothing is sent then.
   * @throws {PreconditionFailedError} When `ifMatch` or `ifNoneMatch` does not hold.
   * @throws {DipperError} For whatever else the server or the connection reports.
   *
   * @example
   * ```ts
   * import { LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("example");
   * const f = client.file("s3://example/report.csv");
   * const stat = await f.write("a,b\n1,2\n", { metadata: { author: "me" } });
   * console.log(stat.size, (await f.stat()).contentType); // 8 text/csv; charset=utf-8
   * ```
   */
  override async write(data: Writable, options: WriteOptions = {}): Promise<Stat> {
    return await writeObject(this.#target("write"), data, options);
  }

  /**
   * A stream that writes the whole object, in parts as they fill. The object is there when `close()`
   * has settled; `abort()`, a failure, and forgetting the stream leave nothing of it.
   *
   * @throws {InvalidInputError} For options that S3 would refuse, and for a slice or a version.
   * @throws {PermissionError} Naming every missing flag.
   *
   * @example
   * ```ts
   * import { LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("example");
   * const f = client.file("s3://example/lines.txt");
   * const writer = f.writer({ contentType: "text/plain" }).getWriter();
   * await writer.write(new TextEncoder().encode("one\n"));
   * await writer.write(new TextEncoder().encode("two\n"));
   * await writer.close();
   * console.log(await f.text()); // one two, a line each
   * ```
   */
  override writer(options: WriteOptions = {}): WritableStream<Uint8Array> {
    return objectWriter(this.#target("writer"), options);
  }

  /**
   * Copies the object, or the version that this handle names, to another place. To another key or
   * bucket of the same client the bytes do not pass this machine; S3 copies at most 5 GB in this
   * way. Elsewhere, and where options are given, it is copied by streaming. Media type and metadata
   * go along.
   *
   * @param destination Where to: an `s3://` URI, a path, or a file of any client.
   * @returns What is known of the copy.
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
  override async copyTo(
    destination: string | URL | ObjectFile,
    options: WriteOptions = {},
  ): Promise<Stat> {
    const to = destinationOf(this, destination, "copyTo");
    return await this.#copied(to, "copyTo", options);
  }

  /**
   * Moves the object: copies it as {@linkcode S3File.copyTo} does, and deletes it when the copy is
   * there. When it cannot be deleted the copy stays, and the call rejects.
   *
   * @param destination Where to: an `s3://` URI, a path, or a file of any client.
   * @returns What is known of the moved object.
   * @throws {InvalidInputError} For a slice, and when both are the same object.
   * @throws {DipperError} As `copyTo` and `delete`.
   */
  override async moveTo(
    destination: string | URL | ObjectFile,
    options: WriteOptions = {},
  ): Promise<Stat> {
    this.#requireWhole("moveTo");
    const to = destinationOf(this, destination, "moveTo");
    if (to instanceof S3File && to.bucket === this.bucket && to.key === this.key) {
      throw invalidInput("moveTo", `${this.uri} is there already`, "name another place", this.uri);
    }
    const stat = await this.#copied(to, "moveTo", options);
    await this.delete(defined({ signal: options.signal }));
    return stat;
  }

  async #copied(to: ObjectFile, operation: string, options: WriteOptions): Promise<Stat> {
    const here = to instanceof S3File && to.#connection === this.#connection;
    const plain = Object.keys(options).every((name) => name === "signal");
    if (!here || !plain || slicesOf(this).length > 0) {
      return await streamedCopy(this, to, operation, options);
    }
    options = checkedCall(options, operation, this.uri);
    const { bucket, key } = to;
    await this.#run(operation, options, (object) => ({ operation: "copy", object, bucket, key }));
    return await to.stat(defined({ signal: options.signal }));
  }

  #target(operation: string): WriteTarget {
    this.#requireWhole(operation);
    if (this.versionId === undefined) return targetOf(this);
    const { uri } = this;
    throw invalidInput(
      operation,
      `this is the version ${this.versionId} of ${uri}, and versions do not change`,
      "write the object without versionId: that makes a new version",
      uri,
    );
  }

  /**
   * Deletes the object, or the version that this handle names. That it does not exist is no error.
   *
   * @throws {DipperError} For whatever the server or the connection reports.
   */
  override async delete(options: CallOptions = {}): Promise<void> {
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
    const { versionId, customerKey } = objectAt(this);
    const subject: Subject = { operation, uri: this.uri, bucket };
    return await this.#connection.run(
      subject,
      (client) => request({ client, bucket, key, ...defined({ versionId, customerKey }) }),
      { signal: options.signal },
    );
  }
}
