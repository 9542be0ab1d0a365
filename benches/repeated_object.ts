/**
 * The same object of 64 MiB again and again: who reuses memory is as fast as the socket.
 *
 * dipper gives the memory back in three ways: the collector finds what `bytes()` returned, the
 * program disposes a `buffer()`, or it hands the same target to `into()` each time.
 *
 * @module
 */
import {
  type BenchCase,
  type Contender,
  cpuColumn,
  gigabytesPerSecond,
  peakColumn,
} from "./bench_case.ts";
import { BUCKET, OBJECTS } from "./setup/objects.ts";

const { key, size } = OBJECTS.medium;
const ours = (way: string): Contender => ({
  label: `dipper ${way}()`,
  role: "dipper",
  program: "dipper",
  job: { way },
});

/**
 * Reads of each contender before the clock starts. `recv` begins with warm memory; a program with a
 * collector holds some three of these objects before the first comes back, and needs as many reads.
 */
const SETTLE = 8;

/** The case. */
export const repeatedObject: BenchCase = {
  name: "repeated object",
  server: "http",
  served: ["tiny", "medium"],
  job: {
    case: "repeated",
    bucket: BUCKET,
    key,
    size,
    count: 32,
    settle: SETTLE,
    warmUp: OBJECTS.tiny.key,
  },
  rate: gigabytesPerSecond,
  columns: [cpuColumn, peakColumn],
  contenders: [
    ...[1, 2, 4, 8].map((parallel): Contender => ({
      label: `recv, warm memory, ${parallel} conn.`,
      role: "limit",
      program: "recv",
      job: { memory: "warm", parallel },
    })),
    {
      label: "recv, fresh memory, 1 conn.",
      role: "mark",
      program: "recv",
      job: { memory: "fresh" },
    },
    ours("buffer"),
    ours("bytes"),
    ours("into"),
    { label: "curl to /dev/null", role: "mark", program: "curl" },
    { label: "aws-sdk-rust, one GET", role: "peer", program: "aws-sdk-rust" },
    { label: "boto3, get_object", role: "peer", program: "boto3", job: { way: "get_object" } },
    { label: "obstore", role: "peer", program: "obstore" },
    { label: "s3dlio", role: "peer", program: "s3dlio" },
    { label: "Bun S3Client", role: "JavaScript peer", program: "Bun S3Client" },
    { label: "Deno fetch, one GET", role: "JavaScript peer", program: "Deno fetch" },
    { label: "@aws-sdk/client-s3 in Deno", role: "JavaScript peer", program: "@aws-sdk/client-s3" },
  ],
  figures(results) {
    const limit = results.best(({ role }) => role === "limit");
    return ["buffer", "bytes"].map((way) =>
      results.atLeast(`64 MiB again and again, ${way}()`, 0.85, `dipper ${way}()`, limit)
    );
  },
};
