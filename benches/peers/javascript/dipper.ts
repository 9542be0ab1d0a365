/**
 * dipper, measured as its peers are.
 *
 * A method or an option that this build of dipper does not have yet is named, not worked around.
 *
 * @module
 */
import {
  checksumBytes,
  DipperError,
  EmbeddingTable,
  file as localFile,
  type Metric,
  RustBuffer,
  S3Client,
  type S3ClientOptions,
  type S3File,
  scaleBuffer,
  scaleInplace,
  writeTable,
} from "dipper";
import type { Missing, Outcome } from "../../job.ts";
import { borrowAndMove } from "../../borrow_and_move.ts";
import { displayedValue, displayOf } from "../../displayed_values.ts";
import { pretendKernel, shown } from "../../shown_progress.ts";
import { chunks, jobGiven, measure, report, resident } from "./meter.ts";

const job = jobGiven();

function connect(): S3Client {
  return new S3Client({
    endpoint: job.endpoint,
    region: "us-east-1",
    credentials: { accessKeyId: job.accessKeyId, secretAccessKey: job.secretAccessKey },
    ...(job.ca && { caCertificates: Deno.readTextFileSync(job.ca) }),
    ...(job.way === "sdk" && { transport: "sdk" }),
  } as S3ClientOptions);
}

const uri = (key: string): string => `s3://${job.bucket}/${key}`;

/** What a later version of dipper has. */
interface Later {
  getMany?(sources: string[]): AsyncIterable<{ bytes?: Uint8Array; error?: unknown }>;
  stream?(): ReadableStream<Uint8Array<ArrayBuffer>>;
  writer?(): WritableStream<Uint8Array>;
  download?(prefix: string, directory: string): Promise<unknown>;
  upload?(directory: string, prefix: string): Promise<unknown>;
}

async function run(): Promise<Outcome | Missing> {
  if (job.case === "progress") pretendKernel();
  using client = connect();
  // Some jobs are about no object.
  const file = client.file(uri(job.key || "-"));
  if (job.warmUp) await client.file(uri(job.warmUp)).bytes();
  switch (job.case) {
    case "object": {
      if (job.way === "recycled") (await file.buffer()).dispose();
      let kept: Uint8Array | undefined;
      const outcome = await measure(async () => {
        kept = await file.bytes();
        return { bytes: whole(kept.length), operations: 1 };
      });
      if (kept?.length !== job.size) throw new Error("not kept");
      return outcome;
    }
    case "repeated":
      return await repeated(client);
    case "small":
      return await small(client);
    case "latency": {
      for (let index = 0; index < job.count / 10; index++) await file.bytes();
      return await measure(async () => {
        const times: number[] = [];
        let bytes = 0;
        for (let index = 0; index < job.count; index++) {
          const start = performance.now();
          bytes += (await file.bytes()).length;
          times.push((performance.now() - start) / 1000);
        }
        return { bytes, operations: job.count, times };
      });
    }
    case "lines":
      return { missing: "a program of its own counts lines" };
    case "list":
      return await measure(async () => {
        let operations = 0;
        for await (const _ of client.list(`s3://${job.bucket}/`)) operations++;
        return { bytes: 0, operations };
      });
    case "stream": {
      const later = file as Later;
      if (!later.stream) return { missing: "stream() is not there yet" };
      return await measure(async () => {
        let bytes = 0;
        for await (const chunk of later.stream!()) bytes += chunk.length;
        return { bytes: whole(bytes), operations: 1 };
      });
    }
    case "borrow":
      return await borrow();
    case "import":
      return { missing: "imports itself already" };
    case "display":
      return await display(client);
    case "progress":
      return await progressed(client);
    case "checksum":
    case "scale":
      return await onNumbers();
    case "search":
      return await search();
    case "table": {
      const columns = job.columns ?? [];
      // The others have loaded their libraries, too.
      await import("@uwdata/flechette");
      return await measure(async () => {
        const table = await file.table({ columns, int64: "float64" });
        for (const name of columns) {
          let sum = 0;
          for (const { values } of table.getChild(name)!.data) {
            sum += sumOf(values as Float64Array);
          }
          if (table.numRows !== job.count || !sum) throw new Error(`${table.numRows} rows, ${sum}`);
        }
        return { bytes: job.size, operations: job.count };
      });
    }
    case "writeTable": {
      const table = await localFile(`${job.directory}/${job.key}` as `/${string}`).table();
      const written = `${job.directory}/dipper.${job.way}` as const;
      const outcome = await measure(async () => {
        const { size } = await writeTable(localFile(written as `/${string}`), table);
        if (table.numRows !== job.count) throw new Error(`${table.numRows} rows`);
        return { bytes: size!, operations: job.count };
      });
      await Deno.remove(written);
      return outcome;
    }
    case "soak":
      return await soak(client);
    case "upload": {
      const buffer = job.way === "RustBuffer" ? new RustBuffer(job.size) : undefined;
      buffer?.view().fill(7);
      const body = buffer ?? new Uint8Array(job.size).fill(7);
      const outcome = await measure(async () => {
        await (file as S3File).write(body);
        return { bytes: job.size, operations: 1 };
      });
      buffer?.dispose();
      return outcome;
    }
    case "uploadStream": {
      const later = file as Later;
      if (!later.writer) return { missing: "writer() is not there yet" };
      return await measure(async () => {
        await ReadableStream.from(chunks(job.size)).pipeTo(later.writer!());
        return { bytes: job.size, operations: 1 };
      });
    }
    case "downloadTree": {
      const later = client as Later;
      if (!later.download) return { missing: "download() is not there yet" };
      await later.download(uri(job.key), job.directory!);
      return NOTHING_MEASURED;
    }
    case "uploadTree": {
      const later = client as Later;
      if (!later.upload) return { missing: "upload() is not there yet" };
      await later.upload(job.directory!, uri(job.key));
      return NOTHING_MEASURED;
    }
  }
}

/** Who runs it as a command line measures it from outside. */
const NOTHING_MEASURED: Outcome = {
  seconds: 0,
  bytes: 0,
  operations: 0,
  cpuSeconds: 0,
  idleBytes: 0,
  peakBytes: 0,
};

/** The same object again and again, its memory given back each time in one of three ways. */
async function repeated(client: S3Client): Promise<Outcome> {
  const file = client.file(uri(job.key));
  let target: Uint8Array<ArrayBuffer> = new Uint8Array(job.way === "into" ? job.size : 0);
  const once = async (): Promise<number> => {
    if (job.way === "buffer") {
      using buffer = await file.buffer();
      return buffer.byteLength;
    }
    if (job.way === "into") {
      target = await file.into(target);
      return target.length;
    }
    return (await file.bytes()).length;
  };
  for (let round = 0; round < job.settle; round++) whole(await once());
  return await measure(async () => {
    let bytes = 0;
    for (let round = 0; round < job.count; round++) bytes += whole(await once());
    return { bytes, operations: job.count };
  });
}

async function small(client: S3Client): Promise<Outcome | Missing> {
  const later = client as Later;
  if (!later.getMany) return { missing: "getMany() is not there yet" };
  const read = async (count: number): Promise<{ bytes: number; operations: number }> => {
    const uris = Array.from(
      { length: count },
      (_, number) => uri(job.key + String(number).padStart(6, "0")),
    );
    const kept: Uint8Array[] = [];
    for await (const { bytes, error } of later.getMany!(uris)) {
      if (!bytes) throw error;
      kept.push(bytes);
    }
    return { bytes: kept.reduce((sum, { length }) => sum + length, 0), operations: kept.length };
  };
  await read(job.count / 10);
  return await measure(() => read(job.count));
}

/** What `view()` or `adopt()` costs. */
async function borrow(): Promise<Outcome> {
  const way = job.way === "adopt" ? "adopt" : "view";
  borrowAndMove(1, 5_000);
  return await measure(() => {
    const times = borrowAndMove(job.size, job.count)[way].map((time) => time / 1000);
    return Promise.resolve({ bytes: 0, operations: job.count, times });
  });
}

/**
 * Reads with progress and without by turns. Its times are 1 and the part of a transfer's time by which
 * the thread of JavaScript is busier with progress: that thread is idle while Rust downloads, so what
 * progress takes is seen there to a ten-thousandth, which no comparison of whole transfers shows. Two
 * objects come at once, because a transfer shows nothing in its first half second.
 */
async function progressed(client: S3Client): Promise<Outcome> {
  const file = client.file(uri(job.key));
  const once = async (progress: boolean): Promise<{ busy: number; seconds: number }> => {
    const start = performance.now();
    const before = busySeconds();
    const buffers = await Promise.all([1, 2].map(() => file.buffer({ progress })));
    const [busy, seconds] = [busySeconds() - before, (performance.now() - start) / 1000];
    for (const buffer of buffers) {
      whole(buffer.byteLength);
      buffer.dispose();
    }
    return { busy, seconds };
  };
  for (let round = 0; round < job.settle; round++) await once(true);
  const before = shown.updates;
  const outcome = await measure(async () => {
    const times: number[] = [];
    for (let pair = 0; pair < job.count; pair++) {
      const asked = job.way !== "never";
      // Who is first changes, so that what one leaves behind does not count for the other.
      const first = await once(asked && pair % 2 === 0);
      const second = await once(asked && pair % 2 === 1);
      const [shows, silent] = pair % 2 === 0 ? [first, second] : [second, first];
      times.push(1 + (shows.busy - silent.busy) / silent.seconds);
    }
    return { bytes: 4 * job.count * job.size, operations: 2 * job.count, times };
  });
  // Transfers that are over in half a second show nothing, and their cost would be that of nothing.
  const long = outcome.seconds / outcome.operations > 0.6;
  if (job.way !== "never" && !(long && shown.updates > before)) {
    throw new Error("nothing was shown");
  }
  return outcome;
}

/** For how long the thread of JavaScript has been on a processor. */
function busySeconds(): number {
  const told = Deno.readTextFileSync(`/proc/self/task/${Deno.pid}/schedstat`);
  return Number(told.split(" ")[0]) / 1e9;
}

/** What a notebook pays to show a value. */
async function display(client: S3Client): Promise<Outcome> {
  const value = await displayedValue(job.way ?? "zeros", client, job);
  return await measure(async () => {
    const times: number[] = [];
    for (let round = 0; round < job.count; round++) {
      const start = performance.now();
      if (await displayOf(value) < 100) throw new Error("nothing was shown");
      times.push((performance.now() - start) / 1000);
    }
    return { bytes: 0, operations: job.count, times };
  });
}

/** Sums or scales memory of JavaScript's, boundary included. */
async function onNumbers(): Promise<Outcome> {
  let once: (round: number) => void;
  if (job.case === "checksum") {
    const bytes = Uint8Array.from(
      { length: job.size },
      (_, index) => Math.imul(index, 2654435761) >>> 24,
    );
    let sums = 0n;
    once = () => sums ^= checksumBytes(bytes);
  } else if (job.way === "f64") {
    const x = new Float64Array(job.size / 8).fill(1);
    once = (round) => scaleInplace(x, round % 2 === 0 ? 1.5 : 1 / 1.5);
  } else {
    const x = new Float32Array(job.size / 4).fill(1);
    // Numbers that 32 bits hold, as NumPy makes of any factor.
    once = (round) => scaleBuffer(x, round % 2 === 0 ? 2 : 0.5);
  }
  for (let round = 0; round < job.settle; round++) once(round);
  return await measure(() => {
    const times: number[] = [];
    for (let round = 0; round < job.count; round++) {
      const start = performance.now();
      once(round);
      times.push((performance.now() - start) / 1000);
    }
    return Promise.resolve({ bytes: job.size * job.count, operations: job.count, times });
  });
}

/** A function of its own, as the peers have it: V8 compiles it once for all columns. */
function sumOf(numbers: Float64Array): number {
  let sum = 0;
  for (let at = 0; at < numbers.length; at++) sum += numbers[at]!;
  return sum;
}

/** Asks a table of vectors again and again. */
async function search(): Promise<Outcome> {
  const dimension = 768;
  using table = new EmbeddingTable(dimension);
  const rows = job.size / dimension / 4;
  const some = new Float32Array(1000 * dimension);
  for (let done = 0; done < rows; done += 1000) {
    some.forEach((_, at) => some[at] = Math.random() - 0.5);
    table.addMany(some.subarray(0, Math.min(1000, rows - done) * dimension));
  }
  const queries = Array.from(
    { length: job.parallel },
    () => Float32Array.from({ length: dimension }, () => Math.random() - 0.5),
  );
  const once = job.way === "scores"
    ? () => table.scores(queries[0]!)
    : () => table.topK(queries, 10, { metric: job.way as Metric });
  once();
  return await measure(() => {
    const times: number[] = [];
    for (let round = 0; round < job.count; round++) {
      const start = performance.now();
      once();
      times.push((performance.now() - start) / 1000);
    }
    const operations = job.count * job.parallel;
    return Promise.resolve({ bytes: job.size * operations, operations, times });
  });
}

/** Reads the small objects over and over and looks at the resident memory. */
async function soak(client: S3Client): Promise<Outcome | Missing> {
  const later = client as Later;
  if (job.way === "getMany" && !later.getMany) return { missing: "getMany() is not there yet" };
  const uris = Array.from(
    { length: 10_000 },
    (_, number) => uri(job.key + String(number).padStart(6, "0")),
  );
  const all = async (): Promise<number> => {
    let bytes = 0;
    if (job.way === "getMany") {
      for await (const one of later.getMany!(uris)) {
        if (!one.bytes) throw one.error;
        bytes += one.bytes.length;
      }
    } else {
      let next = 0;
      await Promise.all(Array.from({ length: job.parallel }, async () => {
        while (next < uris.length) {
          const { length } = await client.file(uris[next++]!).bytes();
          bytes += length;
        }
      }));
    }
    if (bytes !== uris.length * job.size) throw new Error(`${bytes} bytes`);
    return bytes;
  };
  const settled = async (): Promise<number> => {
    for (let turn = 0; turn < 3; turn++) {
      (globalThis as { gc?(): void }).gc?.();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return resident("VmRSS");
  };
  const turns = job.count / uris.length;
  for (let turn = 0; turn < turns / 10; turn++) await all();
  const samples = [await settled()];
  const outcome = await measure(async () => {
    let bytes = 0;
    for (let turn = 0; turn < turns; turn++) {
      bytes += await all();
      if ((turn + 1) % (turns / 20) === 0) samples.push(await settled());
    }
    return { bytes, operations: job.count };
  });
  return { ...outcome, samples };
}

function whole(length: number): number {
  if (length !== job.size) throw new Error(`${length} of ${job.size} bytes`);
  return length;
}

try {
  report(await run());
} catch (error) {
  const unknownOption = error instanceof DipperError && / no option /.test(error.message);
  if (!unknownOption) throw error;
  report({ missing: `${error.message.split(";")[0]} yet` });
}
