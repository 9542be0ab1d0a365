// What reading calls take, and what names an object.

import type { Progress } from "../ffi/queue.ts";
import type { Entry } from "./entry.ts";
import type { ObjectFile } from "./object_file.ts";

/** What every call takes. */
export interface CallOptions {
  /** Ends the call early: it rejects with the signal's reason. */
  signal?: AbortSignal;
  /** In a notebook: Stop does not end it. */
  background?: boolean;
  /**
   * Told how far it is, at most ten times a second, and once at the end. A call that moves no bytes
   * has nothing to tell.
   */
  onProgress?: (progress: Progress) => void;
  /** Whether a call that takes long shows how far it is. Default: true. */
  progress?: boolean;
}

/** What every reading call takes. */
export interface ReadOptions extends CallOptions {
  /** Read only the object with this ETag; else a `PreconditionFailedError`. */
  ifMatch?: string;
}

/** What `file` takes beside the location. */
export interface FileOptions {
  /** A version of an S3 object; the newest when unset. */
  versionId?: string;
  /**
   * The key that an S3 object is encrypted with, where it is one of your own (SSE-C): 32 bytes, or
   * their base64. It is sent with every read and write of this handle, and never shown.
   */
  customerKey?: Uint8Array | string;
  /**
   * Maps a local file into memory instead of reading it, privately: what is written to the memory
   * stays there. It costs no time and no memory until it is looked at. Bytes that another program
   * changes meanwhile may show the change, and when another program shortens the file, looking at
   * what is gone ends this process: map only files that nobody writes. Holds for `bytes`,
   * `arrayBuffer`, `buffer` and `get`; the others read.
   */
  map?: boolean;
}

/** Everything that names an object. */
export type Source = string | URL | Entry | ObjectFile;
