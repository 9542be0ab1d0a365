/** Inputs of a GiB: borrowed, whatever their size. */
import { assert, assertEquals } from "@std/assert";
import {
  checksumBytes,
  EmbeddingTable,
  memory,
  normalizeInplace,
  RustBuffer,
  scaleBuffer,
  scaleInplace,
} from "dipper";
import { fnv1a64 } from "./fnv1a.ts";
import { addressOf, memoryTest } from "../memory/settled.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const GIB = 2 ** 30;
const ZEROS = new Uint8Array(1 << 16);

/** Memory of this process that is not only reserved, in bytes. */
function resident(): number {
  const status = Deno.readTextFileSync("/proc/self/status");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024;
}

memoryTest("a GiB is summed, scaled and normalised where it lies", () => {
  const buffer = new ArrayBuffer(GIB + 8);
  // Beyond the last whole step of a kernel, and in its middle.
  const x = new Float64Array(buffer);
  x[0] = 1;
  x[GIB / 16] = 2;
  x[GIB / 8] = 3;
  const address = addressOf(buffer);
  scaleInplace(x, 1.5);
  assertEquals([x[0], x[1], x[GIB / 16], x[GIB / 8]], [1.5, 0, 3, 4.5]);
  const before = resident();
  scaleBuffer(new Uint8Array(buffer, 8), 2);
  checksumBytes(buffer);
  normalizeInplace(x);
  assert(resident() - before < 64 * 2 ** 20, "nothing of it was copied");
  assert(Math.abs(x[0]! ** 2 + x[GIB / 16]! ** 2 + x[GIB / 8]! ** 2 - 1) < 1e-12);
  assertEquals([addressOf(buffer), buffer.byteLength], [address, GIB + 8]);
  assertEquals([memory().bytes, memory().buffers], [0, 0]);
});

memoryTest("the sum of a GiB is that of its parts one after the other", () => {
  using buffer = new RustBuffer(GIB + 3);
  const bytes = buffer.view();
  bytes.set([1, 2, 3], GIB);
  bytes[GIB / 2] = 9;
  // Zeros only multiply: the loop would take as long as all other tests.
  const prime = 0x100000001b3n;
  const zeros = (sum: bigint, count: number): bigint => {
    let [power, result] = [prime, sum];
    for (let left = count; left > 0; left = Math.floor(left / 2)) {
      if (left % 2 === 1) result = BigInt.asUintN(64, result * power);
      power = BigInt.asUintN(64, power * power);
    }
    return result;
  };
  const with_ = (sum: bigint, byte: number): bigint =>
    BigInt.asUintN(64, (sum ^ BigInt(byte)) * prime);
  assertEquals(zeros(0xcbf29ce484222325n, ZEROS.length), fnv1a64(ZEROS));
  let expected = zeros(0xcbf29ce484222325n, GIB / 2);
  expected = with_(expected, 9);
  expected = zeros(expected, GIB / 2 - 1);
  for (const byte of [1, 2, 3]) expected = with_(expected, byte);
  assertEquals(checksumBytes(buffer), expected);
});

memoryTest(
  "a table of a GiB finds its last vector, in blocks, and in one that is loaded",
  async () => {
    const dimension = 1024;
    const rows = GIB / 4 / dimension;
    const block = new Float32Array(GIB / 16 / 4).fill(1);
    const query = new Float32Array(dimension).fill(1);
    {
      using table = new EmbeddingTable(dimension);
      for (let part = 0; part < 15; part++) table.addMany(block);
      block.fill(2, block.length - dimension);
      table.addMany(block);
      assertEquals(table.length, rows);
      assert(memory().bytes - GIB < 16 * 2 ** 20, `${memory().bytes}`);
      const before = resident();
      const { indices, scores } = table.topK(query, 2);
      assertEquals([[...indices], [...scores]], [[rows - 1, 0], [2 * dimension, dimension]]);
      assertEquals(table.scores(query).at(-1), 2 * dimension);
      assert(resident() - before < 64 * 2 ** 20, "nothing of it was copied");
    }
    const path = await Deno.makeTempFile({ suffix: ".npy" });
    try {
      const said = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${dimension}), }\n`;
      const head = [0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, said.length, 0];
      using file = await Deno.open(path, { write: true });
      await file.write(new Uint8Array([...head, ...new TextEncoder().encode(said)]));
      // A file with a hole: it takes no room on the disk.
      await file.truncate(head.length + said.length + GIB);
      await file.seek(-4 * dimension, Deno.SeekMode.End);
      await file.write(new Uint8Array(query.buffer));
      using table = await EmbeddingTable.load(path);
      assertEquals(table.length, rows);
      assertEquals([...table.topK(query, 1).indices], [rows - 1]);
      assertEquals([table.row(0)[0], table.row(rows - 1)[0]], [0, 1]);
    } finally {
      await Deno.remove(path);
    }
  },
);
