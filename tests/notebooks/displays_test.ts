/**
 * What cells show in the real kernel: every value whose display the tests know becomes HTML and text
 * there, once, also those that are plain values everywhere else.
 */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { PREPARE, VALUES } from "../jupyter/every_value.ts";
import { python } from "./executed_notebook.ts";
import { runInKernel, type Step, whyNot } from "./kernel_session.ts";

const START = `
import * as dipper from "../mod.ts";
const s3 = await dipper.LocalS3.start();
const client = s3.client();
const import_meta = "file://" + Deno.cwd() + "/../tests/jupyter/every_value.ts";
${PREPARE}
undefined`;

describe("in the kernel", () => {
  it("every value shows itself", { ignore: python === undefined }, async () => {
    const values = Object.entries(VALUES);
    const steps: Step[] = [START, ...values.map(([, { code }]) => code)]
      .map((code) => ({ code, timeout: 120 }));
    const [started, ...told] = await runInKernel(steps);
    assertEquals(started?.reply?.status, "ok", whyNot(started));
    for (const [index, [name, { begins }]] of values.entries()) {
      const step = told[index];
      assertEquals(step?.reply?.status, "ok", `${name}: ${whyNot(step)}`);
      const results = step!.outputs.filter(({ type }) => type === "execute_result");
      assertEquals(results.length, 1, `${name}: ${whyNot(step)}`);
      const { "text/html": html, "text/plain": plain } = results[0]?.data ?? {};
      // A preview gives up after three seconds, which a busy machine may take, and says so.
      const isLate = /not there within \d+ s/.test(plain ?? "");
      assert(isLate || plain?.startsWith(begins), `${name}: ${plain}`);
      assert(html?.startsWith('<div class="dipper-view"><style>'), name);
    }
  });
});
