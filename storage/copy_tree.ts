// `sync` from a bucket to a bucket: what is below one prefix is copied below another. The server
// copies where one client reaches both; between two clients the bytes are streamed through this
// process.

import { type Connection, defined } from "../client/connection.ts";
import { type Location, uriOf } from "../client/s3_uri.ts";
import { watched } from "../client/watched.ts";
import { DipperError, InternalError, invalidInput } from "../ffi/errors.ts";
import { eitherSignal } from "../ffi/stop.ts";
import type { TransferReport } from "../ffi/transfer_report.ts";
import { deleteObjects } from "./delete_objects.ts";
import type { ObjectEntry } from "./entry.ts";
import { listingOf } from "./listing.ts";
import { ObjectFile } from "./object_file.ts";
import { copyObject } from "./s3_copy.ts";
import { S3File } from "./s3_file.ts";
import { TransferTally } from "./transfer_tally.ts";
import type { TransferProgress } from "./transfer_told.ts";
import {
  checkedCopies,
  type CheckedTree,
  isUploaded,
  type UploadTreeOptions,
} from "./tree_options.ts";
import type { BucketFolder } from "./tree_place.ts";
import type { WriteOptions } from "./write_options.ts";

/** So many copies are under way at once. */
const AT_ONCE = 32;
/** What streamed copies may hold in memory together: two of any length, or many small ones. */
const MEMORY = 128 * 1024 ** 2;
/** What one streamed copy holds at most: its source's window and its destination's parts. */
const MOST_OF_ONE = 64 * 1024 ** 2;
const LEAST_OF_ONE = 256 * 1024;
const PROGRESS_INTERVAL = 100;

/** An object that is to be copied. */
interface Job {
  readonly path: string;
  readonly entry: ObjectEntry;
}

/** Copies what is below a folder of a bucket below another folder. */
export async function copyTree(
  from: BucketFolder,
  to: BucketFolder,
  options: UploadTreeOptions,
  operation: string,
): Promise<TransferReport> {
  const { tree, write } = checkedCopies(options, operation, uriOf(to.at));
  tree.signal?.throwIfAborted();
  refuseNested(from, to, operation);
  ensureBoth(from, to, operation);
  return await watched(operation, uriOf(to.at), tree, (onProgress) => {
    const told = { ...tree, ...defined({ onProgress }) };
    return copied(from, to, told, write, operation);
  });
}

async function copied(
  from: BucketFolder,
  to: BucketFolder,
  tree: CheckedTree,
  write: WriteOptions,
  operation: string,
): Promise<TransferReport> {
  const { signal, dryRun, compare, takes } = tree;
  const tally = new TransferTally(operation, tree, dryRun);
  const [source, there] = await bothListed(from, to, signal);
  const jobs: Job[] = [];
  for (const [path, entry] of source) {
    if (!takes(path)) continue;
    const copy = there.get(path);
    const version = ({ size, lastModified }: ObjectEntry) => ({
      size,
      modified: lastModified.getTime(),
    });
    let verdict = copy === undefined
      ? "different"
      : isUploaded(version(copy), version(entry), compare);
    if (verdict === "unknown") {
      verdict = copy?.etag !== undefined && copy.etag === entry.etag ? "same" : "different";
    }
    const target = uriOf(below(to.at, path));
    if (verdict === "same") tally.skipped();
    else if (!dryRun) jobs.push({ path, entry });
    else tally.planned({ action: "copy", target, source: entry.uri, bytes: entry.size });
  }
  await new Copies(from, to, jobs, tree, write, tally).run();
  if (tree.delete) {
    const extra = [...there].filter(([path]) => !source.has(path) && takes(path));
    await deleteObjects(to.connection, extra.map(([, entry]) => entry), tree, tally);
  }
  signal?.throwIfAborted();
  return tally.end();
}

/** Copies on their way. */
class Copies {
  readonly #from: BucketFolder;
  readonly #to: BucketFolder;
  readonly #jobs: readonly Job[];
  readonly #write: WriteOptions;
  readonly #tally: TransferTally;
  readonly #streams: boolean;
  readonly #ending = new AbortController();
  readonly #signal: AbortSignal;
  readonly #onProgress: CheckedTree["onProgress"];
  readonly #total: number;
  #next = 0;
  #memory = MEMORY;
  #waiting: (() => void)[] = [];
  #bytes = 0;
  #files = 0;
  #told = -Infinity;

  constructor(
    from: BucketFolder,
    to: BucketFolder,
    jobs: readonly Job[],
    { signal, onProgress, customerKey = from.customerKey }: CheckedTree,
    write: WriteOptions,
    tally: TransferTally,
  ) {
    this.#from = { ...from, customerKey };
    this.#to = to;
    this.#jobs = jobs;
    this.#write = write;
    this.#tally = tally;
    this.#onProgress = onProgress;
    this.#streams = from.connection !== to.connection;
    this.#signal = eitherSignal(signal, this.#ending.signal);
    this.#total = jobs.reduce((sum, { entry }) => sum + entry.size, 0);
  }

  /** Copies all; what fails is in the tally. When it rejects, nothing is under way any more. */
  async run(): Promise<void> {
    const copier = async () => {
      try {
        for (let job = this.#jobs[this.#next++]; job; job = this.#jobs[this.#next++]) {
          await this.#one(job);
        }
      } catch (reason) {
        this.#ending.abort(reason);
        throw reason;
      }
    };
    const copiers = Array.from({ length: Math.min(AT_ONCE, this.#jobs.length) }, copier);
    await Promise.allSettled(copiers);
    await Promise.all(copiers);
  }

  async #one({ path, entry: { key, uri, size } }: Job): Promise<void> {
    const memory = this.#streams ? Math.min(MOST_OF_ONE, LEAST_OF_ONE + 2 * size) : 0;
    await this.#reserve(memory);
    const from = fileOf(this.#from, { bucket: this.#from.at.bucket, key });
    const to = fileOf(this.#to, below(this.#to.at, path));
    let reached = 0;
    const onProgress = ({ bytes }: { bytes: number }) => {
      const more = Math.min(bytes, size) - reached;
      reached += more;
      this.#advance(more);
    };
    // The whole transfer shows itself, not each of its files.
    const told = this.#onProgress === undefined
      ? { progress: false, background: true }
      : { onProgress, progress: false, background: true };
    try {
      await copyObject(from, to, "copyTo", { ...this.#write, signal: this.#signal, ...told });
      this.#tally.transferred(size);
    } catch (error) {
      this.#signal.throwIfAborted();
      if (!(error instanceof DipperError)) throw error;
      this.#tally.failed(uri, error);
    } finally {
      this.#release(memory);
    }
    this.#files++;
    this.#advance(size - reached);
  }

  async #reserve(memory: number): Promise<void> {
    while (this.#memory < memory) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#signal.throwIfAborted();
    this.#memory -= memory;
  }

  #release(memory: number): void {
    this.#memory += memory;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** What the server copies counts as well, though it does not pass this machine. */
  #advance(bytes: number): void {
    this.#bytes += bytes;
    const now = performance.now();
    const ended = this.#files === this.#jobs.length;
    if (!ended && now - this.#told < PROGRESS_INTERVAL) return;
    this.#told = now;
    const progress: TransferProgress = {
      bytes: this.#bytes,
      total: this.#total,
      files: this.#files,
      totalFiles: this.#jobs.length,
    };
    this.#onProgress?.(progress);
  }
}

function below({ bucket, key }: Location, path: string): Location {
  return { bucket, key: `${key}${path}` };
}

function fileOf({ connection, customerKey }: BucketFolder, at: Location): S3File {
  return new S3File({
    connection,
    location: { scheme: "s3", ...at },
    uri: uriOf(at),
    customerKey,
    open(other, operation) {
      if (other instanceof ObjectFile) return other;
      throw new InternalError("a copy opens no other file", { code: "Internal", operation });
    },
  });
}

/** Two clients of one server reach the same folders, too. */
function refuseNested(from: BucketFolder, to: BucketFolder, operation: string): void {
  const nested = from.at.bucket === to.at.bucket &&
    from.connection.place === to.connection.place &&
    (from.at.key.startsWith(to.at.key) || to.at.key.startsWith(from.at.key));
  if (!nested) return;
  throw invalidInput(
    operation,
    `${uriOf(from.at)} and ${uriOf(to.at)} hold each other`,
    "pass folders of which neither is in the other",
    uriOf(from.at),
  );
}

/** One error names what is missing for both. */
function ensureBoth(from: BucketFolder, to: BucketFolder, operation: string): void {
  const about = ({ at }: BucketFolder) => ({ operation, uri: uriOf(at), bucket: at.bucket });
  from.connection.ensure(about(from), to.connection.hostNeeds(about(to)));
}

/** What is below both folders, by paths. When one cannot be listed, the other's listing ends. */
async function bothListed(
  from: BucketFolder,
  to: BucketFolder,
  signal: AbortSignal | undefined,
): Promise<[Map<string, ObjectEntry>, Map<string, ObjectEntry>]> {
  const ending = new AbortController();
  const either = eitherSignal(signal, ending.signal);
  const listings = [from, to].map(({ connection, at }) =>
    listed(connection, at, either).catch((reason) => {
      ending.abort(reason);
      throw reason;
    })
  );
  await Promise.allSettled(listings);
  const [source, there] = await Promise.all(listings);
  return [source!, there!];
}

async function listed(
  connection: Connection,
  at: Location,
  signal: AbortSignal,
): Promise<Map<string, ObjectEntry>> {
  const entries = new Map<string, ObjectEntry>();
  // The signal of the whole hears Stop, or does not.
  const quiet = { signal, background: true, progress: false };
  for await (const entry of listingOf(connection, at, quiet)) {
    const path = "key" in entry ? entry.key.slice(at.key.length) : "";
    if ("key" in entry && path !== "") entries.set(path, entry);
  }
  return entries;
}
