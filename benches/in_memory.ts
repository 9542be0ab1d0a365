/**
 * The bridges that work on memory of JavaScript's: a checksum of 4 MB, and a million numbers scaled in
 * place, each beside the same loop in Rust alone, in JavaScript, and in NumPy.
 *
 * @module
 */
import { type BenchCase, type Contender, type Figure, gigabytesPerSecond } from "./bench_case.ts";
import { BUCKET } from "./setup/objects.ts";

const columns: BenchCase["columns"] = [
  { head: "p50 µs", of: ({ p50 }) => (p50 ?? NaN) * 1e6, digits: 1 },
  { head: "p99 µs", of: ({ p99 }) => (p99 ?? NaN) * 1e6, digits: 1 },
];

/**
 * A run takes a fraction of a second, and the machine's clock goes up and down for seconds: by half
 * where this was looked at. With few rounds one contender has its median from the slow ones.
 */
const ROUNDS = 15;

const common = { server: "http", served: [], columns, rounds: ROUNDS } as const;
const MILLION = 1_000_000;

/** The median of one call, as a rate: a run's slowest calls are the machine's. */
const perCall: BenchCase["rate"] = {
  unit: gigabytesPerSecond.unit,
  of: ({ bytes, operations, p50 }) => bytes / operations / (p50 ?? NaN) / 1e9,
};

/** The checksum. */
export const checksum: BenchCase = {
  ...common,
  served: [],
  name: "checksum",
  job: { case: "checksum", bucket: BUCKET, key: "", size: 4 << 20, count: 100, settle: 20 },
  rate: perCall,
  columns,
  contenders: [
    { label: "dipper checksumBytes(), 4 MiB", role: "dipper", program: "dipper" },
    { label: "the loop in Rust alone", role: "peer", program: "Rust loop" },
    { label: "the loop in JavaScript", role: "JavaScript peer", program: "JavaScript loop" },
  ],
  figures(results): Figure[] {
    const ours = "dipper checksumBytes(), 4 MiB";
    const rust = results.named("the loop in Rust alone");
    const script = results.named("the loop in JavaScript");
    return [
      results.atLeast("checksumBytes, 4 MiB: the loop in Rust alone", 0.95, ours, rust),
      results.atLeast("checksumBytes, 4 MiB: the loop in JavaScript", 2, ours, script),
    ];
  },
};

function scaling(way: "f64" | "f32", call: string): BenchCase {
  const ours = `dipper ${call}, a million ${way}`;
  const size = MILLION * (way === "f64" ? 8 : 4);
  const contenders: Contender[] = [
    { label: ours, role: "dipper", program: "dipper" },
    { label: "NumPy, x *= 1.5", role: "peer", program: "NumPy" },
    { label: "the loop in Rust alone", role: "mark", program: "Rust loop" },
    { label: "the loop in JavaScript", role: "JavaScript peer", program: "JavaScript loop" },
  ];
  return {
    ...common,
    served: [],
    name: `scale ${way}`,
    job: { case: "scale", way, bucket: BUCKET, key: "", size, count: 400, settle: 50 },
    rate: perCall,
    columns,
    contenders,
    figures: (results) => [
      results.atLeast(
        `${call}, a million ${way}: NumPy`,
        1,
        ours,
        results.named(contenders[1]!.label),
      ),
    ],
  };
}

/** A million numbers of 64 bits. */
export const scaleDoubles: BenchCase = scaling("f64", "scaleInplace()");

/** A million numbers of 32 bits. */
export const scaleSingles: BenchCase = scaling("f32", "scaleBuffer()");
