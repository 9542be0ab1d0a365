// An open file of a table: what comes of it, as arrays of Arrow, and all of them as a table.

import { defined } from "../client/connection.ts";
import type { Watched } from "../client/watched.ts";
import { IntegrityError } from "../ffi/errors.ts";
import { metricsFrom, rememberMetrics } from "../ffi/metrics.ts";
import type { NativeBatch, NativeBatches } from "../ffi/native_batches.ts";
import type { ColumnsMessage, TableMessage } from "../ffi/symbols.ts";
import { type ColumnBatch, columnBatches } from "./columns.ts";
import type { FlechetteLibrary, Schema, Table } from "./flechette.ts";
import type { Reading, TableOrigin } from "./read_table.ts";
import { rowsOnly } from "./rows_only.ts";
import { shownTable } from "./shown_table.ts";
import type { TableOptions } from "./table_options.ts";

/** What came at once. */
export interface Batch {
  readonly rows: number;
  readonly columns: ColumnBatch[];
}

/** What a file is opened to. */
interface Opened {
  readonly stream: NativeBatches;
  /** The first batch, which is asked for already. */
  readonly first: Promise<NativeBatch>;
  readonly schema: Schema;
  readonly opened: TableMessage;
}

/** An open file. */
export class OpenTable implements Disposable {
  readonly #library: FlechetteLibrary;
  readonly #native: NativeBatches;
  #first: Promise<NativeBatch> | undefined;
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
    { stream, first, schema, opened }: Opened,
    options: TableOptions,
    origin: TableOrigin,
  ) {
    this.#library = library;
    this.#native = stream;
    this.#first = first;
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
      const first = this.#first;
      this.#first = undefined;
      return await (first ?? this.#native.next({ signal }));
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
