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
  "there is no option colums; did you mean columns": { colums: ["a"] },
  "where is not a string; pass a text": { where: () => true },
  // A text would count as true, whatever it says.
  "header is not true or false": { header: "false" },
  'compression is not one of "auto", "none", "gzip"': { compression: "zip" },
  // A text would be taken apart, letter by letter.
  "columnNames is not an array of texts": { columnNames: "ab" },
  "nullValues is not an array of texts": { nullValues: "NA" },
  "nullValues is not": { nullValues: 7 },
  'types is not an object such as { zip: "string" }': { types: "int64" },
  "types is not an object": { types: null },
  'the type of the column "a" is an Object; name it': { types: { a: { typeId: 2 } } },
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

  it("are an object", async () => {
    for (const options of ["delay", ["delay"]]) {
      const reads = [
        () => file("/nowhere/a.parquet").table(options as never),
        () => table("/nowhere/a.parquet", options as never),
        () => writeTable("/nowhere/a.parquet", { a: [1] }, options as never),
      ];
      for (const read of reads) await assertRejects(read, InvalidInputError, "no object");
    }
  });

  it("are told as they are where one of them is misspelt in writing", async () => {
    const options = { rowGroupsize: 1000 } as object;
    for (const path of ["/nowhere/a.parquet", "s3://nowhere/a.parquet"]) {
      const error = await assertRejects(
        () => writeTable(path, { a: [1] }, options),
        InvalidInputError,
        "there is no option rowGroupsize; did you mean rowGroupSize? known are format",
      );
      assertEquals(error.operation, "writeTable");
    }
  });

  it("finds out how text is compressed where it is told so", async () => {
    const path = await Deno.makeTempFile({ suffix: ".csv.gz" });
    await writeTable(path, { a: [1, -999] });
    const options = { compression: "auto", nullValues: [-999] as unknown as string[] } as const;
    assertEquals((await file(path).table(options)).toArray(), [{ a: 1 }, { a: null }]);
    await Deno.remove(path);
  });

  it("are not waited for, nor is what is read and written", async () => {
    const later = Promise.resolve("/nowhere/a.parquet") as never;
    const wrong = [
      () => table(later),
      () => writeTable(later, { a: [1] }),
      () => writeTable("/nowhere/a.parquet", later),
    ];
    for (const call of wrong) await assertRejects(call, InvalidInputError, "; await it first");
  });

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
