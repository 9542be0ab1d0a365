/**
 * Prints what a bench measured.
 *
 * @module
 */
import { type BenchCase, type Contender, type Figure, Results } from "./bench_case.ts";
import type { Rounds } from "./rounds.ts";

/** The table of one case: a row for each contender, also for who is missing. */
export function caseTable(of: BenchCase, { outcomes, missing }: Rounds): string {
  const results = new Results(of, outcomes);
  const ours = of.contenders.find((one) => one.role === "dipper" && outcomes.has(one));
  const limit = results.best(({ role }) => role === "limit");
  const ratio = (to: Contender | undefined, one: Contender): string =>
    to ? (results.rate(one) / results.rate(to)).toFixed(2) : "";
  const head = [
    of.name,
    of.rate.unit,
    "min – max",
    ours ? `x ${ours.label}` : "",
    limit ? "x limit" : "",
    ...of.columns.map(({ head }) => head),
  ];
  const rows = of.contenders.flatMap((one) => {
    const runs = outcomes.get(one);
    if (!runs?.length) return [];
    const rates = runs.map(of.rate.of);
    return [[
      one.label,
      quantity(results.rate(one)),
      `${quantity(Math.min(...rates))} – ${quantity(Math.max(...rates))}`,
      ratio(ours, one),
      ratio(limit, one),
      ...of.columns.map((column) => {
        const value = results.median(one, (run) => column.of(run) ?? NaN);
        return Number.isNaN(value) ? "" : value.toFixed(column.digits);
      }),
    ]];
  });
  const gone = of.contenders
    .filter((one) => missing.has(one))
    .map((one) => `  ${one.label}: ${missing.get(one)}`);
  return [aligned([head, ...rows]), ...(gone.length ? ["  missing:", ...gone] : [])].join("\n");
}

/** The figures to reach, and whether they are. */
export function figureTable(figures: Figure[]): string {
  const rows = figures.map(({ what, wanted, reached, ok }) => [
    what,
    wanted,
    reached,
    ok === undefined ? "not measured" : ok ? "reached" : "MISSED",
  ]);
  return aligned([["figure", "wanted", "reached", ""], ...rows], 4);
}

/** Columns: the first `left` to the left, the others to the right; empty ones are dropped. */
function aligned(rows: string[][], left = 1): string {
  const columns = rows[0]!.map((_, index) => index)
    .filter((index) => rows.some((row) => row[index]));
  const widths = columns.map((index) => Math.max(...rows.map((row) => row[index]!.length)));
  return rows
    .map((row) =>
      columns.map((index, place) =>
        index < left ? row[index]!.padEnd(widths[place]!) : row[index]!.padStart(widths[place]!)
      ).join("  ").trimEnd()
    )
    .toSpliced(1, 0, "-".repeat(widths.reduce((sum, width) => sum + width + 2, -2)))
    .join("\n");
}

function quantity(value: number): string {
  return value < 1000 ? value.toFixed(2) : Math.round(value).toLocaleString("en");
}
