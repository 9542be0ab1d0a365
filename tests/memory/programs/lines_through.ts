/**
 * Reads the lines of a file in one form. Prints how many came, and the highest resident memory in
 * bytes: when idle, and in the end. The third argument holds options more, as JSON.
 */
import { lines } from "../../../mod.ts";

const [path = "", form = "text", more = "{}"] = Deno.args;
const options = JSON.parse(more) as { maxLineLength?: number };

function peakSoFar(): number {
  const line = Deno.readTextFileSync("/proc/self/status").match(/VmHWM:\s*(\d+) kB/);
  return Number(line?.[1]) * 1024;
}

// Loads the library and opens a stream once: of this file.
for await (const _ of lines(new URL(import.meta.url))) break;
const idle = peakSoFar();
let count = 0;
switch (form) {
  case "text":
    for await (const _ of lines(path, options)) count++;
    break;
  case "strings":
    for await (const batch of lines(path, { ...options, batch: true })) count += batch.length;
    break;
  case "bytes":
    {
      const batches = lines(path, { ...options, as: "bytes", batch: true });
      for await (const { offsets } of batches) count += offsets.length - 1;
    }
    break;
  case "lines":
    for await (const _ of lines(path, { ...options, as: "bytes" })) count++;
    break;
}
console.log(JSON.stringify({ count, idle, peak: peakSoFar() }));
