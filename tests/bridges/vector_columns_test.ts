/** Tables of vectors from columns of Arrow: lists of one length, numbers, and what is neither. */
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  columnFromArray,
  fixedSizeList,
  float32,
  float64,
  list,
  tableFromColumns,
  tableFromIPC,
  tableToIPC,
  utf8,
} from "@uwdata/flechette";
import { EmbeddingTable, InvalidInputError, memory } from "dipper";
import { memoryTest } from "../memory/settled.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const VECTORS = [[1, 2, 3], [4, 5, 6], [7, 8, 9]];

memoryTest("a column of lists, of 32 or 64 bits, fixed or not, is a table", () => {
  for (const type of [fixedSizeList(float32(), 3), fixedSizeList(float64(), 3), list(float32())]) {
    using table = new EmbeddingTable(3);
    assertEquals(table.addMany(columnFromArray(VECTORS, type)), 0);
    assertEquals(table.length, 3);
    assertEquals(table.row(2), new Float32Array([7, 8, 9]));
    const queries = columnFromArray([[0, 0, 1], [-1, 0, 0]], type);
    assertEquals([...table.topK(queries, 1).indices], [2, 0]);
  }
});

memoryTest("a column of a file of Arrow is a table", () => {
  const columns = tableFromColumns({ e: columnFromArray(VECTORS, fixedSizeList(float32(), 3)) });
  const read = tableFromIPC(tableToIPC(columns, { format: "file" })!);
  using table = new EmbeddingTable(3);
  table.addMany(read.getChild("e"));
  assertEquals([table.length, table.row(1)[0]], [3, 4]);
});

memoryTest("a column of numbers is a vector, or rows one after the other", () => {
  using table = new EmbeddingTable(3);
  const numbers = columnFromArray(VECTORS.flat(), float32());
  assertEquals(table.addMany(numbers), 0);
  assertEquals(table.add(columnFromArray([1, 0, 0], float64()) as never), 3);
  assertEquals(table.length, 4);
  assertEquals([...table.topK(columnFromArray([0, 0, 1], float32()), 1).indices], [2]);
});

memoryTest("a column with gaps, of other lengths, or of text is refused, and nothing added", () => {
  using table = new EmbeddingTable(3);
  const refused = (column: unknown, ...parts: string[]): void => {
    const error = assertThrows(() => table.addMany(column as never), InvalidInputError);
    for (const part of parts) assertStringIncludes(error.message, part);
  };
  refused(columnFromArray([[1, 2, 3], null], fixedSizeList(float32(), 3)), "row 1", "null");
  refused(columnFromArray([[1, 2, 3], [1, 2]], list(float32())), "row 1", "2", "3");
  refused(columnFromArray([1, null, 3], float32()), "null");
  refused(columnFromArray(["1", "2", "3"], utf8()), "string");
  assertEquals(table.length, 0);
});
