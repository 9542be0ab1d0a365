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
