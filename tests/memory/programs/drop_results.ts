/**
 * Reads one object again and again and drops what it gets. Prints the highest resident memory in
 * bytes: when idle, after the first result, and in the end.
 */
import { S3Client } from "../../../mod.ts";

const [options = "{}", rounds = "1"] = Deno.args;
const file = new S3Client(JSON.parse(options)).file("s3://bucket/large");

function peakSoFar(): number {
  const line = Deno.readTextFileSync("/proc/self/status").match(/VmHWM:\s*(\d+) kB/);
  return Number(line?.[1]) * 1024;
}

await file.slice(0, 1).bytes();
const idle = peakSoFar();
let first = 0;
let right = 0;
for (let round = 0; round < Number(rounds); round++) {
  const bytes = await file.bytes();
  if (bytes[0] === 1 && bytes.at(-1) === 2 && bytes[2 ** 29] === 0) right++;
  if (round === 0) first = peakSoFar();
}
console.log(JSON.stringify({ right, idle, first, peak: peakSoFar() }));
