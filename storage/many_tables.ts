// Many files as one table, or as its batches.

import type { Connection } from "../client/connection.ts";
import { stoppable } from "../ffi/stop.ts";
import type { Table } from "../table/flechette.ts";
import { readBatches, readingOf, readTable, type TableOrigin } from "../table/read_table.ts";
import { TABLE_OPTIONS, type TableOptions } from "../table/table_options.ts";
import { checkedCall, checkedLater } from "./call_options.ts";
import type { CallOptions } from "./read_options.ts";
import {
  type ManyFilesOptions,
  shownSources,
  tableFiles,
  type TableSources,
} from "./table_files.ts";

type Options = TableOptions & ManyFilesOptions & CallOptions;

const KNOWN = [...TABLE_OPTIONS, "hive"];

/** Reads all of them. */
export async function tableOf(
  connection: Connection,
  sources: TableSources,
  given: Options,
): Promise<Table> {
  const shown = shownSources(sources);
  const options = checkedCall(given, "table", shown, KNOWN);
  const origin = await originOf(connection, sources, "table", options);
  return await readTable(origin, options, readingOf("table", shown, options, options.signal));
}

/** Reads them batch by batch. */
export async function* batchesOf(
  connection: Connection,
  sources: TableSources,
  given: Options,
): AsyncGenerator<Table> {
  const shown = shownSources(sources);
  const { signal, background, ...options } = checkedLater(given, "batches", shown, KNOWN);
  const stopped = stoppable("batches", signal, background);
  const reading = readingOf("batches", shown, options, stopped);
  const origin = await originOf(connection, sources, "batches", { ...options, signal: stopped });
  yield* readBatches(origin, options, reading);
}

async function originOf(
  connection: Connection,
  sources: TableSources,
  operation: string,
  options: ManyFilesOptions & { signal?: AbortSignal | undefined },
): Promise<TableOrigin> {
  const files = await tableFiles(connection, sources, operation, options);
  return { connection, subject: files[0]!.subject, files };
}
