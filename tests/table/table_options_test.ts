// Options of tables that cannot be meant: refused by name before anything is sent.

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { file, InvalidInputError, memory, table, writeTable } from "dipper";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const WRONG: Record<string, object> = {
  "columns is no array": { columns: "delay" },
  "column 1 is no string": { columns: ["delay", 7] },
  'column "a" is named twice': { columns: ["a", "b", "a"] },
  "where is not a string": { where: 7 },
  "limit is -1": { limit: -1 },
  "limit is 1.5": { limit: 1.5 },
  "limit is 10": { limit: "10" },
  "limit is NaN": { limit: NaN },
  "int64 cannot be number": { int64: "number" },
  "useDate is neither true nor false": { useDate: 1 },
  "colums": { colums: ["a"] },
};

describe("options of tables", () => {
  for (const [message, options] of Object.entries(WRONG)) {
    it(`are refused: ${message}`, async () => {
      // Nothing is there: who looked would say so.
      for (
        const read of [
          () => file("/nowhere/a.parquet").table(options),
          () => table("/nowhere/a.parquet", options),
        ]
      ) {
        const error = await assertRejects(read, InvalidInputError);
        assertStringIncludes(error.message, message);
        assertEquals(error.code, "InvalidInput");
      }
      const loop = async () => {
        for await (const _ of file("/nowhere/a.parquet").batches(options)) break;
      };
      assertStringIncludes((await assertRejects(loop, InvalidInputError)).message, message);
    });
  }

  it("may break a condition into lines", async () => {
    const path = await Deno.makeTempFile({ suffix: ".parquet" });
    await writeTable(path, { a: Int32Array.of(1, 2) });
    const found = await file(path).table({ where: "a > 1\n  AND a < 3\t" });
    assertEquals(found.numRows, 1);
    await Deno.remove(path);
  });

  it("do not apply to a part of a file", async () => {
    const part = file("/nowhere/a.parquet").slice(10);
    const many = async () => {
      for await (const _ of part.batches()) break;
    };
    for (const read of [() => part.table(), () => part.array(), () => table([part]), many]) {
      const error = await assertRejects(read, InvalidInputError);
      assertStringIncludes(error.message, "/nowhere/a.parquet is given as a slice");
    }
  });

  it("may ask for no row", async () => {
    const path = await Deno.makeTempFile({ suffix: ".parquet" });
    await writeTable(path, { a: Int32Array.of(1, 2) });
    assertEquals((await file(path).table({ limit: 0 })).numRows, 0);
    assertEquals((await file(path).table({ limit: 0, where: "a > 1" })).numRows, 0);
    await Deno.remove(path);
  });
});
