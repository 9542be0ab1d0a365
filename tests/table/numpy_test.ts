/** Arrays of NumPy as tables: every type and order, archives, and files that are none. */

import {
  BudgetExceededError,
  DipperError,
  IntegrityError,
  InvalidInputError,
  memory,
  metricsOf,
  UnsupportedError,
} from "dipper";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { assertSameTable, python, WrittenFiles } from "./written_files.ts";

const LONG = 6_000_000;

describe("NumPy", { ignore: python === undefined }, () => {
  let files: WrittenFiles;
  let names: string[];
  beforeAll(async () => {
    files = await WrittenFiles.of("numpy");
    names = [];
    for await (const { name } of Deno.readDir(files.directory)) {
      if (name.endsWith(".expected")) names.push(name.replace(/\.expected$/, ""));
    }
  });
  afterAll(() => files?.[Symbol.asyncDispose]());

  const table = (name: string, options = {}) => files.client.file(files.uri(name)).table(options);

  it("reads every type and order, value by value, out of .npy and .npz", async () => {
    assert(names.length > 40);
    for (const name of names.filter((name) => name !== "uneven.npz")) {
      assertSameTable(await table(name), await files.expected(`${name}.expected`));
    }
  });

  it("gives chosen columns in their order, and numbers where they were read", async () => {
    for (const name of ["rows.npy", "columns.npy"]) {
      const read = await table(name, { columns: ["column_2", "column_0"], limit: 10 });
      assertEquals(read.names, ["column_2", "column_0"]);
      assertEquals(
        [...read.getChild("column_2")],
        Array.from({ length: 10 }, (_, at) => at * 3 + 2),
      );
    }
    const read = await table("float64.npy");
    const [batch] = read.getChild("values").data;
    const { values } = batch as unknown as { values: Float64Array };
    assert(values instanceof Float64Array && values.byteOffset === 0);
    assertEquals(values.buffer.byteLength, 8000);
    assert(read.getChild("values").toArray() === values);
  });

  it("masks rows, and turns large integers into floats", async () => {
    const read = await table("stored.npz", {
      columns: ["int64", "text"],
      where: "uint8 = 3 AND matrix_1 > 1500",
      int64: "float64",
    });
    assert(read.numRows > 50 && read.numRows < 150);
    assert([...read.getChild("int64")].every((value) => value === 3));
    assert(read.getChild("int64").data[0]!.values instanceof Float64Array);
  });

  it("leaves arrays of another length or type alone when columns are named", async () => {
    const wanted = { columns: ["z", "x"] };
    assertSameTable(await table("uneven.npz", wanted), await files.expected("uneven.npz.expected"));
    const columns = ["x", "y"];
    const error = await assertRejects(() => table("uneven.npz", { columns }), InvalidInputError);
    assertStringIncludes(error.message, '"x" has 3 rows, "y" has 4 rows');
    await assertRejects(() => table("uneven.npz"), UnsupportedError, "<c16");
    await assertRejects(() => table("uneven.npz", { columns: ["w"] }), UnsupportedError, '"w"');
    await assertRejects(() => table("uneven.npz", { columns: ["v"] }), InvalidInputError, '"v"');
  });

  it("refuses what is no column by its name", async () => {
    await assertRejects(() => table("records.npy"), UnsupportedError, "height, name");
    await assertRejects(() => table("complex.npy"), UnsupportedError, "<c16");
    await assertRejects(() => table("objects.npy"), UnsupportedError, "|O");
    await assertRejects(() => table("cube.npy"), UnsupportedError, "2 × 3 × 4");
    await assertRejects(() => table("odd_bytes.npy"), UnsupportedError, "row 0");
    await assertRejects(() => table("other.npz"), UnsupportedError, "method 12");
    await assertRejects(() => table("none.npz"), IntegrityError, "without arrays");
    await assertRejects(() => table("int8.npy", { format: "npz" }), IntegrityError, "zip");
    await assertRejects(() => table("stored.npz", { format: "npy" }), IntegrityError);
  });

  it("reads only what is wanted", async () => {
    const some = metricsOf(await table("long.npy", { limit: 1000 }))!;
    assert(some.bytes < 400_000, `${some.bytes}`);
    const column = metricsOf(await table("stored.npz", { columns: ["int8"] }))!;
    const all = metricsOf(await table("stored.npz"))!;
    assert(column.bytes < all.bytes / 2, `${column.bytes} of ${all.bytes}`);
  });

  it("reads many small arrays that are deflated by few requests", async () => {
    const all = metricsOf(await table("small.npz"))!;
    assert(all.requests < 8, `${all.requests} requests`);
    const one = metricsOf(await table("small.npz", { columns: ["noise_7", "c7.npy"] }))!;
    assert(one.requests < 6, `${one.requests} requests`);
    const total = (await files.bytes("small.npz")).length;
    // The headers and the directory come first, and each array of less than 512 bytes with them.
    assert(all.bytes < 1.7 * total, `${all.bytes} of ${total}`);
  });

  it("tells an array that would lie outside its archive", async () => {
    const bytes = await files.bytes("deflated.npz");
    const view = new DataView(bytes.buffer);
    // The last file in the directory, and what it says of itself where it lies.
    const end = bytes.length - 22;
    let at = view.getUint32(end + 16, true);
    let header = 0;
    while (at < end) {
      header = view.getUint32(at + 42, true);
      at += 46 + view.getUint16(at + 28, true) + view.getUint16(at + 30, true);
    }
    view.setUint16(header + 26, 0xfff0, true);
    const f = files.client.file(files.uri("outside.npz"));
    await f.write(bytes);
    await assertRejects(() => f.table(), IntegrityError, "lies outside the file");
  });

  it("goes through what is longer than a batch in a small budget, and frees it", async () => {
    using client = files.sibling({ memoryBudget: 32 << 20 });
    for (const name of ["long.npy", "long.npz"]) {
      let rows = 0;
      for await (const batch of client.file(files.uri(name)).batches()) {
        const [column] = batch.children as unknown as { data: { values: Float64Array }[] }[];
        const { values } = column!.data[0]!;
        assertEquals([values[0], values.at(-1)], [rows, rows + batch.numRows - 1]);
        rows += batch.numRows;
      }
      assertEquals(rows, LONG);
    }
    assertEquals(memory().operations, 0);
  });

  it("refuses a matrix that must be inflated as a whole and does not fit", async () => {
    using client = files.sibling({ memoryBudget: 16 << 10 });
    const reading = client.file(files.uri("deflated.npz")).table({ columns: ["fortran_1"] });
    await assertRejects(() => reading, BudgetExceededError);
  });

  it("tells damage from what is cut short, and never gives other values", async () => {
    const whole = await files.bytes("deflated.npz");
    const expected = await files.expected("deflated.npz.expected");
    for (let round = 0; round < 40; round++) {
      const bytes = round % 2 === 0
        ? whole.slice(0, Math.floor(whole.length * round / 40))
        : whole.slice();
      if (round % 2 === 1) bytes[Math.floor(whole.length * round / 40)]! ^= 1 << (round % 8);
      await files.client.file(files.uri("damaged.npz")).write(bytes);
      try {
        // What is no part of an array may be damaged without any loss.
        assertSameTable(await table("damaged.npz"), expected);
        assert(round % 2 === 1, "it was cut short");
      } catch (error) {
        assert(error instanceof DipperError && !("expected" in error), String(error));
        assert(error instanceof IntegrityError || error instanceof UnsupportedError, String(error));
      }
    }
  });
});
