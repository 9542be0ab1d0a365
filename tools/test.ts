/**
 * Runs every test, or the steps whose name contains a word: `deno task test memory`.
 *
 * Some steps run beside each other (`test_schedule.ts`), but each one's output is in one piece
 * (`step_output.ts`). A step that fails does not stop the others. What is started is stopped, also
 * after a failure, a timeout or Ctrl-C. The last line is `N passed, N failed`.
 *
 * What a step needs and cannot get is named, and skipped on a user's machine; on CI it is a failure.
 *
 * @module
 */
import { killAll, run, say, Unavailable } from "./commands.ts";
import { ci } from "./repository.ts";
import { StepOutputs } from "./step_output.ts";
import { type Counts, none } from "./test_counts.ts";
import { runScheduled } from "./test_schedule.ts";
import { type Step, steps } from "./test_steps.ts";
import { TestSupplies } from "./test_supplies.ts";

interface Result {
  name: string;
  counts: Counts;
  /** When it began and how long it took, in seconds. */
  from: number;
  seconds: number;
  note: string;
}

/** How many steps run at a time. Two also where there is one processor: many wait. */
function width(): number {
  const chosen = Number(Deno.env.get("DIPPER_TEST_JOBS"));
  return chosen >= 1 ? chosen : Math.max(2, Math.min(4, navigator.hardwareConcurrency));
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

  const results = new Map<Step, Result>();
  const outputs = new StepOutputs();
  try {
    await using supplies = new TestSupplies(interrupted.signal);
    let begun = 0;
    const limits = { width: width(), signal: interrupted.signal };
    await runScheduled(chosen, limits, async (step) => {
      const title = `${step.name} (${++begun} of ${chosen.length})`;
      const result = await outputs.of(
        title,
        () => runStep(step, supplies, interrupted.signal),
      );
      results.set(step, result);
    });
  } finally {
    killAll();
    Deno.removeSignalListener("SIGINT", interrupt);
    if (Deno.build.os !== "windows") Deno.removeSignalListener("SIGTERM", interrupt);
  }
  const inOrder = chosen.map((step) => results.get(step)).filter((one) => one !== undefined);
  return report(inOrder, interrupted.signal.aborted);
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
        say(Deno.inspect(error));
        return [failed(none()), error instanceof Error ? error.message : String(error)];
      }
      const counts = ci ? failed(none()) : { ...none(), skipped: 1 };
      return [counts, `${ci ? "" : "skipped: "}${error.message}`];
    }
  };
  const [counts, note] = await outcome();
  const seconds = (performance.now() - started) / 1000;
  return { name: step.name, counts, from: started / 1000, seconds, note };
}

function failed(counts: Counts): Counts {
  return counts.failed > 0 ? counts : { ...counts, failed: 1 };
}

function report(results: Result[], interrupted: boolean): number {
  const width = Math.max(...results.map(({ name }) => name.length), 4);
  say(`\n${"step".padEnd(width)}  passed  failed  skipped      from   seconds`);
  const total = none();
  for (const { name, counts, from, seconds, note } of results) {
    const numbers = [counts.passed, counts.failed, counts.skipped]
      .map((count, i) => String(count).padStart([6, 6, 7][i]!)).join("  ");
    const time = [from, seconds].map((value) => value.toFixed(1).padStart(8)).join("  ");
    const mark = counts.failed > 0 ? "  FAILED" : "";
    say(`${name.padEnd(width)}  ${numbers}  ${time}${mark}${note && `  (${note})`}`);
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
  }
  if (total.failed > 0) {
    say("\nFailed:");
    for (const { name, counts, note } of results.filter(({ counts }) => counts.failed > 0)) {
      const known = counts.failures.length > 0 ? counts.failures : [note || "see above"];
      for (const failure of known) say(`  ${name}: ${failure}`);
    }
    say("");
  }
  if (interrupted) say("Interrupted: the remaining steps did not run.");
  if (total.skipped > 0) say(`${total.skipped} skipped.`);
  say(`${total.passed} passed, ${total.failed} failed`);
  if (interrupted) return 130;
  return total.failed === 0 && total.passed > 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await runTests(await steps(), Deno.args));
