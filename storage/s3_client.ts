// The public client: one configuration, and everything that can be done with it.

import { Connection, type Subject } from "../client/connection.ts";
import { checkOptions, type S3ClientOptions } from "../client/options.ts";
import {
  checkBucket,
  checkLocation,
  type Location,
  parseLocation,
  requireKey,
  uriOf,
} from "../client/s3_uri.ts";
import { invalidInput } from "../ffi/errors.ts";
import type { RustBuffer } from "../ffi/rust_buffer.ts";
import type { BucketMessage, ClientHandle, Request } from "../ffi/symbols.ts";
import { type Bucket, bucketsOf } from "./bucket.ts";
import { checkedCall } from "./call_options.ts";
import { Listing, type ListOptions } from "./listing.ts";
import type { CallOptions, FileOptions, ReadOptions, Source } from "./object_file.ts";
import { S3File } from "./s3_file.ts";

/** An object named by its parts: takes any key. */
export interface ObjectLocation {
  /** The bucket's name. */
  bucket: string;
  /** The key, as it stands. */
  key: string;
}

/**
 * A client for one configuration. Connections are pooled inside; disposing the client ends its
 * operations and forgets its credentials.
 *
 * @example
 * ```ts
 * import { LocalS3 } from "dipper";
 * await using s3 = await LocalS3.start();
 * using client = new S3Client({ endpoint: s3.endpoint, credentials: s3.credentials });
 * await client.createBucket("example");
 * console.log((await client.buckets()).map((bucket) => bucket.name)); // [ "example" ]
 * ```
 */
export class S3Client implements Disposable {
  readonly #connection: Connection;

  /**
   * Checks the options. Nothing is loaded, read or sent before the first call.
   *
   * @throws {InvalidInputError} For an unknown option, or a value that cannot be meant.
   */
  constructor(options: S3ClientOptions = {}) {
    this.#connection = new Connection(checkOptions(options, "new S3Client"));
  }

  /**
   * A lazy handle on an object. No request is sent.
   *
   * @param at `s3://bucket/key`, a `URL`, a listed entry, another file, or bucket and key apart.
   * @throws {InvalidInputError} When it names no object.
   */
  file(at: Source | ObjectLocation, options: FileOptions = {}): S3File {
    return this.#file(at, options, "file");
  }

  /**
   * Reads a whole object into memory that Rust owns.
   *
   * @throws {NotFoundError} When the object or bucket does not exist.
   * @throws {DipperError} For whatever else the server or the connection reports.
   *
   * @example
   * ```ts
   * import { LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("bucket");
   * await client.file("s3://bucket/test").write(new Uint8Array([1, 2, 3, 4]));
   * using buffer = await client.get("s3://bucket/test");
   * console.log(buffer.view().length); // 4
   * ```
   */
  async get(
    source: Source | ObjectLocation,
    options: ReadOptions & FileOptions = {},
  ): Promise<RustBuffer> {
    return await this.#file(source, options, "get").buffer(options);
  }

  /**
   * Lists what is below a prefix. No request is sent before the listing is read.
   *
   * @param prefix `s3://bucket/` or `s3://bucket/prefix`.
   * @throws {InvalidInputError} When it names no bucket.
   */
  list(prefix: string | URL | ObjectLocation, options: ListOptions = {}): Listing {
    return new Listing(this.#connection, locationOf(prefix, "list"), options);
  }

  /**
   * Makes a bucket, in the client's region.
   *
   * @throws {InvalidInputError} When the name is taken or breaks S3's rules.
   * @throws {DipperError} For whatever else the server or the connection reports.
   */
  async createBucket(name: string, options: CallOptions = {}): Promise<void> {
    await this.#onBucket("createBucket", name, options);
  }

  /**
   * Removes an empty bucket.
   *
   * @throws {InvalidInputError} When it still holds objects.
   * @throws {DipperError} For whatever else the server or the connection reports.
   */
  async deleteBucket(name: string, options: CallOptions = {}): Promise<void> {
    await this.#onBucket("deleteBucket", name, options);
  }

  /**
   * The caller's buckets.
   *
   * @throws {DipperError} For whatever the server or the connection reports.
   */
  async buckets(options: CallOptions = {}): Promise<Bucket[]> {
    options = checkedCall(options, "buckets");
    const { payload } = await this.#connection.run(
      { operation: "buckets" },
      (client) => ({ operation: "buckets", client }),
      { signal: options.signal },
    );
    return bucketsOf(payload as BucketMessage[]);
  }

  /** Ends the client's operations and forgets its credentials. Twice is harmless. */
  dispose(): void {
    this.#connection.close();
  }

  /** Disposes the client at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Shows where the client goes, and never with what credentials. */
  [Symbol.for("Deno.customInspect")](): string {
    return `S3Client { ${this.#connection.place} }`;
  }

  #file(at: Source | ObjectLocation, options: FileOptions, operation: string): S3File {
    const location = requireKey(locationOf(at, operation), operation);
    options = checkedCall(options, operation, uriOf(location));
    const versionId = options.versionId ?? (at instanceof S3File ? at.versionId : undefined);
    return new S3File(this.#connection, location, versionId === undefined ? {} : { versionId });
  }

  async #onBucket(
    operation: "createBucket" | "deleteBucket",
    bucket: string,
    options: CallOptions,
  ): Promise<void> {
    checkBucket(bucket, operation);
    options = checkedCall(options, operation);
    const subject: Subject = { operation, bucket, uri: `s3://${bucket}/` };
    const request = (client: ClientHandle): Request => ({ operation, client, bucket });
    await this.#connection.run(subject, request, { signal: options.signal });
  }
}

/** The location that anything names. */
function locationOf(source: Source | ObjectLocation, operation: string): Location {
  if (typeof source === "string" || source instanceof URL) return parseLocation(source, operation);
  if (typeof source === "object" && source !== null) {
    if ("bucket" in source && "key" in source) return checkLocation(source, operation);
    if ("uri" in source && typeof source.uri === "string") {
      return parseLocation(source.uri, operation);
    }
  }
  throw invalidInput(
    operation,
    `${source === null ? "null" : typeof source} names no object`,
    "pass s3://bucket/key, a URL, an entry of a listing, a file, or { bucket, key }",
  );
}
