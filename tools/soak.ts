/**
 * What the tests do for seconds, done for hours: every fuzz target for minutes, with what earlier
 * runs found; many random sequences against the model; a stream of 20 GB and a million small reads.
 *
 * A word selects, as in `deno task test`: `deno task soak fuzz`. Variables that are set are kept.
 *
 * @module
 */
import { runFuzz } from "./fuzz.ts";
import { runTests } from "./test.ts";
import { type Step, steps } from "./test_steps.ts";

/** How long each fuzz target runs. */
const FUZZ_SECONDS = 600;

/** The steps of the tests that take longer when they are told so. */
const TOLD: Readonly<Record<string, Record<string, string>>> = {
  "tests/model": { DIPPER_TEST_SEQUENCES: "300" },
  "tests/faults": { DIPPER_TEST_STREAM_GB: "20", DIPPER_TEST_GETS: "1000000" },
};

const long: Step[] = [{
  name: "fuzz",
  minutes: 12 * 60,
  run: ({ signal }) => runFuzz({ signal, seconds: FUZZ_SECONDS, keep: true }),
}];
for (const step of await steps()) {
  const variables = TOLD[step.name];
  if (variables === undefined && step.name !== "library") continue;
  for (const [name, value] of Object.entries(variables ?? {})) {
    if (!Deno.env.has(name)) Deno.env.set(name, value);
  }
  long.push({ ...step, minutes: 12 * 60 });
}
// The library first: the others load it.
long.sort((a, b) => Number(b.name === "library") - Number(a.name === "library"));

Deno.exit(await runTests(long, Deno.args));
