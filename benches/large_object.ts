/**
 * One object of 1 GiB into memory, over HTTP and over HTTPS: throughput, processor time, peak memory.
 *
 * The first large read of a process meets fresh memory; `recycled` is dipper's second one, into what
 * the first gave back.
 *
 * @module
 */
import {
  type BenchCase,
  type Contender,
  cpuColumn,
  cpuPerGigabyte,
  gigabytesPerSecond,
  isPeer,
  peakColumn,
} from "./bench_case.ts";
import { BUCKET, OBJECTS } from "./setup/objects.ts";

const { key, size } = OBJECTS.large;
const job = { case: "object", bucket: BUCKET, key, size, warmUp: OBJECTS.tiny.key } as const;

const recv = (memory: "fresh" | "huge" | "warm", counts: number[]): Contender[] =>
  counts.map((parallel) => ({
    label: `recv, ${
      memory === "huge" ? "fresh huge pages" : memory + " memory"
    }, ${parallel} conn.`,
    role: memory === "fresh" ? "limit" : "mark",
    program: "recv",
    job: { memory, parallel },
  }));

const clients: Contender[] = [
  { label: "dipper bytes()", role: "dipper", program: "dipper" },
  {
    label: "dipper bytes(), recycled",
    role: "dipper",
    program: "dipper",
    job: { way: "recycled" },
  },
  {
    label: "dipper bytes(), SDK transport",
    role: "dipper",
    program: "dipper",
    job: { way: "sdk" },
  },
  { label: "curl to /dev/null", role: "mark", program: "curl" },
  { label: "aws-sdk-rust, one GET", role: "peer", program: "aws-sdk-rust" },
  { label: "aws-sdk-rust, 8 ranges", role: "peer", program: "aws-sdk-rust", job: { parallel: 8 } },
  { label: "boto3, get_object", role: "peer", program: "boto3", job: { way: "get_object" } },
  { label: "boto3, transfer manager", role: "peer", program: "boto3" },
  { label: "obstore", role: "peer", program: "obstore" },
  { label: "s3dlio", role: "peer", program: "s3dlio" },
  { label: "Bun S3Client", role: "JavaScript peer", program: "Bun S3Client" },
  { label: "Deno fetch, one GET", role: "JavaScript peer", program: "Deno fetch" },
  {
    label: "Deno fetch, 8 ranges",
    role: "JavaScript peer",
    program: "Deno fetch",
    job: { parallel: 8 },
  },
  { label: "@aws-sdk/client-s3 in Deno", role: "JavaScript peer", program: "@aws-sdk/client-s3" },
];

const shared = {
  served: ["tiny", "large"],
  job,
  // The object, and what a client that copies it needs beside it.
  touch: 3 * size,
  rate: gigabytesPerSecond,
  columns: [cpuColumn, peakColumn],
} as const satisfies Partial<BenchCase>;

/** Over plain HTTP. */
export const largeObjectHttp: BenchCase = {
  ...shared,
  name: "large object http",
  server: "http",
  served: [...shared.served],
  columns: [...shared.columns],
  contenders: [
    ...recv("fresh", [1, 2, 4, 8]),
    ...recv("huge", [1, 4]),
    ...recv("warm", [1, 2, 4, 8]),
    ...clients,
  ],
  figures(results) {
    const limit = results.best(({ role }) => role === "limit");
    const ours = "dipper bytes()";
    const peer = results.best(isPeer);
    return [
      results.atLeast("1 GiB bytes(), HTTP, against recv", 0.9, ours, limit),
      results.atLeast("1 GiB bytes(), HTTP, against the best peer", 1.1, ours, peer),
      results.atLeast("the same into recycled memory", 1.3, "dipper bytes(), recycled", peer),
      results.atLeast(
        "1 GiB bytes(), HTTP, against the best JavaScript peer",
        3,
        ours,
        results.best(({ role }) => role === "JavaScript peer"),
      ),
      results.atMost("CPU seconds per GB, against recv", 1.2, cpuPerGigabyte, ours, limit),
      results.atMost(
        "CPU seconds per GB, against the thriftiest peer",
        1,
        cpuPerGigabyte,
        ours,
        results.least(cpuPerGigabyte, isPeer),
      ),
      results.within(
        "peak memory of bytes()",
        "the object + 32 MiB",
        32,
        ours,
        ({ peakBytes, idleBytes }) => peakBytes - idleBytes - size,
      ),
    ];
  },
};

/** Over HTTPS. */
export const largeObjectHttps: BenchCase = {
  ...shared,
  name: "large object https",
  server: "https",
  served: [...shared.served],
  columns: [...shared.columns],
  contenders: [...recv("fresh", [1, 2, 4]), ...clients],
  figures: (results) => [
    results.atLeast(
      "1 GiB bytes(), HTTPS, against the best peer",
      1.2,
      "dipper bytes()",
      results.best(isPeer),
    ),
  ],
};
