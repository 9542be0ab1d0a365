/**
 * How long one `import()` takes in a process that has imported nothing, from Deno's warm cache:
 * `importing.ts JOB`, whose way is `dipper` or `nothing`.
 *
 * It measures by itself: the meter of the other programs loads Deno's Node side, which importing
 * must not find loaded.
 *
 * @module
 */
import type { Job, Outcome } from "../../job.ts";

const { way }: Job = JSON.parse(Deno.args[0] ?? "{}");
const idleBytes = Deno.memoryUsage().rss;
// Not written as one text, so that Deno does not load it before it is asked for.
const module = new URL(way === "dipper" ? "../../../mod.ts" : "./nothing.ts", import.meta.url);
const start = performance.now();
await import(module.href);
const seconds = (performance.now() - start) / 1000;
const outcome: Outcome = {
  seconds,
  bytes: 0,
  operations: 1,
  cpuSeconds: 0,
  idleBytes,
  peakBytes: Deno.memoryUsage().rss,
};
console.log(JSON.stringify(outcome));
