/**
 * What a display costs a cell: a listing of 10,000 entries, buffers of 1 GiB, and an error. The first
 * one in a fresh process, because that is what a user waits for, and the median of many.
 *
 * @module
 */
import { type BenchCase, type Contender, type Figure, operationsPerSecond } from "./bench_case.ts";
import { LISTING } from "./setup/objects.ts";

const FIRST = 1;
const MANY = 100;
/** What is shown, what it is called, and how many milliseconds it may take. */
const SHOWN = [
  ["listing", "10,000 entries", 50],
  ["zeros", "1 GiB of zeros", 20],
  ["csv", "1 GiB of CSV", 20],
  ["json", "1 GiB of JSON", 20],
  ["text", "1 GiB of text", 20],
  ["error", "an error", 20],
] as const;

const milliseconds = ({ p50 }: { p50?: number }): number => (p50 ?? NaN) * 1e3;

/** The case. */
export const displays: BenchCase = {
  name: "displays",
  server: "scripted",
  served: [],
  job: { case: "display", bucket: LISTING.bucket, key: "", size: 2 ** 30, count: FIRST },
  rate: operationsPerSecond,
  columns: [
    { head: "p50 ms", of: milliseconds, digits: 2 },
    {
      head: "CPU ms each",
      of: ({ cpuSeconds, operations }) => cpuSeconds * 1e3 / operations,
      digits: 2,
    },
  ],
  contenders: SHOWN.flatMap(([way, name]) =>
    ([[FIRST, "the first"], [MANY, "again"]] as const).map(([count, words]): Contender => ({
      label: `${name}, ${words}`,
      role: "dipper",
      program: "dipper",
      job: { way, count },
    }))
  ),
  figures: (results) =>
    SHOWN.flatMap(([, name, limit]) =>
      ["the first", "again"].map((words): Figure => {
        const ours = results.named(`${name}, ${words}`);
        const median = ours && results.median(ours, milliseconds);
        return {
          what: `the display of ${name}, ${words}`,
          wanted: `under ${limit} ms`,
          reached: median === undefined ? "did not run" : `${median.toFixed(2)} ms`,
          ok: median === undefined ? undefined : median < limit,
        };
      })
    ),
};
