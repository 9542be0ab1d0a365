/** CSV, TSV, NDJSON and JSON as pyarrow and polars write them, and what is none of them. */

import { DipperError, IntegrityError, InvalidInputError } from "dipper";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { assertSameTable, python, WrittenFiles } from "./written_files.ts";

describe("CSV", { ignore: python === undefined }, () => {
  let files: WrittenFiles;
  beforeAll(async () => {
    files = await WrittenFiles.of("csv");
  });
  afterAll(() => files?.[Symbol.asyncDispose]());

  const table = (name: string, options = {}) => files.client.file(files.uri(name)).table(options);
  const given = async (text: string, options = {}, name = "given.csv") => {
    await files.client.file(files.uri(name)).write(text);
    return await table(name, options);
  };

  for (
    const name of [
      ...["pyarrow.csv", "polars.csv", "tabs.tsv", "bom.csv", "crlf.csv"],
      ...["polars.csv.gz", "polars.csv.bz2", "polars.csv.xz", "polars.csv.zst"],
    ]
  ) {
    it(`reads ${name}, value by value`, async () => {
      assertSameTable(await table(name), await files.expected("expected.arrows"));
    });
  }

  it("reads nulls in quotes, value by value, where it is told so", async () => {
    const expected = await files.expected("expected.arrows");
    assertSameTable(await table("quoted.csv", { nullValues: [""] }), expected);
    // What is no text has no empty one.
    const columns = expected.names.filter((name) => name !== "text");
    assertSameTable(await table("quoted.csv", { columns }), expected.select(columns));
  });

  it("tells empty texts from nulls", async () => {
    const read = await given('a,b,c\n"",x,""\n,"",1\n"""","",\n');
    assertEquals(read.toArray(), [
      { a: "", b: "x", c: null },
      { a: null, b: "", c: 1 },
      { a: '"', b: "", c: null },
    ]);
    const some = await given("a;b\n'';2\n;''\n# '';''\n'\n';3\n", {
      ...{ delimiter: ";", quote: "'", comment: "#", columns: ["b", "a"] },
      types: { b: "dictionary" },
    });
    assertEquals(some.toArray(), [{ b: "2", a: "" }, { b: "", a: null }, { b: "3", a: "\n" }]);
    const unquoted = await given('a,b\n"",1\n', { quote: "" });
    assertEquals(unquoted.toArray(), [{ a: '""', b: 1 }]);
  });

  it("reads what is longer than it looks at, in order", async () => {
    assertSameTable(await table("long.csv"), await files.expected("long.arrows"));
  });

  it("takes a dialect", async () => {
    const expected = await files.expected("expected.arrows");
    assertSameTable(await table("nulls.csv", { nullValues: ["NA"] }), expected);
    const options = {
      format: "csv",
      delimiter: ";",
      quote: "'",
      header: false,
      columnNames: expected.names,
    };
    assertSameTable(await table("semicolons.txt", options), expected);
    const latin = await table("latin.csv", { encoding: "latin1" });
    assertEquals([...latin.getChild("name")], ["Köln"]);
    await assertRejects(() => table("latin.csv"), InvalidInputError, "UTF-8");
    const odd = await given("made by hand\n# not this\na|b\n1|'x'\n", {
      delimiter: "|",
      quote: "'",
      comment: "#",
      skipLines: 1,
    });
    assertEquals([odd.names, [...odd]], [["a", "b"], [{ a: 1, b: "x" }]]);
    const escaped = await given('a,b\n"x\\"y",1\n', { escape: "\\" });
    assertEquals([...escaped], [{ a: 'x"y', b: 1 }]);
    const unquoted = await given('a,b\n"x,1\n', { quote: "" });
    assertEquals([...unquoted], [{ a: '"x', b: 1 }]);
    await assertRejects(() => given("a\n1\n", { delimiter: "::" }), InvalidInputError, "delimiter");
  });

  it("reads the columns and rows that are wanted, and given types", async () => {
    const some = await table("polars.csv", { columns: ["text", "int"], limit: 7 });
    assertEquals([some.names, some.numRows], [["text", "int"], 7]);
    const typed = await given("a,b\n1,2\n", { types: { a: "string", b: "float32" } });
    assertEquals([...typed], [{ a: "1", b: 2 }]);
    assert(typed.getChild("b").data[0]!.values instanceof Float32Array);
    await assertRejects(() => given("a\n1\n", { types: { b: "int8" } }), InvalidInputError, '"b"');
    await assertRejects(() => given("a\n1\n", { types: { a: "odd" } }), InvalidInputError, "odd");
    await assertRejects(() => given("a\n1\n", { columns: ["b"] }), InvalidInputError, '"b"');
  });

  it("refuses a value that does not fit, by its line and column", async () => {
    const lines = Array.from({ length: 1000 }, (_, row) => `${row},x`);
    lines[900] = "none,x";
    const text = `a,b\n${lines.join("\n")}\n`;
    assertEquals((await given(text)).getChild("a").at(900), "none");
    const error = await assertRejects(
      // The first piece is always looked at, so the value must lie behind it: 3 MiB at most.
      () => given("a,b\n" + "1,x\n".repeat(1_000_000) + "none,x\n", { inferBytes: 1 }),
      IntegrityError,
      "none",
    );
    assertStringIncludes(error.message, "1000002");
    assertStringIncludes(error.hint ?? "", "types");
    await assertRejects(() => given("a,b\n1\n"), IntegrityError, "line 2");
    await assertRejects(() => given("a,b\n1,2,3\n"), IntegrityError, "line 2");
  });

  it("reads what is empty, and names without a name", async () => {
    assertEquals((await given("")).names, []);
    assertEquals((await given("a,b\n")).names, ["a", "b"]);
    assertEquals((await given("a,b\n")).numRows, 0);
    assertEquals((await given("a,,a\n1,2,3")).names, ["a", "column_2", "a_2"]);
    const wide = Array.from({ length: 10_000 }, (_, column) => `c${column}`).join(",");
    assertEquals((await given(`${wide}\n${wide}\n`)).getChild("c9999").at(0), "c9999");
  });
});

describe("NDJSON and JSON", { ignore: python === undefined }, () => {
  let files: WrittenFiles;
  beforeAll(async () => {
    files = await WrittenFiles.of("ndjson");
  });
  afterAll(() => files?.[Symbol.asyncDispose]());

  const table = (name: string, options = {}) => files.client.file(files.uri(name)).table(options);
  const given = async (text: string, options = {}, name = "given.ndjson") => {
    await files.client.file(files.uri(name)).write(text);
    return await table(name, options);
  };

  for (
    const name of [
      ...["polars.ndjson", "polars.jsonl.gz", "array.json", "pretty.json", "lines.json"],
      "array.ndjson",
    ]
  ) {
    it(`reads ${name}, value by value`, async () => {
      assertSameTable(await table(name), await files.expected("expected.arrows"));
    });
  }

  it("reads what is longer than it looks at, in order", async () => {
    const expected = await files.expected("long.arrows");
    assertSameTable(await table("long.ndjson"), expected);
    assertSameTable(await table("long.json"), expected);
  });

  it("reads the columns and rows that are wanted, and given types", async () => {
    const some = await table("polars.ndjson", { columns: ["object", "int"], limit: 7 });
    assertEquals([some.names, some.numRows], [["object", "int"], 7]);
    const typed = await given('{"a": 1, "b": 2}', { types: { a: "string", b: "float32" } });
    assertEquals([...typed], [{ a: "1", b: 2 }]);
  });

  it("refuses what has no type, what comes late, and what breaks off", async () => {
    const mixed = '{"a": 1, "b": 1}\n{"a": {"x": 1}, "b": 2}\n';
    await assertRejects(() => given(mixed), DipperError, '"a" holds objects');
    assertEquals([...(await given(mixed, { columns: ["b"] }))], [{ b: 1 }, { b: 2 }]);
    const many = '{"a": 1}\n'.repeat(300_000);
    const late = await assertRejects(
      () => given(`${many}{"a": 2, "new": 3}\n`, { inferBytes: 1 }),
      IntegrityError,
      "new",
    );
    assertStringIncludes(late.hint ?? "", "inferBytes");
    await assertRejects(() => given(`${many}{"a": "x"}\n`, { inferBytes: 1 }), IntegrityError);
    for (const text of ['{"a": 1}\n{"a"', "[1, 2]", "1\n2\n", '{"a": 1}}', "nonsense"]) {
      await assertRejects(() => given(text), IntegrityError, "JSON");
    }
    for (const text of ['[{"a": 1}', '[{"a": 1}] 2', '[{"a": 1}}']) {
      await assertRejects(() => given(text, {}, "given.json"), IntegrityError, "JSON");
    }
    assertEquals((await given("")).names, []);
    assertEquals((await given("[]", {}, "given.json")).names, []);
  });
});
