/**
 * Plots and help in the real kernel: they are shown, what is none is a short error, and the kernel
 * goes on.
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { it } from "@std/testing/bdd";
import { python } from "./executed_notebook.ts";
import { errorOf, printed, runInKernel, type Told } from "./kernel_session.ts";

function bundleOf(told: Told | undefined): Record<string, string> {
  const shown = told?.outputs.find(({ type }) => type === "execute_result");
  assert(shown?.data !== undefined, JSON.stringify(told?.outputs).slice(0, 500));
  return shown.data;
}

it({
  name: "a plot shows itself in the kernel, and a bad one leaves it alive",
  ignore: python === undefined,
  async fn() {
    const [both, byFunction, refused, notDrawn, next] = await runInKernel([
      {
        code: `
          import { file, plot, RustBuffer } from "../mod.ts";
          const buffer = new RustBuffer(8_000_000);
          const column = new Float64Array(buffer.view().buffer);
          for (let i = 0; i < column.length; i++) column[i] = Math.sin(i / 1e5);
          plot(column)`,
      },
      {
        code: `plot((Plot) => Plot.dot(column.subarray(0, 100), { x: (_, i) => i, y: (d) => d }))`,
      },
      { code: `plot({ marks: 3 })` },
      { code: `plot((Plot) => Plot.dot(column, { x: (_, i) => i, y: (d) => d }))` },
      { code: `console.log("alive"); buffer.dispose()` },
    ]);
    const { "text/html": html, "image/svg+xml": svg, "text/plain": plain } = bundleOf(both);
    assertMatch(
      html ?? "",
      /^<div class="dipper-plot" style="overflow-x:auto"><svg.*<rect.*<path/s,
    );
    assertMatch(svg ?? "", /^<svg xmlns=/);
    assertStringIncludes(plain ?? "", "a histogram and a line of 1,000,000 values");
    assertEquals(bundleOf(byFunction)["text/html"]?.match(/<circle/g)?.length, 100);
    assertEquals(refused && errorOf(refused)?.ename, "InvalidInputError");
    assertEquals(notDrawn && errorOf(notDrawn)?.ename, "InvalidInputError");
    assertStringIncludes(notDrawn && errorOf(notDrawn)?.evalue || "", "more than 20,000 shapes");
    assert(next?.alive);
    assertEquals(printed(next), "alive\n");
  },
});

it({
  name: "help shows itself in the kernel as Markdown",
  ignore: python === undefined,
  async fn() {
    const [page, method, misspelt, next] = await runInKernel([
      { code: `import { file, help } from "../mod.ts"; help(file)` },
      { code: `help(file("s3://bucket/key").ranges)` },
      { code: `help("ObjectFile.rangs")` },
      { code: `console.log("alive")` },
    ]);
    const { "text/markdown": markdown, "text/plain": plain } = bundleOf(page);
    assertMatch(markdown ?? "", /^# file\n.*Throws:.*Example:/s);
    assertEquals(plain, markdown);
    assertMatch(bundleOf(method)["text/markdown"] ?? "", /^# ObjectFile.ranges\n/);
    assertEquals(misspelt && errorOf(misspelt)?.ename, "InvalidInputError");
    assertStringIncludes(misspelt && errorOf(misspelt)?.evalue || "", "ObjectFile.ranges");
    assertEquals(next && printed(next), "alive\n");
  },
});
