/** What tables say of themselves, `table/shown_table.ts`. */

import { assert, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { file, memory, writeTable } from "dipper";
import * as flechette from "@uwdata/flechette";
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

  it("shows midnight as a moment among moments, and days as days", async () => {
    const folder = await Deno.makeTempDir({ prefix: "dipper-shown-" });
    try {
      const path = join(folder, "times.parquet");
      const dates = (...texts: string[]): Date[] => texts.map((text) => new Date(text));
      await writeTable(path, {
        moment: dates("2001-07-01T00:00:00Z", "2001-07-01T12:30:00Z"),
        day: dates("2001-07-01T00:00:00Z", "2001-07-02T00:00:00Z"),
      });
      const shown = Deno.inspect(await file(path).table());
      assertStringIncludes(shown, "2001-07-01 00:00:00  2001-07-01 12:30:00");
      assertMatch(shown, /day +date32 .*2001-07-01 +2001-07-02\b(?! 00)/);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });

  it("shows decimals that are read as their digits with their point", async () => {
    const folder = await Deno.makeTempDir({ prefix: "dipper-shown-" });
    try {
      const path = join(folder, "decimals.arrow");
      const prices = [1234.5, -0.07, 0];
      await writeTable(
        path,
        flechette.tableFromColumns({
          price: flechette.columnFromArray(prices, flechette.decimal(18, 2, 128)),
        }),
      );
      for (const useDecimalInt of [false, true]) {
        const shown = Deno.inspect(await file(path).table({ useDecimalInt }));
        for (const price of useDecimalInt ? ["1234.50", "-0.07", "0.00"] : ["1234.5", "-0.07"]) {
          assertMatch(shown, new RegExp(`^ *\\d? *${price.replace(".", "\\.")} *$`, "m"), shown);
        }
        assertMatch(shown, /price +decimal128\(18, 2\) +0 +-0\.07 +1,?234\.5\b/);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });

  it("shows what is long, and what is no number of JavaScript, as what it is", async () => {
    const folder = await Deno.makeTempDir({ prefix: "dipper-shown-" });
    try {
      const path = join(folder, "odd.arrow");
      const big = 2n ** 60n;
      const map = new Map([["a", 1]]);
      const columns = flechette.tableFromColumns({
        inside: flechette.columnFromArray([{ big }], flechette.struct({ big: flechette.int64() })),
        plain: flechette.columnFromArray([big], flechette.int64()),
        pairs: flechette.columnFromArray([map], flechette.map(flechette.utf8(), flechette.int32())),
        list: flechette.columnFromArray(
          [new Float64Array(1_000_000)],
          flechette.list(flechette.float64()),
        ),
      });
      await writeTable(path, columns);
      const shown = Deno.inspect(await file(path).table({ useMap: true }));
      assertMatch(shown, /0 +\u2026 +1152921504606846976 +\[\["a",1\]\] +\[0,0,0,0/);
      assert(!/\bnull\b/.test(shown), shown);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });

  it("tells the range of integers that are no numbers of JavaScript, and of moments however they are given", async () => {
    const folder = await Deno.makeTempDir({ prefix: "dipper-shown-" });
    try {
      const path = join(folder, "large.arrow");
      const when = [new Date("2024-01-02T03:04:05Z"), new Date("2025-01-02T03:04:05Z")];
      await writeTable(path, { id: BigUint64Array.of(2n ** 64n - 1n, 5n), when }, {
        types: { when: flechette.timestamp(flechette.TimeUnit.MICROSECOND) },
      });
      for (
        const options of [{}, { useBigInt: true }, { useDate: true }, { useBigIntTimestamp: true }]
      ) {
        const shown = Deno.inspect(await file(path).table(options));
        assertMatch(shown, /id +uint64 +0 +5 +1844670{14} /);
        assertMatch(shown, /when .* 2024-01-02 03:04:05 +2025-01-02 03:04:05 /);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
});
