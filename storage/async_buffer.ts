// A file as `hyparquet` and its like read one: a length, and parts of it when they are wanted.

import type { ObjectFile } from "./object_file.ts";
import type { ReadOptions } from "./read_options.ts";

/** What `hyparquet` reads from: its type `AsyncBuffer`. */
export interface AsyncBuffer {
  /** How many bytes there are. */
  readonly byteLength: number;
  /** Reads from a byte to before another; negative counts from the end. */
  slice(start: number, end?: number): Promise<ArrayBuffer>;
}

/** A file as a buffer whose parts are read as they are wanted, all of the version that is there. */
export async function asyncBufferOf(file: ObjectFile, options: ReadOptions): Promise<AsyncBuffer> {
  const { size, etag } = await file.stat(options);
  const reading: ReadOptions = etag === undefined ? options : { ifMatch: etag, ...options };
  return {
    byteLength: size,
    slice: (start, end) => file.slice(start, end).arrayBuffer(reading),
  };
}
