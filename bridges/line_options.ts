// How lines and messages are read, and the checks of it.

import type { Progress } from "../ffi/queue.ts";

/** How a source of lines or messages is read. */
export interface ElementOptions {
  /** Ends the source: the loop fails with the signal's reason. */
  signal?: AbortSignal;
  /** In a notebook: whether it goes on when Stop is pressed. Default: false. */
  background?: boolean;
  /** Told how far it is, in bytes of the source, at most ten times a second and at the end. */
  onProgress?: (progress: Progress) => void;
  /** `false`: shows nothing of how far it is, however long it takes. Default: true. */
  progress?: boolean;
  /** Read only the object with this ETag; else a `PreconditionFailedError`. */
  ifMatch?: string;
  /**
   * How the source is compressed. Default: `"auto"`, which looks at the first bytes, the name's end
   * and the `Content-Encoding`.
   */
  compression?: "auto" | "none" | "gzip" | "deflate" | "zstd" | "bzip2" | "xz";
  /**
   * How long a socket may be silent, in milliseconds; 0 waits for ever. Default: the client's
   * `stallTimeout`.
   */
  stallTimeout?: number;
}

/** How lines are read. */
export interface LinesOptions extends ElementOptions {
  /** What a line is: a string, or a `Uint8Array`. Default: `"text"`. */
  as?: "text" | "bytes";
  /** Whether whole batches are yielded: `string[]`, or {@linkcode ByteBatch}. Default: false. */
  batch?: boolean;
  /**
   * How text is encoded. `"utf-8"` refuses what is none, `"lossy"` replaces it by U+FFFD; any label
   * of the Encoding Standard, such as `"utf-16le"` or `"latin1"`, is decoded strictly. A byte order
   * mark at the start is left out. Default: `"utf-8"`.
   */
  encoding?: string;
  /** The most bytes of a line, its end not counted. Default: 16 MiB. */
  maxLineLength?: number;
  /**
   * Where to begin in a topic: at the first record that is left, or behind the last one. Default:
   * `"earliest"`.
   */
  from?: "earliest" | "latest";
  /** Ends behind what the topic holds when the loop begins. Default: waits for what comes. */
  until?: "end";
  /** Ends after so many records of a topic. */
  limit?: number;
  /** Reads one partition of a topic only. */
  partition?: number;
}

/** What is read of a topic. */
export type TopicOptions = Pick<LinesOptions, "from" | "until" | "limit" | "partition">;

/** How messages are read. */
export interface FramesOptions extends ElementOptions {
  /**
   * What stands before each message: its length in bytes as four bytes, the highest or the lowest
   * first, or as a varint (LEB128), as Protocol Buffers write it.
   */
  length: "u32be" | "u32le" | "varint";
  /** Whether whole batches are yielded, as {@linkcode ByteBatch}. Default: false. */
  batch?: boolean;
  /** The most bytes of a message, its length not counted. Default: 16 MiB. */
  maxFrameLength?: number;
}
