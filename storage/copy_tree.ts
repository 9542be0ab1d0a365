// `sync` from a bucket to a bucket: what is below one prefix is copied below another, by the server.

import type { Connection } from "../client/connection.ts";
import { type Location, uriOf } from "../client/s3_uri.ts";
import { DipperError, invalidInput } from "../ffi/errors.ts";
import type { TransferReport } from "../ffi/transfer_report.ts";
import { deleteObjects } from "./delete_objects.ts";
import type { ObjectEntry } from "./entry.ts";
import { listingOf } from "./listing.ts";
import type { S3File } from "./s3_file.ts";
import { TransferTally } from "./transfer_tally.ts";
import { checkedTree, isUploaded, type TreeOptions } from "./tree_options.ts";

/** So many copies are under way at once. */
const AT_ONCE = 32;
const PROGRESS_INTERVAL = 100;

/** Copies what is below a folder of a bucket below another folder. */
export async function copyTree(
  connection: Connection,
  fileAt: (at: Location) => S3File,
  from: Location,
  to: Location,
  options: TreeOptions,
  operation: string,
): Promise<TransferReport> {
  const checked = checkedTree(options, operation);
  checked.signal?.throwIfAborted();
  const { signal, dryRun, compare, takes } = checked;
  const nested = from.bucket === to.bucket &&
    (from.key.startsWith(to.key) || to.key.startsWith(from.key));
  if (nested) {
    throw invalidInput(
      operation,
      `${uriOf(from)} and ${uriOf(to)} hold each other`,
      "pass folders of which neither is in the other",
      uriOf(from),
    );
  }
  const tally = new TransferTally(operation, checked, dryRun);
  const [source, there] = await Promise.all([
    listed(connection, from, signal),
    listed(connection, to, signal),
  ]);
  const jobs: [path: string, entry: ObjectEntry][] = [];
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
    const target = uriOf({ bucket: to.bucket, key: `${to.key}${path}` });
    if (verdict === "same") tally.skipped();
    else if (!dryRun) jobs.push([path, entry]);
    else tally.planned({ action: "copy", target, source: entry.uri, bytes: entry.size });
  }
  const progress = progressOf(jobs, checked.onProgress);
  const next = jobs[Symbol.iterator]();
  const copier = async (): Promise<void> => {
    for (const [path, { key, uri, size }] of next) {
      const target = fileAt({ bucket: to.bucket, key: `${to.key}${path}` });
      try {
        await fileAt({ bucket: from.bucket, key }).copyTo(target, { signal });
        tally.transferred(size);
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof DipperError)) throw error;
        tally.failed(uri, error);
      }
      progress(size);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, copier));
  if (checked.delete) {
    const extra = [...there].filter(([path]) => !source.has(path) && takes(path));
    await deleteObjects(connection, extra.map(([, entry]) => entry), checked, tally);
  }
  return tally.end();
}

async function listed(
  connection: Connection,
  at: Location,
  signal: AbortSignal | undefined,
): Promise<Map<string, ObjectEntry>> {
  const entries = new Map<string, ObjectEntry>();
  for await (const entry of listingOf(connection, at, { signal })) {
    const path = "key" in entry ? entry.key.slice(at.key.length) : "";
    if ("key" in entry && path !== "") entries.set(path, entry);
  }
  return entries;
}

/** Tells how far it is. The bytes do not pass this machine; they count when they are copied. */
function progressOf(
  jobs: readonly [string, ObjectEntry][],
  onProgress: TreeOptions["onProgress"],
): (bytes: number) => void {
  const total = jobs.reduce((sum, [, { size }]) => sum + size, 0);
  let [bytes, files, told] = [0, 0, -Infinity];
  return (more) => {
    bytes += more;
    files++;
    const now = performance.now();
    if (onProgress === undefined) return;
    if (files < jobs.length && now - told < PROGRESS_INTERVAL) return;
    told = now;
    onProgress({ bytes, total, files, totalFiles: jobs.length });
  };
}
