// The functions that need no client: they use one, which `configure` replaces.

import type { S3ClientOptions } from "../client/options.ts";
import { providePlaces } from "../client/provided_places.ts";
import type { ByteBatch } from "../bridges/byte_batch.ts";
import type { FramesOptions, LinesOptions } from "../bridges/line_options.ts";
import type { LineOf } from "../bridges/lines.ts";
import { invalidInput } from "../ffi/errors.ts";
import type { RustBuffer } from "../ffi/rust_buffer.ts";
import type { TransferReport } from "../ffi/transfer_report.ts";
import type { AsyncBuffer } from "./async_buffer.ts";
import type { Diagnosis } from "./diagnosis.ts";
import type { ObjectEntry, UploadEntry } from "./entry.ts";
import type { Fetched, GetManyOptions } from "./get_many.ts";
import type { HttpFile } from "./http_file.ts";
import type { AbortUploadsOptions, UploadsOptions } from "./incomplete_uploads.ts";
import type { ListOptions } from "./list_options.ts";
import type { Listing } from "./listing.ts";
import type { LocalFile } from "./local_file.ts";
import { ObjectFile } from "./object_file.ts";
import { placesOf } from "./places.ts";
import type { CallOptions, FileOptions, ReadOptions, Source } from "./read_options.ts";
import { S3Client, type SyncOptions } from "./s3_client.ts";
import type { S3File } from "./s3_file.ts";
import type { ObjectLocation } from "./source.ts";
import type { Stat } from "./stat.ts";
import type { ManyFilesOptions, TableSources } from "./table_files.ts";
import type { Table } from "../table/flechette.ts";
import type { TableOptions } from "../table/table_options.ts";
import type { TransferOptions } from "./transfer_tally.ts";
import type { UsageCounting, UsageOptions } from "./usage.ts";
import type { TreePlace } from "./sync.ts";
import type { TreeOptions, UploadTreeOptions } from "./tree_options.ts";
import type { PrefixLike } from "./tree_place.ts";
import type { WriteTableOptions } from "./write_table.ts";
import type { ZarrStore } from "./zarr_store.ts";
import type { WritableTable } from "../table/written_tables.ts";

let current: S3Client | undefined;

function client(): S3Client {
  return current ??= new S3Client();
}

providePlaces(placesOf(client));

/**
 * Sets the client that the functions of this module use from here on. Handles made before keep theirs.
 *
 * @throws {InvalidInputError} For an unknown option, or a value that cannot be meant.
 *
 * @example
 * ```ts
 * import { LocalS3 } from "dipper";
 * await using s3 = await LocalS3.start();
 * configure({ endpoint: s3.endpoint, credentials: s3.credentials });
 * ```
 */
export function configure(options: S3ClientOptions): void {
  // Not disposed: handles made before go on using it.
  current = new S3Client(options);
}

/** A lazy handle on an S3 object. No request is sent. */
export function file(
  at: `s3://${string}` | S3File | ObjectEntry | ObjectLocation,
  options?: FileOptions,
): S3File;
/** A lazy handle on what a web address leads to. No request is sent. */
export function file(
  at: `http://${string}` | `https://${string}` | HttpFile,
  options?: FileOptions,
): HttpFile;
/** A lazy handle on a file of this machine. It is not opened. */
export function file(
  at: `file:${string}` | `/${string}` | `./${string}` | `../${string}` | LocalFile,
  options?: FileOptions,
): LocalFile;
/**
 * A lazy handle on an object. No request is sent.
 *
 * @param at `s3://bucket/key`, `http(s)://...`, `file:///...`, a path that starts with `/`, `./` or
 * `../`, a `URL`, a listed entry, another file, or bucket and key apart.
 * @throws {InvalidInputError} When it names no object.
 *
 * @example
 * ```ts
 * const f = file("s3://example/hello.txt");
 * console.log(f.name); // hello.txt
 * ```
 */
export function file(at: Source | ObjectLocation, options?: FileOptions): ObjectFile;
export function file(at: Source | ObjectLocation, options: FileOptions = {}): ObjectFile {
  return client().file(at, options);
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
 * configure({ endpoint: s3.endpoint, credentials: s3.credentials });
 * await s3.client().createBucket("bucket");
 * await file("s3://bucket/test").write(new Uint8Array([1, 2, 3, 4]));
 * using buffer = await get("s3://bucket/test");
 * console.log(buffer.view()); // Uint8Array(4) [ 1, 2, 3, 4 ]
 * ```
 */
export async function get(
  source: Source | ObjectLocation,
  options: ReadOptions & FileOptions = {},
): Promise<RustBuffer> {
  return await client().get(source, options);
}

/**
 * Reads a source line by line, whatever its size: a few MiB are held, and who reads slowly slows
 * the source down. What is compressed is decompressed. A line ends at a line feed, with or without a
 * carriage return before it; the last one needs no end. Leaving the loop ends the source.
 *
 * @param source A URI, a path, an entry of a listing or a file; `tcp://host:port`, `unix:///path`,
 * `kafka://host:port/topic`, or `"-"` for standard input.
 * @param options `as`, `batch` and `encoding` say what is yielded; see {@linkcode LinesOptions}.
 * @throws {InvalidInputError} For a source or an option that cannot be meant; in the loop, naming
 * the byte offset, with `code` `"TooLong"` or `"InvalidText"`.
 * @throws {IntegrityError} In the loop, naming the byte offset, for compressed data that are damaged
 * or cut short.
 * @throws {DipperError} In the loop, for whatever else the source reports.
 *
 * @example
 * ```ts
 * const path = await Deno.makeTempFile({ suffix: ".txt" });
 * await Deno.writeTextFile(path, "first\nsecond\n");
 * for await (const line of lines(path)) console.log(line); // first, second
 * for await (const { bytes, offsets } of lines(path, { as: "bytes", batch: true })) {
 *   console.log(bytes.length, offsets); // 11 Uint32Array(3) [ 0, 5, 11 ]
 * }
 * await Deno.remove(path);
 * ```
 */
export function lines(
  source: Source,
  options?: ThroughClient & LinesOptions & { as?: "text"; batch?: false },
): AsyncIterable<string>;
/** Reads the lines of a source; see above. */
export function lines<const O extends LinesOptions>(
  source: Source,
  options: O & ThroughClient,
): AsyncIterable<LineOf<O>>;
export function lines(
  source: Source,
  options: LinesOptions & ThroughClient = {},
): AsyncIterable<unknown> {
  if (options?.client === undefined && source instanceof ObjectFile) return source.lines(options);
  return through(options, "lines").lines(source, options);
}

/**
 * Reads the messages of a source, each behind its length, as {@linkcode lines} reads lines. A
 * message is a view of its batch's memory.
 *
 * @param source As of {@linkcode lines}.
 * @param options `length` says how lengths are written; see {@linkcode FramesOptions}.
 * @throws {InvalidInputError} For a source or an option that cannot be meant; in the loop, naming
 * the byte offset, with `code` `"TooLong"`.
 * @throws {IntegrityError} In the loop, naming the byte offset, when the last message is cut short.
 * @throws {DipperError} In the loop, for whatever else the source reports.
 *
 * @example
 * ```ts
 * const path = await Deno.makeTempFile();
 * await Deno.writeFile(path, new Uint8Array([2, 7, 8, 1, 9]));
 * for await (const frame of frames(path, { length: "varint" })) console.log(frame);
 * // Uint8Array(2) [ 7, 8 ], Uint8Array(1) [ 9 ]
 * await Deno.remove(path);
 * ```
 */
export function frames(
  source: Source,
  options: FramesOptions & ThroughClient & { batch: true },
): AsyncIterable<ByteBatch>;
/** Reads the messages of a source; see above. */
export function frames(
  source: Source,
  options: FramesOptions & ThroughClient,
): AsyncIterable<Uint8Array<ArrayBuffer>>;
export function frames(
  source: Source,
  options: FramesOptions & ThroughClient,
): AsyncIterable<Uint8Array<ArrayBuffer> | ByteBatch> {
  if (options?.client === undefined && source instanceof ObjectFile) return source.frames(options);
  return through(options, "frames").frames(source, options);
}

/**
 * Reads many files as one table: each column's values lie where Rust decoded them. Columns are put
 * together by name; one that a file lacks is null there, and integers and floats become the wider
 * type. Folders such as `year=2024/` are columns, too. Rows come in the order of the files, which of
 * a glob is that of their names.
 *
 * @param sources A URI or a path; a glob such as `s3://bucket/data/*.parquet`; a folder, which ends with
 * a slash; or a list of files, entries and URIs, such as a listing.
 * @throws {NotFoundError} When nothing matches.
 * @throws {InvalidInputError} For a column that is not there, for a condition that is none, and when
 * a column has types in two files that no type holds: the message names both.
 * @throws {IntegrityError} For a file that is damaged or cut short.
 * @throws {DipperError} For whatever else the server or the connection reports.
 *
 * @example
 * ```ts
 * import { configure, LocalS3, table, writeTable } from "dipper";
 * await using s3 = await LocalS3.start();
 * configure({ endpoint: s3.endpoint, credentials: s3.credentials });
 * await s3.client().createBucket("example");
 * await writeTable("s3://example/year=2023/a.parquet", { n: Int32Array.of(1, 2) });
 * await writeTable("s3://example/year=2024/a.csv", { n: Int32Array.of(3) });
 * const all = await table("s3://example/", { where: "n > 1" });
 * console.log(all.toArray()); // [ { n: 2, year: 2023 }, { n: 3, year: 2024 } ]
 * ```
 */
export async function table(
  sources: TableSources,
  options: TableOptions & ManyFilesOptions & CallOptions & ThroughClient = {},
): Promise<Table> {
  const { client: _, ...rest } = options ?? {};
  return await through(options, "table").table(sources, rest);
}

/**
 * Reads many files batch by batch, as {@linkcode table} reads them at once: for what is larger than
 * memory. Each loop reads anew.
 *
 * @throws {DipperError} In the loop, as {@linkcode table}.
 *
 * @example
 * ```ts
 * import { batches, configure, LocalS3, writeTable } from "dipper";
 * await using s3 = await LocalS3.start();
 * configure({ endpoint: s3.endpoint, credentials: s3.credentials });
 * await s3.client().createBucket("example");
 * await writeTable("s3://example/year=2023/a.parquet", { n: Int32Array.of(1, 2) });
 * await writeTable("s3://example/year=2024/a.csv", { n: Int32Array.of(3) });
 * let rows = 0;
 * for await (const batch of batches("s3://example/")) rows += batch.numRows;
 * console.log(rows); // 3
 * ```
 */
export function batches(
  sources: TableSources,
  options: TableOptions & ManyFilesOptions & CallOptions & ThroughClient = {},
): AsyncIterable<Table> {
  const { client: _, ...rest } = options ?? {};
  return through(options, "batches").batches(sources, rest);
}

function through(options: ThroughClient | undefined, operation: string): S3Client {
  if (typeof (options ?? {}) !== "object" || Array.isArray(options)) {
    throw invalidInput(operation, "the options are no object", "pass { signal, \u2026 }");
  }
  const given: unknown = options?.client;
  if (given === undefined) return client();
  if (given instanceof S3Client) return given;
  throw invalidInput(operation, "client is no S3Client", "pass new S3Client(\u2026)");
}

/** What names another client than the one that `configure` set. */
export interface ThroughClient {
  /** The client to read through. Default: the one that `configure` set, or the file's own. */
  client?: S3Client;
}

/**
 * Reads many objects, thousands at a time, in the order in which they come or, with
 * `{ ordered: true }`, in that of the sources. One that cannot be read becomes an error in its
 * place. See {@linkcode S3Client.getMany}.
 *
 * @param sources URIs, paths, entries of a listing, or files of any kind, all whole.
 * @throws {DipperError} In the loop, when all of it ends: with the signal's reason, or with what
 * the sources threw.
 *
 * @example
 * ```ts
 * import { LocalS3 } from "dipper";
 * await using s3 = await LocalS3.start();
 * configure({ endpoint: s3.endpoint, credentials: s3.credentials });
 * await s3.client().createBucket("bucket");
 * await file("s3://bucket/a").write("first");
 * for await (const { uri, bytes, error } of getMany(["s3://bucket/a", "s3://bucket/b"])) {
 *   console.log(uri, bytes?.length ?? error?.code); // s3://bucket/a 5, s3://bucket/b NoSuchKey
 * }
 * ```
 */
export function getMany(
  sources: Iterable<Source> | AsyncIterable<Source>,
  options: GetManyOptions = {},
): AsyncIterable<Fetched> {
  return client().getMany(sources, options);
}

/**
 * Downloads what is below a folder of a bucket as files below a directory. See
 * {@linkcode S3Client.download}.
 *
 * @throws {TransferError} When something failed, at the end of the rest; its `report` tells all.
 *
 * @example
 * ```ts
 * import { LocalS3 } from "dipper";
 * await using s3 = await LocalS3.start();
 * configure({ endpoint: s3.endpoint, credentials: s3.credentials });
 * await s3.client().createBucket("bucket");
 * await file("s3://bucket/data/a.txt").write("hello");
 * const directory = await Deno.makeTempDir();
 * console.log((await download("s3://bucket/data", directory)).transferred); // 1
 * await Deno.remove(directory, { recursive: true });
 * ```
 */
export async function download(
  prefix: PrefixLike,
  directory: string | URL,
  options: TreeOptions = {},
): Promise<TransferReport> {
  return await client().download(prefix, directory, options);
}

/**
 * Uploads the files below a directory as objects below a folder of a bucket. See
 * {@linkcode S3Client.upload}.
 *
 * @throws {TransferError} When something failed, at the end of the rest; its `report` tells all.
 *
 * @example
 * ```ts
 * import { LocalS3 } from "dipper";
 * await using s3 = await LocalS3.start();
 * configure({ endpoint: s3.endpoint, credentials: s3.credentials });
 * await s3.client().createBucket("bucket");
 * const directory = await Deno.makeTempDir();
 * await Deno.writeTextFile(`${directory}/a.txt`, "hello");
 * console.log((await upload(directory, "s3://bucket/data")).transferred); // 1
 * await Deno.remove(directory, { recursive: true });
 * ```
 */
export async function upload(
  directory: string | URL,
  prefix: PrefixLike,
  options: UploadTreeOptions = {},
): Promise<TransferReport> {
  return await client().upload(directory, prefix, options);
}

/**
 * Makes a place like another: a directory like a folder of a bucket, the other way round, or a
 * folder of a bucket like another one. See {@linkcode S3Client.sync}.
 *
 * @throws {TransferError} When something failed, at the end of the rest; its `report` tells all.
 *
 * @example
 * ```ts
 * import { LocalS3 } from "dipper";
 * await using s3 = await LocalS3.start();
 * configure({ endpoint: s3.endpoint, credentials: s3.credentials });
 * await s3.client().createBucket("bucket");
 * const directory = await Deno.makeTempDir();
 * await Deno.writeTextFile(`${directory}/a.txt`, "hello");
 * const report = await sync(directory, "s3://bucket/data", { delete: true, dryRun: true });
 * console.log(report.steps.map(({ action }) => action)); // [ "upload" ]
 * await Deno.remove(directory, { recursive: true });
 * ```
 */
export async function sync(
  from: TreePlace,
  to: TreePlace,
  options: SyncOptions = {},
): Promise<TransferReport> {
  return await client().sync(from, to, options);
}

/**
 * Writes a table to a file of Parquet, Arrow, CSV, NDJSON or JSON, as its name or `format` says:
 * whole or not at all. Encoded bytes go from Rust's encoder straight into the upload, a batch at a
 * time, so a series of tables of any length takes the memory of a few of them.
 *
 * @param destination An `s3://` URI, a path, or a file.
 * @param table A table of Flechette or `apache-arrow`; columns as `{ name: values }`, where typed
 * arrays keep their types; rows as an array of objects; or an iterable of such with the same columns.
 * @returns What is known of the file now.
 * @throws {InvalidInputError} For what is no table, columns of different lengths, names that repeat,
 * and options that cannot be meant. What was there before stays.
 * @throws {UnsupportedError} For a column that the format has no place for.
 * @throws {DipperError} As `write` of the file.
 *
 * @example
 * ```ts
 * import { LocalS3 } from "dipper";
 * await using s3 = await LocalS3.start();
 * configure({ endpoint: s3.endpoint, credentials: s3.credentials });
 * await s3.client().createBucket("bucket");
 * const columns = { id: Int32Array.of(1, 2, 3), name: ["one", "two", null] };
 * await writeTable("s3://bucket/numbers.parquet", columns, { compression: "zstd" });
 * const table = await file("s3://bucket/numbers.parquet").table();
 * console.log(table.toArray()); // [ { id: 1, name: "one" }, { id: 2, name: "two" }, ... ]
 * ```
 */
export async function writeTable(
  destination: Source | ObjectLocation,
  table: WritableTable,
  options: WriteTableOptions & ThroughClient = {},
): Promise<Stat> {
  const { client: _, ...rest } = Object(options) as typeof options;
  return await through(options, "writeTable").writeTable(destination, table, rest);
}

/**
 * A file as `hyparquet` reads one: its parts are read through dipper as they are wanted. Each is
 * memory of its own that is handed out without a copy. All are of the version that is there now.
 *
 * @param source A URI, path, entry or file.
 * @throws {NotFoundError} When it does not exist.
 * @throws {PreconditionFailedError} Of `slice`, when it was replaced meanwhile.
 *
 * @example
 * ```ts
 * import { parquetReadObjects } from "hyparquet";
 * import { LocalS3 } from "dipper";
 * await using s3 = await LocalS3.start();
 * configure({ endpoint: s3.endpoint, credentials: s3.credentials });
 * await s3.client().createBucket("bucket");
 * await writeTable("s3://bucket/numbers.parquet", { id: Int32Array.of(1, 2, 3) });
 * const rows = await parquetReadObjects({ file: await asyncBuffer("s3://bucket/numbers.parquet") });
 * console.log(rows); // [ { id: 1 }, { id: 2 }, { id: 3 } ]
 * ```
 */
export async function asyncBuffer(
  source: Source | ObjectLocation,
  options: ReadOptions & ThroughClient = {},
): Promise<AsyncBuffer> {
  const { client: _, ...rest } = Object(options) as typeof options;
  const at = source instanceof ObjectFile && options.client === undefined
    ? source
    : through(options, "asyncBuffer").file(source);
  const { asyncBufferOf } = await import("./async_buffer.ts");
  return await asyncBufferOf(at, rest);
}

/**
 * A folder as `zarrita` opens one: what it asks for is read through dipper, and handed out without
 * a copy.
 *
 * @param prefix A URI or path without a slash at its end, such as `s3://bucket/data.zarr`.
 *
 * @example
 * ```ts
 * import * as zarr from "zarrita";
 * import { LocalS3 } from "dipper";
 * await using s3 = await LocalS3.start();
 * configure({ endpoint: s3.endpoint, credentials: s3.credentials });
 * await s3.client().createBucket("bucket");
 * const metadata = { zarr_format: 2, shape: [2], chunks: [2], dtype: "<f8", fill_value: 0 };
 * const array = { ...metadata, order: "C", compressor: null, filters: null };
 * await file("s3://bucket/data.zarr/.zarray").write(JSON.stringify(array));
 * await file("s3://bucket/data.zarr/0").write(Float64Array.of(1.5, 2.5));
 * const opened = await zarr.open.v2(zarrStore("s3://bucket/data.zarr"), { kind: "array" });
 * console.log((await zarr.get(opened)).data); // Float64Array(2) [ 1.5, 2.5 ]
 * ```
 */
export function zarrStore(prefix: string, options: ReadOptions & ThroughClient = {}): ZarrStore {
  const { client: _, ...rest } = Object(options) as typeof options;
  const reader = through(options, "zarrStore");
  if (typeof prefix !== "string") {
    throw invalidInput(
      "zarrStore",
      "the prefix is no string",
      "pass such as s3://bucket/data.zarr",
    );
  }
  const start = prefix.replace(/\/+$/, "");
  // Looked at now, so that a prefix that cannot be meant is told here.
  reader.file(start);
  const store = async () => {
    const { zarrStoreOf } = await import("./zarr_store.ts");
    return zarrStoreOf((key) => reader.file(start + key), rest);
  };
  return {
    get: async (key, options) => await (await store()).get(key, options),
    getRange: async (key, range, options) => await (await store()).getRange(key, range, options),
  };
}

/**
 * Lists what is below a prefix. No request is sent before the listing is read.
 *
 * @param prefix `s3://bucket/` or `s3://bucket/prefix`.
 * @throws {InvalidInputError} When it names no bucket.
 *
 * @example
 * ```ts
 * import { LocalS3 } from "dipper";
 * await using s3 = await LocalS3.start();
 * configure({ endpoint: s3.endpoint, credentials: s3.credentials });
 * await s3.client().createBucket("bucket");
 * console.log(await list("s3://bucket/").toArray()); // []
 * ```
 */
export function list(prefix: string | URL | ObjectLocation, options: ListOptions = {}): Listing {
  return client().list(prefix, options);
}

/**
 * Finds out why a bucket or an object can be reached, or not. See
 * {@linkcode S3Client.diagnose}.
 *
 * @param uri `s3://bucket/` or `s3://bucket/key`.
 * @throws {InvalidInputError} When it names no bucket.
 *
 * @example
 * ```ts
 * import { LocalS3 } from "dipper";
 * await using s3 = await LocalS3.start();
 * configure({ endpoint: s3.endpoint, credentials: s3.credentials });
 * await s3.client().createBucket("bucket");
 * console.log((await diagnose("s3://bucket/")).healthy); // true
 * ```
 */
export async function diagnose(
  uri: string | URL | ObjectLocation,
  options: CallOptions = {},
): Promise<Diagnosis> {
  return await client().diagnose(uri, options);
}

/**
 * The uploads in parts below a prefix that are not complete. See
 * {@linkcode S3Client.incompleteUploads}.
 *
 * @param prefix `s3://bucket/` or `s3://bucket/prefix`.
 * @throws {InvalidInputError} When it names no bucket.
 *
 * @example
 * ```ts
 * import { LocalS3 } from "dipper";
 * await using s3 = await LocalS3.start();
 * configure({ endpoint: s3.endpoint, credentials: s3.credentials });
 * await s3.client().createBucket("bucket");
 * for await (const { key, initiated } of incompleteUploads("s3://bucket/")) {
 *   console.log(key, initiated);
 * }
 * ```
 */
export function incompleteUploads(
  prefix: string | URL | ObjectLocation,
  options: UploadsOptions = {},
): Listing<UploadEntry> {
  return client().incompleteUploads(prefix, options);
}

/**
 * Ends one upload in parts that is not complete. See {@linkcode S3Client.abortUpload}.
 *
 * @param upload An entry of {@linkcode incompleteUploads}.
 * @throws {InvalidInputError} When it is no upload.
 */
export async function abortUpload(
  upload: Pick<UploadEntry, "uri" | "uploadId">,
  options: CallOptions = {},
): Promise<void> {
  await client().abortUpload(upload, options);
}

/**
 * Ends the uploads in parts below a prefix that are not complete. See
 * {@linkcode S3Client.abortIncompleteUploads}.
 *
 * @param prefix `s3://bucket/` or `s3://bucket/prefix`.
 * @throws {TransferError} When some could not be ended, unless `onError` is `"collect"`.
 */
export async function abortIncompleteUploads(
  prefix: string | URL | ObjectLocation,
  options: AbortUploadsOptions = {},
): Promise<TransferReport> {
  return await client().abortIncompleteUploads(prefix, options);
}

/**
 * Counts objects and bytes below a prefix, by folder, extension, storage class and age. See
 * {@linkcode S3Client.usage}.
 *
 * @param prefix `s3://bucket/` or `s3://bucket/prefix`.
 * @throws {InvalidInputError} When it names no bucket, and for an option that cannot be meant.
 *
 * @example
 * ```ts
 * import { LocalS3 } from "dipper";
 * await using s3 = await LocalS3.start();
 * configure({ endpoint: s3.endpoint, credentials: s3.credentials });
 * await s3.client().createBucket("bucket");
 * const counting = usage("s3://bucket/");
 * await counting;
 * console.log(counting.report.objects); // 0
 * ```
 */
export function usage(
  prefix: string | URL | ObjectLocation,
  options: UsageOptions = {},
): UsageCounting {
  return client().usage(prefix, options);
}

/**
 * Deletes many objects, a thousand with each request and several requests at a time. See
 * {@linkcode S3Client.deleteMany}.
 *
 * @param sources URIs, entries of a listing, or files, all whole and on S3.
 * @throws {TransferError} At the end, when some could not be deleted; its `report` tells which.
 * @throws {DipperError} When all of it fails: for missing permissions or credentials.
 *
 * @example
 * ```ts
 * import { LocalS3 } from "dipper";
 * await using s3 = await LocalS3.start();
 * configure({ endpoint: s3.endpoint, credentials: s3.credentials });
 * await s3.client().createBucket("bucket");
 * await file("s3://bucket/old/a").write("first");
 * const { deleted } = await deleteMany(list("s3://bucket/old/"));
 * console.log(deleted); // 1
 * ```
 */
export async function deleteMany(
  sources: Iterable<Source | ObjectLocation> | AsyncIterable<Source | ObjectLocation>,
  options: TransferOptions = {},
): Promise<TransferReport> {
  return await client().deleteMany(sources, options);
}
