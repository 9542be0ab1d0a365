/**
 * The nearest of 100,000 vectors of 768 numbers: the dot products alone, the ten nearest, and those
 * of 32 queries at once.
 *
 * @module
 */
import { type BenchCase, type Contender, cpuColumn, gigabytesPerSecond } from "./bench_case.ts";
import type { Outcome } from "./job.ts";
import { BUCKET } from "./setup/objects.ts";

const p50 = ({ p50 }: Outcome): number => p50 ?? NaN;

function contender(
  label: string,
  role: Contender["role"],
  program: Contender["program"],
  way: string,
  parallel = 1,
): Contender {
  const job = { way, parallel, ...(parallel > 1 && { count: 20 }) };
  return { label, role, program, job };
}

/** The case. */
export const search: BenchCase = {
  name: "search",
  server: "http",
  served: [],
  job: { case: "search", bucket: BUCKET, key: "", size: 100_000 * 768 * 4, count: 100 },
  rate: gigabytesPerSecond,
  columns: [
    { head: "p50 ms", of: (outcome) => p50(outcome) * 1e3, digits: 2 },
    { head: "p99 ms", of: ({ p99 }) => (p99 ?? NaN) * 1e3, digits: 2 },
    cpuColumn,
  ],
  contenders: [
    contender("NumPy E @ q", "peer", "NumPy search", "scores"),
    contender("dipper scores()", "dipper", "dipper", "scores"),
    contender("NumPy E @ q, argpartition", "peer", "NumPy search", "dot"),
    contender("faiss IndexFlatIP, 10", "peer", "faiss", "dot"),
    contender("faiss IndexFlatL2, 10", "peer", "faiss", "euclidean"),
    contender("dipper topK(10), dot", "dipper", "dipper", "dot"),
    contender("dipper topK(10), cosine", "dipper", "dipper", "cosine"),
    contender("dipper topK(10), euclidean", "dipper", "dipper", "euclidean"),
    contender("NumPy, 32 queries", "peer", "NumPy search", "dot", 32),
    contender("faiss IndexFlatIP, 32 queries", "peer", "faiss", "dot", 32),
    contender("dipper topK(10), 32 queries", "dipper", "dipper", "dot", 32),
  ],
  figures: (results) => {
    const numpy = results.named("NumPy E @ q");
    const topK = (label: string) =>
      results.atMost(`${label}: p50 against NumPy's E @ q`, 1.2, p50, label, numpy);
    return [
      results.atLeast("scores() of 100,000 x 768", 1, "dipper scores()", numpy),
      topK("dipper topK(10), dot"),
      topK("dipper topK(10), cosine"),
      topK("dipper topK(10), euclidean"),
    ];
  },
};
