/**
 * Time, processor time and peak memory of a stretch of this process, in Deno and in Bun.
 *
 * @module
 */
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import type { Job, Missing, Outcome } from "../../job.ts";

/** The job on the command line. */
export function jobGiven(): Job {
  return JSON.parse(process.argv[2] ?? "{}");
}

/** Prints what was measured, or why nothing was. */
export function report(outcome: Outcome | Missing): void {
  console.log(JSON.stringify(outcome));
}

/** Measures what `work` does; it answers how many bytes and operations that was. */
export async function measure(
  work: () => Promise<{ bytes: number; operations: number; times?: number[] }>,
): Promise<Outcome> {
  try {
    // The kernel forgets the peak so far.
    writeFileSync("/proc/self/clear_refs", "5");
  } catch {
    // Where this is not allowed, the peak is that of the whole process.
  }
  const idleBytes = resident("VmRSS");
  const before = process.cpuUsage();
  const start = performance.now();
  const { bytes, operations, times } = await work();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(before);
  const sorted = times?.toSorted((a, b) => a - b);
  return {
    seconds,
    bytes,
    operations,
    cpuSeconds: (user + system) / 1e6,
    idleBytes,
    peakBytes: resident("VmHWM"),
    ...(sorted && {
      p50: sorted[Math.floor(sorted.length * 0.5)],
      p99: sorted[Math.floor(sorted.length * 0.99)],
    }),
  };
}

/** Resident memory in bytes: now, or the peak. */
export function resident(field: "VmRSS" | "VmHWM"): number {
  const status = readFileSync("/proc/self/status", "utf8");
  return Number(status.match(new RegExp(`${field}:\\s+(\\d+)`))?.[1]) * 1024;
}

/** How a client reads one object or a range of it, and what else it can do. */
export interface Client {
  /** Reads an object whole. */
  get(key: string): Promise<ArrayBuffer>;
  /** Reads the bytes from `start` to before `end`. */
  range?(key: string, start: number, end: number): Promise<ArrayBuffer>;
  /** Counts all keys of the bucket. */
  list?(): Promise<number>;
  /** Reads an object chunk by chunk and keeps none; answers how many bytes it has. */
  stream?(key: string): Promise<number>;
  /** Writes an object. */
  put?(key: string, body: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Writes an object from chunks. */
  putStream?(key: string, chunks: AsyncIterable<Uint8Array<ArrayBuffer>>): Promise<void>;
}

/**
 * So many bytes, in chunks of 1 MiB. They are the same memory again and again: what is measured is
 * the client, not the garbage of whoever feeds it.
 */
export async function* chunks(size: number): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const chunk = new Uint8Array(2 ** 20).fill(7);
  for (let left = size; left > 0; left -= chunk.length) {
    yield chunk.subarray(0, Math.min(left, chunk.length));
    // As a source does that reads from somewhere.
    await Promise.resolve();
  }
}

/** Does the job with a client that reads object by object. */
export async function run(job: Job, client: Client): Promise<Outcome | Missing> {
  if (job.warmUp) await client.get(job.warmUp);
  switch (job.case) {
    case "object":
      return await measure(async () => ({ bytes: await object(job, client), operations: 1 }));
    case "repeated":
      for (let round = 0; round < job.settle; round++) await object(job, client);
      return await measure(async () => {
        let bytes = 0;
        for (let round = 0; round < job.count; round++) bytes += await object(job, client);
        return { bytes, operations: job.count };
      });
    case "small":
      await small(job, client, job.count / 10);
      return await measure(() => small(job, client, job.count));
    case "latency": {
      for (let index = 0; index < job.count / 10; index++) await client.get(job.key);
      return await measure(async () => {
        const times: number[] = [];
        let bytes = 0;
        for (let index = 0; index < job.count; index++) {
          const start = performance.now();
          bytes += (await client.get(job.key)).byteLength;
          times.push((performance.now() - start) / 1000);
        }
        return { bytes, operations: job.count, times };
      });
    }
    case "list":
      if (!client.list) return { missing: "has no listing" };
      return await measure(async () => ({ bytes: 0, operations: await client.list!() }));
    case "stream":
      if (!client.stream) return { missing: "has no stream" };
      return await measure(async () => ({
        bytes: whole(job, await client.stream!(job.key)),
        operations: 1,
      }));
    case "upload": {
      if (!client.put) return { missing: "has no upload" };
      const body = new Uint8Array(job.size).fill(7);
      return await measure(async () => {
        await client.put!(job.key, body);
        return { bytes: job.size, operations: 1 };
      });
    }
    case "uploadStream":
      if (!client.putStream) return { missing: "has no upload of a stream" };
      return await measure(async () => {
        await client.putStream!(job.key, chunks(job.size));
        return { bytes: job.size, operations: 1 };
      });
    default:
      return { missing: `has no case ${job.case}` };
  }
}

/** One object by one request, or in ranges that are copied to their place. */
async function object(job: Job, client: Client): Promise<number> {
  if (job.parallel <= 1) return whole(job, (await client.get(job.key)).byteLength);
  const memory = new Uint8Array(job.size);
  const each = Math.ceil(job.size / job.parallel);
  const lengths = await Promise.all(
    Array.from({ length: job.parallel }, async (_, index) => {
      const part = await client.range!(
        job.key,
        index * each,
        Math.min((index + 1) * each, job.size),
      );
      memory.set(new Uint8Array(part), index * each);
      return part.byteLength;
    }),
  );
  return whole(job, lengths.reduce((a, b) => a + b));
}

function whole(job: Job, length: number): number {
  if (length !== job.size) throw new Error(`${length} of ${job.size} bytes`);
  return length;
}

/** Objects one after the other, as many at once as the job says; all are kept. */
async function small(
  job: Job,
  client: Client,
  count: number,
): Promise<{ bytes: number; operations: number }> {
  const kept: ArrayBuffer[] = [];
  let next = 0;
  await Promise.all(Array.from({ length: job.parallel }, async () => {
    while (next < count) {
      kept.push(await client.get(job.key + String(next++).padStart(6, "0")));
    }
  }));
  return {
    bytes: kept.reduce((sum, { byteLength }) => sum + byteLength, 0),
    operations: kept.length,
  };
}
