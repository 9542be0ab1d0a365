/**
 * 10,000 objects of 16 KiB, all kept: `getMany` against peers with 64 requests in flight.
 *
 * @module
 */
import {
  type BenchCase,
  type Contender,
  cpuColumn,
  operationsPerSecond,
  peakColumn,
} from "./bench_case.ts";
import { BUCKET, OBJECTS, SMALL } from "./setup/objects.ts";

/** The case. */
export const smallObjects: BenchCase = {
  name: "small objects",
  server: "http",
  served: ["tiny", "small"],
  job: {
    case: "small",
    bucket: BUCKET,
    key: SMALL.prefix,
    size: SMALL.size,
    count: SMALL.count,
    parallel: 64,
    warmUp: OBJECTS.tiny.key,
  },
  rate: operationsPerSecond,
  columns: [cpuColumn, peakColumn],
  contenders: [
    ...[1, 2, 4, 8, 64].map((parallel): Contender => ({
      label: `recv, ${parallel} conn.`,
      role: "limit",
      program: "recv",
      job: { parallel },
    })),
    { label: "dipper getMany()", role: "dipper", program: "dipper" },
    {
      label: "dipper getMany(), SDK transport",
      role: "dipper",
      program: "dipper",
      job: { way: "sdk" },
    },
    { label: "aws-sdk-rust", role: "peer", program: "aws-sdk-rust" },
    // A tenth of the objects: it reads some hundreds a second.
    {
      label: "boto3, 64 threads",
      role: "peer",
      program: "boto3",
      job: { count: SMALL.count / 10 },
    },
    { label: "obstore", role: "peer", program: "obstore" },
    { label: "s3dlio", role: "peer", program: "s3dlio" },
    { label: "Bun S3Client", role: "JavaScript peer", program: "Bun S3Client" },
    { label: "Deno fetch", role: "JavaScript peer", program: "Deno fetch" },
    { label: "@aws-sdk/client-s3 in Deno", role: "JavaScript peer", program: "@aws-sdk/client-s3" },
  ],
  figures: (results) => [
    results.atLeast(
      "10,000 x 16 KiB by getMany, against Bun",
      1.1,
      "dipper getMany()",
      results.named("Bun S3Client"),
    ),
    results.atLeast(
      "10,000 x 16 KiB by getMany, against obstore",
      8,
      "dipper getMany()",
      results.named("obstore"),
    ),
  ],
};
