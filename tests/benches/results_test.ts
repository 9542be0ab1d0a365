/**
 * What the bench makes of its runs: medians, ratios, figures reached and missed, and that nobody who
 * is missing goes unnamed. The runs here are made up; measuring is `deno task bench`.
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  type BenchCase,
  type Contender,
  gigabytesPerSecond,
  isPeer,
  peakColumn,
  Results,
} from "../../benches/bench_case.ts";
import type { Outcome } from "../../benches/job.ts";
import { caseTable, figureTable } from "../../benches/table.ts";

const ours: Contender = { label: "dipper bytes()", role: "dipper", program: "dipper" };
const boto3: Contender = { label: "boto3", role: "peer", program: "boto3" };
const fetches: Contender = { label: "fetch", role: "JavaScript peer", program: "Deno fetch" };
const curl: Contender = { label: "curl", role: "mark", program: "curl" };

const large: BenchCase = {
  name: "large",
  server: "http",
  served: [],
  job: { case: "object", bucket: "bench", key: "large", size: 1 },
  rate: gigabytesPerSecond,
  columns: [peakColumn],
  contenders: [ours, boto3, fetches, curl],
};

/** Runs at these rates, in GB/s. */
function runs(rates: number[], more: Partial<Outcome> = {}): Outcome[] {
  return rates.map((rate) => ({
    seconds: 1 / rate,
    bytes: 1e9,
    operations: 1,
    cpuSeconds: 1 / rate,
    idleBytes: 2 ** 20,
    peakBytes: 3 * 2 ** 20,
    ...more,
  }));
}

describe("a bench's results", () => {
  it("are medians, of an even number of runs too", () => {
    const results = new Results(
      large,
      new Map([[ours, runs([4, 1, 2])], [boto3, runs([4, 1, 2, 2.5])]]),
    );
    assertEquals(results.rate(ours), 2);
    assertEquals(results.rate(boto3), 2.25);
  });

  it("take the best of the peers, and no mark for one", () => {
    const results = new Results(
      large,
      new Map([[ours, runs([2])], [boto3, runs([1])], [fetches, runs([1.5])], [curl, runs([9])]]),
    );
    assertEquals(results.best(isPeer), fetches);
    assertEquals(results.best(({ role }) => role === "peer"), boto3);
  });

  it("reach a figure or miss it", () => {
    const results = new Results(large, new Map([[ours, runs([2.2])], [boto3, runs([2])]]));
    const faster = results.atLeast("faster", 1.05, "dipper bytes()", boto3);
    assertEquals([faster.reached, faster.ok], ["1.10 x (boto3)", true]);
    assertEquals(results.atLeast("much faster", 1.2, "dipper bytes()", boto3).ok, false);
    const cpu = ({ cpuSeconds }: Outcome): number => cpuSeconds;
    assertEquals(results.atMost("thriftier", 1, cpu, "dipper bytes()", boto3).ok, true);
    assertEquals(results.atMost("much thriftier", 0.5, cpu, "dipper bytes()", boto3).ok, false);
  });

  it("look at the worst run where a limit must never be passed", () => {
    const outcomes = [...runs([1]), ...runs([1], { peakBytes: 2 ** 30 }), ...runs([1])];
    const results = new Results(large, new Map([[ours, outcomes]]));
    const peak = ({ peakBytes }: Outcome): number => peakBytes;
    const figure = results.within("peak", "32 MiB", 32, "dipper bytes()", peak);
    assertEquals([figure.reached, figure.ok], ["1024.0 MiB", false]);
  });

  it("say what was not measured", () => {
    const none = new Results(large, new Map([[boto3, runs([1])]]));
    assertEquals(none.atLeast("faster", 1, "dipper bytes()", boto3).ok, undefined);
    const alone = new Results(large, new Map([[ours, runs([1])]]));
    const figure = alone.atLeast("faster", 1, "dipper bytes()", alone.best(isPeer));
    assertEquals([figure.reached, figure.ok], ["nobody to compare with ran", undefined]);
    assertStringIncludes(figureTable([figure]), "not measured");
  });

  it("name who is missing, with the reason", () => {
    const table = caseTable(large, {
      outcomes: new Map([[ours, runs([2])], [fetches, runs([0.5])]]),
      missing: new Map([[boto3, "python is not on PATH"]]),
    });
    assertStringIncludes(table, "boto3: python is not on PATH");
    const row = table.split("\n").find((line) => line.startsWith("fetch"));
    assertEquals(row?.split(/\s{2,}/), ["fetch", "0.50", "0.50 – 0.50", "0.25", "2"]);
  });
});
