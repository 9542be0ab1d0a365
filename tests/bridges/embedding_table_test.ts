/** Tables of vectors: what they take, what they find, what they refuse, and when they are gone. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  BudgetExceededError,
  EmbeddingTable,
  InvalidInputError,
  memory,
  type Metric,
  RustBuffer,
} from "dipper";
import { library } from "../../ffi/library.ts";
import { collectUntil, held, memoryTest, settled } from "../memory/settled.ts";

const { budget } = memory(); // Loads the library. Within a test, Deno would count that as a leak.

const METRICS: Metric[] = ["dot", "cosine", "euclidean"];

/** Numbers between -1 and 1, the same for the same seed. */
function random(count: number, seed: number): Float32Array<ArrayBuffer> {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** A plain loop in 32-bit numbers, and how far apart two orders of summing may be. */
function plain(
  metric: Metric,
  row: Float32Array,
  query: Float32Array,
): { score: number; bound: number } {
  const sum = (term: (x: number, y: number) => number) => {
    let [total, size] = [0, 0];
    for (let at = 0; at < row.length; at++) {
      const value = Math.fround(term(row[at]!, query[at]!));
      total = Math.fround(total + value);
      size += Math.abs(value);
    }
    return { total, bound: 2 * row.length * 2 ** -24 * size };
  };
  const dot = sum((x, y) => x * y);
  if (metric === "dot") return { score: dot.total, bound: dot.bound };
  if (metric === "euclidean") {
    const { total, bound } = sum((x, y) => Math.fround(x - y) ** 2);
    const score = Math.sqrt(total);
    return { score, bound: bound / Math.max(score, 1e-6) + 1e-6 };
  }
  const length = Math.sqrt(sum((x) => x * x).total * sum((_, y) => y * y).total);
  return length === 0
    ? { score: 0, bound: 0 }
    : { score: dot.total / length, bound: 3 * dot.bound / length + 1e-6 };
}

function refused(call: () => unknown, ...parts: string[]): void {
  const error = assertThrows(call, InvalidInputError);
  for (const part of parts) assertStringIncludes(error.message, part);
}

for (const path of ["widest", "portable"] as const) {
  memoryTest(`scores and the nearest are those of a plain loop, ${path} path`, () => {
    library().native.forcePortable(path === "portable" ? 1 : 0);
    try {
      for (const dimension of [1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 100, 768]) {
        const rows = 40;
        const numbers = random(rows * dimension, dimension);
        const row = (index: number) => numbers.subarray(index * dimension, (index + 1) * dimension);
        using table = new EmbeddingTable(dimension);
        table.addMany(numbers);
        const queries = [random(dimension, 99), random(dimension, 100), row(3)];
        for (const query of queries) {
          const scores = table.scores(query);
          for (let index = 0; index < rows; index++) {
            const { score, bound } = plain("dot", row(index), query);
            assert(Math.abs(scores[index]! - score) <= bound, `${scores[index]} and ${score}`);
            assertEquals(scores[index], table.dot(index, query));
          }
        }
        for (const metric of METRICS) {
          const all = table.topK(queries, rows, { metric });
          queries.forEach((query, at) => {
            const alone = table.topK(query, rows, { metric });
            assertEquals(alone.indices, all.indices.slice(at * rows, (at + 1) * rows));
            assertEquals(alone.scores, all.scores.slice(at * rows, (at + 1) * rows));
            assertEquals(new Set(alone.indices).size, rows, "each row once");
            alone.indices.forEach((index, place) => {
              const { score, bound } = plain(metric, row(index), query);
              assert(Math.abs(alone.scores[place]! - score) <= bound);
            });
            const sign = metric === "euclidean" ? 1 : -1;
            for (let place = 1; place < rows; place++) {
              const [before, now] = [alone.scores[place - 1]!, alone.scores[place]!];
              assert(sign * before <= sign * now, "nearest first");
              if (before === now) assert(alone.indices[place - 1]! < alone.indices[place]!);
            }
            assertEquals(table.topK(query, 5, { metric }).indices, alone.indices.slice(0, 5));
          });
        }
      }
    } finally {
      library().native.forcePortable(0);
    }
  });
}

for (const path of ["widest", "portable"] as const) {
  memoryTest(`vectors of every length to 4,096, from every offset, ${path} path`, () => {
    library().native.forcePortable(path === "portable" ? 1 : 0);
    try {
      const numbers = random(4100 * 2, 11);
      const asked = random(4100, 12);
      for (let dimension = 1; dimension <= 4096; dimension++) {
        const [from, queryFrom] = [dimension % 4, dimension % 3];
        const rows = numbers.subarray(from, from + 2 * dimension);
        const query = asked.subarray(queryFrom, queryFrom + dimension);
        using table = new EmbeddingTable(dimension);
        table.addMany(rows);
        const scores = table.scores(query);
        for (const index of [0, 1]) {
          const row = rows.subarray(index * dimension, (index + 1) * dimension);
          const { score, bound } = plain("dot", row, query);
          assert(Math.abs(scores[index]! - score) <= bound, `${dimension}: ${scores[index]}`);
          assertEquals(table.row(index), row);
        }
        const { indices } = table.topK(query, 2);
        assertEquals([...indices], scores[0]! >= scores[1]! ? [0, 1] : [1, 0]);
      }
    } finally {
      library().native.forcePortable(0);
    }
  });
}

memoryTest("a table large enough for all cores finds what a small one finds", () => {
  const dimension = 64;
  const rows = 60_000;
  const numbers = random(rows * dimension, 5);
  using table = new EmbeddingTable(dimension);
  table.addMany(numbers);
  const query = random(dimension, 6);
  const scores = table.scores(query);
  for (let index = 0; index < rows; index += 997) {
    assertEquals(scores[index], table.dot(index, query));
  }
  const { indices } = table.topK(query, 100);
  const sorted = Uint32Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]! || a - b);
  assertEquals(indices, sorted.slice(0, 100));
});

memoryTest("every form of vectors and matrices is taken, and a Float32Array where it lies", () => {
  using table = new EmbeddingTable(2);
  const memory = new Float32Array([9, 9, 1, 2, 3, 4, 9]);
  const ndarray = { data: memory, shape: [2, 2], stride: [2, 1], offset: 2 };
  const shared = new Float32Array(new SharedArrayBuffer(8));
  shared.set([1, 2]);
  const resizable = new Float32Array(new ArrayBuffer(8, { maxByteLength: 64 }));
  resizable.set([1, 2]);
  const fixed = { length: 2, 0: 1, 1: 2 };
  for (
    const vector of [
      [1, 2],
      memory.subarray(2, 4),
      new Float64Array([1, 2]),
      new Int8Array([1, 2]),
      shared,
      resizable,
      fixed,
    ]
  ) {
    const index = table.add(vector);
    assertEquals(table.row(index), new Float32Array([1, 2]));
    assertEquals(table.dot(index, vector), 5);
  }
  table.dispose();

  using other = new EmbeddingTable(2);
  const matrices = [
    memory.subarray(2, 6),
    new Float64Array([1, 2, 3, 4]),
    [1, 2, 3, 4],
    [[1, 2], [3, 4]],
    [new Float32Array([1, 2]), new Uint8Array([3, 4])],
    ndarray,
    { data: memory, shape: [2, 2], strides: new Int32Array([2, 1]), offset: 2 },
    { data: [1, 2, 3, 4], shape: [2, 2] },
    { data: new Float64Array([1, 2, 3, 4]), shape: [2, 2], stride: [2, 1], offset: 0 },
  ];
  for (const [at, matrix] of matrices.entries()) {
    assertEquals(other.addMany(matrix), 2 * at);
    assertEquals(other.row(2 * at + 1), new Float32Array([3, 4]));
  }
  assertEquals(other.length, 2 * matrices.length);
  const expected = other.topK([[1, 0], [0, 1]], 2);
  assertEquals(other.topK({ data: [1, 0, 0, 1], shape: [2, 2] }, 2), expected);
  assertEquals(other.topK({ data: [1, 0], shape: [2] }, 2).indices, expected.indices.slice(0, 2));
  // What is copied in is the table's own.
  memory.fill(0);
  assertEquals(other.row(0), new Float32Array([1, 2]));
  const row = other.row(0);
  row.fill(7);
  assertEquals(other.row(0), new Float32Array([1, 2]));
});

memoryTest("a wrong dimension and an index out of range say both numbers", () => {
  using table = new EmbeddingTable();
  assertEquals(table.dimension, 768);
  refused(() => table.add(new Float32Array(3)), "3", "768");
  refused(() => table.addMany(new Float32Array(769)), "769", "768");
  refused(() => table.addMany([new Float32Array(768), new Float32Array(7)]), "row 1", "7", "768");
  refused(() => table.addMany({ data: new Float32Array(6), shape: [2, 3] }), "(2, 3)", "768");
  refused(() => table.addMany({ data: new Float32Array(768), shape: [768] }), "(768)", "768");
  refused(() => table.scores([1, 2]), "2", "768");
  refused(() => table.topK([new Float32Array(768), [1]], 1), "query 1", "768");
  refused(() => table.topK(new Float32Array(2 * 768), 1), "1536", "768");
  const rows = Array.from({ length: 768 }, () => [1]);
  refused(() => table.add(rows as never), "an Array", "addMany()");
  refused(() => table.add(Promise.resolve() as never), "a Promise", "await it first");
  assertEquals(table.length, 0, "nothing of what was refused is there");
  table.add(new Float32Array(768));
  refused(() => table.dot([1, 2] as never, 0 as never), "the row is an Array");
  for (const index of [1, -1, 0.5, NaN, 2 ** 40, "0" as unknown as number]) {
    refused(() => table.row(index), String(index), "1 rows");
    refused(() => table.dot(index, new Float32Array(768)), String(index), "1 rows");
  }
});

memoryTest("what cannot be meant is refused before anything happens", () => {
  for (const dimension of [0, -1, 1.5, NaN, Infinity, 2 ** 20 + 1, "3" as unknown as number]) {
    refused(() => new EmbeddingTable(dimension), String(dimension));
  }
  using table = new EmbeddingTable(2);
  table.addMany([[1, 2], [3, 4]]);
  for (const k of [-1, 0.5, NaN, Infinity, "1" as unknown as number, undefined]) {
    refused(() => table.topK([1, 2], k as number), String(k));
  }
  refused(() => table.topK([1, 2], 1, { metric: "manhattan" as Metric }), "manhattan", "cosine");
  refused(() => table.topK([1, 2], 1, { metrik: "dot" } as object), "metrik");
  const strange: unknown[] = [
    null,
    undefined,
    5,
    "12",
    {},
    new DataView(new ArrayBuffer(8)),
    [
      "1",
      "2",
    ],
    [1n, 2n],
    new BigInt64Array(2),
    new Map(),
    [null, null],
  ];
  for (const vector of strange) {
    refused(() => table.add(vector as number[]));
    refused(() => table.scores(vector as number[]));
    refused(() => table.topK(vector as number[], 1));
  }
  refused(() => table.addMany([[1, 2], null as unknown as number[]]), "row 1", "null");
  const column = { data: new Float32Array(8), shape: [2, 2], stride: [1, 2], offset: 0 };
  refused(() => table.addMany(column), "strides", "(1, 2)", "contiguous(array)");
  refused(() => table.addMany({ data: new Float32Array(3), shape: [2, 2] }), "4", "3");
  refused(() => table.addMany({ data: new Float32Array(4), shape: [-2, -2] }), "whole numbers");
  refused(() => table.addMany({ data: new Float32Array(4), shape: [2, 2], offset: -1 }));
  assertEquals(table.length, 2);
});

memoryTest("detached and shortened memory is refused by name", () => {
  using table = new EmbeddingTable(2);
  const moved = new Float32Array(2);
  moved.buffer.transfer();
  for (const call of ["add", "addMany", "scores"] as const) {
    refused(() => table[call](moved), "detached");
  }
  refused(() => table.topK([moved], 1), "query 0", "detached");
  const shrinking = new ArrayBuffer(16, { maxByteLength: 16 });
  const cut = new Float32Array(shrinking, 0, 4);
  shrinking.resize(4);
  refused(() => table.addMany(cut), "shorter");
  assertEquals(table.length, 0);
});

memoryTest("empty tables, k of 0 and more than there are", () => {
  using table = new EmbeddingTable(3);
  assertEquals([table.length, table.scores([1, 2, 3]).length], [0, 0]);
  for (const metric of METRICS) {
    assertEquals(table.topK([1, 2, 3], 5, { metric }).indices, new Uint32Array(0));
  }
  refused(() => table.row(0), "no row 0", "0 rows");
  assertEquals(table.addMany([]), 0);
  assertEquals(table.addMany(new Float32Array(0)), 0);
  assertEquals(table.addMany({ data: [], shape: [0, 3] }), 0);
  assertEquals(table.length, 0);
  table.addMany([[1, 0, 0], [2, 0, 0]]);
  assertEquals(table.topK([1, 0, 0], 0).scores, new Float32Array(0));
  assertEquals(table.topK([1, 0, 0], 2 ** 40).indices, new Uint32Array([1, 0]));
  const several = table.topK([[1, 0, 0], [-1, 0, 0]], 9);
  assertEquals(several.indices, new Uint32Array([1, 0, 0, 1]));
});

memoryTest("equal scores are in the order of their numbers, NaN stands last", () => {
  using table = new EmbeddingTable(2);
  table.addMany([[1, 0], [NaN, 0], [2, 0], [1, 0], [Infinity, 0], [0, 0], [-0, 0], [-Infinity, 0]]);
  const { indices, scores } = table.topK([1, 1], 8);
  assertEquals(indices, new Uint32Array([4, 2, 0, 3, 5, 6, 7, 1]));
  assertEquals(scores, new Float32Array([Infinity, 2, 1, 1, 0, 0, -Infinity, NaN]));
  const far = table.topK([1, 0], 8, { metric: "euclidean" });
  assertEquals(far.indices, new Uint32Array([0, 3, 2, 5, 6, 4, 7, 1]));
  const cosine = table.topK([1, 0], 8, { metric: "cosine" });
  // The cosine of what is infinite is no number; of what has no length it is 0.
  assertEquals(cosine.indices, new Uint32Array([0, 2, 3, 5, 6, 1, 4, 7]));
  assertEquals(cosine.scores, new Float32Array([1, 1, 1, 0, 0, NaN, NaN, NaN]));
  assertEquals(table.topK([NaN, 0], 3).indices, new Uint32Array([0, 1, 2]));
  assertEquals(table.scores([1, 1])[1], NaN);
});

memoryTest("a disposed table says so, and disposing twice is harmless", () => {
  const table = new EmbeddingTable(2);
  table.add([1, 2]);
  const other = EmbeddingTable.from(table.share());
  table.dispose();
  table.dispose();
  assertEquals([table.length, table.dimension], [0, 2]);
  for (
    const call of [
      () => table.add([1, 2]),
      () => table.addMany([[1, 2]]),
      () => table.row(0),
      () => table.dot(0, [1, 2]),
      () => table.scores([1, 2]),
      () => table.topK([1, 2], 1),
      () => table.share(),
    ]
  ) refused(call, "was disposed");
  assertStringIncludes(Deno.inspect(table), "disposed");
  assertEquals(other.row(0), new Float32Array([1, 2]), "who else holds it keeps it");
  other.dispose();
});

memoryTest("a token is good for as long as somebody holds the table", () => {
  const table = new EmbeddingTable(2);
  const token = table.share();
  assertEquals(table.share(), token);
  const again = [1, 2, 3].map(() => EmbeddingTable.from(token));
  again[0]!.add([1, 2]);
  assertEquals(again.map(({ length }) => length), [1, 1, 1]);
  table.dispose();
  assertEquals(EmbeddingTable.from(token).length, 1);
  for (const one of again) one.dispose();
  for (
    const strange of ["", "dipper-table:", "dipper-table:0", "dipper-table:zz", 5, null, {}, "x"]
  ) {
    refused(() => EmbeddingTable.from(strange as string));
  }
  using unshared = new EmbeddingTable(2);
  assertEquals(unshared.length, 0);
});

memoryTest("a token of a table that nobody holds is refused", async () => {
  const table = new EmbeddingTable(2);
  const token = table.share();
  table.dispose();
  refused(() => EmbeddingTable.from(token), "no isolate", "holds");
  await settled();
});

memoryTest("memory() counts a table until it is disposed", () => {
  const table = new EmbeddingTable(1024);
  assertEquals(held().bytes, 0);
  table.addMany(new Float32Array(1024 * 5000));
  const { bytes } = held();
  assert(bytes >= 1024 * 5000 * 4 && bytes < 1024 * 5000 * 4 + (8 << 20), `${bytes}`);
  table.dispose();
  assertEquals(held().bytes, 0);
});

memoryTest("a forgotten table is collected", async () => {
  new EmbeddingTable(1024).addMany(new Float32Array(1024 * 1000));
  assert(held().bytes > 0);
  assert(await collectUntil(() => held().bytes === 0));
});

memoryTest("what does not fit the budget adds nothing, and the table goes on", () => {
  using table = new EmbeddingTable(1024);
  table.add(new Float32Array(1024).fill(1));
  // Reserved, and never touched.
  const filler = new RustBuffer(budget - held().bytes - (1 << 20));
  const large = new Float32Array(1024 * 1024);
  assertThrows(() => table.addMany(large), BudgetExceededError, "memory budget");
  assertEquals([table.length, table.row(0)[0]], [1, 1]);
  for (let row = 0; row < 100; row++) table.add(new Float32Array(1024).fill(row));
  assertEquals([table.length, table.row(100)[0]], [101, 99], "small blocks still fit");
  filler.dispose();
  assertEquals(table.addMany(large), 101);
  assertEquals(table.length, 1125);
});

memoryTest("it shows its shape, its first and last vectors", async () => {
  using table = new EmbeddingTable(6);
  for (let row = 0; row < 10; row++) table.add([row, 1, 2, 3, 4, NaN]);
  const shown = Deno.inspect(table);
  for (const part of ["10 × 6", "float32", "0, 1, 2, 3, …", "9, 1, 2, 3, …", "240 bytes"]) {
    assertStringIncludes(shown, part);
  }
  const bundle = table[Symbol.for("Jupyter.display") as keyof EmbeddingTable] as unknown as () => {
    "text/plain": string;
    "text/html": string;
  };
  const { "text/plain": text, "text/html": html } = await bundle.call(table);
  assertEquals(text, shown);
  assertStringIncludes(html, "10 × 6");
});
