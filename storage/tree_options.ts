// What `download`, `upload` and `sync` take, and the rules that they share: which files take part,
// and when two of them count as the same.

import { quoted, uriOf } from "../client/s3_uri.ts";
import { invalidInput } from "../ffi/errors.ts";
import type { WriteMessage } from "../ffi/symbols.ts";
import { checkedCall } from "./call_options.ts";
import { customerKeyOf } from "./customer_key.ts";
import { Glob } from "./glob.ts";
import type { TransferOptions } from "./transfer_tally.ts";
import type { BucketFolder } from "./tree_place.ts";
import { checkedWrite, writtenAs } from "./checked_write.ts";
import type { WriteOptions } from "./write_options.ts";

/** What `download`, `upload` and `sync` take. */
export interface TreeOptions extends TransferOptions {
  /**
   * How a file that is there is compared with its source. Of different size, it is always
   * transferred. `"size"`: of the same size, it is left alone. `"time"`, the default: left alone if
   * a downloaded file has the time of its object, which `download` sets; if an uploaded or copied
   * object is not older than its source, where two times within one second of a server that tells
   * whole seconds leave it to the checksum. `"checksum"`: left alone if the ETag that is an MD5, or
   * else the stored checksum, is that of the file, whose bytes are read for it; objects are copied
   * unless their ETags are the same.
   */
  compare?: Compare;
  /**
   * Only what matches one of these globs takes part: its path below the prefix or directory is
   * compared, with slashes. `*` and `?` stay within a folder, `**` stands for any number of
   * folders: `"**\/*.csv"` is every CSV file. Default: everything.
   */
  include?: string | readonly string[];
  /** What matches one of these globs takes no part: nothing is written or deleted for it. */
  exclude?: string | readonly string[];
  /**
   * Deletes at the destination what the source does not have, among what `include` and `exclude`
   * choose. Nothing is deleted when a part of the source could not be listed. Default: false.
   */
  delete?: boolean;
  /** Changes nothing: the report tells what would be done. Default: false. */
  dryRun?: boolean;
  /**
   * The key of your own (SSE-C) that the objects of the source are encrypted with: 32 bytes, or
   * their base64. What is uploaded or copied is encrypted with that of `encryption`. Default: that
   * of the handle that names the source, if one does.
   */
  customerKey?: Uint8Array | string;
}

/** What `upload` takes, and `sync` where it uploads or copies: what `write` takes, for every object. */
export interface UploadTreeOptions
  extends
    TreeOptions,
    Omit<WriteOptions, "onProgress" | "progress" | "signal" | "ifMatch" | "ifNoneMatch"> {
}

const TREE = [
  "compare",
  "customerKey",
  "delete",
  "dryRun",
  "exclude",
  "include",
  "onError",
  "onProgress",
  "progress",
  "signal",
];

/** How the two sides are compared. */
export type Compare = "size" | "time" | "checksum";

const COMPARISONS = ["size", "time", "checksum"];

/** Options that were checked. */
export interface CheckedTree extends TreeOptions {
  /** As base64. */
  customerKey: string | undefined;
  compare: Compare;
  delete: boolean;
  dryRun: boolean;
  /** Whether a path takes part. */
  takes: (path: string) => boolean;
}

/** @throws {InvalidInputError} Naming the option that cannot be meant. */
export function checkedTree(options: TreeOptions, operation: string): CheckedTree {
  const checked = checkedCall(options, operation, undefined, TREE);
  const { compare = "time", delete: remove = false, dryRun = false } = checked;
  if (!COMPARISONS.includes(compare)) {
    throw invalidInput(
      operation,
      `compare is not one of ${COMPARISONS.join(", ")}: ${quoted(String(compare))}`,
      'pass "time", or leave it out',
    );
  }
  for (const [name, value] of Object.entries({ delete: remove, dryRun })) {
    if (typeof value === "boolean") continue;
    throw invalidInput(operation, `${name} is not true or false`, "pass a boolean");
  }
  const { customerKey: key } = checked;
  const customerKey = key === undefined || key === null
    ? undefined
    : customerKeyOf(key, operation, undefined);
  const include = globsOf(checked.include, "include", operation);
  const exclude = globsOf(checked.exclude, "exclude", operation) ?? [];
  const takes = (path: string): boolean =>
    (include === undefined || include.some((glob) => glob.matches(path))) &&
    !exclude.some((glob) => glob.matches(path));
  return { ...checked, compare, customerKey, delete: remove, dryRun, takes };
}

/**
 * The options of an upload: of the transfer, and of what is written.
 *
 * @throws {InvalidInputError} Naming the option that cannot be meant.
 */
export function checkedUpload(
  options: UploadTreeOptions,
  { at, customerKey }: BucketFolder,
  operation: string,
): { tree: CheckedTree; write: WriteMessage } {
  const uri = uriOf(at);
  const { tree, write } = checkedCopies(options, operation, uri);
  if (tree.customerKey !== undefined) {
    throw invalidInput(
      operation,
      "customerKey is for objects that are read, and here they are written",
      "pass encryption: { customerKey }",
      uri,
    );
  }
  const encrypted = customerKey === undefined ? write : { encryption: { customerKey }, ...write };
  return { tree, write: writtenAs(encrypted, operation, uri) };
}

/**
 * The same for copies from bucket to bucket.
 *
 * @throws {InvalidInputError} Naming the option that cannot be meant.
 */
export function checkedCopies(
  options: UploadTreeOptions,
  operation: string,
  uri: string,
): { tree: CheckedTree; write: WriteOptions } {
  const given = Object.entries(checkedCall(options, operation, uri));
  const [tree, write] = [true, false].map((ofTree) =>
    Object.fromEntries(given.filter(([name]) => TREE.includes(name) === ofTree))
  ) as [TreeOptions, WriteOptions];
  for (const name of ["ifMatch", "ifNoneMatch"]) {
    if (!(name in write)) continue;
    throw invalidInput(operation, `${name} is for a single object`, `leave ${name} away`, uri);
  }
  const checked = checkedWrite(write, operation, uri, TREE);
  return { tree: checkedTree(tree, operation), write: checked };
}

function globsOf(given: unknown, name: string, operation: string): Glob[] | undefined {
  if (given === undefined || given === null) return undefined;
  const patterns: unknown[] = Array.isArray(given) ? given : [given];
  return patterns.map((pattern) => {
    if (typeof pattern === "string") return new Glob(pattern, operation);
    throw invalidInput(
      operation,
      `${name} is no glob and no list of them`,
      `pass a string such as "**/*.csv", or an array of strings`,
    );
  });
}

/** A size and a time, as both sides tell them. */
export interface Version {
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly modified: number;
}

/** Whether two sides hold the same, as far as size and time tell. */
export type Verdict = "same" | "different" | "unknown";

/** Whether a downloaded file still is its object. Downloading gives it the object's time. */
export function isDownloaded(file: Version, object: Version, compare: Compare): Verdict {
  if (file.size !== object.size) return "different";
  if (compare !== "time") return compare === "size" ? "same" : "unknown";
  // Some file systems keep whole seconds only.
  const { modified } = object;
  const same = file.modified === modified ||
    file.modified === Math.floor(modified / 1000) * 1000;
  return same ? "same" : "different";
}

/**
 * Whether an uploaded or copied object still is its source. Most servers tell whole seconds, which
 * leave open whether a source of the same second was changed before or after.
 */
export function isUploaded(object: Version, source: Version, compare: Compare): Verdict {
  if (object.size !== source.size) return "different";
  if (compare !== "time") return compare === "size" ? "same" : "unknown";
  if (object.modified >= source.modified) return "same";
  const sameSecond = object.modified % 1000 === 0 && source.modified - object.modified < 1000;
  return sameSecond ? "unknown" : "different";
}
