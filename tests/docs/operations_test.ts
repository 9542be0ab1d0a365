// docs/operations.md: what it says of dipper is shown by a test that is there and names the
// operation, and what it says of others has a source.

import { assert } from "@std/assert";

const page = new URL("../../docs/operations.md", import.meta.url);
const text = await Deno.readTextFile(page);

/** The rows of the table of operations: cells without the bars. */
const rows = text.split("\n").filter((line) => line.startsWith("| ")).map((line) =>
  line.split("|").slice(1, -1).map((cell) => cell.trim())
).filter((cells) => cells.length === 6 && !/^-+$|^operation$/.test(cells[0] ?? ""));

Deno.test("the table of operations has rows", () => assert(rows.length > 20, `${rows.length}`));

for (const [operation = "", dipper = "", ...peers] of rows) {
  Deno.test(`operations: ${operation}`, async () => {
    const links = [...dipper.matchAll(/\[`?([^`\]]+)`?\]\(([^)]+)\)/g)];
    assert(links.length > 0, `nothing shows that dipper does it: ${dipper}`);
    for (const [, name = "", path = ""] of links) {
      const test = await Deno.readTextFile(new URL(path, page));
      assert(test.includes(name), `${path} does not mention ${name}`);
    }
    for (const cell of peers) {
      assert(/^(yes|no|part|another)\b/.test(cell), `says neither yes nor no: ${cell}`);
      const sources = [...cell.matchAll(/\[([a-z0-9-]+)\]/g)].map(([, name]) => name);
      assert(sources.length > 0, `has no source: ${cell}`);
      for (const name of sources) {
        assert(text.includes(`\n[${name}]: https://`), `the source ${name} is not listed`);
      }
    }
  });
}
