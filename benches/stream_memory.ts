/**
 * `stream()` on 20 GB, served sparse: the memory that a read of any size takes.
 *
 * @module
 */
import { type BenchCase, cpuColumn, gigabytesPerSecond, peakColumn } from "./bench_case.ts";
import { BUCKET, OBJECTS } from "./setup/objects.ts";

const { key, size } = OBJECTS.huge;

/** The case. */
export const streamMemory: BenchCase = {
  name: "stream memory",
  server: "http",
  served: ["tiny", "huge"],
  job: { case: "stream", bucket: BUCKET, key, size, warmUp: OBJECTS.tiny.key },
  // The size makes up for the number.
  rounds: 1,
  rate: gigabytesPerSecond,
  columns: [cpuColumn, peakColumn],
  contenders: [
    { label: "dipper stream()", role: "dipper", program: "dipper" },
    { label: "Deno fetch, body", role: "JavaScript peer", program: "Deno fetch" },
  ],
  figures: (results) => [
    results.within(
      "peak memory of stream(), 20 GB",
      "96 MiB over idle",
      96,
      "dipper stream()",
      ({ peakBytes, idleBytes }) => peakBytes - idleBytes,
    ),
  ],
};
