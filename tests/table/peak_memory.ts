/**
 * A program of its own: reads a table and tells what its columns take, and by how much this process
 * grew at most meanwhile.
 */

import { file } from "../../mod.ts";

const status = (name: string): number => {
  const line = Deno.readTextFileSync("/proc/self/status").split("\n").find((line) =>
    line.startsWith(name)
  );
  return Number(/\d+/.exec(line!)![0]) * 1024;
};

const path = Deno.args[0]!;
// The library and Flechette are there before.
await file(path).table({ limit: 1, columns: ["n0"] });
(globalThis as { gc?: () => void }).gc?.();
const before = status("VmRSS");
const table = await file(path).table();
let [decoded, sum] = [0, 0];
for (const column of table.children) {
  for (const { values } of column.data as unknown as { values: BigInt64Array }[]) {
    decoded += values.byteLength;
    // The lower halves, as numbers: big integers are slow to add.
    const halves = new Int32Array(values.buffer);
    for (let at = 0; at < halves.length; at += 2) sum += halves[at]!;
  }
}
console.log(JSON.stringify({ decoded, sum, took: status("VmHWM") - before }));
