/** Runs the demo as a user does and checks what it claims. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { beforeAll, describe, it } from "@std/testing/bdd";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { sampleDirectory, sampleFiles } from "sample_data";

const repository = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

describe("the demo", () => {
  let text: string;

  beforeAll(async () => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-all", join(repository, "tools", "demo.ts")],
      cwd: repository,
      env: { NO_COLOR: "1" },
    }).output();
    text = new TextDecoder().decode(stdout);
    assertEquals(code, 0, text + new TextDecoder().decode(stderr));
  });

  it("reads the smallest example", () => {
    assertStringIncludes(text, "s3://bucket/test: length 4, bytes 1 2 3 4");
  });

  it("writes and lists every sample file", async () => {
    const { length } = await sampleFiles();
    assertStringIncludes(text, `${length} files of vega-datasets`);
    assertStringIncludes(text, `${length} objects in s3://vega/`);
  });

  it("finds the columns inside the allocation", () => {
    const range = /(0x[0-9a-f]+) to (0x[0-9a-f]+)/;
    const [start, end] = range.exec(text)?.slice(1).map(Number) as [number, number];
    assertEquals(end - start, Deno.statSync(join(sampleDirectory(), "flights-200k.arrow")).size);
    for (const column of ["delay", "distance", "time"]) {
      const line = text.split("\n").find((line) => line.trim().startsWith(`${column} `)) ?? "";
      const [from, to] = range.exec(line)?.slice(1).map(Number) as [number, number];
      assert(start <= from && from < to && to <= end, line);
    }
  });

  it("computes the mean delay of each hour", async () => {
    const json = await Deno.readTextFile(join(sampleDirectory(), "flights-200k.json"));
    const rows = JSON.parse(json) as { delay: number; time: number }[];
    const byHour = Map.groupBy(rows, (row) => Math.trunc(row.time));
    assertEquals(byHour.size, 24);
    for (const [hour, group] of byHour) {
      const mean = group.reduce((sum, row) => sum + row.delay, 0) / group.length;
      const line = text.split("\n").find((line) => line.trim().startsWith(`${hour}:00 `)) ?? "";
      assertStringIncludes(line, ` ${mean.toFixed(2)} min`);
      assertStringIncludes(line, ` ${group.length.toLocaleString("en-US")} flights`);
    }
  });

  it("sees the unsafe view and the adopted buffer at one address", () => {
    const found = /unsafe view at (0x[0-9a-f]+), adopted at (0x[0-9a-f]+)/.exec(text);
    assert(found !== null, text);
    assertEquals(found[1], found[2]);
  });

  it("says how to go on", () => {
    for (const task of ["task notebook", "task link DIR", "task test"]) {
      assertStringIncludes(text, task);
    }
  });
});
