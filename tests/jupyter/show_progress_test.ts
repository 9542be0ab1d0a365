/** How progress reads: its facts, its width, its escaping. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type ProgressLike, progressLine, showProgress } from "../../jupyter/show_progress.ts";
import { columnsOf } from "../../jupyter/visible_text.ts";

const HALF: ProgressLike = {
  operation: "bytes",
  subject: "s3://bucket/folder/object.parquet",
  bytes: 50 * 1024 * 1024,
  total: 100 * 1024 * 1024,
  milliseconds: 2000,
};

Deno.test("a bar tells how much, how fast and how long", () => {
  assertEquals(
    progressLine(HALF, 140),
    "bytes s3://bucket/folder/object.parquet  [##########----------]  50 %  " +
      "50.0 MiB of 100.0 MiB  25.0 MiB/s  2.0 s left",
  );
});

Deno.test("a tree tells its objects too, and a finished call what was done", () => {
  const tree = { ...HALF, operation: "download", files: 3, totalFiles: 2000 };
  assertStringIncludes(progressLine(tree, 200), "3 of 2,000 objects");
  assertEquals(
    progressLine({ ...tree, outcome: "done" }, 200),
    "download s3://bucket/folder/object.parquet  50.0 MiB  3 objects  25.0 MiB/s  in 2.0 s",
  );
});

Deno.test("what is only counted tells how many, of how many and how fast", () => {
  const counted = { ...HALF, operation: "list", bytes: 0, total: 0, files: 5000, noun: "entry" };
  const uri = "s3://bucket/folder/object.parquet";
  assertEquals(progressLine(counted, 140), `list ${uri}  5,000 entries  2,500/s`);
  assertEquals(
    progressLine({ ...counted, files: 1, outcome: "done" }, 140),
    `list ${uri}  1 entry  1/s  in 2.0 s`,
  );
  assertEquals(
    progressLine({ ...counted, operation: "deleteMany", noun: undefined, totalFiles: 20_000 }, 140),
    `deleteMany ${uri}  [#####---------------]  25 %  5,000 of 20,000 objects  2,500/s  6.0 s left`,
  );
  assertEquals(
    progressLine({ ...counted, files: 0, totalFiles: 0 }, 140),
    `list ${uri}  0 of 0 entries`,
  );
});

Deno.test("empty transfers, retries, failures and stops say so", () => {
  const empty = { ...HALF, bytes: 0, total: 0, outcome: "done" as const };
  assertStringIncludes(progressLine(empty, 140), "  0 bytes  in 2.0 s");
  assertStringIncludes(progressLine({ ...HALF, retries: 1 }, 140), "  1 retry");
  assertStringIncludes(progressLine({ ...HALF, retries: 3 }, 140), "  3 retries");
  assert(!progressLine({ ...HALF, retries: 0 }, 140).includes("retr"));
  for (const outcome of ["failed", "stopped"] as const) {
    assertStringIncludes(progressLine({ ...HALF, outcome }, 140), `  ${outcome}  `);
    assertStringIncludes(showProgress({ ...HALF, outcome })["text/html"] as string, outcome);
  }
});

Deno.test("what is not known is not told", () => {
  const unknown = { ...HALF, bytes: 0, total: 0 };
  assertEquals(progressLine(unknown, 100), "bytes s3://bucket/folder/object.parquet  waiting");
  const line = progressLine({ ...HALF, total: 0 }, 100);
  assertStringIncludes(line, "50.0 MiB  25.0 MiB/s");
  for (const part of ["%", "left", "["]) assert(!line.includes(part), line);
  for (const text of [line, showProgress(unknown)["text/html"] as string]) {
    for (const part of ["NaN", "Infinity", "undefined"]) assert(!text.includes(part), text);
  }
});

Deno.test("no line is wider than the terminal", () => {
  const wide = {
    ...HALF,
    subject: `s3://bucket/${"漢字🎉".repeat(200)}`,
    files: 3,
    totalFiles: 20,
  };
  for (let columns = 20; columns < 200; columns++) {
    for (const one of [wide, HALF, { ...wide, outcome: "stopped" as const }]) {
      const line = progressLine(one, columns);
      assert(columnsOf(line) <= columns, `${columnsOf(line)} of ${columns}: ${line}`);
    }
  }
});

Deno.test("names are text, whatever they hold, and a signed query is not shown", () => {
  const hostile = {
    ...HALF,
    subject: `https://host/<script>"'\u0000\u001b[31m\r\n?X-Amz-Signature=0123456789abcdef`,
  };
  const html = showProgress(hostile)["text/html"] as string;
  const plain = progressLine(hostile, 200);
  assert(!html.includes("<script>"), html);
  for (const text of [html, plain]) {
    assert(!text.includes("0123456789abcdef"), text);
    // deno-lint-ignore no-control-regex -- control characters are what is looked for
    assert(!/[\x00-\x08\x0b-\x1f]/.test(text), text);
  }
});
