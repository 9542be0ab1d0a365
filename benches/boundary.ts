/**
 * What the boundary costs: `deno task bench:boundary`.
 *
 * Measures `view()` and `adopt()` for one byte and for eight gigabytes, the way of an empty
 * operation there and back, many of them submitted together, and the peak memory of `bytes()` on
 * one gigabyte. Prints one table with the goals and the machine. Numbers move from run to run and
 * with whatever else the machine does; medians are shown.
 */
import { LocalS3, memory, RustBuffer } from "dipper";
import { submit } from "../ffi/queue.ts";
import { borrowAndMove } from "./borrow_and_move.ts";

const GIB = 2 ** 30;

interface Row {
  what: string;
  measured: string;
  goal: string;
  reached: boolean;
}

function quantile(times: number[], part: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN;
}

function nothing(): Promise<unknown> {
  return submit({ granted: [], request: { operation: "nothing" } });
}

/** The way there and back of one empty operation at a time, in microseconds. */
async function roundTrips(count: number): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < count; index++) {
    const start = performance.now();
    await nothing();
    times.push((performance.now() - start) * 1000);
  }
  return times;
}

/** Empty operations a second, submitted together. */
async function together(count: number): Promise<number> {
  const start = performance.now();
  await Promise.all(Array.from({ length: count }, nothing));
  return count / ((performance.now() - start) / 1000);
}

/** Peak memory of a fresh process that reads one object with `bytes()`, over its idle memory. */
async function peakOfBytes(size: number): Promise<number> {
  await using server = await LocalS3.start();
  using client = server.client();
  await client.createBucket("bench");
  {
    using body = new RustBuffer(size);
    await client.file("s3://bench/large").write(body);
  }
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", import.meta.filename ?? "", "peak"],
    env: { BENCH_SERVER: JSON.stringify({ endpoint: server.endpoint, ...server.credentials }) },
    stderr: "inherit",
  });
  const { stdout, success } = await child.output();
  if (!success) throw new Error("the reading process failed");
  return Number(new TextDecoder().decode(stdout));
}

/** In the child: prints the peak of its memory over its idle memory, in bytes. */
async function readAlone(): Promise<void> {
  const { S3Client } = await import("dipper");
  const { endpoint, accessKeyId, secretAccessKey } = JSON.parse(
    Deno.env.get("BENCH_SERVER") ?? "{}",
  );
  using client = new S3Client({ endpoint, credentials: { accessKeyId, secretAccessKey } });
  // Warm: the library, the client and a connection are there.
  await client.file("s3://bench/large").slice(0, 1).bytes();
  const idle = resident("VmRSS");
  const bytes = await client.file("s3://bench/large").bytes();
  if (bytes.length < GIB) throw new Error("too short");
  console.log(resident("VmHWM") - idle);
}

function resident(field: "VmRSS" | "VmHWM"): number {
  const line = Deno.readTextFileSync("/proc/self/status").match(new RegExp(`${field}:\\s+(\\d+)`));
  return Number(line?.[1]) * 1024;
}

function microseconds(value: number): string {
  return `${value.toFixed(2)} µs`;
}

async function measure(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [name, size, rounds] of [["1 byte", 1, 20_000], ["8 GiB", 8 * GIB, 2_000]] as const) {
    borrowAndMove(1, 5_000);
    const { view, adopt } = borrowAndMove(size, rounds);
    for (const [verb, times] of [["view()", view], ["adopt()", adopt]] as const) {
      const cost = quantile(times, 0.5) * 1000;
      rows.push({
        what: `${verb}, ${name}`,
        measured: microseconds(cost),
        goal: "under 3 µs",
        reached: cost < 3,
      });
    }
  }
  await roundTrips(2_000);
  const times = await roundTrips(10_000);
  const [p50, p99] = [quantile(times, 0.5), quantile(times, 0.99)];
  rows.push({
    what: "empty operation, one at a time",
    measured: `p50 ${microseconds(p50)}, p99 ${microseconds(p99)}`,
    goal: "p50 under 100 µs",
    reached: p50 < 100,
  });
  const rates: number[] = [];
  for (let round = 0; round < 7; round++) rates.push(await together(200_000));
  const rate = quantile(rates, 0.5);
  rows.push({
    what: "empty operations, 200,000 submitted together",
    measured: `${Math.round(rate).toLocaleString("en")} a second`,
    goal: "200,000 a second",
    reached: rate >= 200_000,
  });
  const over = (await peakOfBytes(GIB) - GIB) / 2 ** 20;
  rows.push({
    what: "peak memory of bytes(), 1 GiB",
    measured: `the object + ${over.toFixed(1)} MiB`,
    goal: "the object + 32 MiB",
    reached: over <= 32,
  });
  return rows;
}

function print(rows: Row[]): void {
  const model = Deno.readTextFileSync("/proc/cpuinfo").match(/model name\s*:\s*(.*)/)?.[1];
  console.log(
    `Deno ${Deno.version.deno}, ${navigator.hardwareConcurrency} cores (${model}), ` +
      `load ${Deno.loadavg()[0]?.toFixed(1)}\n`,
  );
  for (const { what, measured, goal, reached } of rows) {
    console.log(
      `${what.padEnd(46)}${measured.padEnd(36)}${goal.padEnd(22)}${reached ? "" : "MISSED"}`,
    );
  }
}

if (Deno.args[0] === "peak") {
  await readAlone();
} else {
  memory();
  print(await measure());
}
