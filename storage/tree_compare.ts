// Comparing files with objects where size and time leave it open: by checksums, many at once.

import { defined, type Subject } from "../client/connection.ts";
import type { DipperError } from "../ffi/errors.ts";
import type { ObjectEntry } from "./entry.ts";
import { TreeBatches } from "./tree_batches.ts";
import type { BucketFolder } from "./tree_place.ts";

/** A file and an object that may hold the same. */
export interface Pair<Job> {
  readonly path: string;
  readonly entry: Pick<ObjectEntry, "etag" | "key">;
  /** What is done when they differ. */
  readonly job: Job;
}

/** What becomes of a comparison. */
export interface Compared<Job> {
  same(pair: Pair<Job>): void;
  differs(pair: Pair<Job>): void;
  failed(pair: Pair<Job>, error: DipperError): void;
}

/** Compares files below a directory with objects. */
export function comparisons<Job>(
  { connection, at, customerKey }: BucketFolder,
  subject: Subject,
  directory: () => string,
  signal: AbortSignal,
  compared: Compared<Job>,
): TreeBatches<Pair<Job>> {
  return new TreeBatches({
    operation: subject.operation,
    signal,
    onProgress: undefined,
    sizeOf: () => 0,
    send: (pairs, more) =>
      connection.run(subject, (client) => ({
        operation: "compareFiles",
        client,
        bucket: at.bucket,
        ...defined({ customerKey }),
        directory: directory(),
        files: pairs.map(({ path, entry: { key, etag } }) => ({ path, key, ...defined({ etag }) })),
      }), more),
    ended: (pair, same, error) => {
      if (error !== undefined) compared.failed(pair, error);
      else if (same === 1) compared.same(pair);
      else compared.differs(pair);
    },
  });
}
