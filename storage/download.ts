// `download`: what is below a prefix becomes files below a directory.

import { type Connection, defined, type Subject } from "../client/connection.ts";
import { type Location, uriOf } from "../client/s3_uri.ts";
import { watched } from "../client/watched.ts";
import { directoryNeeds, directoryPath, makeDirectory } from "../ffi/directory_path.ts";
import type { DipperError } from "../ffi/errors.ts";
import type { FileToWriteMessage, PageMessage } from "../ffi/symbols.ts";
import type { TransferReport } from "../ffi/transfer_report.ts";
import { GROUP } from "./entry_makers.ts";
import { isRepeated, ListedPages } from "./listed_pages.ts";
import { type LocalEntry, type LocalTree, localTree, removeFiles } from "./local_tree.ts";
import { TransferTally } from "./transfer_tally.ts";
import { TreeBatches } from "./tree_batches.ts";
import { comparisons, type Pair } from "./tree_compare.ts";
import { type CheckedTree, checkedTree, isDownloaded, type TreeOptions } from "./tree_options.ts";
import type { BucketFolder } from "./tree_place.ts";
import { FoldersAhead, noFile, problemOf } from "./tree_paths.ts";

/** So many lines are looked at before calls that were made meanwhile go out. */
const YIELD = 32;

/** An object that is to become a file. */
interface Candidate {
  readonly key: string;
  /** Its path below the directory. */
  readonly path: string;
  readonly size: number;
  /** When it was last written, in milliseconds since 1970. */
  readonly modified: number;
  readonly etag: string | undefined;
}

/** Downloads what is below a folder of a bucket. */
export async function downloadTree(
  { connection, at, customerKey }: BucketFolder,
  directory: string,
  options: TreeOptions,
  operation: string,
): Promise<TransferReport> {
  const checked = checkedTree(options, operation);
  checked.signal?.throwIfAborted();
  checked.customerKey ??= customerKey;
  const subject = { operation, uri: uriOf(at), bucket: at.bucket };
  connection.ensure(subject, directoryNeeds(directory, checked.dryRun ? "read" : "write"));
  return await watched(operation, subject.uri, checked, (onProgress) => {
    const told = { ...checked, ...defined({ onProgress }) };
    return new Download(connection, at, directory, told, subject).run();
  });
}

class Download {
  readonly #connection: Connection;
  readonly #from: Location;
  /** As it was given. */
  readonly #directory: string;
  readonly #options: CheckedTree;
  readonly #subject: Subject & { bucket: string };
  readonly #tally: TransferTally;
  readonly #batches: TreeBatches<FileToWriteMessage>;
  readonly #comparisons: TreeBatches<Pair<FileToWriteMessage>>;
  /** Where it lies, once it exists. */
  #place: string | undefined;
  #local: LocalTree = { entries: new Map(), failures: [] };
  /** Paths that the source has, written or not: nothing there is deleted. Kept where anything is. */
  readonly #wanted = new Set<string>();
  /** Folders on the way to a file that are known to be in order. */
  readonly #sound = new Set<string>();
  /** Files in the place of folders, which are to be deleted before anything is written there. */
  #first: string[] = [];
  /** Files that are deleted or about to be. */
  readonly #gone = new Set<string>();
  /** Files whose place is taken by a folder that is empty once all is deleted. */
  readonly #last: FileToWriteMessage[] = [];

  constructor(
    connection: Connection,
    from: Location,
    directory: string,
    options: CheckedTree,
    subject: Subject & { bucket: string },
  ) {
    this.#connection = connection;
    this.#from = from;
    this.#directory = directory;
    this.#options = options;
    this.#subject = subject;
    this.#tally = new TransferTally(subject.operation, options, options.dryRun);
    this.#batches = new TreeBatches({
      operation: subject.operation,
      signal: options.signal,
      onProgress: options.onProgress,
      sizeOf: ({ size }) => size,
      send: async (files, more) => {
        this.#place ??= makeDirectory(directory, subject.operation);
        if (this.#first.length > 0) await this.#remove(this.#first.splice(0));
        return await connection.run(subject, (client) => ({
          operation: "downloadFiles",
          client,
          bucket: from.bucket,
          ...defined({ customerKey: options.customerKey }),
          directory: this.#place!,
          files: [...files],
          progress: options.onProgress !== undefined,
        }), more);
      },
      ended: ({ key, path }, bytes, error) => {
        if (error !== undefined) this.#failed(key, path, error);
        else if (!path.endsWith("/")) this.#tally.transferred(bytes);
      },
    });
    const { signal } = this.#batches;
    const objects = { connection, at: from, customerKey: options.customerKey };
    this.#comparisons = comparisons(objects, subject, () => this.#place!, signal, {
      same: () => this.#tally.skipped(),
      differs: ({ job }) => this.#add(job),
      failed: ({ entry: { key }, path }, error) => this.#failed(key, path, error),
    });
  }

  async run(): Promise<TransferReport> {
    const { operation } = this.#subject;
    const use = this.#options.dryRun ? "read" : "write";
    this.#place = directoryPath(this.#directory, use, operation);
    try {
      const clean = !this.#options.dryRun;
      const { signal } = this.#batches;
      this.#local = await localTree(this.#place, operation, { clean, signal });
      await this.#transfer();
      await this.#comparisons.end();
      await this.#batches.end();
      if (this.#options.delete) await this.#delete();
      for (const file of this.#last) this.#add(file);
      await this.#batches.end();
      // It may have been aborted between two steps, where nothing listened.
      this.#batches.signal.throwIfAborted();
    } catch (reason) {
      await this.#batches.abort(reason);
      await this.#comparisons.abort(reason);
      throw reason;
    }
    return this.#tally.end();
  }

  async #transfer(): Promise<void> {
    const ahead = new FoldersAhead<Candidate>();
    const settle = (candidate: Candidate, isFolder: boolean) => this.#settle(candidate, isFolder);
    const { bucket, key: prefix } = this.#from;
    const { signal } = this.#batches;
    // Its lines as they come: an entry of a listing for each would cost more than all that is
    // decided here.
    const plan = {
      operation: "list",
      uri: uriOf(this.#from),
      what: "objects",
      bucket,
      prefix,
      delimiter: undefined,
      owner: false,
    } as const;
    const pages = new ListedPages(this.#connection, plan, {}, Infinity, signal);
    try {
      let before: PageMessage | undefined;
      for (let page = await pages.next(); page !== undefined; page = await pages.next()) {
        signal.throwIfAborted();
        pages.ahead();
        const { names, sizes, times, etags } = page;
        for (let index = isRepeated(page, before) ? 1 : 0; index < names.length; index++) {
          const key = names[index]!;
          const size = sizes[index]!;
          if (size === GROUP) continue;
          const path = key.slice(prefix.length);
          // The folder itself, as somebody marked it.
          if (path === "") continue;
          const etag = etags?.[index] || undefined;
          ahead.next(path, { key, path, size, modified: times[index]!, etag }, settle);
          if (this.#batches.full) await this.#batches.room();
          if (this.#comparisons.full) await this.#comparisons.room();
          // What was gathered goes out while the rest is looked at.
          if (index % YIELD === 0) await Promise.resolve();
        }
        if (names.length > 0) before = page;
      }
    } finally {
      pages.close();
    }
    ahead.end(settle);
  }

  /** Decides what becomes of an object. */
  #settle({ key, path, size, modified, etag }: Candidate, isFolder: boolean): void {
    const marksFolder = path.endsWith("/");
    const place = marksFolder ? path.slice(0, -1) : path;
    if (this.#options.delete) this.#wanted.add(place);
    if (!this.#options.takes(place)) return;
    const refused = (why: string) => {
      const { operation } = this.#subject;
      this.#failed(key, path, noFile(operation, this.#from.bucket, key, why));
    };
    const problem = problemOf(path);
    if (problem !== undefined) return refused(problem);
    if (isFolder) return refused("other keys have it as their folder");
    if (marksFolder && size > 0) return refused("its name is that of a folder, and it holds bytes");
    const blocked = this.#blockedBy(place);
    if (blocked !== undefined) return refused(`${blocked} is in the place of a folder on its way`);
    const there = this.#local.entries.get(place);
    if (marksFolder) {
      if (there === undefined) this.#add({ key, path, size: 0, replace: false });
      else if (there.kind !== "folder") refused("something else is in the place of the folder");
      return;
    }
    const file = { key, path, size, modified, replace: there !== undefined };
    if (there === undefined) return this.#add(file);
    if (there.kind === "folder" && this.#options.delete) {
      this.#last.push({ ...file, replace: false });
      return;
    }
    if (there.kind !== "file") return refused(inTheWay(there));
    switch (isDownloaded(there, { size, modified }, this.#options.compare)) {
      case "same":
        return this.#tally.skipped();
      case "different":
        return this.#add(file);
      case "unknown":
        this.#comparisons.add({ path, entry: { key, ...defined({ etag }) }, job: file });
    }
  }

  #add(file: FileToWriteMessage): void {
    if (!this.#options.dryRun) {
      this.#batches.add(file);
    } else if (!file.path.endsWith("/")) {
      this.#tally.planned({
        action: "download",
        target: this.#shown(file.path),
        source: uriOf({ bucket: this.#from.bucket, key: file.key }),
        bytes: file.size,
      });
    }
  }

  #shown(path: string): string {
    return `${this.#directory.replace(/\/+$/, "")}/${path}`;
  }

  /** What stands where a folder of the path should be. */
  #blockedBy(path: string): string | undefined {
    const end = path.lastIndexOf("/");
    if (end === -1) return undefined;
    const folder = path.slice(0, end);
    if (this.#sound.has(folder)) return undefined;
    const blocked = this.#blockedBy(folder);
    if (blocked !== undefined) return blocked;
    const there = this.#local.entries.get(folder);
    if (there !== undefined && there.kind !== "folder") {
      const goes = this.#options.delete && there.kind === "file" && !this.#wanted.has(folder) &&
        this.#options.takes(folder);
      if (!goes) return this.#shown(folder);
      if (this.#options.dryRun) this.#planDeletion(folder, there);
      else this.#first.push(folder);
      this.#gone.add(folder);
    }
    this.#sound.add(folder);
    return undefined;
  }

  async #delete(): Promise<void> {
    // What could not be looked at may hold anything.
    for (const error of this.#local.failures) {
      this.#tally.failed(error.uri ?? this.#directory, error);
    }
    if (this.#local.failures.length > 0) return;
    const extra: string[] = [];
    for (const [path, entry] of this.#local.entries) {
      const kept = entry.kind !== "file" || this.#wanted.has(path) || this.#gone.has(path);
      if (kept || !this.#options.takes(path)) continue;
      if (this.#options.dryRun) this.#planDeletion(path, entry);
      else extra.push(path);
    }
    await this.#remove(extra);
  }

  #planDeletion(path: string, { size }: LocalEntry): void {
    this.#tally.planned({ action: "delete", target: this.#shown(path), bytes: size });
  }

  async #remove(paths: readonly string[]): Promise<void> {
    if (paths.length === 0 || this.#place === undefined) return;
    const { operation } = this.#subject;
    const { signal } = this.#options;
    await removeFiles(this.#place, paths, operation, signal, (path, error) => {
      if (error === undefined) this.#tally.deleted();
      else this.#tally.failed(this.#shown(path), error, { path: this.#shown(path) });
    });
  }

  #failed(key: string, path: string, error: DipperError): void {
    const uri = uriOf({ bucket: this.#from.bucket, key });
    this.#tally.failed(uri, error, { path: this.#shown(path) });
  }
}

function inTheWay({ kind }: LocalEntry): string {
  switch (kind) {
    case "folder":
      return "a folder is in its place";
    case "link":
      return "a symbolic link is in its place, and none is followed or replaced";
    default:
      return "what is in its place is no file";
  }
}
