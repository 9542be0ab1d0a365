// The public client: one configuration, and everything that can be done with it.

import { Connection, defined, type Subject } from "../client/connection.ts";
import type { CheckedCredentials } from "../client/checked_credentials.ts";
import { checkOptions } from "../client/checked_options.ts";
import type { S3ClientOptions } from "../client/options.ts";
import { checkBucket } from "../client/s3_uri.ts";
import { invalidInput } from "../ffi/errors.ts";
import type { ByteBatch } from "../bridges/byte_batch.ts";
import { checkedFrames, checkedLines } from "../bridges/checked_lines.ts";
import type { FramesOptions, LinesOptions } from "../bridges/line_options.ts";
import { framesOf, type LineOf, linesOf } from "../bridges/lines.ts";
import type { Completed } from "../ffi/queue.ts";
import type { RustBuffer } from "../ffi/rust_buffer.ts";
import type { Table } from "../table/flechette.ts";
import type { TableOptions } from "../table/table_options.ts";
import type { ManyFilesOptions, TableSources } from "./table_files.ts";
import type { TransferReport } from "../ffi/transfer_report.ts";
import { JUPYTER_DISPLAY, type MediaBundle } from "../jupyter/media_bundle.ts";
import type { BucketMessage, ClientHandle, RegionMessage, Request } from "../ffi/symbols.ts";
import type { Bucket, CreateBucketOptions } from "./bucket.ts";
import { checkedCall, checkedLater } from "./call_options.ts";
import type { Diagnosis } from "./diagnosis.ts";
import { customerKeyOf } from "./customer_key.ts";
import type { ObjectEntry, UploadEntry } from "./entry.ts";
import { type Fetched, type GetManyOptions, manyObjects } from "./get_many.ts";
import { HttpFile } from "./http_file.ts";
import {
  abortUpload,
  type AbortUploadsOptions,
  uploadsOf,
  type UploadsOptions,
} from "./incomplete_uploads.ts";
import { otherOrigin, otherSource } from "./line_source.ts";
import type { ListOptions } from "./list_options.ts";
import { type Listing, listingOf } from "./listing.ts";
import { LocalFile } from "./local_file.ts";
import { type ObjectAt, ObjectFile } from "./object_file.ts";
import { FILE_OPTIONS, READ_OPTIONS } from "./option_names.ts";
import type { CallOptions, FileOptions, ReadOptions, Source } from "./read_options.ts";
import { S3File } from "./s3_file.ts";
import type { TreeOptions, UploadTreeOptions } from "./tree_options.ts";
import { directoryOf, folderOf, type PrefixLike, prefixOf } from "./tree_place.ts";
import type { TreePlace } from "./sync.ts";
import { namedBy, type ObjectLocation } from "./source.ts";
import type { Stat } from "./stat.ts";
import type { WritableTable } from "../table/written_tables.ts";
import type { TransferOptions } from "./transfer_tally.ts";
import type { WriteTableOptions } from "./write_table.ts";
import { type UsageCounting, usageOf, type UsageOptions } from "./usage.ts";

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

  /** A lazy handle on an S3 object. No request is sent. */
  file(
    at: `s3://${string}` | S3File | ObjectEntry | ObjectLocation,
    options?: FileOptions,
  ): S3File;
  /** A lazy handle on what a web address leads to, through this client's proxies and limits. */
  file(at: `http://${string}` | `https://${string}` | HttpFile, options?: FileOptions): HttpFile;
  /** A lazy handle on a file of this machine, within this client's memory budget. */
  file(
    at: `file:${string}` | `/${string}` | `./${string}` | `../${string}` | LocalFile,
    options?: FileOptions,
  ): LocalFile;
  /**
   * A lazy handle on an object. No request is sent.
   *
   * @param at `s3://bucket/key`, `http(s)://...`, `file:///...`, a path that starts with `/`, `./` or
   * `../`, a `URL`, a listed entry, another file, or bucket and key apart.
   * @throws {InvalidInputError} When it names no object.
   */
  file(at: Source | ObjectLocation, options?: FileOptions): ObjectFile;
  file(at: Source | ObjectLocation, options: FileOptions = {}): ObjectFile {
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
    const known = [...FILE_OPTIONS, ...READ_OPTIONS];
    const { versionId, customerKey, map, ...read } = checkedLater(options, "get", undefined, known);
    const named = defined({ versionId, customerKey, map });
    return await this.#file(source, named, "get").buffer(read);
  }

  /** Reads the lines of a source, as the function {@linkcode lines} does, through this client. */
  lines(
    source: Source,
    options?: LinesOptions & { as?: "text"; batch?: false },
  ): AsyncIterable<string>;
  /** Reads the lines of a source; see above. */
  lines<const O extends LinesOptions>(source: Source, options: O): AsyncIterable<LineOf<O>>;
  lines(source: Source, options: LinesOptions = {}): AsyncIterable<unknown> {
    const other = otherSource(source, "lines");
    if (other === undefined) return this.#file(source, {}, "lines").lines(options);
    options = checkedLater(options, "lines", other.uri);
    const cutting = checkedLines(options, other.uri, other.isTopic);
    return linesOf(otherOrigin(this.#connection, other, "lines", cutting), options);
  }

  /** Reads the messages of a source, as the function {@linkcode frames} does, through this client. */
  frames(source: Source, options: FramesOptions & { batch: true }): AsyncIterable<ByteBatch>;
  /** Reads the messages of a source; see above. */
  frames(source: Source, options: FramesOptions): AsyncIterable<Uint8Array<ArrayBuffer>>;
  frames(
    source: Source,
    options: FramesOptions,
  ): AsyncIterable<Uint8Array<ArrayBuffer> | ByteBatch> {
    const other = otherSource(source, "frames");
    if (other === undefined) return this.#file(source, {}, "frames").frames(options);
    options = checkedLater(options ?? {}, "frames", other.uri);
    const cutting = checkedFrames(options, other.uri);
    return framesOf(otherOrigin(this.#connection, other, "frames", cutting), options);
  }

  /** Reads many files as one table, as the function {@linkcode table} does, through this client. */
  async table(
    sources: TableSources,
    options: TableOptions & ManyFilesOptions & CallOptions = {},
  ): Promise<Table> {
    const { tableOf } = await import("./many_tables.ts");
    return await tableOf(this.#connection, sources, options);
  }

  /** Reads many files batch by batch, as the function {@linkcode batches} does. */
  batches(
    sources: TableSources,
    options: TableOptions & ManyFilesOptions & CallOptions = {},
  ): AsyncIterable<Table> {
    const connection = this.#connection;
    return {
      async *[Symbol.asyncIterator]() {
        const { batchesOf } = await import("./many_tables.ts");
        yield* batchesOf(connection, sources, options);
      },
    };
  }

  /**
   * Reads many objects, thousands at a time. Each source becomes one result, in the order in which
   * they come, or in that of the sources with `{ ordered: true }`; one that cannot be read becomes
   * an error in its place, and the others go on. Sources are read as results are taken: at most
   * some two thousand are under way. Leaving the loop ends what is left.
   *
   * @param sources URIs, paths, entries of a listing, or files of any kind, all whole.
   * @throws {DipperError} In the loop, when all of it ends: with the signal's reason, or with what
   * the sources threw.
   *
   * @example
   * ```ts
   * import { LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("bucket");
   * await client.file("s3://bucket/a").write("first");
   * for await (const { uri, bytes, error } of client.getMany(client.list("s3://bucket/"))) {
   *   console.log(uri, bytes?.length ?? error?.message); // s3://bucket/a 5
   * }
   * ```
   */
  getMany(
    sources: Iterable<Source> | AsyncIterable<Source>,
    options: GetManyOptions = {},
  ): AsyncIterable<Fetched> {
    return manyObjects(this.#connection, sources, options);
  }

  /**
   * Lists what is below a prefix. No request is sent before the listing is read.
   *
   * @param prefix `s3://bucket/` or `s3://bucket/prefix`.
   * @throws {InvalidInputError} When it names no bucket.
   */
  list(prefix: string | URL | ObjectLocation, options: ListOptions = {}): Listing {
    return listingOf(this.#connection, prefixOf(prefix, "list"), options);
  }

  /**
   * Counts objects and bytes below a prefix, by folder, extension, storage class and age, with many
   * listings at once. The memory it takes does not grow with what it counts. What comes back is
   * awaited like any promise; what was counted so far is in its `report` at any time, and stays there
   * when the count is stopped or fails. In a notebook, keep it in a variable before awaiting it.
   *
   * @param prefix `s3://bucket/` or `s3://bucket/prefix`.
   * @throws {InvalidInputError} When it names no bucket, and for an option that cannot be meant.
   * @throws {DipperError} When awaited: for whatever the server or the connection reports.
   *
   * @example
   * ```ts
   * import { LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("example");
   * await client.file("s3://example/data/a.csv").write("1,2,3");
   * const { objects, bytes, folders } = await client.usage("s3://example/");
   * console.log(objects, bytes, folders[0]?.uri); // 1 5 s3://example/data/
   * ```
   */
  usage(prefix: string | URL | ObjectLocation, options: UsageOptions = {}): UsageCounting {
    return usageOf(this.#connection, prefixOf(prefix, "usage"), options);
  }

  /**
   * The uploads in parts below a prefix that are not complete, in the order of their keys. Their
   * parts are stored, and paid for, until they are completed or ended.
   *
   * @param prefix `s3://bucket/` or `s3://bucket/prefix`.
   * @throws {InvalidInputError} When it names no bucket.
   */
  incompleteUploads(
    prefix: string | URL | ObjectLocation,
    options: UploadsOptions = {},
  ): Listing<UploadEntry> {
    return uploadsOf(this.#connection, prefixOf(prefix, "incompleteUploads"), options);
  }

  /**
   * Ends an upload in parts that is not complete: its parts are gone then. That it is gone already is
   * no error.
   *
   * @param upload An entry of {@linkcode incompleteUploads}.
   * @throws {InvalidInputError} When it is no upload.
   * @throws {DipperError} For whatever else the server or the connection reports.
   */
  async abortUpload(
    upload: Pick<UploadEntry, "uri" | "uploadId">,
    options: CallOptions = {},
  ): Promise<void> {
    await abortUpload(this.#connection, upload, options);
  }

  /**
   * Ends the uploads in parts below a prefix that are not complete: all of them, or those that were
   * begun before `olderThan`. An upload that is under way fails when it is ended. The report counts
   * them as `deleted`, and those that are younger as `skipped`.
   *
   * @param prefix `s3://bucket/` or `s3://bucket/prefix`.
   * @throws {TransferError} When some could not be ended, unless `onError` is `"collect"`.
   * @throws {DipperError} For whatever else the server or the connection reports.
   *
   * @example
   * ```ts
   * import { LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("example");
   * const aWeek = 7 * 24 * 3600 * 1000;
   * const { deleted } = await client.abortIncompleteUploads("s3://example/", {
   *   olderThan: Date.now() - aWeek,
   * });
   * console.log(deleted); // 0
   * ```
   */
  async abortIncompleteUploads(
    prefix: string | URL | ObjectLocation,
    options: AbortUploadsOptions = {},
  ): Promise<TransferReport> {
    const location = prefixOf(prefix, "abortIncompleteUploads");
    const { abortUploads } = await import("./abort_uploads.ts");
    return await abortUploads(this.#connection, location, options);
  }

  /**
   * Deletes many objects, or versions of objects: a thousand with each request, and several
   * requests at a time. Sources are read as there is room, so a listing of any length can be
   * deleted while it is read. One that cannot be deleted is a failure in the report, and the others
   * go on; one that does not exist is none, as in S3.
   *
   * @param sources URIs, entries of a listing, of versions too, or files, all whole and on S3.
   * @returns How many were deleted.
   * @throws {TransferError} At the end, when some could not be deleted, unless
   * `onError: "collect"`; its `report` tells which, and why.
   * @throws {DipperError} When all of it fails: for missing permissions or credentials, or with
   * what the sources threw.
   *
   * @example
   * ```ts
   * import { LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("bucket");
   * await client.file("s3://bucket/old/a").write("first");
   * await client.file("s3://bucket/old/b").write("second");
   * const report = await client.deleteMany(client.list("s3://bucket/old/"));
   * console.log(report.deleted, report.failures.length); // 2 0
   * ```
   */
  async deleteMany(
    sources: Iterable<Source | ObjectLocation> | AsyncIterable<Source | ObjectLocation>,
    options: TransferOptions = {},
  ): Promise<TransferReport> {
    const { deleteMany } = await import("./delete_many.ts");
    return await deleteMany(this.#connection, sources, options);
  }

  /**
   * Downloads what is below a folder of a bucket as files below a directory. Several objects come
   * at once; each is written under a temporary name in its folder, verified, and renamed. A file
   * gets the time of its object and is left alone the next time, so a call that was killed is made
   * again: finished files are not fetched again, an unfinished one is fetched from its beginning,
   * and what the killed call left behind is removed.
   *
   * A key that cannot be a file below the directory (`../x`, `/abs`, `a//b`, a name of more than
   * 255 bytes), one that is the folder of another key (`a` beside `a/b`), and one whose place is
   * taken on this file system are failures in the report, and nothing is written for them. No
   * symbolic link below the directory is followed or replaced. A key that ends with a slash and has
   * no bytes becomes an empty directory.
   *
   * @param prefix `s3://bucket/` or `s3://bucket/folder`; what is below the folder is meant.
   * @param directory A path or `file:` URL. It is made when it is missing.
   * @returns What was done, and with `dryRun` what would be.
   * @throws {TransferError} When something failed, at the end of the rest; its `report` tells all.
   * @throws {NotFoundError} When the bucket does not exist.
   * @throws {PermissionError} Naming every missing flag.
   *
   * @example
   * ```ts
   * import { LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("bucket");
   * await client.file("s3://bucket/data/a/b.txt").write("hello");
   * const directory = await Deno.makeTempDir();
   * const report = await client.download("s3://bucket/data", directory);
   * console.log(report.transferred); // 1
   * console.log(await Deno.readTextFile(`${directory}/a/b.txt`)); // hello
   * await Deno.remove(directory, { recursive: true });
   * ```
   */
  async download(
    prefix: PrefixLike,
    directory: string | URL,
    options: TreeOptions = {},
  ): Promise<TransferReport> {
    const from = folderOf(prefix, this.#connection, "download");
    const to = directoryOf(directory, "download");
    const { downloadTree } = await import("./download.ts");
    return await downloadTree(from, to, options, "download");
  }

  /**
   * Writes a table to a file of Parquet, Arrow, CSV, NDJSON or JSON, as its name or `format`
   * says. See {@linkcode writeTable}.
   *
   * @param destination An `s3://` URI, a path, or a file.
   * @param table A table, or an iterable of tables with the same columns.
   * @returns What is known of the file now.
   * @throws {InvalidInputError} For what is no table, columns of different lengths, names that
   * repeat, and options that cannot be meant. Nothing is written then.
   * @throws {UnsupportedError} For a column that the format has no place for.
   * @throws {DipperError} As `write` of the file.
   */
  async writeTable(
    destination: Source | ObjectLocation,
    table: WritableTable,
    options: WriteTableOptions = {},
  ): Promise<Stat> {
    const file = destination instanceof ObjectFile ? destination : this.file(destination);
    const { writeTableTo } = await import("./write_table.ts");
    return await writeTableTo(file, table, options);
  }

  /**
   * Uploads the files below a directory as objects below a folder of a bucket. Files that are there
   * unchanged are left alone, so a call that was killed is made again. Symbolic links are not
   * followed, and pipes and devices not read: the report names them as `ignored`. Empty directories
   * have no object. An upload in parts that a killed call left of one of the files is ended first, so
   * two calls must not upload the same files at once. The media type follows from the name.
   *
   * @param directory A path or `file:` URL.
   * @param prefix `s3://bucket/` or `s3://bucket/folder`; the contents of the directory go below it.
   * @returns What was done, and with `dryRun` what would be.
   * @throws {TransferError} When something failed, at the end of the rest; its `report` tells all.
   * @throws {NotFoundError} When the directory or the bucket does not exist.
   * @throws {PermissionError} Naming every missing flag.
   *
   * @example
   * ```ts
   * import { LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("bucket");
   * const directory = await Deno.makeTempDir();
   * await Deno.writeTextFile(`${directory}/a.txt`, "hello");
   * await client.upload(directory, "s3://bucket/data");
   * console.log(await client.file("s3://bucket/data/a.txt").text()); // hello
   * await Deno.remove(directory, { recursive: true });
   * ```
   */
  async upload(
    directory: string | URL,
    prefix: PrefixLike,
    options: UploadTreeOptions = {},
  ): Promise<TransferReport> {
    const from = directoryOf(directory, "upload");
    const to = folderOf(prefix, this.#connection, "upload");
    const { uploadTree } = await import("./upload.ts");
    return await uploadTree(from, to, options, "upload");
  }

  /**
   * Makes a place like another: a directory like a folder of a bucket, the other way round, or a
   * folder of a bucket like another one. Only what differs is transferred, by the rules of
   * {@linkcode S3Client.download} and {@linkcode S3Client.upload}; with `{ delete: true }` what the
   * source does not have is deleted.
   *
   * From folder to folder the server copies, with all that {@linkcode S3File.copyTo} says. To reach
   * another server, account or endpoint, name its client as `source` or `destination`, or pass a
   * handle of that client: then the bytes are streamed through this process, in bounded memory, with
   * media type, encoding and metadata.
   *
   * @param from `s3://bucket/folder`, a handle on it, a path or a `file:` URL.
   * @param to The same; one of the two is on S3.
   * @returns What was done, and with `dryRun` what would be.
   * @throws {TransferError} When something failed, at the end of the rest; its `report` tells all.
   * @throws {InvalidInputError} When neither place is on S3, or one bucket folder holds the other.
   * @throws {PermissionError} Naming every missing flag.
   *
   * @example
   * ```ts
   * import { LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("bucket");
   * await client.file("s3://bucket/one/a").write("hello");
   * console.log((await client.sync("s3://bucket/one", "s3://bucket/two")).transferred); // 1
   * console.log((await client.sync("s3://bucket/one", "s3://bucket/two")).skipped); // 1
   *
   * await using elsewhere = await LocalS3.start();
   * const destination = elsewhere.client();
   * await destination.createBucket("backup");
   * await client.sync("s3://bucket/one", "s3://backup/one", { destination });
   * console.log(await destination.file("s3://backup/one/a").text()); // hello
   * ```
   */
  async sync(
    from: TreePlace,
    to: TreePlace,
    options: SyncOptions = {},
  ): Promise<TransferReport> {
    const { source, destination, ...rest } = checkedCall(options, "sync");
    const clients = {
      own: this.#connection,
      source: S3Client.#connectionOf(source, "source"),
      destination: S3Client.#connectionOf(destination, "destination"),
    };
    const { syncTrees } = await import("./sync.ts");
    return await syncTrees(clients, from, to, rest);
  }

  static #connectionOf(client: unknown, name: string): Connection | undefined {
    if (client === undefined || client === null) return undefined;
    if (client instanceof S3Client) return client.#connection;
    throw invalidInput("sync", `${name} is no S3Client`, `pass ${name}: new S3Client({ \u2026 })`);
  }

  /**
   * Makes a bucket, in the client's region.
   *
   * @throws {InvalidInputError} When the name is taken or breaks S3's rules.
   * @throws {DipperError} For whatever else the server or the connection reports.
   *
   * @example
   * ```ts
   * import { LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("example", { versioning: true });
   * const f = client.file("s3://example/a");
   * const { versionId } = await f.write("old");
   * await f.write("new");
   * console.log(await client.file(f, { versionId: versionId! }).text()); // old
   * ```
   */
  async createBucket(name: string, options: CreateBucketOptions = {}): Promise<void> {
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
   * The region that a bucket lives in, whoever owns it.
   *
   * @throws {NotFoundError} When there is no such bucket.
   * @throws {DipperError} For whatever else the server or the connection reports.
   *
   * @example
   * ```ts
   * import { LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("example");
   * console.log(await client.bucketRegion("example")); // us-east-1
   * ```
   */
  async bucketRegion(name: string, options: CallOptions = {}): Promise<string> {
    const { payload } = await this.#onBucket("bucketRegion", name, options);
    return (payload as RegionMessage).region;
  }

  /**
   * The caller's buckets.
   *
   * @throws {DipperError} For whatever the server or the connection reports.
   */
  async buckets(options: CallOptions = {}): Promise<Bucket[]> {
    options = checkedCall(options, "buckets", undefined, []);
    const { payload } = await this.#connection.run(
      { operation: "buckets" },
      (client) => ({ operation: "buckets", client }),
      { signal: options.signal },
    );
    const { bucketsOf } = await import("./bucket.ts");
    return bucketsOf(payload as BucketMessage[]);
  }

  /**
   * Finds out why a bucket or an object can be reached, or not: who gave the credentials, who the
   * caller is, where the bucket lives, whether the clocks agree, what the server says to one LIST,
   * one HEAD and one GET of a byte, and what to do. What goes wrong is part of the diagnosis: it
   * takes some ten seconds at most for each step, and holds no secret.
   *
   * @param uri `s3://bucket/` or `s3://bucket/key`.
   * @throws {InvalidInputError} When it names no bucket.
   *
   * @example
   * ```ts
   * import { LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * const diagnosis = await client.diagnose("s3://missing/key");
   * console.log(diagnosis.verdicts[0]?.error?.code); // NoSuchBucket
   * ```
   */
  async diagnose(
    uri: string | URL | ObjectLocation,
    options: CallOptions = {},
  ): Promise<Diagnosis> {
    const location = prefixOf(uri, "diagnose");
    options = checkedCall(options, "diagnose", undefined, []);
    const { diagnosisOf } = await import("./diagnose.ts");
    return await diagnosisOf(this.#connection, location, options);
  }

  /** Ends the client's operations and forgets its credentials. Twice is harmless. */
  dispose(): void {
    this.#connection.close();
  }

  /** Disposes the client at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Shows in a notebook where the client goes, and never with what credentials. */
  async [JUPYTER_DISPLAY](): Promise<MediaBundle> {
    const { showHandle } = await import("../jupyter/show_handle.ts");
    const { place, options: { region, credentials } } = this.#connection;
    return showHandle({
      name: "S3Client",
      label: "Endpoint",
      of: place,
      facts: [
        ...(region === undefined ? [] : [{ label: "Region", value: region }]),
        { label: "Credentials", value: kindOfCredentials(credentials) },
      ],
      use: ['client.list("s3://bucket/")', 'await client.diagnose("s3://bucket/key")'],
    });
  }

  /** Shows where the client goes, and never with what credentials. */
  [Symbol.for("Deno.customInspect")](): string {
    return `S3Client { ${this.#connection.place} }`;
  }

  #file(at: Source | ObjectLocation, options: FileOptions, operation: string): ObjectFile {
    const named = namedBy(at, operation);
    const { location, uri, slices } = named;
    options = checkedCall(options, operation, uri, FILE_OPTIONS);
    const { versionId = named.versionId, map = named.map } = options;
    const customerKey = options.customerKey === undefined
      ? named.customerKey
      : customerKeyOf(options.customerKey, operation, uri);
    const refused = (name: string, what: string) =>
      invalidInput(operation, `${name} is for ${what} only`, `leave ${name} away`);
    if (versionId !== undefined && location.scheme !== "s3") {
      throw refused("versionId", "S3 objects");
    }
    if (customerKey !== undefined && location.scheme !== "s3") {
      throw refused("customerKey", "S3 objects");
    }
    if (map !== undefined && location.scheme !== "file") throw refused("map", "local files");
    const handle: ObjectAt = {
      connection: this.#connection,
      location,
      uri,
      versionId,
      customerKey,
      map,
      // A file keeps its own client.
      open: (at, operation) => at instanceof ObjectFile ? at : this.#file(at, {}, operation),
    };
    switch (location.scheme) {
      case "s3":
        return new S3File(handle, slices);
      case "http":
        return new HttpFile(handle, slices);
      case "file":
        return new LocalFile(handle, slices);
    }
  }

  async #onBucket(
    operation: "createBucket" | "deleteBucket" | "bucketRegion",
    bucket: string,
    options: CreateBucketOptions,
  ): Promise<Completed> {
    checkBucket(bucket, operation);
    const also = operation === "createBucket" ? ["versioning"] : [];
    options = checkedCall(options, operation, undefined, also);
    const subject: Subject = { operation, bucket, uri: `s3://${bucket}/` };
    const { versioning = false } = options;
    const request = (client: ClientHandle): Request =>
      operation === "createBucket"
        ? { operation, client, bucket, versioning }
        : { operation, client, bucket };
    return await this.#connection.run(subject, request, { signal: options.signal });
  }
}

/** What `sync` takes. */
export interface SyncOptions extends UploadTreeOptions {
  /** The client that reaches the source, when it is on S3. Default: that of the call. */
  source?: S3Client;
  /** The client that reaches the destination, when it is on S3. Default: that of the call. */
  destination?: S3Client;
}

function kindOfCredentials(credentials: CheckedCredentials | undefined): string {
  if (credentials === undefined) return "those of the standard AWS chain";
  return credentials.isAnonymous ? "none: unsigned requests" : "given as an option";
}
