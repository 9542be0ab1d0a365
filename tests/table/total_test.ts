// How many bytes a table takes is told from its first batch on, and not only at its end.

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  file,
  memory,
  type PlainColumn,
  type Progress,
  table as manyFiles,
  type TableOptions,
  writeTable,
} from "dipper";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

type Told = Pick<Progress, "bytes" | "total">[];

async function told(path: string, options: TableOptions = {}): Promise<Told> {
  const told: Told = [];
  await file(path as `/${string}`).table({
    ...options,
    onProgress: ({ bytes, total }) => void told.push({ bytes, total }),
  });
  return told;
}

/** All calls tell the same. */
function assertTold(told: Told): void {
  assert(told.length > 1);
  const { bytes } = told.at(-1)!;
  assertEquals(told.map(({ total }) => total), told.map(() => bytes));
}

const ROWS = 300_000;

function columns(rows = ROWS): Record<string, PlainColumn> {
  return {
    id: Int32Array.from({ length: rows }, (_, row) => row),
    half: Float64Array.from({ length: rows }, (_, row) => row / 2),
    name: Array.from({ length: rows }, (_, row) => `number ${row}`),
  };
}

/** A `.npy` of numbers from 0 on. */
function npy(rows: number): Uint8Array<ArrayBuffer> {
  const head = `{'descr': '<f8', 'fortran_order': False, 'shape': (${rows},), }`.padEnd(117) + "\n";
  const front = new TextEncoder().encode(`\x93NUMPY\x01\x00\x76\x00${head}`);
  const bytes = new Uint8Array(128 + 8 * rows);
  bytes.set([0x93], 0);
  bytes.set(front.subarray(2), 1);
  new Float64Array(bytes.buffer, 128).forEach((_, row, all) => all[row] = row);
  return bytes;
}

describe("how many bytes a table takes", () => {
  it("is known from the footer of Parquet: of the wanted columns", async () => {
    const path = await Deno.makeTempFile({ suffix: ".parquet" });
    await writeTable(path, columns(), { rowGroupSize: 30_000 });
    assertTold(await told(path));
    assertTold(await told(path, { columns: ["half"] }));
    assertTold(await told(path, { columns: ["half"], limit: 100_000 }));
    // A condition may need less of them.
    const some = await told(path, { columns: ["name"], where: "half BETWEEN 100 AND 101" });
    const { bytes, total } = some.at(-1)!;
    assert(some[0]!.total >= bytes && total === bytes, JSON.stringify(some));
    assert(some[0]!.total < (await Deno.stat(path)).size);
    await Deno.remove(path);
  });

  for (const format of ["arrow", "arrows", "csv", "ndjson"] as const) {
    it(`is known of a file: ${format}`, async () => {
      const path = await Deno.makeTempFile({ suffix: `.${format}` });
      const part = columns(30_000);
      const series = (function* () {
        for (let at = 0; at < 10; at++) yield part;
      })();
      await writeTable(path, series, { format });
      const all = await told(path);
      // Of a stream the beginning of a message may be read twice.
      if (format === "arrows") assert(all[0]!.total >= 0.95 * all.at(-1)!.total);
      else assertTold(all);
      // Where the rows end, nobody knows.
      const few = await told(path, { limit: 10 });
      assertEquals(few.slice(0, -1).map(({ total }) => total), few.slice(0, -1).map(() => 0));
      await Deno.remove(path);
    });
  }

  it("is known of what is compressed as a whole", async () => {
    const path = await Deno.makeTempFile({ suffix: ".csv.gz" });
    const text = Array.from({ length: ROWS }, (_, row) => `${row},${row / 2}\n`).join("");
    const packed = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
    await Deno.writeFile(path, packed);
    const all = await told(path, { header: false });
    const size = (await Deno.stat(path)).size;
    assert(all.every(({ total }) => total >= size), JSON.stringify(all));
    await Deno.remove(path);
  });

  it("is known of NumPy's arrays", async () => {
    const path = await Deno.makeTempFile({ suffix: ".npy" });
    await Deno.writeFile(path, npy(10_000_000));
    assertTold(await told(path));
    assertTold(await told(path, { limit: 9_000_000 }));
    await Deno.remove(path);
  });

  it("is known of many files, of the wanted columns", async () => {
    const folder = await Deno.makeTempDir();
    const paths = ["a", "b", "c"].map((name) => `${folder}/${name}.parquet`);
    for (const path of paths) await writeTable(path, columns(30_000), { rowGroupSize: 10_000 });
    for (const columns of [undefined, ["name"]]) {
      const told: Told = [];
      const onProgress = ({ bytes, total }: Progress) => void told.push({ bytes, total });
      await manyFiles(paths, { ...(columns && { columns }), onProgress });
      assertTold(told);
    }
    await Deno.remove(folder, { recursive: true });
  });
});
