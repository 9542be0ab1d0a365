/**
 * What `import "dipper"` takes, in a process that has imported nothing else and with the modules in
 * Deno's cache.
 *
 * @module
 */
import { type BenchCase, type Figure, operationsPerSecond } from "./bench_case.ts";
import { BUCKET } from "./setup/objects.ts";

const MILLISECONDS = 30;

/** The case. */
export const importing: BenchCase = {
  name: "importing",
  server: "http",
  served: [],
  job: { case: "import", bucket: BUCKET, key: "", size: 0 },
  // One takes a moment, and what else the machine does is seen in it.
  rounds: 31,
  rate: operationsPerSecond,
  columns: [
    { head: "ms", of: ({ seconds }) => seconds * 1000, digits: 1 },
    { head: "MiB more", of: (run) => (run.peakBytes - run.idleBytes) / 2 ** 20, digits: 1 },
  ],
  contenders: [
    { label: "dipper", role: "dipper", program: "Deno import", job: { way: "dipper" } },
    {
      label: "a module that imports nothing",
      role: "mark",
      program: "Deno import",
      job: { way: "nothing" },
    },
  ],
  figures: (results): Figure[] => {
    const ours = results.named("dipper");
    const median = ours && results.median(ours, ({ seconds }) => seconds * 1000);
    return [{
      what: "importing mod.ts",
      wanted: `under ${MILLISECONDS} ms`,
      reached: median === undefined ? "did not run" : `${median.toFixed(1)} ms`,
      ok: median === undefined ? undefined : median < MILLISECONDS,
    }];
  },
};
