/**
 * Reads the lines of a file in one form. Prints how many came, and the highest resident memory in
 * bytes: when idle, and in the end.
 */
import { lines } from "../../../mod.ts";

const [path = "", form = "text"] = Deno.args;

function peakSoFar(): number {
  const line = Deno.readTextFileSync("/proc/self/status").match(/VmHWM:\s*(\d+) kB/);
  return Number(line?.[1]) * 1024;
}

// Loads the library and opens a stream once.
for await (const _ of lines(path)) break;
const idle = peakSoFar();
let count = 0;
switch (form) {
  case "text":
    for await (const _ of lines(path)) count++;
    break;
  case "strings":
    for await (const batch of lines(path, { batch: true })) count += batch.length;
    break;
  case "bytes":
    for await (const { offsets } of lines(path, { as: "bytes", batch: true })) {
      count += offsets.length - 1;
    }
    break;
  case "lines":
    for await (const _ of lines(path, { as: "bytes" })) count++;
    break;
}
console.log(JSON.stringify({ count, idle, peak: peakSoFar() }));
