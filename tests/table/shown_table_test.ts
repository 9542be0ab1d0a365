/** What tables say of themselves, `table/shown_table.ts`. */

import { assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { file, memory } from "dipper";
import { join } from "node:path";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

describe("a table that shows itself", () => {
  it("looks at the first and the last row, however many there are", async () => {
    const folder = await Deno.makeTempDir({ prefix: "dipper-shown-" });
    try {
      for (const rows of [1, 2, 9_999, 10_000, 10_001, 34_567]) {
        const path = join(folder, `${rows}.csv`);
        const lines = Array.from({ length: rows }, (_, row) => `${row + 1}\n`);
        await Deno.writeTextFile(path, `sorted\n${lines.join("")}`);
        const shown = Deno.inspect(await file(path).table());
        assertMatch(shown, new RegExp(`sorted +int64 +0 +1 +${rows}\\b`));
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
});
