// `upload`: the files below a directory become objects below a prefix.

import { type Connection, defined, type Subject } from "../client/connection.ts";
import { type Location, uriOf } from "../client/s3_uri.ts";
import { watched } from "../client/watched.ts";
import { directoryNeeds, directoryPath } from "../ffi/directory_path.ts";
import { DipperError, invalidInput, NotFoundError } from "../ffi/errors.ts";
import type { FileToSendMessage, WriteMessage } from "../ffi/symbols.ts";
import type { TransferReport } from "../ffi/transfer_report.ts";
import type { ObjectEntry, UploadEntry } from "./entry.ts";
import { deleteObjects } from "./delete_objects.ts";
import { abortUpload, uploadsOf } from "./incomplete_uploads.ts";
import { listingOf } from "./listing.ts";
import { type LocalTree, localTree } from "./local_tree.ts";
import { mediaTypeOf } from "./media_type.ts";
import { TransferTally } from "./transfer_tally.ts";
import { TreeBatches } from "./tree_batches.ts";
import { comparisons, type Pair } from "./tree_compare.ts";
import {
  type CheckedTree,
  checkedUpload,
  isUploaded,
  type UploadTreeOptions,
} from "./tree_options.ts";
import type { BucketFolder } from "./tree_place.ts";

/** S3's limit for a key, in bytes of UTF-8. */
const LONGEST_KEY = 1024;

const encoder = new TextEncoder();

/** Uploads what is below a directory. */
export async function uploadTree(
  directory: string,
  folder: BucketFolder,
  options: UploadTreeOptions,
  operation: string,
): Promise<TransferReport> {
  const { connection, at: to } = folder;
  const { tree: checked, write } = checkedUpload(options, folder, operation);
  checked.signal?.throwIfAborted();
  const subject = { operation, uri: uriOf(to), bucket: to.bucket };
  connection.ensure(subject, directoryNeeds(directory, "read"));
  const place = directoryPath(directory, "read", operation);
  if (place === undefined) {
    throw new NotFoundError(`${directory} does not exist`, {
      code: "NotFound",
      operation,
      uri: directory,
      hint: "pass the directory whose files are to be uploaded",
    });
  }
  return await watched(operation, subject.uri, checked, (onProgress) => {
    const told = { ...checked, ...defined({ onProgress }) };
    return new Upload(connection, directory, place, to, told, write, subject).run();
  });
}

class Upload {
  readonly #connection: Connection;
  /** As it was given. */
  readonly #directory: string;
  readonly #place: string;
  readonly #to: Location;
  readonly #options: CheckedTree;
  readonly #subject: Subject;
  readonly #tally: TransferTally;
  /** Whether the media type follows from the name. */
  readonly #guesses: boolean;
  readonly #batches: TreeBatches<FileToSendMessage>;
  readonly #comparisons: TreeBatches<Pair<FileToSendMessage>>;

  constructor(
    connection: Connection,
    directory: string,
    place: string,
    to: Location,
    options: CheckedTree,
    write: WriteMessage,
    subject: Subject & { bucket: string },
  ) {
    this.#connection = connection;
    this.#directory = directory;
    this.#place = place;
    this.#to = to;
    this.#options = options;
    this.#guesses = write.contentType === undefined;
    this.#subject = subject;
    this.#tally = new TransferTally(subject.operation, options, options.dryRun);
    this.#batches = new TreeBatches({
      operation: subject.operation,
      signal: options.signal,
      onProgress: options.onProgress,
      sizeOf: ({ size }) => size,
      send: (files, more) =>
        connection.run(subject, (client) => ({
          operation: "uploadFiles",
          client,
          bucket: to.bucket,
          directory: place,
          files: [...files],
          write,
          progress: options.onProgress !== undefined,
        }), more),
      ended: ({ key, path }, bytes, error) => {
        if (error === undefined) this.#tally.transferred(bytes);
        else this.#failed(key, path, error);
      },
    });
    const { signal } = this.#batches;
    const { encryption } = write;
    const customerKey = encryption?.kind === "customer" ? encryption.key : undefined;
    const objects = { connection, at: to, customerKey };
    this.#comparisons = comparisons(objects, subject, () => place, signal, {
      same: () => this.#tally.skipped(),
      differs: ({ job }) => this.#add(job),
      failed: ({ entry: { key }, path }, error) => this.#failed(key, path, error),
    });
  }

  async run(): Promise<TransferReport> {
    try {
      const { signal } = this.#batches;
      const [local, remote, left] = await Promise.all([
        localTree(this.#place, this.#subject.operation, { clean: false, signal }),
        this.#listed(),
        this.#leftBehind(),
      ]);
      await this.#abort(left, local);
      for (const error of local.failures) this.#tally.failed(error.uri ?? this.#directory, error);
      await this.#transfer(local, remote);
      await this.#comparisons.end();
      await this.#batches.end();
      if (this.#options.delete && local.failures.length === 0) await this.#delete(local, remote);
      // It may have been aborted between two steps, where nothing listened.
      this.#batches.signal.throwIfAborted();
    } catch (reason) {
      await this.#batches.abort(reason);
      await this.#comparisons.abort(reason);
      throw reason;
    }
    return this.#tally.end();
  }

  /** What is there, by paths below the prefix. */
  async #listed(): Promise<Map<string, ObjectEntry>> {
    const there = new Map<string, ObjectEntry>();
    const { signal } = this.#batches;
    for await (const entry of listingOf(this.#connection, this.#to, { signal, progress: false })) {
      if ("key" in entry) there.set(entry.key.slice(this.#to.key.length), entry);
    }
    return there;
  }

  /**
   * The uploads in parts below the prefix that were begun before. Who may write need not be allowed
   * to list them, and some servers cannot.
   */
  async #leftBehind(): Promise<UploadEntry[]> {
    if (this.#options.dryRun) return [];
    const { signal } = this.#batches;
    const { operation } = this.#subject;
    try {
      const quiet = { signal, progress: false };
      return await uploadsOf(this.#connection, this.#to, quiet, operation).toArray();
    } catch {
      signal.throwIfAborted();
      return [];
    }
  }

  /** Ends those of this tree's files: they were left by a call that was killed. */
  async #abort(uploads: readonly UploadEntry[], local: LocalTree): Promise<void> {
    const { operation } = this.#subject;
    const { signal } = this.#batches;
    const ours = uploads.filter(({ key }) => {
      const path = key.slice(this.#to.key.length);
      return local.entries.get(path)?.kind === "file" && this.#options.takes(path);
    });
    for (const upload of ours) {
      try {
        await abortUpload(this.#connection, upload, { signal }, operation);
      } catch (error) {
        signal.throwIfAborted();
        // It was completed or ended a moment ago.
        if (error instanceof NotFoundError) continue;
        if (!(error instanceof DipperError)) throw error;
        this.#tally.failed(upload.uri, error);
      }
    }
  }

  async #transfer(local: LocalTree, remote: Map<string, ObjectEntry>): Promise<void> {
    for (const [path, { kind, size, modified }] of local.entries) {
      if (kind === "folder" || !this.#options.takes(path)) continue;
      if (kind !== "file") {
        this.#tally.ignored(this.#shown(path));
        continue;
      }
      const key = `${this.#to.key}${path}`;
      if (key.length * 3 > LONGEST_KEY && encoder.encode(key).length > LONGEST_KEY) {
        this.#failed(key, path, this.#tooLong(path));
        continue;
      }
      const entry = remote.get(path);
      const job: FileToSendMessage = { path, key, size };
      const contentType = this.#guesses ? mediaTypeOf(path) : undefined;
      if (contentType !== undefined) job.contentType = contentType;
      if (entry === undefined) {
        this.#add(job);
      } else {
        const object = { size: entry.size, modified: entry.lastModified.getTime() };
        const verdict = isUploaded(object, { size, modified }, this.#options.compare);
        if (verdict === "same") this.#tally.skipped();
        else if (verdict === "different") this.#add(job);
        else this.#comparisons.add({ path, entry, job });
      }
      if (this.#batches.full) await this.#batches.room();
      if (this.#comparisons.full) await this.#comparisons.room();
    }
  }

  #add(file: FileToSendMessage): void {
    if (!this.#options.dryRun) {
      this.#batches.add(file);
      return;
    }
    this.#tally.planned({
      action: "upload",
      target: uriOf({ bucket: this.#to.bucket, key: file.key }),
      source: this.#shown(file.path),
      bytes: file.size,
    });
  }

  #shown(path: string): string {
    return `${this.#directory.replace(/\/+$/, "")}/${path}`;
  }

  #tooLong(path: string): DipperError {
    const { operation } = this.#subject;
    return invalidInput(
      operation,
      `the key of ${this.#shown(path)} would have more than ${LONGEST_KEY} bytes`,
      "use a shorter prefix, or a shorter name",
    );
  }

  async #delete(local: LocalTree, remote: Map<string, ObjectEntry>): Promise<void> {
    const extra: ObjectEntry[] = [];
    for (const [path, entry] of remote) {
      // A folder that somebody marked stays as long as there is one.
      const place = path.endsWith("/") ? path.slice(0, -1) : path;
      const kind = local.entries.get(place)?.kind;
      const kept = path === "" || (kind !== undefined && (kind === "folder") === (place !== path));
      if (!kept && this.#options.takes(place)) extra.push(entry);
    }
    await deleteObjects(this.#connection, extra, this.#options, this.#tally);
  }

  #failed(key: string, path: string, error: DipperError): void {
    const uri = uriOf({ bucket: this.#to.bucket, key });
    this.#tally.failed(uri, error, { path: this.#shown(path) });
  }
}
