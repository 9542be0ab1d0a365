/**
 * Executes the notebook on tables in the real kernel, and compares what it shows with the same file
 * as another reader has it.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { beforeAll, describe, it } from "@std/testing/bdd";
import { join } from "node:path";
import { sampleDirectory } from "sample_data";
import { executeNotebook, figure, type Notebook, python, repository } from "./executed_notebook.ts";

interface Known {
  rows: number;
  groups: number;
  mean: number;
  /** How many flights of two airports were more than 300 minutes late. */
  late: number;
  longest: number;
}

/** What pyarrow finds in the file. */
async function byPyarrow(): Promise<Known> {
  const { success, stdout } = await new Deno.Command(python!, {
    args: [
      "-c",
      `
import json, sys, pyarrow.compute, pyarrow.parquet
file = pyarrow.parquet.ParquetFile(sys.argv[1])
table = file.read(["delay", "distance", "origin"])
delay = table["delay"]
late = (pyarrow.compute.field("delay") > 300) & pyarrow.compute.field("origin").isin(["ORD", "ATL"])
print(json.dumps({
    "rows": len(delay),
    "groups": file.num_row_groups,
    "mean": pyarrow.compute.mean(delay).as_py(),
    "late": len(table.filter(late)),
    "longest": pyarrow.compute.max(table["distance"]).as_py(),
}))
`,
      join(sampleDirectory(), "flights-3m.parquet"),
    ],
  }).output();
  assert(success, "pyarrow reads it");
  return JSON.parse(new TextDecoder().decode(stdout));
}

describe("05_tables.ipynb in the kernel", { ignore: python === undefined }, () => {
  let notebook: Notebook;
  let known: Awaited<ReturnType<typeof byPyarrow>>;
  beforeAll(async () => {
    notebook = await executeNotebook(join(repository, "notebooks", "05_tables.ipynb"));
    known = await byPyarrow();
  });

  it("shows three million rows", () => {
    assertMatch(notebook.stdout("table"), /^3,000,000 rows in \d+ ms\n/);
    const text = notebook.displayed("table", "text/plain");
    assertStringIncludes(text, "3,000,000 rows × 5 columns");
    assertMatch(text, /^ {2}delay +int64 +0 +-\d+ +\d+ /m);
    const html = notebook.displayed("table", "text/html");
    assertStringIncludes(html, "dipper-spread");
  });

  it("reads the chunks of two columns and little more", () => {
    const text = notebook.stdout("columns");
    const read = figure(text, "bytes that were read:");
    assert(read > 1e6 && read < figure(text, "bytes of the file:") * 0.6, text);
  });

  it("sums what pyarrow sums, and makes no copy", () => {
    const text = notebook.stdout("sum");
    assertStringIncludes(text, `batches: ${known.groups} Float64Array`);
    assertStringIncludes(text, `mean delay in minutes: ${known.mean.toFixed(2)}\n`);
    assertEquals(figure(text, "bytes that Rust made meanwhile:"), 0);
  });

  it("chooses rows, writes them, and reads the files as one", () => {
    const text = notebook.displayed("where", "text/plain");
    assertStringIncludes(text, `Table: ${known.late} rows × 3 columns`);
    assertMatch(notebook.displayed("write", "text/plain"), /late\/origin=ORD\/part-0\.parquet/);
    assertStringIncludes(notebook.stdout("many"), 'true [ "delay", "destination", "origin" ]');
  });

  it("goes through all batches", () => {
    const text = notebook.stdout("batches");
    assertEquals(figure(text, "rows:"), known.rows);
    assertEquals(figure(text, "longest flight in miles:"), known.longest);
  });

  it("draws a column", () => {
    assertStringIncludes(notebook.displayed("plot", "text/html"), "<svg");
  });
});
