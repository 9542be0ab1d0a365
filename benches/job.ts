/**
 * What one measured run is asked for and what it answers. Every run is a process of its own, in
 * whatever language: it takes a job as JSON on its command line and prints an outcome as JSON, so
 * that its processor time and its memory are its own.
 *
 * @module
 */

/** What to measure. */
export type Work =
  | "object" // one large object, once
  | "repeated" // the same object again and again
  | "small" // many small objects, many at once
  | "latency" // one small object at a time
  | "list" // all keys of a bucket
  | "stream" // one huge object, chunk by chunk
  | "upload" // one large object, the other way
  | "uploadStream" // one huge object that is made while it is sent
  | "downloadTree" // many small objects into a folder
  | "uploadTree" // a folder of many small files
  | "lines" // the lines of a file
  | "import" // of a module, once
  | "borrow" // what a view costs
  | "checksum" // FNV-1a over bytes in memory
  | "scale" // numbers in memory, multiplied in place
  | "search" // vectors of 768 numbers, as many as `size` bytes are, asked `count` times
  | "progress" // the same object by turns with progress shown and without, `count` pairs
  | "table" // two columns of a file of tables, summed; `way` is the format
  | "writeTable" // a table in memory, written to a local file; `way` is the format
  | "display" // what a notebook shows of a value, `count` times
  | "soak"; // small objects for a long time

/** What to do. Fields that a run does not need are left out. */
export interface Job {
  /** What to measure. */
  case: Work;
  /** Which of its ways to do it a program takes; each program knows its own. */
  way?: string;
  /** `http://127.0.0.1:PORT` or `https://…`. */
  endpoint: string;
  /** The certificate to trust, a file in PEM. */
  ca?: string;
  /** Credentials; servers that check none get made-up ones. */
  accessKeyId: string;
  /** Their secret. */
  secretAccessKey: string;
  /** The bucket. */
  bucket: string;
  /** The object's key; for many objects, what stands before their numbers of six digits. */
  key: string;
  /** A small object to open a connection with. */
  warmUp?: string;
  /** The size of one object, in bytes. */
  size: number;
  /** How many objects, or how often. */
  count: number;
  /** The same object again and again: so many reads before the clock starts. */
  settle: number;
  /** How many requests at once. */
  parallel: number;
  /** For trees: the local folder. For tables: the one that holds the object as a file, too. */
  directory?: string;
  /** For tables: the two columns. */
  columns?: string[];
}

/** What was measured. Memory is in bytes, latency in seconds. */
export interface Outcome {
  /** How long it took. */
  seconds: number;
  /** How much was read or written. */
  bytes: number;
  /** How many objects or keys. */
  operations: number;
  /** Processor time of the process, all threads. */
  cpuSeconds: number;
  /** Resident memory at the start; 0 where it cannot be known. */
  idleBytes: number;
  /** The peak of the resident memory. */
  peakBytes: number;
  /** Latency that half of the operations stay below. */
  p50?: number;
  /** Latency that 99 in 100 operations stay below. */
  p99?: number;
  /** Resident memory, now and then. */
  samples?: number[];
}

/** What a program prints when it cannot do the job: why. */
export interface Missing {
  /** Such as `getMany is not there yet`. */
  missing: string;
}
