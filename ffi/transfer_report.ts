// What a transfer of many objects did: shared by the calls that make one and by the error that
// carries it.

import type { DipperError } from "./errors.ts";

/** One object or file of a transfer that failed, and why. */
export interface TransferFailure {
  /** The object's URI. */
  readonly uri: string;
  /** The local file, where one was to be read or written. */
  readonly path?: string;
  /** The version, where one was named. */
  readonly versionId?: string;
  /** Why it failed. */
  readonly error: DipperError;
}

/** What a dry run would do to one object or file. */
export interface TransferStep {
  /** What would be done. */
  readonly action: "download" | "upload" | "copy" | "delete";
  /** What would be written or deleted: an object's URI, or a file's path. */
  readonly target: string;
  /** What would be read for it. */
  readonly source?: string;
  /** How many bytes it has. */
  readonly bytes: number;
}

/** What a transfer of many objects did. */
export interface TransferReport {
  /** The operation, such as `"deleteMany"` or `"download"`. */
  readonly operation: string;
  /** How many objects or files were transferred. */
  readonly transferred: number;
  /** How many bytes these hold. */
  readonly bytes: number;
  /** How many were left alone because both sides are the same. */
  readonly skipped: number;
  /** How many were deleted. */
  readonly deleted: number;
  /** What failed, all of it. */
  readonly failures: readonly TransferFailure[];
  /** How long it took, in milliseconds. */
  readonly milliseconds: number;
  /** True when nothing was changed: the counts tell what would have been. */
  readonly dryRun: boolean;
  /** What would be done, one after the other; empty unless it was a dry run. */
  readonly steps: readonly TransferStep[];
  /** Symbolic links, pipes and devices among the files to upload, which are not sent. */
  readonly ignored: readonly string[];
}
