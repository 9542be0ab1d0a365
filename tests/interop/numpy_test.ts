// NumPy reads what dipper wrote, dipper reads what NumPy wrote, and both find the same vectors.

import { assert, assertEquals } from "@std/assert";
import { EmbeddingTable, memory, type Metric } from "dipper";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const python = Deno.env.get("DIPPER_TEST_PYTHON");

async function numpy<T>(...args: string[]): Promise<T> {
  const program = decodeURIComponent(new URL("numpy_files.py", import.meta.url).pathname);
  const command = new Deno.Command(python ?? "python3", { args: [program, ...args] });
  const { success, stdout, stderr } = await command.output();
  assert(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout)) as T;
}

function numpyTest(name: string, run: (folder: string) => Promise<void>): void {
  Deno.test({
    name,
    ignore: python === undefined,
    async fn() {
      const folder = await Deno.makeTempDir();
      try {
        await run(folder);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

numpyTest("dipper loads every form of matrix that NumPy saves", async (folder) => {
  const { names, rows, columns, first, last } = await numpy<{
    names: string[];
    rows: number;
    columns: number;
    first: number[];
    last: number[];
  }>("write", folder);
  assertEquals(names.length, 14);
  let expected: Float32Array | undefined;
  for (const name of names) {
    using table = await EmbeddingTable.load(`${folder}/${name}`);
    assertEquals([table.length, table.dimension], [rows, columns], name);
    assertEquals([...table.row(0)], first, name);
    assertEquals([...table.row(rows - 1)], last, name);
    const scores = table.scores(new Float32Array(columns).fill(1));
    assertEquals(scores, expected ??= scores, name);
  }
  using empty = await EmbeddingTable.load(`${folder}/empty.npy`);
  assertEquals([empty.length, empty.dimension], [0, columns]);
});

numpyTest("NumPy loads what dipper saves, and finds the same vectors", async (folder) => {
  let state = 1;
  const numbers = Float32Array.from({ length: 3001 * 50 }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  });
  using table = new EmbeddingTable(50);
  for (let row = 0; row < 1001; row++) table.add(numbers.subarray(row * 50, (row + 1) * 50));
  table.addMany(numbers.subarray(1001 * 50));
  const path = `${folder}/table.npy`;
  await table.save(path);
  const read = await numpy<Record<string, unknown>>("read", path);
  const sum = numbers.reduce((sum, number) => sum + number, 0);
  assertEquals([read.type, read.shape, read.contiguous], ["<f4", [3001, 50], true]);
  assertEquals(Number(read.start) % 64, 0);
  assert(Math.abs(Number(read.sum) - sum) < 1e-6 * numbers.length);
  assertEquals(read.last, [...numbers.subarray(3000 * 50)]);

  const found = await numpy<Record<Metric, number[][]>>("search", path, "10");
  for (const metric of ["dot", "cosine", "euclidean"] as const) {
    const queries = [0, 1, 2].map((row) => table.row(row));
    const { indices } = table.topK(queries, 10, { metric });
    assertEquals([...indices], found[metric].flat(), metric);
  }
});
