/**
 * What shown progress costs a transfer: the same object of 1 GiB again and again in one process, by
 * turns with progress and without, as a notebook shows it. Each pair of neighbours is compared, as
 * two reads a second apart meet the same machine.
 *
 * @module
 */
import { type BenchCase, cpuColumn, type Figure, gigabytesPerSecond } from "./bench_case.ts";
import { BUCKET, OBJECTS } from "./setup/objects.ts";

const { key, size } = OBJECTS.large;
const LIMIT = 1;

const percent = ({ p50 }: { p50?: number }): number => 100 * ((p50 ?? NaN) - 1);

/** The case. */
export const progress: BenchCase = {
  name: "progress",
  server: "http",
  served: ["tiny", "large"],
  job: {
    case: "progress",
    bucket: BUCKET,
    key,
    size,
    count: 12,
    settle: 2,
    warmUp: OBJECTS.tiny.key,
  },
  touch: 2 * size,
  rate: gigabytesPerSecond,
  columns: [cpuColumn, { head: "more time %", of: percent, digits: 2 }],
  contenders: [
    { label: "dipper buffer(), by turns with progress", role: "dipper", program: "dipper" },
    {
      label: "dipper buffer(), never with progress",
      role: "dipper",
      program: "dipper",
      job: { way: "never" },
    },
  ],
  figures: (results) => {
    const [turns, never] = progress.contenders.map(({ label }) => {
      const contender = results.named(label);
      return contender && results.median(contender, percent);
    });
    const noise = never === undefined ? "" : ` (the same without: ${never.toFixed(2)} %)`;
    return [
      {
        what: "what progress adds to 1 GiB, median of pairs",
        wanted: `under ${LIMIT} %`,
        reached: turns === undefined ? "did not run" : `${turns.toFixed(2)} %${noise}`,
        ok: turns === undefined ? undefined : turns < LIMIT,
      } satisfies Figure,
    ];
  },
};
