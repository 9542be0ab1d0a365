/**
 * Runs every test, or the steps whose name contains a word: `deno task test memory`.
 *
 * Each step streams its output. A step that fails does not stop the others. What is started is
 * stopped, also after a failure, a timeout or Ctrl-C. The last line is `N passed, N failed`.
 *
 * What a step needs and cannot get is named, and skipped on a user's machine; on CI it is a failure.
 *
 * @module
 */
import { killAll, run, Unavailable } from "./commands.ts";
import { ci } from "./repository.ts";
import { type Counts, none } from "./test_counts.ts";
import { type Step, steps } from "./test_steps.ts";
import { TestSupplies } from "./test_supplies.ts";

interface Result {
  name: string;
  counts: Counts;
  seconds: number;
  note: string;
}

/** Runs the steps whose name contains all words, and returns the program's exit code. */
export async function runTests(all: Step[], words: string[]): Promise<number> {
  const chosen = all.filter(({ name }) => words.every((word) => name.includes(word)));
  if (chosen.length === 0) {
    console.error(`No step is named "${words.join(" ")}". There are:`);
    for (const { name } of all) console.error(`  ${name}`);
    return 2;
  }

  const interrupted = new AbortController();
  const interrupt = (): void => {
    // The second time, the user does not want to wait for what is being stopped.
    if (interrupted.signal.aborted) {
      killAll();
      Deno.exit(130);
    }
    console.error("\nStopping.");
    interrupted.abort(new Error("interrupted"));
  };
  Deno.addSignalListener("SIGINT", interrupt);
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", interrupt);

  const results: Result[] = [];
  try {
    await using supplies = new TestSupplies(interrupted.signal);
    for (const [i, step] of chosen.entries()) {
      if (interrupted.signal.aborted) break;
      console.log(`\n== ${step.name} (${i + 1} of ${chosen.length})`);
      results.push(await runStep(step, supplies, interrupted.signal));
    }
  } finally {
    killAll();
    Deno.removeSignalListener("SIGINT", interrupt);
    if (Deno.build.os !== "windows") Deno.removeSignalListener("SIGTERM", interrupt);
  }
  return report(results, interrupted.signal.aborted);
}

async function runStep(
  step: Step,
  supplies: TestSupplies,
  interrupted: AbortSignal,
): Promise<Result> {
  const started = performance.now();
  const timeout = AbortSignal.timeout(step.minutes * 60_000);
  const signal = AbortSignal.any([interrupted, timeout]);
  const outcome = async (): Promise<[Counts, string]> => {
    try {
      const counts = await step.run({ supplies, signal, run });
      if (timeout.aborted) return [failed(counts), `took more than ${step.minutes} minutes`];
      if (interrupted.aborted) return [failed(counts), "interrupted"];
      const ran = counts.passed + counts.failed + counts.skipped > 0;
      return ran ? [counts, ""] : [failed(counts), "ran no test"];
    } catch (error) {
      if (timeout.aborted) return [failed(none()), `took more than ${step.minutes} minutes`];
      if (interrupted.aborted) return [failed(none()), "interrupted"];
      if (!(error instanceof Unavailable)) {
        // Not on standard error: the order of the lines would not be kept.
        console.log(error);
        return [failed(none()), error instanceof Error ? error.message : String(error)];
      }
      const counts = ci ? failed(none()) : { ...none(), skipped: 1 };
      return [counts, `${ci ? "" : "skipped: "}${error.message}`];
    }
  };
  const [counts, note] = await outcome();
  return { name: step.name, counts, seconds: (performance.now() - started) / 1000, note };
}

function failed(counts: Counts): Counts {
  return counts.failed > 0 ? counts : { ...counts, failed: 1 };
}

function report(results: Result[], interrupted: boolean): number {
  const width = Math.max(...results.map(({ name }) => name.length), 4);
  console.log(`\n${"step".padEnd(width)}  passed  failed  skipped   seconds`);
  const total = none();
  for (const { name, counts, seconds, note } of results) {
    const numbers = [counts.passed, counts.failed, counts.skipped]
      .map((count, i) => String(count).padStart([6, 6, 7][i]!)).join("  ");
    const time = seconds.toFixed(1).padStart(8);
    const mark = counts.failed > 0 ? "  FAILED" : "";
    console.log(`${name.padEnd(width)}  ${numbers}  ${time}${mark}${note && `  (${note})`}`);
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
  }
  if (total.failed > 0) {
    console.log("\nFailed:");
    for (const { name, counts, note } of results.filter(({ counts }) => counts.failed > 0)) {
      const known = counts.failures.length > 0 ? counts.failures : [note || "see above"];
      for (const failure of known) console.log(`  ${name}: ${failure}`);
    }
    console.log();
  }
  if (interrupted) console.log("Interrupted: the remaining steps did not run.");
  if (total.skipped > 0) console.log(`${total.skipped} skipped.`);
  console.log(`${total.passed} passed, ${total.failed} failed`);
  if (interrupted) return 130;
  return total.failed === 0 && total.passed > 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await runTests(await steps(), Deno.args));
