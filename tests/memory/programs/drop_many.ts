/**
 * Reads the objects of a bucket again and again with `getMany`, and drops what it gets. Prints how
 * many came and the highest resident memory in bytes: after some rounds, and in the end.
 */
import { S3Client } from "../../../mod.ts";

const [options = "{}", rounds = "1"] = Deno.args;
const client = new S3Client(JSON.parse(options));

function resident(): number {
  const line = Deno.readTextFileSync("/proc/self/status").match(/VmRSS:\s*(\d+) kB/);
  return Number(line?.[1]) * 1024;
}

const uris = Array.from({ length: 200 }, (_, at) => `s3://bucket/small/${at}`);
function* again(times: number): Generator<string> {
  for (let time = 0; time < times; time++) yield* uris;
}

let came = 0;
async function read(times: number): Promise<void> {
  for await (const { bytes, error } of client.getMany(again(times))) {
    if (error !== undefined) throw error;
    if (bytes.length === 16384) came++;
  }
}

await read(Number(rounds));
const warm = resident();
await read(Number(rounds));
console.log(JSON.stringify({ came, warm, after: resident() }));
