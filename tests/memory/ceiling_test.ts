/** A loop that drops large results stays under a memory ceiling. */
import { assert, assertEquals } from "@std/assert";
import { memory, RustBuffer } from "dipper";
import { Bucket } from "./bucket.ts";
import { programAt, runProgram } from "./program.ts";
import { memoryTest } from "./settled.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const GIB = 2 ** 30;
const ROUNDS = 12;
/** What a loop without the nudge peaked at was 5 GiB. */
const CEILING = 3.5 * GIB;

memoryTest(`${ROUNDS} dropped results of 1 GiB stay under ${CEILING / GIB} GiB`, async () => {
  await using bucket = await Bucket.start();
  {
    using content = new RustBuffer(GIB);
    content.view()[0] = 1;
    content.view()[GIB - 1] = 2;
    await bucket.file("large").write(content);
  }
  const { code, stdout, stderr } = await runProgram(programAt("drop_results.ts"), {
    args: [JSON.stringify(bucket.options), String(ROUNDS)],
    patience: 120_000,
  });
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  const { right, idle, first, peak } = JSON.parse(stdout);
  assertEquals(right, ROUNDS);
  assert(peak < CEILING, `the loop peaked at ${peak / GIB} GiB`);
  assert(peak > GIB, `a peak of ${peak / GIB} GiB was not measured right`);
  // One result costs itself and little more.
  const more = first - idle - GIB;
  assert(more < 64 * 2 ** 20, `the first result cost 1 GiB and ${more / 2 ** 20} MiB`);
});
