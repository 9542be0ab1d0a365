/**
 * What shown progress costs a transfer: two objects of 1 GiB at once, again and again in one process,
 * by turns with progress and without, as a notebook shows it. What progress does, it does on the thread
 * of JavaScript: compared is for how long that thread is busy, as a part of the transfer's time.
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
    count: 8,
    settle: 2,
    warmUp: OBJECTS.tiny.key,
  },
  touch: 3 * size,
  rate: gigabytesPerSecond,
  columns: [cpuColumn, { head: "of the time %", of: percent, digits: 3 }],
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
    const noise = never === undefined ? "" : ` (the same without: ${never.toFixed(3)} %)`;
    return [
      {
        what: "what progress takes of a transfer, median of pairs",
        wanted: `under ${LIMIT} %`,
        reached: turns === undefined ? "did not run" : `${turns.toFixed(3)} %${noise}`,
        ok: turns === undefined ? undefined : turns < LIMIT,
      } satisfies Figure,
    ];
  },
};
