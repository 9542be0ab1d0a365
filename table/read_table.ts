// Reading a file as a table: its batches one after the other, or all of them.
//
// What makes arrays of what comes, and shows them, is loaded while the file is opened: the first table
// of a program waits for one of the two, not for both.

import type { Connection, ReadSubject } from "../client/connection.ts";
import { defined } from "../client/connection.ts";
import { isWatched, type Watched, watching } from "../client/watched.ts";
import { errorOf } from "../ffi/errors.ts";
import { adoptedBytes } from "../ffi/memory.ts";
import type { Progress } from "../ffi/queue.ts";
import type { TableMessage } from "../ffi/symbols.ts";
import { checkTableOptions } from "./checked_options.ts";
import { dialectOf } from "./dialect_message.ts";
import { flechette, type Table } from "./flechette.ts";
import type { Batch, OpenTable } from "./open_table.ts";
import type { TableOptions } from "./table_options.ts";

/** A file of a table of many. */
export interface TableFile {
  readonly subject: ReadSubject;
  /** Names and values that its folders tell. */
  readonly partitions: [name: string, value: string | null][];
}

/** What is read. */
export interface TableOrigin {
  readonly connection: Connection;
  readonly subject: ReadSubject;
  /** The files, that of `subject` first, where several are read as one. */
  readonly files?: readonly TableFile[];
}

/** How a call goes on. */
export interface Reading {
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: Progress) => void) | undefined;
  /** Begins to show how far it is, where somebody watches. */
  watch(): Watched | undefined;
}

/** How a table is read: told to the caller, and shown where somebody watches. */
export function readingOf(
  operation: string,
  shown: string,
  given: { onProgress?: Reading["onProgress"]; progress?: boolean },
  signal: AbortSignal | undefined,
): Reading {
  const watch = () => isWatched() ? watching(operation, shown, given) : undefined;
  return { signal, onProgress: given.onProgress, watch };
}

async function open(
  origin: TableOrigin,
  options: TableOptions,
  { signal }: Reading,
): Promise<OpenTable> {
  const { connection, subject, files } = origin;
  checkTableOptions(options, subject);
  const loading = Promise.all([flechette(), import("./open_table.ts")]);
  // Whoever waits for it is told, below.
  loading.catch(() => {});
  const { columns, where: filter, limit } = options;
  let message: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  const { stream, opened } = await connection.openBatches(
    subject,
    ({ client, source }, others) => ({
      operation: "openBatches",
      client,
      source,
      ...defined({
        files: files?.map(({ partitions }, at) => ({ source: others[at]!, partitions })),
      }),
      progress: false,
      int64AsFloat64: options.int64 === "float64",
      ...defined({
        columns: columns === undefined ? undefined : [...columns],
        filter,
        limit,
        dialect: dialectOf(options),
      }),
    }),
    {
      signal,
      onItem(_index, buffer, _length, failure) {
        if (failure !== undefined) throw errorOf(failure, subject.operation);
        message = adoptedBytes(buffer);
      },
    },
    files?.map(({ subject }) => subject),
  );
  try {
    // The first batch is decoded while the schema is read.
    const first = stream.next({ signal });
    first.catch(() => {});
    const [library, { OpenTable }] = await loading;
    const { schema } = library.tableFromIPC(message);
    const told = opened.payload as TableMessage;
    return new OpenTable(library, { stream, first, schema, opened: told }, options, origin);
  } catch (reason) {
    stream.release();
    throw reason;
  }
}

/** Reads all of a file. */
export async function readTable(
  origin: TableOrigin,
  options: TableOptions,
  reading: Reading,
): Promise<Table> {
  const watching = reading.watch();
  try {
    using opened = await open(origin, options, reading);
    const batches: Batch[] = [];
    for (;;) {
      const batch = await opened.next(reading, watching);
      if (batch === undefined) {
        watching?.end("done");
        return opened.table(batches);
      }
      batches.push(batch);
    }
  } catch (reason) {
    watching?.fail(reason);
    throw reason;
  }
}

/** Reads a file batch by batch: a table of each. */
export async function* readBatches(
  origin: TableOrigin,
  options: TableOptions,
  reading: Reading,
): AsyncGenerator<Table> {
  const watching = reading.watch();
  try {
    using opened = await open(origin, options, reading);
    for (;;) {
      const batch = await opened.next(reading, watching);
      if (batch === undefined) break;
      // While the loop's body runs, nobody waits for the file.
      watching?.rest();
      yield opened.table([batch]);
      watching?.goOn();
    }
  } catch (reason) {
    watching?.fail(reason);
    throw reason;
  } finally {
    watching?.end("done");
  }
}
