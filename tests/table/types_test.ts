// Every type of Arrow, value by value as pyarrow has it, from files that pyarrow wrote.

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { file, type LocalFile, memory, writeTable } from "dipper";
import { type Batch, type Table, Type } from "@uwdata/flechette";
import { EXACT, plainColumns, type Told } from "./plain_values.ts";
import { PYTHON, writtenFiles } from "./pyarrow.ts";
import { collectUntil, settled } from "../memory/settled.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

function local(path: string): LocalFile {
  return file(path as `/${string}`);
}

/** All typed arrays of a batch, those of its children, too. */
function arraysOf(batch: Batch<unknown>): ArrayBufferView[] {
  // deno-lint-ignore no-explicit-any -- what a batch has depends on its type
  const parts = batch as any;
  const own = ["validity", "values", "offsets", "sizes", "typeIds"].map((name) => parts[name]);
  const dictionary = parts.dictionary?.data ?? [];
  return [
    ...own,
    ...(Array.isArray(parts.data) ? parts.data : []),
    ...[...(parts.children ?? []), ...dictionary].flatMap(arraysOf),
  ].filter((part) => ArrayBuffer.isView(part));
}

/** Asserts that nothing was copied or moved on the way: each array is all of its buffer. */
function assertWhole(table: Table, name: string): void {
  for (const column of table.children) {
    for (const batch of column.data) {
      for (const array of arraysOf(batch)) {
        assertEquals(array.byteOffset, 0, name);
        assertEquals(array.byteLength, array.buffer.byteLength, name);
      }
    }
  }
}

describe("types", { ignore: PYTHON === undefined }, () => {
  let folder: string;
  let files: Told[];
  beforeAll(async () => {
    folder = await Deno.makeTempDir();
    files = await writtenFiles(folder);
  });
  afterAll(() => Deno.remove(folder, { recursive: true }));

  it("are those of Parquet, value by value", async () => {
    const parquet = files.filter(({ name }) => name.endsWith(".parquet"));
    assert(parquet.length >= 50, `${parquet.length} files`);
    for (const { name, names, rows, values } of parquet) {
      const table = await local(`${folder}/${name}`).table(EXACT);
      assertEquals([table.names, table.numRows], [names, rows], name);
      assertEquals(plainColumns(table), values, name);
      assertWhole(table, name);
    }
  });

  it("are those of Arrow IPC, value by value, whole and cut", async () => {
    const arrow = files.filter(({ name }) => name.endsWith(".arrow"));
    assert(arrow.length >= 110, `${arrow.length} files`);
    for (const { name, names, rows, values } of arrow) {
      const table = await local(`${folder}/${name}`).table(EXACT);
      assertEquals([table.names, table.numRows], [names, rows], name);
      assertEquals(plainColumns(table), values, name);
    }
  });
});

describe("64-bit integers", () => {
  it("are numbers, unless they are asked for as they are", async () => {
    const folder = await Deno.makeTempDir();
    const f = local(`${folder}/numbers.parquet`);
    await writeTable(f, {
      small: BigInt64Array.of(1n, -2n),
      large: BigInt64Array.of(1n, 2n ** 60n),
    });
    const table = await f.table();
    assertEquals([...table.getChild("small")], [1, -2]);
    assertThrows(() => table.getChild("large").at(1), Error, "1152921504606846976");
    // They lie there all the same.
    const [batch] = table.getChild("large").data;
    assertEquals(batch!.values, BigInt64Array.of(1n, 2n ** 60n));
    const exact = await f.table({ useBigInt: true });
    const integers = exact.getChild("large").toArray() as BigInt64Array;
    assertEquals(integers, BigInt64Array.of(1n, 2n ** 60n));
    // It is the memory that Rust filled.
    assertStrictEquals(integers.buffer, exact.getChild("large").data[0]!.values!.buffer);
    await Deno.remove(folder, { recursive: true });
  });
});

describe("memory", () => {
  it("is freed column by column", async () => {
    const folder = await Deno.makeTempDir();
    const f = local(`${folder}/columns.parquet`);
    const rows = 1 << 20;
    const column = () => Float64Array.from({ length: rows }, (_, index) => index);
    await writeTable(f, { a: column(), b: column(), c: column() }, { compression: "none" });
    await settled();
    const before = memory().bytes;
    let table: Table | undefined = await f.table();
    const held = memory().bytes - before;
    assert(held >= 3 * rows * 8, `${held} bytes`);
    const kept = table.getChild("b").data.map(({ values }) => values as Float64Array);
    table = undefined;
    await collectUntil(() => memory().bytes - before < 2 * rows * 8);
    const left = memory().bytes - before;
    assert(left >= rows * 8 && left < 2 * rows * 8, `${left} bytes of ${held} are left`);
    assertEquals(kept.at(-1)!.at(-1), rows - 1);
    await Deno.remove(folder, { recursive: true });
  });
});

describe("nothing", () => {
  it("is a table, too", async () => {
    const folder = await Deno.makeTempDir();
    const f = local(`${folder}/empty.parquet`);
    await writeTable(f, { a: new Int32Array(0), b: [] as string[] }, { types: {} });
    const table = await f.table();
    assertEquals([table.numRows, table.names], [0, ["a", "b"]]);
    assertEquals(table.schema.fields[0]!.type.typeId, Type.Int);
    await Deno.remove(folder, { recursive: true });
  });
});
