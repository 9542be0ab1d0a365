/**
 * One object of 1 KiB at a time over a warm connection: how long the caller waits.
 *
 * @module
 */
import { type BenchCase, operationsPerSecond } from "./bench_case.ts";
import type { Outcome } from "./job.ts";
import { BUCKET, OBJECTS } from "./setup/objects.ts";

const { key, size } = OBJECTS.tiny;
const p50 = (outcome: Outcome): number => outcome.p50 ?? NaN;

/** The case. */
export const latency: BenchCase = {
  name: "latency",
  server: "http",
  served: ["tiny"],
  job: { case: "latency", bucket: BUCKET, key, size, count: 5000 },
  rate: operationsPerSecond,
  columns: [
    { head: "p50 µs", of: (outcome) => p50(outcome) * 1e6, digits: 0 },
    { head: "p99 µs", of: ({ p99 }) => (p99 ?? NaN) * 1e6, digits: 0 },
    {
      head: "CPU µs each",
      of: ({ cpuSeconds, operations }) => cpuSeconds / operations * 1e6,
      digits: 0,
    },
  ],
  contenders: [
    { label: "recv", role: "limit", program: "recv" },
    { label: "dipper bytes()", role: "dipper", program: "dipper" },
    {
      label: "dipper bytes(), SDK transport",
      role: "dipper",
      program: "dipper",
      job: { way: "sdk" },
    },
    { label: "aws-sdk-rust", role: "peer", program: "aws-sdk-rust" },
    { label: "boto3, get_object", role: "peer", program: "boto3", job: { count: 1000 } },
    { label: "obstore", role: "peer", program: "obstore" },
    { label: "s3dlio", role: "peer", program: "s3dlio" },
    { label: "Bun S3Client", role: "JavaScript peer", program: "Bun S3Client" },
    { label: "Deno fetch", role: "JavaScript peer", program: "Deno fetch" },
    {
      label: "@aws-sdk/client-s3 in Deno",
      role: "JavaScript peer",
      program: "@aws-sdk/client-s3",
      job: { count: 1000 },
    },
  ],
  figures: (results) => [
    results.atMost(
      "1 KiB at a time, latency p50, against Deno's fetch",
      1,
      p50,
      "dipper bytes()",
      results.named("Deno fetch"),
    ),
  ],
};
