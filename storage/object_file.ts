// The lazy handle on an object: what users hold.

import type { Progress } from "../ffi/queue.ts";
import type { RustBuffer } from "../ffi/rust_buffer.ts";
import type { Writable } from "./body.ts";
import type { Entry } from "./entry.ts";
import type { Stat } from "./stat.ts";

/** What every call takes. */
export interface CallOptions {
  /** Ends the call early: it rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** What every reading call takes. */
export interface ReadOptions extends CallOptions {
  /** Told how far it is, at most ten times a second, and once at the end. */
  onProgress?: (progress: Progress) => void;
  /** Read only the object with this ETag; else a `PreconditionFailedError`. */
  ifMatch?: string;
}

/** What `write` takes beside the data. */
export interface WriteOptions extends CallOptions {
  /** The media type. Default: that of a `Blob` or `Response`, else the server's. */
  contentType?: string;
  /** How the data is encoded, such as `"gzip"`. */
  contentEncoding?: string;
  /** How the object may be cached. */
  cacheControl?: string;
  /** The user's own metadata: names and values that HTTP headers can carry. */
  metadata?: Record<string, string>;
  /** Write only over the object with this ETag; else a `PreconditionFailedError`. */
  ifMatch?: string;
  /** `"*"`: write only if there is no such object; else a `PreconditionFailedError`. */
  ifNoneMatch?: string;
}

/** What `file` takes beside the location. */
export interface FileOptions {
  /** A version of the object; the newest when unset. */
  versionId?: string;
}

/** Everything that names an object. */
export type Source = string | URL | Entry | ObjectFile;

/** A lazy handle on an object, or on a part of it. Making one does no I/O. */
export interface ObjectFile {
  /** The object's URI. */
  readonly uri: string;
  /** What stands behind the last slash of the key. */
  readonly name: string;
  /** Reads the bytes, without a copy, into memory that the collector frees. */
  bytes(options?: ReadOptions): Promise<Uint8Array<ArrayBuffer>>;
  /** Reads the bytes as an `ArrayBuffer`, without a copy. */
  arrayBuffer(options?: ReadOptions): Promise<ArrayBuffer>;
  /** Reads the bytes into a {@linkcode RustBuffer}, without a copy. */
  buffer(options?: ReadOptions): Promise<RustBuffer>;
  /** Reads the bytes into memory that JavaScript owns. */
  into(target: Uint8Array<ArrayBuffer>, options?: ReadOptions): Promise<Uint8Array<ArrayBuffer>>;
  /** Reads text: UTF-8, decompressed where it is compressed. */
  text(options?: ReadOptions): Promise<string>;
  /** Reads JSON. */
  json<T = unknown>(options?: ReadOptions): Promise<T>;
  /** Reads the bytes as a `Blob` of the object's type. */
  blob(options?: ReadOptions): Promise<Blob>;
  /** A part of it, lazily. Offsets are clamped; negative ones count from the end, as in `Blob`. */
  slice(start?: number, end?: number): ObjectFile;
  /** Asks for its properties. */
  stat(options?: CallOptions): Promise<Stat>;
  /** Whether it exists. */
  exists(options?: CallOptions): Promise<boolean>;
  /** Writes the whole object. */
  write(data: Writable, options?: WriteOptions): Promise<Stat>;
  /** Deletes the object. */
  delete(options?: CallOptions): Promise<void>;
}
