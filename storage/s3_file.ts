// An object on S3.

import type { Connection, Subject } from "../client/connection.ts";
import { defined } from "../client/connection.ts";
import { type Location, uriOf } from "../client/s3_uri.ts";
import { invalidInput, NotFoundError } from "../ffi/errors.ts";
import { mapAdopted } from "../ffi/memory.ts";
import type { Completed } from "../ffi/queue.ts";
import { type RustBuffer, wrapBuffer } from "../ffi/rust_buffer.ts";
import type {
  BufferHandle,
  ObjectMessage,
  ReadMessage,
  Request,
  SpanMessage,
  StatMessage,
} from "../ffi/symbols.ts";
import { JUPYTER_DISPLAY, type MediaBundle } from "../jupyter/media_bundle.ts";
import { describeFile, type FileLike, showFile } from "../jupyter/show_file.ts";
import { bodyOf, type Writable } from "./body.ts";
import { checkedCall } from "./call_options.ts";
import { checkedSlice, rangeIn, type Slice, spanOf } from "./byte_range.ts";
import { takeTarget } from "./into_target.ts";
import type {
  CallOptions,
  FileOptions,
  ObjectFile,
  ReadOptions,
  WriteOptions,
} from "./object_file.ts";
import { shownBytes } from "./shown_bytes.ts";
import { type Stat, statOf } from "./stat.ts";
import { decodeText, LONGEST_STRING } from "./text.ts";

/** A read's options, once a slice is resolved to a span. */
type Limit = { bytes: number; hint: string } | undefined;

const PREVIEW_BYTES = 64 * 1024;
const PREVIEW_PATIENCE = 3000;

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
export class S3File implements ObjectFile {
  readonly #connection: Connection;
  readonly #location: Location;
  readonly #versionId: string | undefined;
  readonly #slices: readonly Slice[];

  /** @internal */
  constructor(
    connection: Connection,
    location: Location,
    options: FileOptions = {},
    slices: readonly Slice[] = [],
  ) {
    this.#connection = connection;
    this.#location = location;
    this.#versionId = options.versionId;
    this.#slices = slices;
  }

  /** The object's URI. */
  get uri(): string {
    return uriOf(this.#location);
  }

  /** The bucket's name. */
  get bucket(): string {
    return this.#location.bucket;
  }

  /** The object's key, as it stands. */
  get key(): string {
    return this.#location.key;
  }

  /** What stands behind the last slash of the key. */
  get name(): string {
    return this.#location.key.replace(/\/+$/, "").split("/").at(-1) ?? "";
  }

  /** A version of the object; the newest when undefined. */
  get versionId(): string | undefined {
    return this.#versionId;
  }

  /**
   * Reads the bytes into memory that Rust fills and the collector frees. Nothing is copied.
   *
   * @throws {NotFoundError} When the object or bucket does not exist.
   * @throws {BudgetExceededError} When it does not fit the memory budget.
   * @throws {DipperError} For whatever else the server or the connection reports.
   *
   * @example
   * ```ts
   * import { LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("example");
   * await client.file("s3://example/data").write(new Uint8Array([1, 2, 3]));
   * console.log(await client.file("s3://example/data").bytes()); // Uint8Array(3) [ 1, 2, 3 ]
   * ```
   */
  async bytes(options: ReadOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    return shownBytes(new Uint8Array(await this.#adopted("bytes", options)));
  }

  /** Reads the bytes as an `ArrayBuffer`, as {@linkcode S3File.bytes} does. */
  async arrayBuffer(options: ReadOptions = {}): Promise<ArrayBuffer> {
    return await this.#adopted("arrayBuffer", options);
  }

  /**
   * Reads the bytes into a {@linkcode RustBuffer}: memory that `using` or `dispose()` frees.
   *
   * @throws {DipperError} As {@linkcode S3File.bytes}.
   *
   * @example
   * ```ts
   * import { LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("example");
   * await client.file("s3://example/data").write(new Uint8Array([1, 2, 3]));
   * using buffer = await client.file("s3://example/data").buffer();
   * console.log(buffer.view()); // Uint8Array(3) [ 1, 2, 3 ]
   * ```
   */
  async buffer(options: ReadOptions = {}): Promise<RustBuffer> {
    return wrapBuffer((await this.#read("buffer", options)).value as BufferHandle);
  }

  /**
   * Reads the bytes into memory that JavaScript owns. As in a BYOB read the target is detached and
   * comes back as a new `Uint8Array`, as long as the object. When the read fails, the error's
   * `target` hands the memory back. (A signal's reason has room for one: when one signal ends
   * several reads, it is the last one's.)
   *
   * @throws {InvalidInputError} When the target is too short, detached, shared or read-only.
   * @throws {DipperError} As {@linkcode S3File.bytes}.
   *
   * @example
   * ```ts
   * import { LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("example");
   * const f = client.file("s3://example/data");
   * await f.write(new Uint8Array([1, 2, 3]));
   * let memory = new Uint8Array(1024);
   * memory = await f.into(memory);
   * console.log(memory); // Uint8Array(3) [ 1, 2, 3 ]
   * ```
   */
  async into(
    target: Uint8Array<ArrayBuffer>,
    options: ReadOptions = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    options = checkedCall(options, "into", this.uri);
    const taken = takeTarget(target, this.uri);
    try {
      const { extent } = await this.#read("into", options, undefined, taken.memory);
      return taken.filled(extent);
    } catch (reason) {
      throw taken.failed(reason);
    }
  }

  /**
   * Reads text: UTF-8, decompressed where it is gzip or deflate.
   *
   * @throws {InvalidInputError} When V8 cannot hold the text as one string; nothing is downloaded.
   * @throws {DipperError} As {@linkcode S3File.bytes}.
   */
  async text(options: ReadOptions = {}): Promise<string> {
    return await this.#text("text", options);
  }

  /**
   * Reads JSON, as {@linkcode S3File.text} reads text.
   *
   * @throws {InvalidInputError} When it is not JSON.
   */
  async json<T = unknown>(options: ReadOptions = {}): Promise<T> {
    const text = await this.#text("json", options);
    try {
      return JSON.parse(text) as T;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw invalidInput("json", `${this.uri} is not JSON: ${why}`, "read its text()", this.uri);
    }
  }

  /** Reads the bytes as a `Blob` of the object's media type. A `Blob` copies what it is made of. */
  async blob(options: ReadOptions = {}): Promise<Blob> {
    const { memory, stat } = await this.#mapped("blob", options);
    const blob = new Blob(
      [memory],
      stat.contentType === undefined ? {} : { type: stat.contentType },
    );
    if (!memory.detached) memory.transfer(0);
    return blob;
  }

  /**
   * A part of it, lazily: no request is sent. Offsets are bytes and clamped to the object;
   * negative ones count from the end, as in `Blob`.
   *
   * @throws {InvalidInputError} For offsets that are no whole numbers.
   *
   * @example
   * ```ts
   * import { LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("example");
   * const f = client.file("s3://example/hello.txt");
   * await f.write("hello");
   * console.log(await f.slice(1, 3).text(), await f.slice(-2).text()); // el lo
   * ```
   */
  slice(start?: number, end?: number): S3File {
    const slice = checkedSlice(start ?? 0, end, this.uri);
    return new S3File(this.#connection, this.#location, defined({ versionId: this.#versionId }), [
      ...this.#slices,
      slice,
    ]);
  }

  /**
   * Asks for the object's properties, without its body. Of a slice: those of the whole object.
   *
   * @throws {NotFoundError} When it does not exist.
   * @throws {DipperError} For whatever else the server or the connection reports.
   */
  async stat(options: CallOptions = {}): Promise<Stat> {
    options = checkedCall(options, "stat", this.uri);
    const { payload } = await this.#run("stat", options, ({ client, ...object }) => ({
      operation: "stat",
      client,
      source: { scheme: "s3", ...object },
    }));
    return statOf(this.uri, payload as StatMessage);
  }

  /**
   * Whether the object exists: false only when the server says that it does not.
   *
   * @throws {AccessDeniedError} When the server does not want to tell.
   */
  async exists(options: CallOptions = {}): Promise<boolean> {
    try {
      await this.stat(options);
      return true;
    } catch (error) {
      if (error instanceof NotFoundError) return false;
      throw error;
    }
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
        metadata,
        ...defined({
          buffer: body.handle,
          contentType: options.contentType ?? body.contentType,
          contentEncoding: options.contentEncoding,
          cacheControl: options.cacheControl,
          ifMatch: options.ifMatch,
          ifNoneMatch: options.ifNoneMatch,
        }),
      }));
      return statOf(this.uri, payload as StatMessage);
    } finally {
      body.release();
    }
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

  /** Shows the object in a notebook: its properties and the head of its content. */
  async [JUPYTER_DISPLAY](): Promise<MediaBundle> {
    return showFile(await this.#shown());
  }

  /** Shows the handle in a terminal, without I/O. */
  [Symbol.for("Deno.customInspect")](): string {
    return describeFile({ uri: this.uri, name: this.name });
  }

  async #shown(): Promise<FileLike> {
    const { uri, name } = this;
    const signal = AbortSignal.timeout(PREVIEW_PATIENCE);
    try {
      const { memory, stat } = await this.#head(signal);
      return { uri, name, stat, preview: new Uint8Array(memory) };
    } catch (error) {
      const note = error instanceof Error ? error.message : String(error);
      return { uri, name, note };
    }
  }

  async #head(signal: AbortSignal): Promise<{ memory: ArrayBuffer; stat: StatLike }> {
    const { memory, stat } = await this.slice(0, PREVIEW_BYTES).#mapped("display", { signal });
    // An empty slice was not asked for; the object's own properties are.
    return { memory, stat: statOf(this.uri, stat) };
  }

  #requireWhole(operation: string): void {
    if (this.#slices.length === 0) return;
    throw invalidInput(
      operation,
      `${operation}: this is a slice of ${this.uri}`,
      `${operation} the whole object`,
      this.uri,
    );
  }

  async #text(operation: string, options: ReadOptions): Promise<string> {
    const limit = {
      bytes: LONGEST_STRING,
      hint: "V8 holds no longer string; read it as bytes(), or in parts with slice()",
    };
    const { memory, stat } = await this.#mapped(operation, options, limit);
    try {
      const { contentEncoding } = stat;
      return await decodeText(new Uint8Array(memory), {
        uri: this.uri,
        contentEncoding,
        operation,
      });
    } finally {
      // Nobody else has seen the memory: it is free at once.
      if (!memory.detached) memory.transfer(0);
    }
  }

  async #adopted(operation: string, options: ReadOptions): Promise<ArrayBuffer> {
    return (await this.#mapped(operation, options)).memory;
  }

  async #mapped(
    operation: string,
    options: ReadOptions,
    limit?: Limit,
  ): Promise<{ memory: ArrayBuffer; stat: StatMessage }> {
    const { value, payload } = await this.#read(operation, options, limit);
    const { stat } = payload as ReadMessage;
    return { memory: mapAdopted(value as BufferHandle), stat };
  }

  async #read(
    operation: string,
    options: ReadOptions,
    limit?: Limit,
    target?: Uint8Array<ArrayBuffer>,
  ): Promise<Completed> {
    options = checkedCall(options, operation, this.uri);
    const { span, ifMatch } = await this.#span(options);
    const request = ({ client, ...object }: ObjectMessage): Request => ({
      operation: "get",
      client,
      source: { scheme: "s3", ...object },
      span,
      progress: options.onProgress !== undefined,
      ...defined({ ifMatch, limit }),
    });
    return await this.#run(operation, options, request, target);
  }

  /** What to ask for. Only slices that mix both ends need the size first, and then that version. */
  async #span(options: ReadOptions): Promise<{ span: SpanMessage; ifMatch: string | undefined }> {
    const span = spanOf(this.#slices);
    if (span !== undefined) return { span, ifMatch: options.ifMatch };
    const { size, etag } = await this.stat(options);
    return {
      span: { kind: "range", ...rangeIn(this.#slices, size) },
      ifMatch: options.ifMatch ?? etag,
    };
  }

  async #run(
    operation: string,
    options: ReadOptions,
    request: (object: ObjectMessage) => Request,
    target?: Uint8Array<ArrayBuffer>,
  ): Promise<Completed> {
    const { bucket, key } = this.#location;
    const subject: Subject = { operation, uri: this.uri, bucket };
    return await this.#connection.run(
      subject,
      (client) => request({ client, bucket, key, ...defined({ versionId: this.#versionId }) }),
      { signal: options.signal, onProgress: options.onProgress, target },
    );
  }
}

type StatLike = NonNullable<FileLike["stat"]>;

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
