/**
 * Reads one object through `stream()`. Prints how many bytes came, whether they are right, and the
 * highest resident memory in bytes: when idle, and in the end.
 */
import { S3Client } from "../../../mod.ts";

const [options = "{}"] = Deno.args;
const file = new S3Client(JSON.parse(options)).file("s3://bucket/large");

function peakSoFar(): number {
  const line = Deno.readTextFileSync("/proc/self/status").match(/VmHWM:\s*(\d+) kB/);
  return Number(line?.[1]) * 1024;
}

await file.slice(0, 1).bytes();
const idle = peakSoFar();
let bytes = 0;
let first: number | undefined;
let last: number | undefined;
for await (const chunk of file.stream()) {
  first ??= chunk[0];
  last = chunk.at(-1);
  bytes += chunk.length;
}
console.log(JSON.stringify({ bytes, first, last, idle, peak: peakSoFar() }));
