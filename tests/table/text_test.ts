/** CSV, TSV, NDJSON and JSON as pyarrow and polars write them, and what is none of them. */

import { DipperError, IntegrityError, InvalidInputError } from "dipper";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import * as flechette from "@uwdata/flechette";
import { typeText } from "../../table/type_text.ts";
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

  it("refuses quotes that never close, by their line and byte", async () => {
    for (const rows of ['1,"x\n2,y\n', '1,"x', '1,"', '1,"x""']) {
      const error = await assertRejects(() => given(`a,b\n${rows}`), IntegrityError);
      assertStringIncludes(error.message, "line 2, byte 6 of the text");
      assertStringIncludes(error.hint ?? "", "quote");
    }
    await assertRejects(() => given('a,"b'), IntegrityError, "line 1, byte 2");
    // Behind what is looked at.
    const long = "a,b\n" + '1,"x\ny"\n'.repeat(400_000);
    const late = await assertRejects(() => given(`${long}2,"z\n`), IntegrityError);
    assertStringIncludes(late.message, `line 800002, byte ${long.length + 2} of the text`);
    assertEquals((await given(long)).numRows, 400_000);
    // What is left out may have any.
    assertEquals([...(await given('"made by hand\na\n"x"', { skipLines: 1 }))], [{ a: "x" }]);
  });

  it("loses no digit of an integer", async () => {
    const type = async (...values: string[]) => {
      const column = (await given(`a\n${values.join("\n")}\n`, { useBigInt: true })).getChildAt(0)!;
      return [typeText(flechette, column.type), ...column];
    };
    const [small, most, beyond] = [2n ** 53n + 1n, 2n ** 64n - 1n, 2n ** 64n];
    assertEquals(await type(`+${small}`, `-${small}`), ["int64", small, -small]);
    assertEquals(await type(` ${small}`, `${small} `), ["int64", small, small]);
    assertEquals(await type("1", `${most}`), ["uint64", 1n, most]);
    assertEquals(await type("-1", `${most}`), ["utf8", "-1", `${most}`]);
    assertEquals(await type("1", `${beyond}`), ["utf8", "1", `${beyond}`]);
    // Beside fractions all are doubles.
    assertEquals(await type("0.5", `${beyond}`), ["float64", 0.5, 2 ** 64]);
    const floats = await given(`a\n1\n${most}\n`, { types: { a: "float64" } });
    assertEquals([...floats.getChildAt(0)!], [1, 2 ** 64]);
  });

  it("reads times that no 64 bits of nanoseconds hold", async () => {
    const times = ["1600-02-29T00:00:00", "2024-02-29 12:30:00.123456", "9999-12-31 23:59:59Z"];
    const column = async (...values: string[]) => {
      const read = (await given(`a\n${values.join("\n")}\n`)).getChildAt(0)!;
      return [typeText(flechette, read.type), ...read];
    };
    const [old, now, last] = times.map((time) => Date.parse(time.replace(/Z?$/, "Z")));
    assertEquals(await column(times[0]!, times[1]!), ["timestamp[us]", old, now! + 0.456]);
    assertEquals(await column(times[2]!), ["timestamp[ms, +00:00]", last]);
    assertEquals((await column(times[0]!, `${times[1]}789`))[0], "utf8");
    assertEquals((await column(`${times[1]}7891`))[0], "utf8");
  });

  it("reads times without seconds, with quotes or without", async () => {
    const text = "a,b\n2024-02-29T12:30,x\n,y\n1600-02-29 23:59,z\n2024-03-01,\n";
    const times = ["2024-02-29T12:30Z", "", "1600-02-29T23:59Z", "2024-03-01"];
    const wanted = times.map((time) => time === "" ? null : Date.parse(time));
    for (const written of [text, text.replace("x", '"x"'), text.replaceAll(/[^,\n]+/g, '"$&"')]) {
      const read = (await given(written)).getChild("a");
      assertEquals([typeText(flechette, read.type), ...read], ["timestamp[ms]", ...wanted]);
    }
    const zoned = (await given('a,b\n2024-02-29T12:30+02:00,"1"\n')).getChild("a");
    assertEquals(zoned.at(0), Date.parse("2024-02-29T10:30Z"));
    const error = await assertRejects(
      () => given(`a,b\n${'2024-02-29T12:30,"x"\n'.repeat(200_000)}soon,x\n`, { inferBytes: 1 }),
      IntegrityError,
      "soon",
    );
    assertStringIncludes(error.message, "200002");
  });

  it("refuses options that its format does not have", async () => {
    const path = "given.ndjson";
    await files.client.file(files.uri(path)).write('{"a":1}\n');
    const wrong: [Record<string, unknown>, string][] = [
      [{ delimiter: ";" }, "delimiter is an option of CSV, and this file is read as ndjson"],
      [{ nullValues: ["NA"] }, "nullValues"],
      [{ columnNames: ["b"] }, "columnNames"],
    ];
    for (const [options, told] of wrong) {
      await assertRejects(() => table(path, options), InvalidInputError, told);
    }
    const parquet = files.client.file(files.uri("given.parquet"));
    await files.client.writeTable(parquet.uri, { a: [1, 2] });
    for (const name of ["delimiter", "quote", "escape", "comment"]) {
      await assertRejects(() => parquet.table({ [name]: ";" }), InvalidInputError, name);
    }
    for (
      const options of [
        { header: false },
        { skipLines: 1 },
        { types: { a: "string" } },
        { inferBytes: 1 },
        { encoding: "latin1" },
        { compression: "gzip" } as const,
      ]
    ) {
      await assertRejects(() => parquet.table(options), InvalidInputError, Object.keys(options)[0]);
    }
    assertEquals((await parquet.table({ skipLines: 0, nullValues: [] })).numRows, 2);
    // In a table of several formats it is meant for those that have it.
    await files.client.file(files.uri("given.csv")).write("a;b\n3;x\n");
    const both = ["given.csv", "given.parquet"].map((name) => files.uri(name));
    const read = await files.client.table(both, { delimiter: ";" });
    assertEquals([...read.getChild("a")!], [3, 1, 2]);
    await assertRejects(
      () => files.client.table([files.uri(path), both[1]!], { delimiter: ";" }),
      InvalidInputError,
      "none of these files",
    );
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

  it("loses no digit of an integer", async () => {
    const type = async (...values: string[]) => {
      const lines = values.map((value) => `{"a":${value},"b":{"c":[${value}]}}\n`);
      const read = await given(lines.join(""), { useBigInt: true });
      const [column, within] = [read.getChildAt(0)!, read.getChildAt(1)!];
      const name = typeText(flechette, column.type);
      assertEquals(typeText(flechette, within.type), `struct<c: list<${name}>>`);
      // deno-lint-ignore no-explicit-any -- a row of a struct
      assertEquals([...within].map((row: any) => row.c[0]), [...column]);
      return [name, ...column];
    };
    const [small, most, beyond] = [2n ** 53n + 1n, 2n ** 64n - 1n, 2n ** 64n];
    assertEquals(await type(`${small}`, `-${small}`, "-0"), ["int64", small, -small, 0n]);
    assertEquals(await type("1", `${most}`), ["uint64", 1n, most]);
    assertEquals(await type("-1", `${most}`), ["utf8", "-1", `${most}`]);
    assertEquals(await type("1", `${beyond}`), ["utf8", "1", `${beyond}`]);
    // Beside fractions all are doubles. JavaScript writes 1e20 without an exponent.
    assertEquals(await type("0.5", `${beyond}`), ["float64", 0.5, 2 ** 64]);
    assertEquals(await type("0.5", `${BigInt(1e20)}`), ["float64", 0.5, 1e20]);
  });

  it("does not cut fractions off where integers were", async () => {
    const many = '{"a": 1, "b": [1]}\n'.repeat(200_000);
    for (const [late, name] of [['{"a": 1.5}', '"a"'], ['{"b": [1, 2.5]}', '"b"[]']] as const) {
      const error = await assertRejects(
        () => given(`${many}${late}\n`, { inferBytes: 1 }),
        IntegrityError,
        `the column ${name} is of integers`,
      );
      assertStringIncludes(error.message, "at line 200001");
      assertStringIncludes(error.hint ?? "", "inferBytes");
    }
    await assertRejects(() => given('{"a": 1.5}', { types: { a: "int32" } }), IntegrityError);
    const whole = await given('{"a": 1.0}\n{"a": 2e2}', { types: { a: "int32" } });
    assertEquals([...whole], [{ a: 1 }, { a: 200 }]);
  });

  it("refuses what is nearly JSON, however late it comes", async () => {
    const wrong = [
      ...['{"a": 1,}', '{"a": 1 "b": 2}', '{, "a": 1}', '{"a": 1,, "b": 2}', '{"a": 007}'],
      ...['{"a": 1.}', '{"a": -}', '{"a": .5}', '{"a": +1}', '{"a": 1e}', '{"a": 0x1}', "{a: 1}"],
      ...['{"a": NaN}', '{"a": 1e400}', '{"b": 1e400}', "{'a': 1}", '{"a": 1} x', '{"a": tru}'],
      ...['{"c": "\\x"}', '{"c": "\\ud800"}', '{"a": 1}}', '{"c": "x}', "null", "1", '"x"'],
      ...[`{"d": ${"[".repeat(10_000)}${"]".repeat(10_000)}}`],
    ];
    const many = '{"a": 1, "b": 0.5, "c": "x"}\n'.repeat(100_000);
    const first = '{"a": 1, "b": 0.5, "c": "x"}\n';
    for (const line of wrong) {
      for (const columns of [undefined, ["a", "b", "c"]]) {
        const options = { inferBytes: 1, ...(columns && { columns }) };
        for (const front of [first, many]) {
          await assertRejects(
            () => given(`${front}${line}\n`, options),
            IntegrityError,
            "JSON",
            line,
          );
        }
      }
    }
    const arrays: [string, string][] = [
      ['[{"a":1},]', "its array ends with a comma, at line 1, byte 9 of the text"],
      ['[{"a":1},,{"a":2}]', "a comma is behind no record, at line 1, byte 9 of the text"],
      ['[,{"a":1}]', "a comma is behind no record, at line 1, byte 1 of the text"],
      ['[{"a":1}\n{"a":2}]', "a comma is missing, at line 2, byte 9 of the text"],
      ['[{"a":1}] x', "behind the end of its array, at line 1, byte 10 of the text"],
    ];
    for (const [text, told] of arrays) {
      for (const name of ["given.json", "given.ndjson"]) {
        await assertRejects(() => given(text, {}, name), IntegrityError, told);
      }
    }
  });

  it("takes what JSON allows", async () => {
    assertEquals([...(await given('\ufeff{"a":1}\r\n\n {"a":2}\n'))], [{ a: 1 }, { a: 2 }]);
    // Of a name that is there twice the last one counts, as in JavaScript.
    assertEquals([...(await given('{"a":1,"a":"x"}\n'))], [{ a: "x" }]);
    assertEquals([...(await given('{"\\u0061":"\\ud83e\\udda2"}'))], [{ a: "\u{1f9a2}" }]);
  });
});
