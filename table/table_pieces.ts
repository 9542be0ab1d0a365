// A table on its way into an upload: each batch goes down as Arrow IPC, and the encoder puts what
// becomes of it into the upload. No encoded byte comes up.

import { encodeBatch, encodeEnd, encodeTable } from "../ffi/encoded_upload.ts";
import type { NativeUpload, UploadOptions } from "../ffi/native_upload.ts";
import {
  batchesOf,
  type ColumnParts,
  hasManyDictionaries,
  ipcOf,
  type TableParts,
} from "./arrow_messages.ts";
import { flechette } from "./flechette.ts";
import type { CheckedEncoding } from "./write_options.ts";
import {
  checkAttached,
  type Columning,
  isSeries,
  partsOf,
  type TableLike,
} from "./written_tables.ts";

/** One step of the way. */
export interface TablePiece {
  /** Does it. */
  bring(upload: NativeUpload, options: UploadOptions): Promise<void>;
}

/** The steps. */
export interface TablePieces {
  next(): Promise<TablePiece | undefined>;
  cancel(reason: unknown): void;
}

/**
 * What writes a table, or a series of them.
 *
 * @throws {InvalidInputError} For what is no table. Of a series the first one is looked at when it
 * comes.
 */
export async function tablePieces(
  value: unknown,
  { format, encoding, types }: CheckedEncoding,
  uri: string,
  signal: AbortSignal | undefined,
): Promise<TablePieces> {
  const library = await flechette();
  // Columns of plain values take their time, and nothing can end that.
  signal?.throwIfAborted();
  const series = isSeries(value);
  const columning: Columning = { library, types, isSeries: series, uri };
  const one = series ? undefined : partsOf(value, columning);
  // A file of Arrow has one dictionary for each column, from its first batch on.
  const plain = format === "arrow" && (one === undefined || hasManyDictionaries(one));
  const source = series ? iteratorOf(value) : undefined;
  const steps = stepsOf();
  return {
    async next() {
      const { value, done } = await steps.next();
      return done ? undefined : value;
    },
    cancel() {
      // A generator that waits for something runs its `finally` when that has come.
      try {
        Promise.resolve(source?.return?.()).catch(() => {});
      } catch {
        // It was asked to end, and that is all.
      }
    },
  };

  async function* stepsOf(): AsyncGenerator<TablePiece, undefined> {
    yield {
      bring: (upload, options) => encodeTable(upload, format, { ...encoding, plain }, options),
    };
    for await (const table of tables()) {
      for (const batch of batchesOf(table)) {
        yield {
          bring: (upload, options) => {
            // Whoever has the table may have transferred a column meanwhile.
            checkAttached(batch, columning);
            return encodeBatch(upload, ipcOf(library, withoutRows(batch)), options);
          },
        };
      }
    }
    yield { bring: encodeEnd };
    return undefined;
  }

  async function* tables(): AsyncGenerator<TableParts> {
    if (one !== undefined) yield one;
    if (source === undefined) return;
    for (;;) {
      const { value, done } = await source.next();
      if (done) return;
      yield partsOf(value, columning);
    }
  }
}

/** Flechette writes no batch for a column without arrays: only the schema goes. */
function withoutRows(table: TableParts): TableParts {
  const children: ColumnParts[] = [];
  for (const { type, data } of table.children) {
    children.push({ type, data: data.filter(({ length }) => length > 0) });
  }
  return { schema: table.schema, children };
}

function iteratorOf(
  series: AsyncIterable<TableLike> | Iterable<TableLike>,
): AsyncIterator<TableLike> | Iterator<TableLike> {
  return Symbol.asyncIterator in series
    ? series[Symbol.asyncIterator]()
    : series[Symbol.iterator]();
}
