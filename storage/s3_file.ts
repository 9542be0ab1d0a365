// An object on S3.

import { type Connection, defined, type Subject } from "../client/connection.ts";
import type { Location } from "../client/location.ts";
import { invalidInput } from "../ffi/errors.ts";
import type { Completed } from "../ffi/queue.ts";
import type { ObjectMessage, Request } from "../ffi/symbols.ts";
import type { Writable } from "./body.ts";
import { checkedCall } from "./call_options.ts";
import { requireWhole, type Slice } from "./byte_range.ts";
import { destinationOf } from "./destination.ts";
import type { ObjectEntry } from "./entry.ts";
import { checkedTags } from "./object_tags.ts";
import { type ObjectAt, objectAt, ObjectFile, slicedFurther, slicesOf } from "./object_file.ts";
import type { PresignOptions } from "./presign.ts";
import type { CallOptions } from "./read_options.ts";
import { versionsOf } from "./s3_versions.ts";
import { objectWriter, targetOf, writeObject, type WriteTarget } from "./s3_write.ts";
import type { Stat } from "./stat.ts";
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
   * Copies the object, or the version that this handle names, to another place.
   *
   * To another key or bucket of the same client the server copies: the bytes do not pass this
   * machine. Up to 5 GB it is one request, above that parts are copied beside each other. Media
   * type, cache headers, metadata, tags and storage class go along; each that the options name
   * replaces the source's, metadata and tags as a whole. To another client or a path the bytes are
   * streamed, in bounded memory. To another client the same goes along, except the storage class,
   * which is the destination's own, as access list, encryption and locks always are. Where the tags
   * may not be read the copy is refused, unless `tags` says which it gets; a server that has none
   * tells none, and a client without credentials does not ask.
   *
   * The copy is of one version, whatever happens to the source meanwhile, and the call resolves when
   * it has been compared with the source: by size, and by checksum where the server has both. What
   * cannot be finished is aborted. Onto itself an object is copied to change what it says of itself.
   *
   * @param destination Where to: an `s3://` URI, a path, or a file of any client.
   * @param options Of `partSize`: what is longer is copied in parts of so many bytes.
   * @returns What the server tells about the copy.
   * @throws {NotFoundError} When the object does not exist.
   * @throws {PreconditionFailedError} When the source changes meanwhile, or `ifMatch` or
   * `ifNoneMatch` does not hold for the destination.
   * @throws {InvalidInputError} For a copy onto itself that changes nothing.
   * @throws {DipperError} For whatever else the server or the connection reports.
   *
   * @example
   * ```ts
   * import { LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("example");
   * const f = client.file("s3://example/a");
   * await f.write("hello", { metadata: { author: "me" } });
   * await f.copyTo("s3://example/b");
   * await f.copyTo(f, { metadata: { author: "you" } }); // new metadata, same bytes
   * console.log((await client.file("s3://example/b").stat()).metadata); // { author: "me" }
   * console.log((await f.stat()).metadata); // { author: "you" }
   * ```
   */
  override async copyTo(
    destination: string | URL | ObjectFile,
    options: WriteOptions = {},
  ): Promise<Stat> {
    const to = destinationOf(this, destination, "copyTo");
    const { copyObject } = await import("./s3_copy.ts");
    return await copyObject(this, to, "copyTo", options);
  }

  /**
   * Moves the object: copies it as {@linkcode S3File.copyTo} does, and deletes it when the copy has
   * been compared with it and it has not changed since. When it cannot be deleted the copy stays,
   * and the call rejects.
   *
   * @param destination Where to: an `s3://` URI, a path, or a file of any client.
   * @returns What the server tells about the moved object.
   * @throws {InvalidInputError} For a slice, and when both are the same object.
   * @throws {PreconditionFailedError} When the source changes meanwhile; then it stays.
   * @throws {DipperError} As `copyTo` and `delete`.
   *
   * @example
   * ```ts
   * import { LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("example");
   * const f = client.file("s3://example/a");
   * await f.write("hello");
   * await f.moveTo("s3://example/b");
   * console.log(await f.exists()); // false
   * ```
   */
  override async moveTo(
    destination: string | URL | ObjectFile,
    options: WriteOptions = {},
  ): Promise<Stat> {
    this.#requireWhole("moveTo");
    const to = destinationOf(this, destination, "moveTo");
    const { copyObject } = await import("./s3_copy.ts");
    return await copyObject(this, to, "moveTo", options);
  }

  /**
   * The versions of the object, the newest first, with the markers of its deletion. Each `for await`
   * lists anew; leaving the loop ends the listing. In a bucket that keeps no versions there is one,
   * named `"null"`; an object that never was has none.
   *
   * An entry is on its version: `client.file(entry)` reads it, its `delete()` removes it for good,
   * and `restore(entry.versionId)` brings it back.
   *
   * @throws {InvalidInputError} For options that cannot be meant.
   *
   * @example
   * ```ts
   * import { LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("example", { versioning: true });
   * const f = client.file("s3://example/a");
   * await f.write("old");
   * await f.write("newer");
   * for await (const { size, isLatest } of f.versions()) console.log(size, isLatest);
   * // 5 true, 3 false
   * ```
   */
  override versions(options: CallOptions = {}): AsyncIterable<ObjectEntry> {
    this.#requireWhole("versions");
    return versionsOf(objectAt(this), options);
  }

  /**
   * Makes an earlier version the newest one, by copying it over what is there. No version is lost.
   *
   * @param versionId As `versions()` tells it.
   * @returns What the server tells about the new version.
   * @throws {NotFoundError} When there is no such version.
   * @throws {InvalidInputError} When it is a delete marker, which has no bytes.
   * @throws {DipperError} As `copyTo`.
   *
   * @example
   * ```ts
   * import { LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("example", { versioning: true });
   * const f = client.file("s3://example/a");
   * const { versionId } = await f.write("good");
   * await f.write("bad");
   * await f.restore(versionId!);
   * console.log(await f.text()); // good
   * ```
   */
  override async restore(versionId: string, options: WriteOptions = {}): Promise<Stat> {
    this.#requireWhole("restore");
    if (typeof versionId !== "string" || versionId === "") {
      throw invalidInput(
        "restore",
        "versionId is not the id of a version",
        "pass one that versions() tells",
        this.uri,
      );
    }
    checkedCall({ versionId }, "restore", this.uri);
    const at = objectAt(this);
    const version = new S3File({ ...at, versionId });
    const { copyObject } = await import("./s3_copy.ts");
    return await copyObject(
      version,
      new S3File({ ...at, versionId: undefined }),
      "restore",
      options,
    );
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
    options = checkedCall(options, "delete", this.uri, []);
    await this.#run("delete", options, (object) => ({ operation: "delete", object }));
  }

  /**
   * The object's tags, or those of the version that this handle names.
   *
   * @param set Replaces all tags; `{}` removes them. At most 10, names of up to 128 characters and
   * values of up to 256, of letters, digits, spaces and `_.:/=+-@`.
   * @returns The tags, as they are then.
   * @throws {InvalidInputError} For tags that S3 does not take; nothing is sent.
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
   * await f.tags({ project: "dipper" });
   * console.log(await f.tags()); // { project: "dipper" }
   * ```
   */
  override async tags(set?: Record<string, string>, options: CallOptions = {}): Promise<
    Record<string, string>
  > {
    options = checkedCall(options, "tags", this.uri, []);
    if (set === undefined || set === null) {
      const { payload } = await this.#run("tags", options, (object) => ({
        operation: "tags",
        object,
      }));
      return payload as Record<string, string>;
    }
    const tags = checkedTags(set, "tags", this.uri);
    await this.#run("tags", options, (object) => ({ operation: "replaceTags", object, tags }));
    return tags;
  }

  /**
   * Makes a URL with which anybody may do one thing to the object for a while, without credentials.
   * Nothing is sent, unless the credentials have to be fetched first; that the object exists is not
   * checked. The URL is a credential: whoever has it can use it until it ends.
   *
   * What a URL for PUT says of the object has to be sent in headers with the same values. A handle
   * with a `customerKey` gives a URL that holds no key: it works for who sends the three headers
   * `x-amz-server-side-encryption-customer-algorithm`, `-key` and `-key-MD5`.
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
  override async presign(options: PresignOptions = {}): Promise<string> {
    this.#requireWhole("presign");
    const { presignRequest } = await import("./presign.ts");
    const request = presignRequest(options, objectAt(this));
    const { bucket, key } = this.#location;
    const { payload } = await this.#connection.runHere(
      { operation: "presign", uri: this.uri, bucket },
      (client) => request({ client, bucket, key }),
      defined({ signal: options.signal ?? undefined }),
    );
    return payload as string;
  }

  #requireWhole(operation: string): void {
    const { uri } = this;
    requireWhole(slicesOf(this), { operation, uri }, `${operation} the whole object`);
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
