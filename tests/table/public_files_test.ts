/**
 * The public files that pyarrow is tested with, of old writers too, as far as its package has them,
 * and those that Spark is tested with.
 */

import { tableFromIPC } from "@uwdata/flechette";
import { UnsupportedError } from "dipper";
import { assert, assertRejects } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { assertSameTable, python, WrittenFiles } from "./written_files.ts";

describe("public test files", { ignore: python === undefined }, () => {
  let files: WrittenFiles;
  beforeAll(async () => {
    files = await WrittenFiles.of("public");
  });
  afterAll(() => files?.[Symbol.asyncDispose]());

  it("are read as pyarrow reads them, value by value", async () => {
    let compared = 0;
    for await (const { name } of Deno.readDir(files.directory)) {
      if (!name.endsWith(".expected")) continue;
      // Their integers are beyond what a number holds.
      const exact = { useBigInt: true, useBigIntTimestamp: true };
      const uri = files.uri(name.replace(/\.expected$/, ""));
      compared++;
      if (name.startsWith("v0.17.0")) {
        // It says that it is compressed where no reader of the format looks.
        await assertRejects(() => files.client.file(uri).table(exact), UnsupportedError, "0.17");
        continue;
      }
      const table = await files.client.file(uri).table(exact);
      assertSameTable(table, tableFromIPC(await files.bytes(name), exact));
    }
    assert(compared >= 5, `pyarrow's package has ${compared} of them`);
  });
});

const hasSpark = python !== undefined && Deno.env.has("DIPPER_TEST_SPARK_FILES");

describe("public test files of Spark", { ignore: !hasSpark }, () => {
  let files: WrittenFiles;
  beforeAll(async () => {
    files = await WrittenFiles.of("spark");
  });
  afterAll(() => files?.[Symbol.asyncDispose]());

  it("are read as pyarrow reads them, value by value", async () => {
    let compared = 0;
    for await (const { name } of Deno.readDir(files.directory)) {
      if (!name.endsWith(".expected")) continue;
      compared++;
      const exact = { useBigInt: true, useBigIntTimestamp: true, useDecimalInt: true };
      const file = files.client.file(files.uri(name.replace(/\.expected$/, "")));
      const expected = tableFromIPC(await files.bytes(name), exact);
      try {
        assertSameTable(await file.table({ ...exact, format: "parquet" }), expected);
      } catch (error) {
        throw new Error(name, { cause: error });
      }
    }
    assert(compared >= 36, `there are ${compared} of them`);
  });
});
