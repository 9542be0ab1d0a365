// `sync`: makes one place like another, where at least one of them is on S3.

import type { Connection } from "../client/connection.ts";
import type { Location } from "../client/s3_uri.ts";
import { invalidInput } from "../ffi/errors.ts";
import type { TransferReport } from "../ffi/transfer_report.ts";
import { copyTree } from "./copy_tree.ts";
import { downloadTree } from "./download.ts";
import type { S3File } from "./s3_file.ts";
import { directoryOf, folderOf, type PrefixLike, type UploadTreeOptions } from "./tree_options.ts";
import { uploadTree } from "./upload.ts";

/** What `sync` is between: a folder of a bucket, or a directory of this machine. */
export type TreePlace = PrefixLike;

/** Makes `to` like `from`. */
export async function syncTrees(
  connection: Connection,
  fileAt: (at: Location) => S3File,
  from: TreePlace,
  to: TreePlace,
  options: UploadTreeOptions,
): Promise<TransferReport> {
  const operation = "sync";
  const [source, target] = [isOnS3(from), isOnS3(to)];
  if (source && target) {
    const [one, other] = [folderOf(from, operation), folderOf(to, operation)];
    return await copyTree(connection, fileAt, one, other, options, operation);
  }
  if (source) {
    const directory = directoryOf(to as string | URL, operation);
    return await downloadTree(connection, folderOf(from, operation), directory, options, operation);
  }
  if (target) {
    const directory = directoryOf(from as string | URL, operation);
    return await uploadTree(connection, directory, folderOf(to, operation), options, operation);
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
