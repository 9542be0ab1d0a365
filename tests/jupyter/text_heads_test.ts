// The readers of JSON and CSV heads: what they keep, and where they stop.

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { readRecords } from "../../jupyter/delimited_head.ts";
import { readJsonHead } from "../../jupyter/json_head.ts";
import { sampleDirectory } from "../../tools/sample_data.ts";

describe("readJsonHead", () => {
  it("accepts what JSON.parse accepts, and ends at its end", () => {
    for (
      const text of [
        "{}",
        "[]",
        '"\\u00e9\\n"',
        "-0.5e+10",
        "[true, false, null]",
        '{"a": {"b": [[], {}]}}',
        " [1 , 2 ] ",
      ]
    ) {
      JSON.parse(text);
      const padded = `${text} `;
      const { state, end } = readJsonHead(padded, 0);
      assertEquals(state, "whole", text);
      assertEquals(padded.slice(0, end).trim(), text.trim());
    }
  });

  it("refuses what JSON.parse refuses", () => {
    for (
      const text of ["{a: 1}", "[1,,2]", "[01]", "['x']", "[1 2]", '{"a" 1}', "[tru3]", "[1,]  x"]
    ) {
      let refused = false;
      try {
        JSON.parse(text);
      } catch {
        refused = true;
      }
      assert(refused, text);
      assertEquals(readJsonHead(text, 0).state, "invalid", text);
    }
  });

  it("calls every beginning of a document cut, never invalid", () => {
    const text = '{"key": ["a\\u00e9\\"b", -12.5e3, true, null, {"x": {}}], "z": "end"}';
    assertEquals(readJsonHead(text, 0).state, "whole");
    for (let length = 0; length < text.length; length++) {
      assertEquals(readJsonHead(text.slice(0, length), 0).state, "cut", text.slice(0, length));
    }
  });

  it("keeps large integers as they are written", () => {
    const { node } = readJsonHead('[9007199254740993, 1.10, "\\u0041"]', 0);
    assert(node?.type === "array");
    assertEquals(node.items.map((item) => item.source), ["9007199254740993", "1.10", '"\\u0041"']);
  });

  it("agrees with JSON.parse about a real file", () => {
    const text = Deno.readTextFileSync(`${sampleDirectory()}/cars.json`);
    const { node, state, end } = readJsonHead(text, 0);
    assertEquals(state, "whole");
    assertEquals(text.slice(end).trim(), "");
    assert(node?.type === "array");
    const parsed = JSON.parse(text);
    assertEquals(node.count, parsed.length);
    for (const [index, item] of node.items.entries()) {
      assertEquals(JSON.parse(item.source), parsed[index]);
    }
  });

  it("ends at a nesting no stack could follow", () => {
    assertEquals(readJsonHead("[".repeat(60_000), 0).state, "cut");
  });
});

describe("readRecords", () => {
  it("splits fields, quotes and line ends as RFC 4180 says", () => {
    const text = 'a,b,c\r\n1,"two, too","say ""hi"""\r\n"line\nbreak",,last\n';
    assertEquals(readRecords(text, ",", 10, true), [
      ["a", "b", "c"],
      ["1", "two, too", 'say "hi"'],
      ["line\nbreak", "", "last"],
    ]);
  });

  it("keeps a last record without a line break only when the text is complete", () => {
    assertEquals(readRecords("a,b\n1,2", ",", 10, true), [["a", "b"], ["1", "2"]]);
    assertEquals(readRecords("a,b\n1,2", ",", 10, false), [["a", "b"]]);
  });

  it("keeps an empty last field, skips a byte order mark and obeys the limit", () => {
    assertEquals(readRecords("\ufeffa,b\n1,", ",", 10, true), [["a", "b"], ["1", ""]]);
    assertEquals(readRecords("a,b\n1,2\n3,4\n", ",", 2, true), [["a", "b"], ["1", "2"]]);
  });

  it("keeps what follows a closing quote", () => {
    assertEquals(readRecords('"a"x,b\n', ",", 10, true), [["ax", "b"]]);
  });

  it("leaves out a record whose quote never closes", () => {
    assertEquals(readRecords('a,b\n"x,2\n3,4\n', ",", 10, false), [["a", "b"]]);
  });
});
