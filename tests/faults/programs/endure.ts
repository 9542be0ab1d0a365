/**
 * Reads much and holds little: `stream BYTES` streams an object of zeros, `gets COUNT` reads small
 * objects one by one, many at a time. The arguments before that: the endpoint and the bucket.
 * Prints resident memory in bytes: after warming up, the peak since, and in the end.
 */
import { S3Client } from "../../../mod.ts";

const [endpoint = "", bucket = "", what = "", amount = "0"] = Deno.args;
const credentials = { accessKeyId: "id", secretAccessKey: "secret" };
const client = new S3Client({ endpoint, region: "us-east-1", credentials });
const at = (key: string) => client.file({ bucket, key });

function resident(field: "VmRSS" | "VmHWM"): number {
  const status = Deno.readTextFileSync("/proc/self/status");
  return Number(new RegExp(`${field}:\\s*(\\d+) kB`).exec(status)?.[1]) * 1024;
}

/** The peak counts from here on. */
function forgetPeak(): void {
  Deno.writeTextFileSync("/proc/self/clear_refs", "5");
}

function collect(): void {
  (globalThis as { gc?: () => void }).gc?.();
}

/** Gives the number of bytes that were zero, as they all are. */
async function stream(key: string): Promise<number> {
  let zeros = 0;
  for await (const chunk of at(key).stream()) {
    // Every chunk is looked at, at a few places: reading each byte would measure JavaScript.
    const words = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (words[0] === 0 && words.at(-1) === 0 && words[words.length >> 1] === 0) {
      zeros += words.length;
    }
  }
  return zeros;
}

/** Reads so many small objects, 64 at a time. Gives how many were as long as they should be. */
async function gets(count: number): Promise<number> {
  let next = 0;
  let right = 0;
  await Promise.all(Array.from({ length: 64 }, async () => {
    while (next < count) {
      const bytes = await at(`small/${next++ % 1000}`).bytes();
      if (bytes.length === 1024) right++;
    }
  }));
  return right;
}

const start = performance.now();
let right: number;
let warm: number;
if (what === "stream") {
  await at("small/0").bytes();
  collect();
  warm = resident("VmRSS");
  forgetPeak();
  right = await stream("zeros");
} else {
  // V8's heap grows to its working size first.
  await gets(50_000);
  collect();
  warm = resident("VmRSS");
  forgetPeak();
  right = await gets(Number(amount));
}
const peak = resident("VmHWM");
collect();
await new Promise((resolve) => setTimeout(resolve, 200));
collect();
const end = resident("VmRSS");
const seconds = (performance.now() - start) / 1000;
console.log(JSON.stringify({ right, warm, peak, end, seconds }));
client.dispose();
