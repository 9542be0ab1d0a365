/** Arrow IPC as pyarrow writes it: every type and codec, files and streams, and what is damaged. */

import { DipperError, file, IntegrityError, InvalidInputError, memory, metricsOf } from "dipper";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { join } from "node:path";
import { EXACT, plainColumns } from "./plain_values.ts";
import { address, assertSameTable, python, WrittenFiles } from "./written_files.ts";

describe("Arrow IPC", { ignore: python === undefined }, () => {
  let files: WrittenFiles;
  beforeAll(async () => {
    files = await WrittenFiles.of("arrow");
  });
  afterAll(() => files?.[Symbol.asyncDispose]());

  const table = (name: string, options = {}) => files.client.file(files.uri(name)).table(options);

  for (const kind of ["arrow", "arrows"]) {
    for (const codec of ["plain", "lz4", "zstd"]) {
      it(`reads every type of ${codec}.${kind}, value by value`, async () => {
        assertSameTable(await table(`${codec}.${kind}`), await files.expected("expected.arrows"));
      });
    }
  }

  it("reads files of this machine", async () => {
    const path = join(files.directory, "plain.arrow");
    assertSameTable(await file(path).table(), await files.expected("expected.arrows"));
  });

  it("finds the format by the content, or is told", async () => {
    const expected = await files.expected("expected.arrows");
    assertSameTable(await table("nameless"), expected);
    assertSameTable(await table("nameless_stream"), expected);
    assertSameTable(await table("nameless", { format: "arrow" }), expected);
    await assertRejects(() => table("nameless", { format: "excel" }), InvalidInputError, "excel");
    await files.client.file(files.uri("note")).write("no table at all, just\0bytes");
    await assertRejects(() => table("note"), InvalidInputError, "format");
  });

  it("reads the columns and rows that are wanted", async () => {
    const expected = await files.expected("expected.arrows");
    for (const name of ["plain.arrow", "lz4.arrows"]) {
      const some = await table(name, { columns: ["string", "int64", "list"], limit: 450 });
      assertEquals([some.numRows, some.names], [450, ["string", "int64", "list"]]);
      for (const column of some.names) {
        assertEquals([...some.getChild(column)], [...expected.getChild(column)].slice(0, 450));
      }
      assertEquals((await table(name, { limit: 0 })).numRows, 0);
      await assertRejects(
        () => table(name, { columns: ["nothing"] }),
        InvalidInputError,
        "nothing",
      );
    }
  });

  it("reads the bytes of the wanted columns, and gives the same values", async () => {
    for (const name of ["apart.arrow", "apart_lz4.arrow"]) {
      const whole = await table(name, EXACT);
      const size = metricsOf(whole)!.bytes;
      const values = plainColumns(whole);
      const names = whole.names.filter((name) => !name.startsWith("between"));
      assert(names.length > 60 && whole.numRows === 4200);
      const choices = names.map((name, at) => [names[(at + 7) % names.length]!, name]);
      choices.push(names.slice(20, 40).toReversed(), whole.names.slice(31, 36), ["null"]);
      for (const columns of choices) {
        const some = await table(name, { ...EXACT, columns });
        assertEquals([some.names, some.numRows], [columns, 4200]);
        const wanted = Object.fromEntries(columns.map((column) => [column, values[column]]));
        assertEquals(plainColumns(some), wanted, `${name}: ${columns}`);
      }
      const two = await table(name, { columns: ["int8", "between 50"] });
      const { bytes } = metricsOf(two)!;
      assert(bytes < size / 5, `${bytes} of ${size}`);
      const rows = await table(name, { columns: [] });
      assertEquals(rows.numRows, 4200);
      const few = await table(name, { columns: ["int8"], where: '"between 50" = 7' });
      assertEquals(few.toArray(), [{ int8: 0 }]);
    }
    assertEquals(memory().operations, 0);
  });

  it("finds damage of some columns, or reads them, and frees all of it", async () => {
    const bytes = await files.bytes("apart_lz4.arrow");
    const path = join(files.directory, "flipped.arrow");
    let failed = 0;
    for (let round = 0; round < 300; round++) {
      const flipped = bytes.slice();
      // Mostly in the messages, which are before the bodies, and in the footer.
      const at = round % 3 === 0 ? bytes.length - 1 - round * 97 % 40_000 : round * 7919 % 60_000;
      flipped[at]! ^= 1 << round % 8;
      await Deno.writeFile(path, flipped);
      try {
        await file(path).table({ columns: ["utf8", "runEnd", "denseUnion", "utf8View", "words"] });
      } catch (error) {
        assert(error instanceof DipperError && error.code !== "Internal", `${at}: ${error}`);
        failed++;
      }
    }
    assert(failed > 20, `${failed}`);
    assertEquals(memory().operations, 0);
  });

  it("reads what is empty, wide, or without columns", async () => {
    for (const name of ["empty.arrow", "empty.arrows"]) {
      assertEquals((await table(name)).numRows, 0);
      const { names } = await files.expected("expected.arrows");
      assertEquals((await table(name)).names, names);
    }
    assertEquals((await table("no_columns.arrow")).names, []);
    const wide = await table("wide.arrow");
    assertEquals([wide.names.length, wide.numRows], [10_000, 2]);
    assertEquals([...wide.getChild("c9999")], [9999, null]);
    const feather = await table("lz4.feather");
    assertEquals(feather.names, ["int64", "string"]);
  });

  it("reads messages longer and shorter than what is read at once", async () => {
    for (const name of ["long.arrow", "long.arrows"]) {
      const numbers = await table(name, { useBigInt: true });
      const column = numbers.getChild("a");
      assertEquals(numbers.numRows, 3_000_000);
      let next = 0n;
      for (const { values } of column.data) {
        for (const value of values as BigInt64Array) if (value !== next++) throw new Error(name);
      }
      assertEquals(next, 3_000_000n);
    }
  });

  it("reads dictionaries that grow or are replaced", async () => {
    assertEquals([...(await table("delta.arrows")).getChild("d")], ["a", "b", "a", "b", "c"]);
    assertEquals([...(await table("replaced.arrows")).getChild("d")], ["a", "b", "x"]);
  });

  it("copies nothing: the columns lie in the bytes of the object", async () => {
    for (const name of ["plain.arrow", "plain.arrows"]) {
      const both = await table(name, { columns: ["float64", "float32"] });
      const bytes = await files.bytes(name);
      const places = [];
      for (const column of ["float64", "float32"]) {
        const [batch] = both.getChild(column).data;
        const values = batch!.values as Float64Array;
        assertEquals([values.byteOffset, values.byteLength], [0, values.buffer.byteLength]);
        const wanted = new Uint8Array(values.buffer);
        places.push([indexOf(bytes, wanted), address(values)]);
      }
      const [[one, oneAddress], [other, otherAddress]] = places as [number[], number[]];
      assert(one! > 0 && other! > 0);
      assertEquals(otherAddress! - oneAddress!, other! - one!);
    }
  });

  it("gives each batch's dictionary memory of its own", async () => {
    const column = (await table("plain.arrow", { columns: ["dictionary"] })).getChild("dictionary");
    // deno-lint-ignore no-explicit-any -- the dictionary of a batch is no part of its type
    const dictionaries = column.data.map((batch: any) => batch.dictionary ?? batch._dictionary);
    assert(dictionaries.length > 1);
    assertEquals(
      [...column].slice(0, 3),
      [...(await files.expected("expected.arrows")).getChild("dictionary")].slice(0, 3),
    );
  });

  it("refuses what is cut short, and frees all of it", async () => {
    for (const name of ["plain.arrow", "zstd.arrow", "plain.arrows", "lz4.arrows"]) {
      const bytes = await files.bytes(name);
      for (const part of [0.1, 0.5, 0.9, 0.999]) {
        const cut = bytes.slice(0, Math.floor(bytes.length * part));
        const damaged = files.client.file(files.uri(`cut.${name}`));
        await damaged.write(cut);
        await assertRejects(() => damaged.table(), IntegrityError, "Arrow");
      }
    }
    assertEquals(memory().operations, 0);
  });
});

/** Where some bytes are in others. */
function indexOf(bytes: Uint8Array, wanted: Uint8Array): number {
  const first = new BigUint64Array(wanted.slice(8, 16).buffer)[0];
  const words = new BigUint64Array(bytes.buffer, 0, Math.floor(bytes.length / 8));
  for (let at = words.indexOf(first!); at >= 0; at = words.indexOf(first!, at + 1)) {
    const start = 8 * (at - 1);
    if (wanted.every((byte, index) => byte === bytes[start + index])) return start;
  }
  return -1;
}
