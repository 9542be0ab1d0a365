/**
 * The cost of `view()` and of `adopt()`, for one byte and for 8 GiB alike.
 *
 * @module
 */
import { type BenchCase, type Contender, type Figure, operationsPerSecond } from "./bench_case.ts";
import { BUCKET } from "./setup/objects.ts";

const MICROSECONDS = 3;
const sizes = [["1 byte", 1], ["8 GiB", 8 * 2 ** 30]] as const;

/** The case. */
export const borrowing: BenchCase = {
  name: "borrowing",
  server: "http",
  served: [],
  job: { case: "borrow", bucket: BUCKET, key: "", size: 1, count: 2000 },
  rate: operationsPerSecond,
  columns: [
    { head: "p50 µs", of: ({ p50 }) => (p50 ?? NaN) * 1e6, digits: 2 },
    { head: "p99 µs", of: ({ p99 }) => (p99 ?? NaN) * 1e6, digits: 2 },
  ],
  contenders: ["view", "adopt"].flatMap((way) =>
    sizes.map(([name, size]): Contender => ({
      label: `dipper ${way}(), ${name}`,
      role: "dipper",
      program: "dipper",
      job: { way, size },
    }))
  ),
  figures: (results) =>
    borrowing.contenders.map(({ label }): Figure => {
      const ours = results.named(label);
      const median = ours && results.median(ours, ({ p50 }) => (p50 ?? NaN) * 1e6);
      return {
        what: `cost of ${label.replace("dipper ", "")}`,
        wanted: `under ${MICROSECONDS} µs`,
        reached: median === undefined ? "did not run" : `${median.toFixed(2)} µs`,
        ok: median === undefined ? undefined : median < MICROSECONDS,
      };
    }),
};
