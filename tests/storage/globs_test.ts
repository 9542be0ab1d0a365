// Globs: which names match, what narrows a listing, and that no pattern takes for ever.

import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { InvalidInputError, list } from "dipper";
import { Glob } from "../../storage/glob.ts";

function matching(pattern: string, names: readonly string[]): string[] {
  const glob = new Glob(pattern, "list");
  for (const name of names.filter((name) => glob.matches(name))) {
    assert(name.startsWith(glob.literalPrefix), `${pattern}: ${name}`);
  }
  return names.filter((name) => glob.matches(name));
}

const NAMES = [
  "a",
  "a.csv",
  "b.parquet",
  ".hidden",
  "x/a.csv",
  "x/y/a.csv",
  "x/y/z/b.csv",
  "x/",
  "2026/01/part-1.csv",
  "2026/11/part-10.csv",
  "wei[rd]*?",
  "ü🚰",
];

describe("a glob", () => {
  const cases: Record<string, string[]> = {
    "": [],
    "*": ["a", "a.csv", "b.parquet", ".hidden", "wei[rd]*?", "ü🚰"],
    "*.csv": ["a.csv"],
    "*/*.csv": ["x/a.csv"],
    "**": NAMES,
    "**/*.csv": [
      "a.csv",
      "x/a.csv",
      "x/y/a.csv",
      "x/y/z/b.csv",
      "2026/01/part-1.csv",
      "2026/11/part-10.csv",
    ],
    "x/**": ["x/a.csv", "x/y/a.csv", "x/y/z/b.csv", "x/"],
    "x/**/a.csv": ["x/a.csv", "x/y/a.csv"],
    "x/**/y/**/*.csv": ["x/y/a.csv", "x/y/z/b.csv"],
    "**/z/*": ["x/y/z/b.csv"],
    "**/": ["x/"],
    "x**": [],
    "x**a.csv": [],
    "a**": ["a", "a.csv"],
    "?": ["a"],
    "??": ["ü🚰"],
    "[ab]*": ["a", "a.csv", "b.parquet"],
    "[!a-z]*": [".hidden", "ü🚰"],
    "[^a-z.]*": ["ü🚰"],
    "{a,b}.{csv,parquet}": ["a.csv", "b.parquet"],
    "{a,{x/y,x}/a}.csv": ["a.csv", "x/a.csv", "x/y/a.csv"],
    "{,.}a": ["a"],
    "2026/{01,11}/part-?.csv": ["2026/01/part-1.csv"],
    "2026/*/part-[0-9][0-9].csv": ["2026/11/part-10.csv"],
    "wei\\[rd\\]\\*\\?": ["wei[rd]*?"],
    "wei[[]rd[]][*][?]": ["wei[rd]*?"],
    "[ü-ý]🚰": ["ü🚰"],
    "ü[🚰🚱]": ["ü🚰"],
    "nothing": [],
  };
  for (const [pattern, expected] of Object.entries(cases)) {
    it(`${JSON.stringify(pattern)} matches what it should`, () => {
      assertEquals(matching(pattern, NAMES), expected);
    });
  }

  it("narrows a listing to what its names start with", () => {
    for (
      const [pattern, prefix] of [
        ["logs/2026-*/x", "logs/2026-"],
        ["**/x", ""],
        ["a\\*b*", "a*b"],
        ["{part-1,part-2}/*", "part-"],
        ["{a,b}", ""],
        ["exact/key", "exact/key"],
        ["a[bc]", "a"],
        ["{🚰,🚱}x", ""],
      ] as const
    ) assertEquals(new Glob(pattern, "list").literalPrefix, prefix, pattern);
  });

  it("that is misspelt is refused before anything is sent", () => {
    for (const glob of ["{a", "a[", "a\\", "[z-a]", "{a,{b}", "[!", "[]", "x".repeat(5000)]) {
      const error = assertThrows(
        () => list("s3://bucket/", { glob }),
        InvalidInputError,
        "the glob",
      );
      assertEquals(error.code, "InvalidInput");
      assertStringIncludes(error.message, "; ");
    }
    const many = "{a,b}".repeat(12);
    assertThrows(() => list("s3://bucket/", { glob: many }), InvalidInputError, "1000 patterns");
    assertThrows(
      () => list("s3://bucket/", { glob: 1 as never }),
      InvalidInputError,
      "glob is not",
    );
  });

  it("of many stars takes no time on a hostile key", () => {
    const key = "a".repeat(1024);
    const deep = "a/".repeat(512);
    const started = performance.now();
    for (const name of [key, deep]) {
      assert(!new Glob(`${"*a".repeat(100)}*b`, "list").matches(name));
      assert(!new Glob(`${"**/*a".repeat(50)}/b`, "list").matches(name));
      assert(!new Glob(`${"**/a*/".repeat(50)}b`, "list").matches(name));
    }
    // A regular expression would need longer than the universe is old.
    assert(performance.now() - started < 5000);
  });

  it("does as a slow and simple matcher does", () => {
    // Deterministic, so that a failure can be repeated.
    let seed = 7;
    const random = (below: number) => {
      seed = Math.imul(seed ^ seed >>> 15, 0x2c1b3c6d) + 0x6d2b79f5 >>> 0;
      return (seed >>> 8) % below;
    };
    const pick = (from: readonly string[]) => from[random(from.length)]!;
    const atoms = ["a", "b", "*", "?", "/", "**/", "/**", "[ab]", "a/"];
    let matched = 0;
    for (let round = 0; round < 20_000; round++) {
      const pattern = Array.from({ length: 1 + random(6) }, () => pick(atoms)).join("");
      const name = Array.from({ length: random(8) }, () => pick(["a", "b", "/", "a/"])).join("");
      const expected = slowly(pattern).test(name);
      assertEquals(new Glob(pattern, "list").matches(name), expected, `${pattern} on ${name}`);
      if (expected) matched++;
    }
    assert(matched > 500, String(matched));
  });
});

/** The same meaning as a regular expression, for short names. */
function slowly(pattern: string): RegExp {
  let source = "";
  for (let at = 0; at < pattern.length;) {
    const startsFolder = at === 0 || pattern[at - 1] === "/";
    if (startsFolder && pattern.startsWith("**/", at)) {
      source += "(?:[^/]*/)*";
      at += 3;
    } else if (startsFolder && pattern.slice(at) === "**") {
      source += ".*";
      at += 2;
    } else if (pattern[at] === "*") {
      source += "[^/]*";
      at++;
    } else if (pattern[at] === "?") {
      source += "[^/]";
      at++;
    } else if (pattern.startsWith("[ab]", at)) {
      source += "[ab]";
      at += 4;
    } else {
      source += pattern[at];
      at++;
    }
  }
  return new RegExp(`^${source}$`, "s");
}
