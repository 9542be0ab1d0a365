/**
 * Outputs stay in their cell, for a front end that stops listening when the kernel says "idle".
 * Without the cure, about two of three of these cells lose something.
 */

import { assertEquals } from "@std/assert";
import { executeNotebook, notebookOf, python } from "./executed_notebook.ts";

const CELLS = 20;
const LINES = 6;

Deno.test({
  name: "no output of a cell is lost behind idle",
  ignore: python === undefined,
  async fn() {
    const cells: Record<string, string> = {
      first: `import { keepOutputInOrder } from "../jupyter/output_order.ts"; keepOutputInOrder();`,
    };
    for (let cell = 0; cell < CELLS; cell++) {
      cells[`cell-${cell}`] = `
        await new Promise((resolve) => setTimeout(resolve, 3));
        for (let line = 0; line < ${LINES}; line++) console.log("line", line);
        ({ value: ${cell} });
      `;
    }
    const path = await Deno.makeTempFile({ suffix: ".ipynb" });
    try {
      await Deno.writeTextFile(path, notebookOf(cells));
      const notebook = await executeNotebook(path, true);
      const lines = Array.from({ length: LINES }, (_, line) => `line ${line}\n`).join("");
      for (let cell = 0; cell < CELLS; cell++) {
        assertEquals(notebook.stdout(`cell-${cell}`), lines);
        assertEquals(notebook.displayed(`cell-${cell}`, "text/plain").includes(`${cell}`), true);
      }
    } finally {
      await Deno.remove(path);
    }
  },
});
