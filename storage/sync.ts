// `sync`: makes one place like another, where at least one of them is on S3.

import type { Connection } from "../client/connection.ts";
import { invalidInput } from "../ffi/errors.ts";
import type { TransferReport } from "../ffi/transfer_report.ts";
import { copyTree } from "./copy_tree.ts";
import { downloadTree } from "./download.ts";
import { ObjectFile } from "./object_file.ts";
import type { UploadTreeOptions } from "./tree_options.ts";
import { directoryOf, folderOf, type PrefixLike } from "./tree_place.ts";
import { uploadTree } from "./upload.ts";

/** What `sync` is between: a folder of a bucket, or a directory of this machine. */
export type TreePlace = PrefixLike;

/** Which clients reach the two sides. */
export interface SyncClients {
  /** The client that `sync` was called on. */
  readonly own: Connection;
  /** What the option `source` names. */
  readonly source?: Connection | undefined;
  /** What the option `destination` names. */
  readonly destination?: Connection | undefined;
}

/** Makes `to` like `from`. */
export async function syncTrees(
  { own, source, destination }: SyncClients,
  from: TreePlace,
  to: TreePlace,
  options: UploadTreeOptions,
): Promise<TransferReport> {
  const operation = "sync";
  const [isSource, isTarget] = [isOnS3(from), isOnS3(to)];
  refuseUnused("source", source, from, isSource);
  refuseUnused("destination", destination, to, isTarget);
  if (isSource) {
    const folder = folderOf(from, source ?? own, operation);
    if (isTarget) {
      const target = folderOf(to, destination ?? own, operation);
      return await copyTree(folder, target, options, operation);
    }
    const directory = directoryOf(to as string | URL, operation);
    return await downloadTree(folder, directory, options, operation);
  }
  if (isTarget) {
    const directory = directoryOf(from as string | URL, operation);
    const folder = folderOf(to, destination ?? own, operation);
    return await uploadTree(directory, folder, options, operation);
  }
  throw invalidInput(
    operation,
    "neither place is on S3",
    "pass s3://bucket/folder as one of them",
  );
}

function isOnS3(place: TreePlace): boolean {
  if (typeof place === "string") return /^s3:/i.test(place);
  return !(place instanceof URL) || place.protocol === "s3:";
}

/** A client that would reach nothing is a mistake, not something to ignore. */
function refuseUnused(
  name: "source" | "destination",
  client: Connection | undefined,
  place: TreePlace,
  isUsed: boolean,
): void {
  if (client === undefined || (isUsed && !(place instanceof ObjectFile))) return;
  throw invalidInput(
    "sync",
    isUsed
      ? `the ${name} is a handle, which keeps its own client, and the option names another`
      : `the ${name} is a directory, which no client reaches`,
    `leave the option ${name} away`,
  );
}
