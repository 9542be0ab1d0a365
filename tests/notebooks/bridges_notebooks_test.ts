/**
 * Executes the notebooks on bridges and streams in the real kernel, and compares what they count
 * with what must be: a bridge copies nothing, its twin a whole batch, and both come to the result
 * that a plain loop has. Times are this machine's business and are not compared.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { beforeAll, describe, it } from "@std/testing/bdd";
import { join } from "node:path";
import { fnv1a64 as fnv1a } from "../bridges/fnv1a.ts";
import {
  address,
  executeNotebook,
  figure,
  type Notebook,
  python,
  repository,
} from "./executed_notebook.ts";

const SIZE = 5_000_000;
/** What a view, a record or a few numbers take beside what is counted. */
const LITTLE = 4096;

/** The table of a cell's last value: as text, after a look at its markup. */
function costs(notebook: Notebook, id: string): string {
  const html = notebook.displayed(id, "text/html");
  assertStringIncludes(html, "<table");
  assertStringIncludes(html, "dipper-bar");
  return notebook.displayed(id, "text/plain");
}

/** What a row of a printed table says: its label, then its figures. */
function row(text: string, label: string): number[] {
  const line = text.split("\n").find((line) => line.startsWith(`${label}  `));
  assert(line !== undefined, `no row "${label}" in:\n${text}`);
  const figures = line.slice(label.length).trim().split(/ {2,}/)
    .map((figure) => Number(figure.replaceAll(",", "")));
  assertEquals(figures.length, 8, line);
  assert(figures.every((figure) => Number.isFinite(figure) && figure >= 0), line);
  return figures;
}

/** What a call makes, of a row: new buffers, bytes that Rust holds, and bytes on the heap. */
function made(text: string, label: string): { buffers: number; rust: number; heap: number } {
  const [median = NaN, slowest = NaN, buffers = NaN, rust = NaN, heap = NaN] = row(text, label);
  assert(median > 0 && slowest >= median, text);
  return { buffers, rust, heap };
}

function about(actual: number, expected: number, what: string): void {
  assert(Math.abs(actual - expected) <= expected / 10 + LITTLE, `${what}: ${actual}`);
}

describe("03_bridges.ipynb in the kernel", { ignore: python === undefined }, () => {
  let notebook: Notebook;
  const batch = new Uint8Array(SIZE).map((_, at) => at % 251);
  beforeAll(async () => {
    notebook = await executeNotebook(join(repository, "notebooks", "03_bridges.ipynb"));
  });

  it("0: sees an object where it is, and copies it elsewhere", () => {
    const text = notebook.stdout("object-copied");
    assertEquals(figure(text, "bytes of the object:"), SIZE);
    assert(figure(text, "copied by the bridge:") < LITTLE, text);
    about(figure(text, "copied by the twin:"), SIZE, "the twin");
    const rust = address(text, "address of the view:");
    assertEquals(address(text, "address after adopt\\(\\):"), rust);
    assert(Math.abs(address(text, "address of the twin:") - rust) >= SIZE, "they overlap");
    const cost = costs(notebook, "object-cost");
    assert(made(cost, "get, view()").rust >= SIZE, cost);
    const more = made(cost, "get, toBytes()").buffers;
    assert(more >= SIZE, cost);
  });

  it("1: sums bytes where they lie", () => {
    const text = notebook.stdout("bytes-copied");
    assert(figure(text, "copied by the bridge:") < LITTLE, text);
    about(figure(text, "copied by the twin:"), SIZE, "the twin");
    const sum = String(fnv1a(batch));
    assertStringIncludes(text, `sum of both: ${sum} ${sum}`);
    assertStringIncludes(text, `odd place: ${fnv1a(batch.subarray(3, 1003))}`);
    const cost = costs(notebook, "bytes-cost");
    assert(made(cost, "checksumBytes(batch)").buffers < LITTLE, cost);
    about(made(cost, "checksumBytes(batch.slice())").buffers, SIZE, "the twin");
  });

  it("2 and 3: changes numbers where they lie, and nothing beside them", () => {
    const doubles = notebook.stdout("numbers-copied");
    assertStringIncludes(doubles, "first, second and last number: 2 3 3");
    assertEquals(address(doubles, "address before:"), address(doubles, "address after:"));
    const singles = notebook.stdout("typed-copied");
    assertStringIncludes(singles, "first four numbers: 1 10 10 1");
    assertStringIncludes(singles, "in Rust's own memory: 42 42");
    assertStringIncludes(singles, "InvalidInputError");
    assertStringIncludes(singles, "scaleInplace()");
    for (const text of [doubles, singles]) {
      assert(figure(text, "copied by the bridge:") < LITTLE, text);
      about(figure(text, "on the way down:"), SIZE, "the twin");
    }
    const tables = [
      [costs(notebook, "numbers-cost"), "scaleInplace(x, 1.5)"],
      [costs(notebook, "typed-cost"), "scaleBuffer(pixels, 1.5)"],
    ] as const;
    for (const [text, label] of tables) {
      assert(made(text, label).buffers < LITTLE, text);
      about(made(text, "copied down and up").buffers, SIZE, "the twin");
    }
  });

  it("4: holds the vectors once, and answers with little", () => {
    const text = notebook.stdout("table-copied");
    const bytes = figure(text, "bytes of the vectors:");
    about(bytes, SIZE, "the vectors");
    const held = figure(text, "held by Rust for the table:");
    assert(held >= bytes && held < bytes + 16 * 2 ** 20, text);
    assertEquals(figure(text, "nearest to vector 7:"), 7);
    assert(figure(text, "new buffers of a question:") < LITTLE, text);
    assertEquals(figure(text, "held by Rust after it:"), held);
    assertStringIncludes(notebook.displayed("table-copied", "text/html"), "768");
    const cost = costs(notebook, "table-cost");
    assertEquals(made(cost, "topK").rust, 0);
    assert(made(cost, "all vectors with each question").rust >= bytes, cost);
  });

  it("5: reads lines in batches of a MiB at most", () => {
    const text = notebook.stdout("lines-copied");
    assertEquals(figure(text, "lines:"), SIZE / 100);
    assertEquals(figure(text, "bytes without their ends:"), SIZE / 100 * 99);
    assert(figure(text, "largest memory of a batch:") <= 2 ** 20, text);
    const cost = costs(notebook, "lines-cost");
    const bytes = made(cost, "lines(), batches of bytes").heap;
    assert(made(cost, "readTextFile(), split()").heap > bytes, cost);
    made(cost, "lines(), batches of strings");
  });

  it("lets one bridge work on what another brought", () => {
    const text = notebook.stdout("together");
    assertStringIncludes(text, "summed in Rust's memory: true");
    const first = fnv1a(new TextEncoder().encode("0".padStart(99, "0")));
    assertStringIncludes(text, `summed in its batch: ${first}`);
  });

  it("ends with a cell to edit", () => {
    const text = costs(notebook, "edit");
    assert(made(text, "borrowed").buffers < LITTLE, text);
    about(made(text, "copied").buffers, SIZE, "the twin");
  });
});

describe("04_streaming.ipynb in the kernel", { ignore: python === undefined }, () => {
  let notebook: Notebook;
  const lines = SIZE / 100;
  beforeAll(async () => {
    notebook = await executeNotebook(join(repository, "notebooks", "04_streaming.ipynb"));
  });

  it("reads every line", () => {
    assertEquals(figure(notebook.stdout("strings"), "sum of all ids:"), lines * (lines - 1) / 2);
    assertEquals(figure(notebook.stdout("compressed"), "lines in it:"), lines);
    assert(figure(notebook.stdout("compressed"), "size of the object:") < SIZE / 2);
  });

  it("measures four forms and two twins", () => {
    const text = costs(notebook, "forms");
    const forms = ["line by line", "batches of strings", "bytes, one by one", "batches of bytes"];
    for (const form of [...forms, "twin: text(), split()", "twin: Deno's streams"]) {
      made(text, form);
    }
    assert(made(text, "batches of bytes").heap < made(text, "twin: text(), split()").heap, text);
  });

  it("holds a window, whatever passes by", () => {
    const text = notebook.stdout("window");
    assertEquals(figure(text, "bytes that passed:"), 20 * lines * 99);
    // Batches that wait for the collector, and the window of the stream.
    assert(figure(text, "most that Rust held:") <= 80 * 2 ** 20, text);
  });

  it("sums lines where they lie", () => {
    const text = notebook.stdout("bytes");
    assertEquals(figure(text, "lines summed:"), lines);
    assert(figure(text, "memories they lie in:") < 100, text);
    let sums = 0n;
    const encoder = new TextEncoder();
    for (let at = 0; at < lines; at++) {
      sums ^= fnv1a(encoder.encode(`{"id":${at}`.padEnd(98, " ") + "}"));
    }
    assertStringIncludes(text, `all sums: ${sums.toString(16)}`);
  });

  it("scales messages where they lie", () => {
    const text = notebook.stdout("frames");
    assertEquals(figure(text, "messages:"), 4000);
    assertEquals(figure(text, "messages that moved:"), 0);
    assertEquals(figure(text, "last number of the last one:"), 2 * 3999);
  });

  it("slows an endless source down, and ends it", () => {
    const text = notebook.stdout("endless");
    assertEquals(figure(text, "lines read:"), 5);
    assertStringIncludes(text, "the reader closed the connection");
    // A window here, and what the system keeps of a connection.
    assert(figure(text, "stood still:") < 64 * 2 ** 20, text);
    assertEquals(figure(text, "operations under way:"), 0);
  });

  it("ends by a signal, with its reason", () => {
    const text = notebook.stdout("signal");
    assertStringIncludes(text, "Error: enough");
    assert(figure(text, "lines before it:") >= 1000, text);
  });

  it("ends with a cell to edit", () => {
    made(costs(notebook, "edit"), "lines()");
    made(costs(notebook, "edit"), "text(), split()");
  });
});
