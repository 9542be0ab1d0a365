/**
 * Writes one object from a stream, or from the file that is named. Prints its size, and the highest
 * resident memory in bytes: when idle, and in the end.
 */
import { S3Client, type WriteOptions } from "../../../mod.ts";

const [options = "{}", size = "0", write = "{}", path] = Deno.args;
const client = new S3Client(JSON.parse(options));
const file = client.file("s3://bucket/large");
const PIECE = 1 << 20;

function peakSoFar(): number {
  const line = Deno.readTextFileSync("/proc/self/status").match(/VmHWM:\s*(\d+) kB/);
  return Number(line?.[1]) * 1024;
}

/** Pieces that begin with their own number, all in the same memory: what it costs is dipper's. */
async function* pieces() {
  const piece = new Uint8Array(PIECE);
  const number = new DataView(piece.buffer);
  for (let at = 0; at < Number(size); at += PIECE) {
    number.setUint32(0, at / PIECE);
    yield await Promise.resolve(piece);
  }
}

await client.file("s3://bucket/small").write("small");
const idle = peakSoFar();
const stat = path === undefined
  ? await file.write(pieces(), JSON.parse(write) as WriteOptions)
  : await client.file(path).copyTo(file, JSON.parse(write) as WriteOptions);
console.log(JSON.stringify({ bytes: stat.size, idle, peak: peakSoFar() }));
