// Files that polars and DuckDB wrote, in every codec that they have, value by value as pyarrow reads
// them.

import { assert, assertEquals } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { file, memory } from "dipper";
import { EXACT, plainColumns } from "./plain_values.ts";
import { PYTHON, readByPyarrow } from "./pyarrow.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

/** Writes the files; their names. */
async function written(folder: string): Promise<string[]> {
  const program = decodeURIComponent(new URL("other_writers.py", import.meta.url).pathname);
  const { success, stdout, stderr } = await new Deno.Command(PYTHON!, { args: [program, folder] })
    .output();
  assert(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

describe("files of others", { ignore: PYTHON === undefined }, () => {
  let folder: string;
  let names: string[];
  beforeAll(async () => {
    folder = await Deno.makeTempDir();
    names = await written(folder);
  });
  afterAll(() => Deno.remove(folder, { recursive: true }));

  for (const writer of ["polars", "duckdb"]) {
    it(`of ${writer} have the values that pyarrow finds`, async () => {
      const own = names.filter((name) => name.startsWith(writer));
      assert(own.length >= 10, `${own.length} files`);
      const paths = own.map((name) => `${folder}/${name}` as `/${string}`);
      const found = await readByPyarrow(...paths);
      for (const [at, name] of own.entries()) {
        const known = found[at]!;
        const table = await file(paths[at]!).table(EXACT);
        assertEquals([table.names, table.numRows], [known.names, known.rows], name);
        const values = plainColumns(table);
        // Column by column: what differs is then named.
        for (const column of known.names) {
          assertEquals(values[column], known.values[column], `${name}: ${column}`);
        }
      }
    });
  }
});
