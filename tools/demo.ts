/**
 * `deno task demo`: the tour's steps in the terminal, on the same real data as the notebook. It starts
 * the embedded S3 server, writes the sample files, lists and reads them, shows where the bytes lie,
 * and computes on them in place. Each step says how long it took.
 */

import { type Entry, LocalS3, memory, type S3Client } from "dipper";
import { type Column, tableFromIPC } from "@uwdata/flechette";
import { sampleFiles } from "sample_data";

const FLIGHTS = "s3://vega/flights-200k.arrow";
const SHOWN_ENTRIES = 8;
const BAR_WIDTH = 40;

/** The mean delay of the flights that departed within one hour of the day. */
interface HourlyDelay {
  hour: number;
  flights: number;
  /** In minutes; negative is early. */
  mean: number;
}

function meanDelayByHour(arrow: ArrayBuffer): HourlyDelay[] {
  const table = tableFromIPC(arrow);
  const delay = numbers(table.getChild("delay"));
  const time = numbers(table.getChild("time"));
  const sums = new Float64Array(24);
  const counts = new Uint32Array(24);
  for (let row = 0; row < delay.length; row++) {
    const hour = Math.floor(time[row] ?? NaN);
    sums[hour] = (sums[hour] ?? NaN) + (delay[row] ?? NaN);
    counts[hour] = (counts[hour] ?? NaN) + 1;
  }
  return Array.from(sums, (sum, hour) => {
    const flights = counts[hour] ?? 0;
    return { hour, flights, mean: sum / flights };
  });
}

type Numbers = Int16Array<ArrayBuffer> | Float32Array<ArrayBuffer>;

/** A column of numbers without gaps, which flechette gives as a typed array over the input. */
function numbers(column: Column<unknown>): Numbers {
  return column.toArray() as Numbers;
}

function addressOf(data: BufferSource): bigint {
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(data));
}

const hex = (address: bigint): string => "0x" + address.toString(16);
const count = (value: number): string => value.toLocaleString("en-US");

function size(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function duration(milliseconds: number): string {
  return milliseconds < 10 ? `${milliseconds.toFixed(2)} ms` : `${milliseconds.toFixed(0)} ms`;
}

/** Runs one step and prints what it did and how long it took, its own printing not counted. */
async function step<T>(
  name: string,
  run: () => T | Promise<T>,
  tell: (result: T) => string,
): Promise<T> {
  const start = performance.now();
  const result = await run();
  const took = duration(performance.now() - start);
  console.log(`${name.padEnd(9)} ${tell(result).padEnd(66)} ${took.padStart(9)}`);
  return result;
}

/** Words for what must hold. Where it does not, the demo goes on and its exit code is 1. */
function expected(holds: boolean, yes: string, no: string): string {
  if (!holds) Deno.exitCode = 1;
  return holds ? yes : no;
}

const detail = (text: string): void => console.log(" ".repeat(10) + text);

async function smallestExample(s3: S3Client): Promise<void> {
  await s3.createBucket("bucket");
  await s3.file("s3://bucket/test").write(new Uint8Array([1, 2, 3, 4]));
  using buffer = await s3.get("s3://bucket/test");
  const view = buffer.view();
  detail(`s3://bucket/test: length ${view.length}, bytes ${view.subarray(0, 4).join(" ")}`);
}

async function writeSamples(s3: S3Client): Promise<void> {
  await step("write", async () => {
    await s3.createBucket("vega");
    const files = await sampleFiles();
    for (const { name, path } of files) {
      await s3.file(`s3://vega/${name}`).write(await Deno.readFile(path));
    }
    return files;
  }, (files) => {
    const total = files.reduce((sum, file) => sum + file.size, 0);
    return `${files.length} files of vega-datasets, ${size(total)}`;
  });
}

async function listSamples(s3: S3Client): Promise<void> {
  const entries = await step(
    "list",
    () => s3.list("s3://vega/").toArray(),
    (entries) => `${entries.length} objects in s3://vega/`,
  );
  const sized = (entry: Entry): number => "size" in entry ? entry.size : 0;
  const largest = entries.toSorted((a, b) => sized(b) - sized(a));
  for (const entry of largest.slice(0, SHOWN_ENTRIES)) {
    detail(`${size(sized(entry)).padStart(9)}  ${entry.uri}`);
  }
  detail(`${"".padStart(9)}  and ${entries.length - SHOWN_ENTRIES} smaller ones`);
}

function showPlace(arrow: ArrayBuffer): void {
  const start = addressOf(arrow);
  const end = start + BigInt(arrow.byteLength);
  detail(`allocation ${hex(start)} to ${hex(end)}`);
  const table = tableFromIPC(arrow);
  for (const name of table.names) {
    const column = numbers(table.getChild(name));
    const from = addressOf(column);
    const to = from + BigInt(column.byteLength);
    const place = expected(start <= from && to <= end, "inside", "OUTSIDE");
    detail(`${name.padEnd(10)} ${hex(from)} to ${hex(to)}  ${place}, ${column.constructor.name}`);
  }
}

function showChart(byHour: HourlyDelay[]): void {
  const top = Math.max(...byHour.map(({ mean }) => Math.abs(mean)));
  for (const { hour, flights, mean } of byHour) {
    const bar = (mean < 0 ? "-" : "█").repeat(Math.round(Math.abs(mean) / top * BAR_WIDTH));
    detail(
      `${String(hour).padStart(2)}:00 ${mean.toFixed(2).padStart(7)} min` +
        ` ${count(flights).padStart(7)} flights ${bar}`,
    );
  }
}

async function compareDoors(s3: S3Client): Promise<void> {
  const buffer = await s3.get(FLIGHTS);
  const unsafeView = buffer.unsafeView();
  const unsafeAddress = addressOf(unsafeView);
  const overUnsafe = await step(
    "again",
    () => meanDelayByHour(unsafeView),
    () => "the same over unsafeView(), Deno's view of the bare pointer",
  );
  const adopted = buffer.adopt();
  const overAdopted = await step(
    "again",
    () => meanDelayByHour(adopted),
    () => "the same over adopt(), which JavaScript owns",
  );
  const same = (holds: boolean): string => expected(holds, "same", "DIFFERENT");
  const equal = overUnsafe.every(({ mean }, hour) => mean === overAdopted[hour]?.mean);
  detail(`unsafe view at ${hex(unsafeAddress)}, adopted at ${hex(addressOf(adopted))}`);
  detail(`${same(unsafeAddress === addressOf(adopted))} address, ${same(equal)} result`);
}

async function demo(): Promise<void> {
  console.log("dipper: real data out of S3 into ArrayBuffers that Rust filled and nobody copied\n");
  await using server = await step(
    "start",
    () => LocalS3.start(),
    (server) => `an S3 server inside this process, ${server.endpoint}`,
  );
  using s3 = server.client();
  await smallestExample(s3);
  await writeSamples(s3);
  await listSamples(s3);
  const arrow = await step(
    "read",
    () => s3.file(FLIGHTS).arrayBuffer(),
    (arrow) => `${FLIGHTS}, ${count(arrow.byteLength)} bytes`,
  );
  showPlace(arrow);
  const byHour = await step(
    "compute",
    () => meanDelayByHour(arrow),
    (rows) => {
      const flights = rows.reduce((sum, row) => sum + row.flights, 0);
      return `mean delay by hour of departure, ${count(flights)} flights`;
    },
  );
  showChart(byHour);
  await compareDoors(s3);
  const { bytes, adopted } = memory();
  detail(`memory(): ${count(bytes)} bytes held, ${count(adopted)} buffers adopted by JavaScript`);
}

await demo();
const command = `npx -y deno@${Deno.version.deno} task`;
console.log(`
Open the tour in JupyterLab      ${command} notebook
Use dipper in another folder     ${command} link DIR
Prove all of this                ${command} test`);
