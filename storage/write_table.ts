// Tables into files: the encoder's bytes go straight into the upload that `write` uses, so what
// holds of a write holds of a table: it is there whole or not at all.

import { invalidInput, unknownOption } from "../ffi/errors.ts";
import { tablePieces } from "../table/table_pieces.ts";
import { checkedEncoding, TABLE_ENCODING, type TableEncoding } from "../table/write_options.ts";
import type { WritableTable } from "../table/written_tables.ts";
import { SizedPieces, type Writable } from "./body.ts";
import { REMOTE } from "./checked_write.ts";
import type { ObjectFile } from "./object_file.ts";
import type { Stat } from "./stat.ts";
import type { WriteOptions } from "./write_options.ts";

/** What `writeTable` takes beside the table. */
export interface WriteTableOptions extends WriteOptions, TableEncoding {}

/** Writes a table to a file. */
export async function writeTableTo(
  file: ObjectFile,
  table: WritableTable,
  options: WriteTableOptions,
): Promise<Stat> {
  const given = Object.entries(Object(options));
  const named = (is: boolean) =>
    Object.fromEntries(
      given.filter(([name, value]) =>
        TABLE_ENCODING.includes(name as keyof TableEncoding) === is && value !== null
      ),
    );
  if (typeof (options ?? {}) !== "object" || Array.isArray(options)) {
    throw invalidInput(
      "writeTable",
      "the options are no object",
      "pass { format, \u2026 }",
      file.uri,
    );
  }
  const known = [...TABLE_ENCODING, ...REMOTE, "background"];
  const unknown = given.find(([name]) => !known.includes(name))?.[0];
  if (unknown !== undefined) throw unknownOption("writeTable", unknown, known, file.uri);
  const encoding = checkedEncoding(named(true) as TableEncoding, file.name, file.uri);
  const { signal } = options ?? {};
  const pieces = await tablePieces(
    table,
    encoding,
    file.uri,
    signal instanceof AbortSignal ? signal : undefined,
  );
  const body = new SizedPieces(pieces, undefined, "writeTable");
  return await file.write(body as unknown as Writable, named(false) as WriteOptions);
}
