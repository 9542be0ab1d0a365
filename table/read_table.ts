// Reading a file as a table: its batches one after the other, or all of them.

import type { Connection, ReadSubject } from "../client/connection.ts";
import { defined } from "../client/connection.ts";
import { isWatched, type Watched, watching } from "../client/watched.ts";
import { adoptedBytes } from "../ffi/memory.ts";
import { errorOf, IntegrityError } from "../ffi/errors.ts";
import { metricsFrom, rememberMetrics } from "../ffi/metrics.ts";
import type { NativeBatch, NativeBatches } from "../ffi/native_batches.ts";
import type { Progress } from "../ffi/queue.ts";
import type { ColumnsMessage, TableMessage } from "../ffi/symbols.ts";
import { checkTableOptions } from "./checked_options.ts";
import { type ColumnBatch, columnBatches } from "./columns.ts";
import { flechette, type FlechetteLibrary, type Schema, type Table } from "./flechette.ts";
import { dialectOf } from "./dialect_message.ts";
import { rowsOnly } from "./rows_only.ts";
import { shownTable } from "./shown_table.ts";
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

/** What came at once. */
interface Batch {
  readonly rows: number;
  readonly columns: ColumnBatch[];
}

/** An open file. */
class OpenTable implements Disposable {
  readonly #library: FlechetteLibrary;
  readonly #native: NativeBatches;
  readonly #options: TableOptions;
  readonly #origin: TableOrigin;
  readonly schema: Schema;
  metrics: ColumnsMessage["metrics"];
  /** How many rows came, and how many there will be, where that is known. */
  #rows = 0;
  readonly #allRows: number | undefined;
  /** How many bytes will be read, at the most; 0 where nobody knows. */
  readonly #total: number;

  constructor(
    library: FlechetteLibrary,
    native: NativeBatches,
    schema: Schema,
    opened: TableMessage,
    options: TableOptions,
    origin: TableOrigin,
  ) {
    this.#library = library;
    this.#native = native;
    this.#options = options;
    this.#origin = origin;
    this.schema = schema;
    this.metrics = opened.metrics;
    const { where, limit = Infinity } = options;
    // How many rows match, nobody knows.
    const { rows, total = 0 } = opened;
    this.#allRows = rows === undefined || where !== undefined ? undefined : Math.min(rows, limit);
    this.#total = total;
  }

  /** The arrays of the next batch; `undefined` at the end. */
  async next(
    { signal, onProgress }: Reading,
    watching: Watched | undefined,
  ): Promise<Batch | undefined> {
    const batch = await this.#bring(signal);
    this.metrics = batch.columns.metrics;
    const { rows } = batch.columns;
    const ended = rows === undefined;
    this.#rows += rows ?? 0;
    if (onProgress !== undefined || watching !== undefined) {
      // A condition may turn out to need fewer bytes, and what is asked for again are more.
      const metrics = metricsFrom(this.metrics);
      const { bytes } = metrics;
      const total = ended ? bytes : this.#total && Math.max(this.#total, bytes);
      const told = { bytes, total, metrics };
      const counted = { files: this.#rows, ...defined({ totalFiles: this.#allRows }) };
      watching?.reached({ ...told, ...counted, noun: "row" });
      onProgress?.(told);
    }
    if (ended) return undefined;
    const types = this.schema.fields.map(({ type }) => type);
    return { rows, columns: columnBatches(this.#library, types, batch, this.#options) };
  }

  async #bring(signal: AbortSignal | undefined): Promise<NativeBatch> {
    try {
      return await this.#native.next({ signal });
    } catch (reason) {
      const { connection, subject } = this.#origin;
      throw signal?.aborted ? reason : connection.gone(subject) ?? reason;
    }
  }

  /** A table of batches. */
  table(batches: readonly Batch[]): Table {
    const { Column, Table } = this.#library;
    const columns = this.schema.fields.map(({ type }, index) =>
      new Column(batches.map((batch) => batch.columns[index]!), type)
    );
    const rows = batches.reduce((sum, { rows }) => sum + rows, 0);
    if (!Number.isSafeInteger(rows)) throw this.#tooMany(rows);
    const table = columns.length === 0
      ? rowsOnly(this.#library, this.schema, rows)
      : new Table(this.schema, columns, this.#options.useProxy);
    return rememberMetrics(shownTable(this.#library, table), metricsFrom(this.metrics));
  }

  /** A file without values can claim any number of rows. */
  #tooMany(rows: number): IntegrityError {
    return new IntegrityError(`the file claims ${rows} rows, more than there can be`, {
      code: "DamagedData",
      operation: this.#origin.subject.operation,
      uri: this.#origin.subject.uri,
      hint: "the file is damaged",
    });
  }

  [Symbol.dispose](): void {
    this.#native.release();
  }
}

async function open(
  origin: TableOrigin,
  options: TableOptions,
  { signal }: Reading,
): Promise<OpenTable> {
  const { connection, subject, files } = origin;
  checkTableOptions(options, subject);
  const library = await flechette();
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
  const { schema } = library.tableFromIPC(message);
  return new OpenTable(library, stream, schema, opened.payload as TableMessage, options, origin);
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
