// The lazy handle on an object: what users hold. What S3 objects, local files and web addresses
// share is here; each kind adds its own.

import type { Connection, Reached, ReadSubject } from "../client/connection.ts";
import { defined } from "../client/connection.ts";
import { type Location, nameOf, shownLocation } from "../client/location.ts";
import { watchedSmall, watching } from "../client/watched.ts";
import { invalidInput, NotFoundError, UnsupportedError } from "../ffi/errors.ts";
import { mapAdopted } from "../ffi/memory.ts";
import { type Metrics, metricsFrom, rememberMetrics } from "../ffi/metrics.ts";
import type { Completed, Progress } from "../ffi/queue.ts";
import { type RustBuffer, wrapBuffer } from "../ffi/rust_buffer.ts";
import { shownBytes, shownInNotebook } from "../ffi/shown_bytes.ts";
import type {
  BufferHandle,
  ReadMessage,
  Request,
  SpanMessage,
  StatMessage,
} from "../ffi/symbols.ts";
import { shownAsHandle } from "../jupyter/handles.ts";
import { JUPYTER_DISPLAY, type MediaBundle } from "../jupyter/media_bundle.ts";
import { describeAddress } from "../jupyter/stat_facts.ts";
import type { ByteBatch } from "../bridges/byte_batch.ts";
import { checkedFrames, checkedLines } from "../bridges/checked_lines.ts";
import type { FramesOptions, LinesOptions } from "../bridges/line_options.ts";
import { framesOf, type LineOf, linesOf } from "../bridges/lines.ts";
import type { Table } from "../table/flechette.ts";
import type { ArrayOptions, FileArray } from "../table/file_array.ts";
import { ARRAY_OPTIONS, TABLE_OPTIONS, type TableOptions } from "../table/table_options.ts";
import type { Writable } from "./body.ts";
import { checkedSlice, rangeIn, requireWhole, type Slice, spanOf } from "./byte_range.ts";
import { byteStream } from "./byte_stream.ts";
import { stoppable } from "../ffi/stop.ts";
import { checkedCall, checkedLater } from "./call_options.ts";
import { checkedAlgorithm, type ChecksumAlgorithm } from "./checksum.ts";
import type { ObjectEntry } from "./entry.ts";
import { takeTarget } from "./into_target.ts";
import { objectOrigin, type Part } from "./line_source.ts";
import type { PresignOptions } from "./presign.ts";
import { READ_OPTIONS } from "./option_names.ts";
import type { CallOptions, ReadOptions } from "./read_options.ts";
import { type Stat, statOf } from "./stat.ts";
import { LONGEST_STRING } from "./longest_string.ts";
import type { WriteOptions } from "./write_options.ts";

/** What a handle is on. */
export interface ObjectAt {
  readonly connection: Connection;
  readonly location: Location;
  /** As the user wrote it. */
  readonly uri: string;
  readonly versionId?: string | undefined;
  /** The base64 of the key that the server encrypts and decrypts it with. */
  readonly customerKey?: string | undefined;
  /** Maps a local file instead of reading it. */
  readonly map?: boolean | undefined;
  /** A handle of the same client on something else. */
  open(at: string | URL | ObjectFile, operation: string): ObjectFile;
}

/** What a handle is on; for the rooms' own use. */
export let objectAt: (file: ObjectFile) => ObjectAt;
/** Which part of the object a handle is on: slices of slices. */
export let slicesOf: (file: ObjectFile) => readonly Slice[];

/** Bytes that were read, in memory that nobody else holds yet. */
interface Read {
  memory: ArrayBuffer;
  stat: StatMessage;
  metrics: Metrics;
}

/** Refuses longer bodies before they are downloaded. */
type Limit = { bytes: number; hint: string } | undefined;

/**
 * A lazy handle on an object, or on a part of it: an {@linkcode S3File}, a {@linkcode LocalFile}
 * or an {@linkcode HttpFile}. Made by `file()`; making one does no I/O.
 *
 * @example
 * ```ts
 * import { LocalS3 } from "dipper";
 * await using s3 = await LocalS3.start();
 * const client = s3.client();
 * await client.createBucket("example");
 * await client.file("s3://example/hello.txt").write("hello");
 * const f: ObjectFile = client.file("s3://example/hello.txt");
 * console.log(await f.text()); // hello
 * ```
 */
export abstract class ObjectFile {
  static {
    objectAt = (file) => file.#at;
    slicesOf = (file) => file.#slices;
  }

  readonly #at: ObjectAt;
  readonly #slices: readonly Slice[];

  /** @internal */
  constructor(at: ObjectAt, slices: readonly Slice[] = []) {
    this.#at = at;
    this.#slices = slices;
  }

  /** The object's URI, as it was given. */
  get uri(): string {
    return this.#at.uri;
  }

  /** What stands behind the last slash. */
  get name(): string {
    return nameOf(this.#at.location);
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
    const { memory, metrics } = await this.#mapped("bytes", options);
    return rememberMetrics(shownBytes(new Uint8Array(memory)), metrics);
  }

  /** Reads the bytes as an `ArrayBuffer`, as {@linkcode ObjectFile.bytes} does. */
  async arrayBuffer(options: ReadOptions = {}): Promise<ArrayBuffer> {
    const { memory, metrics } = await this.#mapped("arrayBuffer", options);
    return rememberMetrics(shownInNotebook(memory), metrics);
  }

  /**
   * Reads the bytes into a {@linkcode RustBuffer}: memory that `using` or `dispose()` frees.
   *
   * @throws {DipperError} As {@linkcode ObjectFile.bytes}.
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
    const { value, payload } = await this.#read("buffer", options);
    const { metrics } = payload as ReadMessage;
    return rememberMetrics(wrapBuffer(value as BufferHandle), metricsFrom(metrics));
  }

  /**
   * Reads the bytes into memory that JavaScript owns. As in a BYOB read the target is detached and
   * comes back as a new `Uint8Array`, as long as the object. When the read fails, the error's
   * `target` hands the memory back. (A signal's reason has room for one: when one signal ends
   * several reads, it is the last one's.)
   *
   * @throws {InvalidInputError} When the target is too short, detached, shared or read-only.
   * @throws {DipperError} As {@linkcode ObjectFile.bytes}.
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
    options = checkedCall(options, "into", this.#shown, READ_OPTIONS);
    const taken = takeTarget(target, this.#shown);
    try {
      const { extent, payload } = await this.#read("into", options, undefined, taken.memory);
      const { metrics } = payload as ReadMessage;
      return rememberMetrics(shownBytes(taken.filled(extent)), metricsFrom(metrics));
    } catch (reason) {
      throw taken.failed(reason);
    }
  }

  /**
   * Reads text: UTF-8, decompressed where it is gzip, deflate, zstd, bzip2 or xz.
   *
   * @throws {InvalidInputError} When V8 cannot hold the text as one string, naming `lines`; nothing is
   * downloaded, unless only the decompressed text is too long.
   * @throws {IntegrityError} For compressed data that are damaged or cut short.
   * @throws {DipperError} As {@linkcode ObjectFile.bytes}.
   */
  async text(options: ReadOptions = {}): Promise<string> {
    return await this.#text("text", options);
  }

  /**
   * Reads JSON, as {@linkcode ObjectFile.text} reads text.
   *
   * @throws {InvalidInputError} When it is not JSON.
   */
  async json<T = unknown>(options: ReadOptions = {}): Promise<T> {
    const text = await this.#text("json", options);
    try {
      return JSON.parse(text) as T;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const uri = this.#shown;
      throw invalidInput("json", `${uri} is not JSON: ${why}`, "read its text()", uri);
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
   * Reads the bytes one after the other, in chunks of at most 1 MiB of JavaScript's own memory,
   * whatever the object's size. Some parts are read ahead of the reader, and no more: who reads
   * slowly slows the download down. It is a readable byte stream, so BYOB readers fill memory of
   * their own. Nothing is sent before the first chunk is asked for.
   *
   * The object is one version from the first byte to the last. Where a checksum is known, the
   * stream's end waits for it: a stream that ends without an error is verified, and
   * {@linkcode metricsOf} tells by what.
   *
   * Cancelling the stream, or leaving a loop over it, ends the download at once. The signal ends it
   * too: the stream then fails with the signal's reason. What a call of another method rejects with
   * is what the stream fails with.
   *
   * @example
   * ```ts
   * import { LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("example");
   * await client.file("s3://example/data").write(new Uint8Array(3_000_000));
   * let bytes = 0;
   * for await (const chunk of client.file("s3://example/data").stream()) bytes += chunk.length;
   * console.log(bytes); // 3000000
   * ```
   */
  stream(options: ReadOptions = {}): ReadableStream<Uint8Array<ArrayBuffer>> {
    options = checkedCall(options, "stream", this.#shown, READ_OPTIONS);
    const subject = this.#subject("stream");
    const { connection } = this.#at;
    const stream = byteStream(async (signal) => {
      const { span, ifMatch } = await this.#span("stream", { ...options, signal });
      const request = ({ client, source }: Reached): Request => ({
        operation: "openStream",
        client,
        source,
        span,
        progress: false,
        ...defined({ ifMatch }),
      });
      return await connection.open(subject, request, { signal });
    }, {
      signal: options.signal,
      onProgress: options.onProgress,
      watch: () => watching("stream", this.#shown, options),
      gone: () => connection.gone(subject),
    });
    const use = ["for await (const chunk of \u2026)", "new Response(\u2026)"];
    return shownAsHandle(stream, { name: "stream", of: subject.uri, use });
  }

  /**
   * Reads the object line by line, whatever its size: a few MiB are held, and who reads slowly slows
   * the download down. Compressed objects are decompressed. A line ends at a line feed, with or
   * without a carriage return before it; the last one needs no end. Leaving the loop ends the
   * download. Each loop reads anew.
   *
   * As text, a line is a string; with `{ batch: true }` arrays of them come, which is the fastest.
   * With `{ as: "bytes" }` a line is a view of its batch's memory, and keeps up to 1 MiB alive for as
   * long as it is kept: `slice()` what is to be kept for long.
   *
   * @throws {InvalidInputError} In the loop, naming the byte offset: with `code` `"TooLong"` for a
   * line that is longer than `maxLineLength`, with `"InvalidText"` for bytes that are no text.
   * @throws {IntegrityError} In the loop, naming the byte offset, for compressed data that are
   * damaged or cut short.
   * @throws {DipperError} As {@linkcode ObjectFile.bytes}, in the loop.
   *
   * @example
   * ```ts
   * import { LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("example");
   * await client.file("s3://example/log").write("first\nsecond\r\nthird");
   * for await (const line of client.file("s3://example/log").lines()) console.log(line);
   * // first, second, third
   * ```
   */
  lines(options?: LinesOptions & { as?: "text"; batch?: false }): AsyncIterable<string>;
  /** Reads the object's lines; see above. */
  lines<const O extends LinesOptions>(options: O): AsyncIterable<LineOf<O>>;
  lines(options: LinesOptions = {}): AsyncIterable<unknown> {
    options = checkedLater(options, "lines", this.#shown);
    const cutting = checkedLines(options, this.#shown);
    const origin = objectOrigin(
      this.#at.connection,
      this.#subject("lines"),
      cutting,
      (signal) => this.#part("lines", options, signal),
    );
    return linesOf(origin, options);
  }

  /**
   * Reads the object's messages, each behind its length, as {@linkcode ObjectFile.lines} reads
   * lines. A message is a view of its batch's memory.
   *
   * @throws {InvalidInputError} In the loop, with `code` `"TooLong"`, for a message that is longer
   * than `maxFrameLength`.
   * @throws {IntegrityError} In the loop, naming the byte offset, when the last message is cut short.
   * @throws {DipperError} As {@linkcode ObjectFile.bytes}, in the loop.
   *
   * @example
   * ```ts
   * import { LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("example");
   * await client.file("s3://example/log").write(new Uint8Array([0, 0, 0, 2, 7, 8]));
   * const frames = client.file("s3://example/log").frames({ length: "u32be" });
   * for await (const frame of frames) console.log(frame); // Uint8Array(2) [ 7, 8 ]
   * ```
   */
  frames(options: FramesOptions & { batch: true }): AsyncIterable<ByteBatch>;
  /** Reads the object's messages; see above. */
  frames(options: FramesOptions): AsyncIterable<Uint8Array<ArrayBuffer>>;
  frames(options: FramesOptions): AsyncIterable<Uint8Array<ArrayBuffer> | ByteBatch> {
    options = checkedLater(options ?? {}, "frames", this.#shown);
    const cutting = checkedFrames(options, this.#shown);
    const origin = objectOrigin(
      this.#at.connection,
      this.#subject("frames"),
      cutting,
      (signal) => this.#part("frames", options, signal),
    );
    return framesOf(origin, options);
  }

  /**
   * Reads columns: each column's values lie where Rust decoded them, and nothing is copied. The
   * result is a table of `@uwdata/flechette` 2.4.0.
   *
   * @throws {InvalidInputError} For a column that is not there, and for a slice.
   * @throws {IntegrityError} For a file that is damaged or cut short.
   * @throws {DipperError} As {@linkcode ObjectFile.bytes}.
   *
   * @example
   * ```ts
   * import { LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("example");
   * const f = client.file("s3://example/delays.parquet");
   * await client.writeTable(f, { origin: ["A", "B", "A"], delay: Int32Array.of(5, 70, 90) });
   * const late = await f.table({ columns: ["delay"], where: "delay > 60 AND origin = 'A'" });
   * console.log(late.getChild("delay").toArray()); // Int32Array(1) [ 90 ]
   * ```
   */
  async table(options: TableOptions & CallOptions = {}): Promise<Table> {
    options = checkedCall(options, "table", this.#shown, TABLE_OPTIONS);
    const { readingOf, readTable } = await import("../table/read_table.ts");
    const origin = { connection: this.#at.connection, subject: this.#whole("table") };
    const reading = readingOf("table", this.#shown, options, options.signal);
    return await readTable(origin, options, reading);
  }

  /**
   * Reads columns batch by batch, for data that is larger than memory: a table of each row group of
   * Parquet. A few are decoded ahead. Leaving the loop ends the reading.
   *
   * @throws {InvalidInputError} In the loop, for a column that is not there; at once for a slice.
   * @throws {IntegrityError} In the loop, for a file that is damaged or cut short.
   * @throws {DipperError} In the loop, as {@linkcode ObjectFile.bytes}.
   *
   * @example
   * ```ts
   * import { LocalS3, writeTable } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("example");
   * const f = client.file("s3://example/numbers.parquet");
   * await client.writeTable(f, { n: Int32Array.from({ length: 10 }, (_, i) => i) }, { rowGroupSize: 5 });
   * for await (const batch of f.batches()) console.log(batch.numRows); // 5, 5
   * ```
   */
  batches(options: TableOptions & CallOptions = {}): AsyncIterable<Table> {
    options = checkedLater(options, "batches", this.#shown, TABLE_OPTIONS);
    const origin = { connection: this.#at.connection, subject: this.#whole("batches") };
    return {
      async *[Symbol.asyncIterator]() {
        const { readBatches, readingOf } = await import("../table/read_table.ts");
        const signal = stoppable("batches", options.signal, options.background);
        const reading = readingOf("batches", origin.subject.uri, options, signal);
        yield* readBatches(origin, options, reading);
      },
    };
  }

  /**
   * Reads an array of several dimensions: a `.npy` file, or one tensor of a `.safetensors` file.
   * Only its header and the wanted rows are read, and nothing is copied.
   *
   * @throws {InvalidInputError} For rows or a tensor that are not there, and for a slice.
   * @throws {UnsupportedError} For elements that no typed array holds: strings, records, complex
   * numbers.
   * @throws {IntegrityError} For a file that is damaged or cut short, or neither of these.
   * @throws {DipperError} As {@linkcode ObjectFile.bytes}.
   *
   * @example
   * ```ts
   * import { LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("example");
   * const header = `{"weights": {"dtype": "F32", "shape": [3, 2], "data_offsets": [0, 24]}}`;
   * const length = new BigUint64Array([BigInt(header.length)]);
   * const f = client.file("s3://example/model.safetensors");
   * await f.write(new Blob([length, header, new Float32Array([1, 2, 3, 4, 5, 6])]));
   * const { data, shape, stride, dtype } = await f.array({ rows: [1, 3] });
   * console.log(data, shape, stride, dtype); // Float32Array(4) [ 3, 4, 5, 6 ] [ 2, 2 ] [ 2, 1 ] float32
   * ```
   */
  async array(options: ArrayOptions & CallOptions = {}): Promise<FileArray> {
    options = checkedCall(options, "array", this.#shown, ARRAY_OPTIONS);
    this.#whole("array");
    const { readArray } = await import("../table/read_array.ts");
    const { signal } = options;
    return await watchedSmall("array", this.#shown, options, async (onProgress) => {
      const { size, etag } = await this.stat(defined({ signal }));
      const call = defined({ signal, ifMatch: etag });
      let done = 0;
      const read = async (start: number, end: number) => {
        const told = onProgress &&
          ((progress: Progress) => onProgress({ ...progress, bytes: done + progress.bytes }));
        const [bytes] = await this.ranges([[start, end]], {
          ...call,
          progress: false,
          ...defined({ onProgress: told }),
        });
        done += end - start;
        return bytes!;
      };
      return await readArray({ shown: this.#shown, size, read }, options);
    });
  }

  /**
   * Reads several ranges of bytes. Neighbours that are no more than 1 MiB apart share a request.
   * Each result is memory of its own, as that of {@linkcode ObjectFile.bytes}, in the order of the
   * ranges. They may overlap, and stand in any order. Of a slice they are offsets in the slice.
   *
   * @param ranges From a byte to before another.
   * @throws {InvalidInputError} When a range is reversed, negative or past the end; with `code`
   * `"InvalidRange"` when that needed the object's size.
   * @throws {DipperError} As {@linkcode ObjectFile.bytes}.
   *
   * @example
   * ```ts
   * import { LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("example");
   * const f = client.file("s3://example/data");
   * await f.write(new Uint8Array([0, 1, 2, 3, 4, 5]));
   * const [head, middle] = await f.ranges([[0, 2], [3, 5]]);
   * console.log(head, middle); // Uint8Array(2) [ 0, 1 ] Uint8Array(2) [ 3, 4 ]
   * ```
   */
  async ranges(
    ranges: readonly (readonly [start: number, end: number])[],
    options: ReadOptions = {},
  ): Promise<Uint8Array<ArrayBuffer>[]> {
    options = checkedCall(options, "ranges", this.#shown, READ_OPTIONS);
    const { readRanges } = await import("./byte_ranges.ts");
    return await watchedSmall(
      "ranges",
      this.#shown,
      options,
      (onProgress) =>
        readRanges(ranges, { ...options, ...defined({ onProgress }) }, {
          connection: this.#at.connection,
          subject: this.#subject("ranges"),
          span: () => this.#span("ranges", options, true),
        }),
    );
  }

  /**
   * Sums the bytes where they arrive, without keeping them: none of them comes to JavaScript, and
   * the memory is that of a stream, whatever the object's size. Of a slice, its bytes are summed.
   *
   * It is the sum of the bytes that were read. What S3 itself keeps may be another: for an object
   * that was uploaded in parts, `stat()` tells a checksum of the parts' checksums.
   *
   * @param algorithm `"fnv1a64"` is what `checksumBytes` computes; `"crc32"` is that of zip, and
   * `"crc32c"` and `"crc64nvme"` are, like it, meant against accidents; only `"sha256"` also
   * withstands somebody who wants two contents with one sum.
   * @returns The sum in hexadecimal digits, the most significant first.
   * @throws {InvalidInputError} For an algorithm that is none of these.
   * @throws {DipperError} As {@linkcode ObjectFile.bytes}.
   *
   * @example
   * ```ts
   * import { LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("example");
   * const f = client.file("s3://example/data");
   * await f.write("123456789");
   * console.log(await f.checksum("crc32c")); // e3069283
   * ```
   */
  async checksum(algorithm: ChecksumAlgorithm, options: ReadOptions = {}): Promise<string> {
    options = checkedCall(options, "checksum", this.#shown, READ_OPTIONS);
    const sum = checkedAlgorithm(algorithm, this.#shown);
    const { span, ifMatch } = await this.#span("checksum", options);
    const { payload } = await watchedSmall(
      "checksum",
      this.#shown,
      options,
      (onProgress) =>
        this.#at.connection.read(
          this.#subject("checksum"),
          ({ client, source }) => ({
            operation: "checksum",
            client,
            source,
            span,
            algorithm: sum,
            progress: onProgress !== undefined,
            ...defined({ ifMatch }),
          }),
          { signal: options.signal, onProgress },
        ),
    );
    return payload as string;
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
  abstract slice(start?: number, end?: number): ObjectFile;

  /**
   * Writes the whole object. What is there before stays until all of the new is there, and a write
   * that fails leaves it as it was.
   *
   * @param data A string, bytes, a `Blob`, a `Response`, a stream, anything that yields bytes or
   * text, or a `RustBuffer`, which is sent from where it lies.
   * @throws {InvalidInputError} For what cannot be written, and for a slice.
   * @throws {PreconditionFailedError} When `ifMatch` or `ifNoneMatch` does not hold.
   * @throws {UnsupportedError} For a web address.
   * @throws {DipperError} For whatever else the server, the connection or the system reports.
   */
  abstract write(data: Writable, options?: WriteOptions): Promise<Stat>;

  /**
   * A stream that writes the whole object, as {@linkcode ObjectFile.write} does. What it is given is
   * sent as it comes, and the stream holds back who writes faster than that goes. The object is
   * there when `close()` has settled. `abort()`, a failure, and forgetting the stream leave nothing.
   * Once it is closed, {@linkcode metricsOf} tells what it took.
   *
   * @throws {InvalidInputError} For a slice, and for options that cannot be meant.
   * @throws {UnsupportedError} For a web address.
   */
  abstract writer(options?: WriteOptions): WritableStream<Uint8Array>;

  /**
   * Copies the object, or the part of it that this handle is on, to another place of any kind: on
   * the server's side where both are on the same S3, else by streaming.
   *
   * @param destination A URI or path, reached through the same client, or a file.
   * @throws {DipperError} As reading the source and writing the destination.
   */
  abstract copyTo(
    destination: string | URL | ObjectFile,
    options?: WriteOptions,
  ): Promise<Stat>;

  /**
   * Moves the object: copies it, and deletes it when the copy is there.
   *
   * @param destination A URI or path, reached through the same client, or a file.
   * @throws {UnsupportedError} For a web address.
   * @throws {DipperError} As `copyTo` and `delete`.
   */
  abstract moveTo(
    destination: string | URL | ObjectFile,
    options?: WriteOptions,
  ): Promise<Stat>;

  /**
   * Deletes the object. That it does not exist is no error.
   *
   * @throws {UnsupportedError} For a web address.
   * @throws {DipperError} For whatever the server, the connection or the system reports.
   */
  abstract delete(options?: CallOptions): Promise<void>;

  /**
   * The versions of the object, the newest first, with the markers of its deletion.
   *
   * @throws {UnsupportedError} When it is not on S3.
   */
  versions(_options: CallOptions = {}): AsyncIterable<ObjectEntry> {
    throw this.#onlyOnS3("versions");
  }

  /**
   * Makes an earlier version the newest one.
   *
   * @throws {UnsupportedError} When it is not on S3.
   * @throws {NotFoundError} When there is no such version.
   */
  restore(_versionId: string, _options: WriteOptions = {}): Promise<Stat> {
    return Promise.reject(this.#onlyOnS3("restore"));
  }

  /**
   * The object's tags; with `set`, replaces all of them.
   *
   * @throws {UnsupportedError} When it is not on S3.
   */
  tags(_set?: Record<string, string>, _options: CallOptions = {}): Promise<Record<string, string>> {
    return Promise.reject(this.#onlyOnS3("tags"));
  }

  /**
   * Makes a URL with which anybody may do one thing to the object for a while, without credentials.
   *
   * @throws {UnsupportedError} When it is not on S3.
   */
  presign(_options: PresignOptions = {}): Promise<string> {
    return Promise.reject(this.#onlyOnS3("presign"));
  }

  #onlyOnS3(operation: string): UnsupportedError {
    const uri = this.#shown;
    return new UnsupportedError(`${operation}: ${uri} is not on S3, and S3 objects have it`, {
      code: "Unsupported",
      operation,
      uri,
      hint: "name an s3:// URI",
    });
  }

  /**
   * Asks for the object's properties, without its body. Of a slice: those of the whole object.
   *
   * @throws {NotFoundError} When it does not exist.
   * @throws {DipperError} For whatever else the server or the connection reports.
   */
  async stat(options: CallOptions = {}): Promise<Stat> {
    return await this.#stat("stat", options);
  }

  /**
   * Whether the object exists: false only when the server says that it does not.
   *
   * @throws {AccessDeniedError} When the server does not want to tell.
   */
  async exists(options: CallOptions = {}): Promise<boolean> {
    try {
      await this.#stat("exists", options);
      return true;
    } catch (error) {
      if (error instanceof NotFoundError) return false;
      // A page that is made while it is sent is there, however long it will be.
      const { scheme } = this.#at.location;
      if (scheme === "http" && error instanceof UnsupportedError) return true;
      throw error;
    }
  }

  /** Shows the object in a notebook: its properties and the head of its content. */
  async [JUPYTER_DISPLAY](): Promise<MediaBundle> {
    const { name } = this;
    const read = (start: number, end: number, options: ReadOptions): Promise<Read> => {
      const part: ObjectFile = this.slice(start, end);
      return part.#mapped("display", { ...options, progress: false });
    };
    const { withPreview } = await import("./file_preview.ts");
    const { showFile } = await import("../jupyter/show_file.ts");
    return await withPreview({ name, uri: this.#shown, slices: this.#slices, read }, showFile);
  }

  /** Shows the handle in a terminal, without I/O. */
  [Symbol.for("Deno.customInspect")](): string {
    const slices = this.#slices.map(({ start, end }) =>
      end === undefined ? `.slice(${start})` : `.slice(${start}, ${end})`
    );
    return describeAddress({ uri: this.#shown, name: this.name, slices: slices.join("") });
  }

  async #part(operation: string, options: ReadOptions, signal: AbortSignal): Promise<Part> {
    return await this.#span(operation, { ...options, signal });
  }

  /** As it may be shown: a web address without what may be a secret. */
  get #shown(): string {
    return shownLocation(this.#at.location);
  }

  #subject(operation: string): ReadSubject {
    const { location, versionId, customerKey } = this.#at;
    return { operation, uri: this.#shown, location, versionId, customerKey };
  }

  /** As `#subject`, for what looks at all of a file. */
  #whole(operation: string): ReadSubject {
    const subject = this.#subject(operation);
    requireWhole(this.#slices, subject, `${operation}() reads whole files`);
    return subject;
  }

  async #stat(operation: string, options: CallOptions): Promise<Stat> {
    options = checkedCall(options, operation, this.#shown, []);
    const { payload } = await this.#at.connection.read(
      this.#subject(operation),
      (reached) => ({ operation: "stat", ...reached }),
      { signal: options.signal },
    );
    return statOf(this.uri, payload as StatMessage);
  }

  async #text(operation: string, options: ReadOptions): Promise<string> {
    const limit = {
      bytes: LONGEST_STRING,
      hint: "V8 holds no longer string; read it with lines(), as bytes(), or in parts with slice()",
    };
    const { value, payload } = await this.#read(operation, options, limit);
    const buffer = value as BufferHandle;
    const { contentEncoding } = (payload as ReadMessage).stat;
    const memory = mapAdopted(buffer);
    try {
      const { decodeText } = await import("./text.ts");
      return await decodeText(new Uint8Array(memory), {
        connection: this.#at.connection,
        buffer,
        uri: this.#shown,
        contentEncoding,
        operation,
        signal: options.signal,
      });
    } finally {
      // Nobody else has seen the memory: it is free at once.
      if (!memory.detached) memory.transfer(0);
    }
  }

  async #mapped(operation: string, options: ReadOptions, limit?: Limit): Promise<Read> {
    const { value, payload } = await this.#read(operation, options, limit);
    const { stat, metrics } = payload as ReadMessage;
    return {
      memory: mapAdopted(value as BufferHandle),
      stat,
      metrics: metricsFrom(metrics),
    };
  }

  async #read(
    operation: string,
    options: ReadOptions,
    limit?: Limit,
    target?: Uint8Array<ArrayBuffer>,
  ): Promise<Completed> {
    options = checkedCall(options, operation, this.#shown, READ_OPTIONS);
    const { span, ifMatch } = await this.#span(operation, options);
    const { connection, map } = this.#at;
    return await watchedSmall(operation, this.#shown, options, (onProgress) =>
      connection.read(
        this.#subject(operation),
        ({ client, source }) => ({
          operation: "get",
          client,
          source,
          span,
          progress: onProgress !== undefined,
          ...defined({ ifMatch, limit, map: target === undefined ? map : undefined }),
        }),
        { signal: options.signal, onProgress, target },
      ));
  }

  /**
   * What to ask for. Only slices that mix both ends need the size first, and then that version;
   * and those that count from the end, where the offset from the start must be known.
   */
  async #span(
    operation: string,
    options: ReadOptions,
    fromStart = false,
  ): Promise<{ span: SpanMessage; ifMatch: string | undefined }> {
    const span = spanOf(this.#slices);
    if (span !== undefined && !(fromStart && span.kind === "last")) {
      return { span, ifMatch: options.ifMatch };
    }
    const { size, etag } = await this.#stat(operation, defined({ signal: options.signal }));
    return {
      span: { kind: "range", ...rangeIn(this.#slices, size) },
      ifMatch: options.ifMatch ?? etag,
    };
  }
}

/** A handle's slices and one more. */
export function slicedFurther(
  file: ObjectFile,
  start: number | undefined,
  end: number | undefined,
): readonly Slice[] {
  const { location } = objectAt(file);
  return [...slicesOf(file), checkedSlice(start ?? 0, end, shownLocation(location))];
}
