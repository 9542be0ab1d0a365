/**
 * Executes the notebooks in the real Deno kernel and compares what they show with what is true:
 * addresses with each other, figures with an independent computation, listings with the files on
 * disk. Wording and layout may change; meaning may not.
 */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { beforeAll, describe, it } from "@std/testing/bdd";
import { join } from "node:path";
import { DOMParser } from "linkedom";
import { sampleDirectory, sampleFiles } from "sample_data";
import {
  address,
  executeNotebook,
  figure,
  type Notebook,
  notebookOf,
  python,
  readNotebook,
  repository,
} from "./executed_notebook.ts";

const NOTEBOOKS = [
  "01_tour.ipynb",
  "02_zero_copy.ipynb",
  "03_bridges.ipynb",
  "04_streaming.ipynb",
  "05_tables.ipynb",
];
const FLIGHTS = join(sampleDirectory(), "flights-200k.arrow");

interface HourlyMean {
  flights: number;
  mean: number;
}

/**
 * The mean delay by hour from the same flights in the JSON file of the same package: another file,
 * another parser and other code than the notebook's.
 */
async function meanDelayFromJson(): Promise<Map<number, HourlyMean>> {
  const text = await Deno.readTextFile(join(sampleDirectory(), "flights-200k.json"));
  const rows = JSON.parse(text) as { delay: number; time: number }[];
  const byHour = Map.groupBy(rows, (row) => Math.trunc(row.time));
  return new Map(
    [...byHour].map(([hour, group]) => [hour, {
      flights: group.length,
      mean: group.reduce((sum, row) => sum + row.delay, 0) / group.length,
    }]),
  );
}

/** The text of an HTML bundle, without its tags. */
function visibleText(html: string): string {
  return new DOMParser().parseFromString(`<html><body>${html}</body></html>`, "text/html")
    .body.textContent;
}

describe("notebooks as they are committed", () => {
  for (const name of NOTEBOOKS) {
    // A user who ran and saved the notebook has outputs in it; only a commit must not.
    const ignore = Deno.env.get("CI") === undefined;
    it(`${name} has no outputs, which would churn and could leak`, { ignore }, async () => {
      assertEquals((await readNotebook(name)).outputCount, 0);
    });

    it(`${name} type-checks, as an editor checks it`, async () => {
      const path = await Deno.makeTempFile({ suffix: ".ts" });
      try {
        await Deno.writeTextFile(path, (await readNotebook(name)).code);
        const { success, stderr } = await new Deno.Command(Deno.execPath(), {
          args: ["check", "--quiet", "--no-lock", "--config", join(repository, "deno.json"), path],
        }).output();
        assert(success, new TextDecoder().decode(stderr));
      } finally {
        await Deno.remove(path);
      }
    });
  }

  it("a cell that fails fails the execution", { ignore: python === undefined }, async () => {
    const path = await Deno.makeTempFile({ suffix: ".ipynb" });
    try {
      await Deno.writeTextFile(path, notebookOf({ fails: 'throw new RangeError("planted");' }));
      await assertRejects(() => executeNotebook(path), Error, "planted");
    } finally {
      await Deno.remove(path);
    }
  });
});

describe("01_tour.ipynb in the kernel", { ignore: python === undefined }, () => {
  let tour: Notebook;
  beforeAll(async () => {
    tour = await executeNotebook(join(repository, "notebooks", "01_tour.ipynb"));
  });

  it("shows both buckets", () => {
    const shown = visibleText(tour.displayed("start", "text/html"));
    for (const bucket of ["bucket", "vega"]) assertStringIncludes(shown, bucket);
  });

  it("reads back 1, 2, 3, 4 in the smallest example", () => {
    const text = tour.stdout("smallest-example");
    assertEquals(figure(text, "length"), 4);
    assertStringIncludes(text.replaceAll(/[\s[\]]/g, ""), "firstfourbytes1,2,3,4");
    const shown = visibleText(tour.displayed("smallest-example", "text/html"));
    for (const part of ["RustBuffer", "4 bytes", "01 02 03 04"]) assertStringIncludes(shown, part);
  });

  it("uploads every file, and says so", async () => {
    const files = await sampleFiles();
    const shown = visibleText(tour.displayed("upload", "text/html"));
    for (const part of [`${files.length} objects`, "Transferred"]) {
      assertStringIncludes(shown, part);
    }
  });

  it("lists what was written, in key order", async () => {
    const files = await sampleFiles();
    const shown = visibleText(tour.displayed("list", "text/html"));
    let last = -1;
    for (const { name } of files.slice(0, 10)) {
      const at = shown.indexOf(name);
      assert(at > last, `${name} is missing or out of order in:\n${shown}`);
      last = at;
    }
    assertStringIncludes(shown, String(files.length));
  });

  it("lists every file below a prefix, and no other", async () => {
    const shown = visibleText(tour.displayed("list-flights", "text/html"));
    for (const { name } of await sampleFiles()) {
      assertEquals(shown.includes(name), name.startsWith("flights-"), name);
    }
  });

  it("shows a file with its size and the columns of its contents", async () => {
    const shown = visibleText(tour.displayed("file", "text/html"));
    const { size } = await Deno.stat(FLIGHTS);
    for (const part of ["flights-200k.arrow", size.toLocaleString("en-US"), "delay", "distance"]) {
      assertStringIncludes(shown, part);
    }
  });

  it("finds every column inside the downloaded allocation", async () => {
    const text = tour.stdout("addresses");
    const allocation = /allocation: (0x[0-9a-f]+) to (0x[0-9a-f]+) \((\d+) bytes\)/.exec(text);
    assert(allocation !== null, text);
    const [start, end, size] = allocation.slice(1).map(Number) as [number, number, number];
    assertEquals(size, (await Deno.stat(FLIGHTS)).size);
    assertEquals(end - start, size);

    const widths: Record<string, number> = { delay: 2, distance: 2, time: 4 };
    for (const [name, width] of Object.entries(widths)) {
      const column = new RegExp(`${name}: (0x[0-9a-f]+) to (0x[0-9a-f]+), .*inside: true`)
        .exec(text);
      assert(column !== null, `${name} is not inside the allocation:\n${text}`);
      const [from, to] = column.slice(1).map(Number) as [number, number];
      assert(start <= from && to <= end, text);
      assertEquals(to - from, 200_000 * width);
    }
  });

  it("computes the mean delay of each hour", async () => {
    const rows = [
      ...tour.stdout("mean-delay").matchAll(
        /(\d+):00\s+(\d+) flights\s+(-?[\d.]+) min/g,
      ),
    ];
    const expected = await meanDelayFromJson();
    assertEquals(rows.length, expected.size);
    for (const [, hour, flights, mean] of rows) {
      const truth = expected.get(Number(hour));
      assertEquals(Number(flights), truth?.flights, `flights at ${hour}:00`);
      assertEquals(mean, truth?.mean.toFixed(2), `mean delay at ${hour}:00`);
    }
  });

  it("draws one bar for each hour, as high as its mean", async () => {
    const svg = new DOMParser().parseFromString(tour.displayed("chart", "text/html"), "text/html");
    const bars = [...svg.querySelectorAll('g[aria-label="bar"] rect')];
    const means = [...await meanDelayFromJson()].sort(([a], [b]) => a - b).map(([, { mean }]) =>
      Math.abs(mean)
    );
    assertEquals(bars.length, means.length);
    const heights = bars.map((bar) => Number(bar.getAttribute("height")));
    const scale = Math.max(...heights) / Math.max(...means);
    heights.forEach((height, hour) => {
      const expected = (means[hour] ?? NaN) * scale;
      assert(Math.abs(height - expected) < 0.01, `bar ${hour} is ${height}, not ${expected}, high`);
    });
  });

  it("computes the same at the same address over the unsafe view and the adopted buffer", () => {
    const text = tour.stdout("unsafe-and-adopted");
    assertEquals(address(text, "unsafe view:"), address(text, "adopted:"));
    assertStringIncludes(text, "same address: true");
    assertStringIncludes(text, "same result: true");
    assertEquals(figure(text, "length of the unsafe view now:"), 0);
  });

  it("shows an image, and a histogram of every flight's distance", () => {
    assertStringIncludes(visibleText(tour.displayed("image", "text/html")), "100 × 100");
    const html = tour.displayed("histogram", "text/html");
    const svg = new DOMParser().parseFromString(html, "text/html");
    assert(svg.querySelectorAll("rect").length > 5);
    assertStringIncludes(html, "distance (miles)");
  });

  it("shows how far a long call is, and at the end what was done", () => {
    const shown = visibleText(tour.displayed("watch", "text/html"));
    assertStringIncludes(shown, "/genome");
    assertStringIncludes(shown, "19.1 MiB");
  });

  it("is stopped, and goes on", () => {
    const text = tour.stdout("stopped");
    assertStringIncludes(text, "AbortError");
    assertStringIncludes(text, "the cell was stopped");
    assertEquals(figure(text, "under way:"), 0);
    assertStringIncludes(tour.displayed("help", "text/markdown"), "S3Client.list");
  });

  it("stops its server", () => {
    assertStringIncludes(tour.stdout("stop"), "stopped");
  });
});

describe("02_zero_copy.ipynb in the kernel", { ignore: python === undefined }, () => {
  let notebook: Notebook;
  let size: number;
  beforeAll(async () => {
    size = (await Deno.stat(FLIGHTS)).size;
    notebook = await executeNotebook(join(repository, "notebooks", "02_zero_copy.ipynb"));
  });

  it("holds nothing at first", () => {
    assertEquals(figure(notebook.stdout("memory-before"), "bytes held:"), 0);
  });

  it("shows a buffer, and what it took", () => {
    const shown = visibleText(notebook.displayed("look", "text/html"));
    for (const part of ["RustBuffer", "Address", "0x", "borrowed", "delay"]) {
      assertStringIncludes(shown, part);
    }
    const took = visibleText(notebook.displayed("metrics", "text/html"));
    assertStringIncludes(took, size.toLocaleString("en-US"));
    assertStringIncludes(took, "nothing");
  });

  it("scales and draws a column where it lies", () => {
    const text = notebook.stdout("in-place");
    assertStringIncludes(text, "same address: true");
    const [hours, minutes] = /minutes: ([\d.]+) ([\d.]+)/.exec(text)?.slice(1).map(Number) ?? [];
    assertEquals(Math.fround(hours! * 60), minutes);
    const svg = new DOMParser().parseFromString(
      notebook.displayed("in-place", "text/html"),
      "text/html",
    );
    assert(svg.querySelectorAll("rect").length > 20);
  });

  it("shows a buffer that is gone", () => {
    const text = notebook.stdout("gone");
    assertEquals(figure(text, "bytes held:"), 0);
    assertEquals(figure(text, "length of the column:"), 0);
    assertStringIncludes(visibleText(notebook.displayed("gone", "text/html")), "disposed");
  });

  it("borrows until the end of the block", () => {
    const text = notebook.stdout("borrow");
    assertEquals(figure(text, "inside the block, length of the view:"), size);
    assert(figure(text, "inside the block, bytes held:") >= size, text);
    assertEquals(figure(text, "after the block, length of the view:"), 0);
    assertEquals(figure(text, "after the block, bytes held:"), 0);
  });

  it("keeps what `using` holds at the top level of a cell", () => {
    const text = notebook.stdout("using-still-alive");
    assert(figure(text, "one cell later, bytes held:") >= size, text);
    assertEquals(figure(text, "after dispose\\(\\), bytes held:"), 0);
  });

  it("moves without changing the address", () => {
    const text = notebook.stdout("move");
    assertEquals(address(text, "address before:"), address(text, "address after:"));
    assertEquals(figure(text, "length of the earlier view:"), 0);
    assertEquals(figure(text, "length of the adopted buffer:"), size);
  });

  it("copies to another address", async () => {
    const text = notebook.stdout("copy");
    const view = address(text, "address of the view:");
    const copy = address(text, "address of the copy:");
    assert(Math.abs(view - copy) >= size, `copy and view overlap:\n${text}`);
    const first = (await Deno.readFile(FLIGHTS))[0];
    assert(first !== 0);
    assertStringIncludes(text, `first byte of view and copy: ${first} 0`);
    assertEquals(figure(text, "after the block, length of the copy:"), size);
  });

  it("transfers to a Worker at the same address", async () => {
    const text = notebook.stdout("worker");
    const here = address(text, "here before, address:");
    assertEquals(here, address(text, "in the Worker, address:"));
    assertEquals(here, address(notebook.stdout("move"), "address after:"));
    const sum = (await Deno.readFile(FLIGHTS)).reduce((sum, byte) => sum + byte, 0);
    assertEquals(figure(text, "in the Worker, sum of all bytes:"), sum);
    assertEquals(figure(text, "here after, length:"), 0);
  });

  it("frees the memory when the Worker ends", () => {
    assertEquals(figure(notebook.stdout("worker-end"), "bytes held:"), 0);
  });

  it("refuses a buffer that was disposed or adopted, and says which", () => {
    const [disposed, adopted] = notebook.stdout("after-dispose").trim().split("\n");
    assertStringIncludes(disposed ?? "", "InvalidInputError");
    assertStringIncludes(disposed ?? "", "disposed");
    assertStringIncludes(adopted ?? "", "InvalidInputError");
    assertStringIncludes(adopted ?? "", "adopt");
  });
});
