/**
 * One million small reads in one process: its resident memory stays flat. The first hundred thousand
 * warm up; then the memory is looked at twenty times, each time after a collection.
 *
 * @module
 */
import { type BenchCase, type Column, type Figure, operationsPerSecond } from "./bench_case.ts";
import type { Outcome } from "./job.ts";
import { BUCKET, SMALL } from "./setup/objects.ts";

const MEBIBYTES = 16;

const sample = (head: string, of: (samples: number[]) => number): Column => ({
  head,
  of: ({ samples }) => samples && of(samples) / 2 ** 20,
  digits: 1,
});

/** How far from the memory after the warm-up it ever was, in MiB. */
function drift({ samples: [first = NaN, ...later] = [] }: Outcome): number {
  return Math.max(...later.map((bytes) => Math.abs(bytes - first))) / 2 ** 20;
}

/** The case. */
export const soak: BenchCase = {
  name: "soak",
  long: true,
  server: "http",
  served: ["small"],
  job: {
    case: "soak",
    bucket: BUCKET,
    key: SMALL.prefix,
    size: SMALL.size,
    count: 1_000_000,
    parallel: 64,
  },
  rounds: 1,
  minutes: 30,
  rate: operationsPerSecond,
  columns: [
    sample("MiB after warm-up", ([first = NaN]) => first),
    sample("least MiB", (samples) => Math.min(...samples)),
    sample("most MiB", (samples) => Math.max(...samples)),
    sample("MiB at the end", (samples) => samples.at(-1) ?? NaN),
  ],
  contenders: ["bytes", "getMany"].map((way) => ({
    label: `dipper ${way}()`,
    role: "dipper",
    program: "dipper",
    job: { way },
  })),
  figures: (results) =>
    soak.contenders.map(({ label }): Figure => {
      const ours = results.named(label);
      const most = ours && results.median(ours, drift);
      return {
        what: `a million small reads, ${label.replace("dipper ", "")}`,
        wanted: `resident memory ±${MEBIBYTES} MiB`,
        reached: most === undefined ? "did not run" : `±${most.toFixed(1)} MiB`,
        ok: most === undefined ? undefined : most <= MEBIBYTES,
      };
    }),
};
