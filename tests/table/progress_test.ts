// Tables under way show how far they are, in a notebook's kernel: also when they are a program's first
// call, and when they come batch by batch.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { it } from "@std/testing/bdd";

const PROGRAM = `
const { pretendKernel } = await import(new URL("benches/shown_progress.ts", Deno.args[0]).href);
pretendKernel();
const shown = [];
Deno.jupyter.display = (bundle) => {
  shown.push(bundle["text/plain"]);
  return Promise.resolve();
};
const { file } = await import(new URL("mod.ts", Deno.args[0]).href);
const slow = file(Deno.args[1]);
let rows = 0;
for await (const batch of slow.batches()) rows += batch.numRows;
const batches = shown.splice(0);
const table = await slow.table({ progress: true });
console.log(JSON.stringify({ rows, batches, tableRows: table.numRows, table: shown }));
Deno.exit(0);`;

it("a table and its batches show how far they are", async () => {
  const rows = 200_000;
  const text = Array.from({ length: rows }, (_, row) => `${row},${row / 2}\n`);
  const content = new TextEncoder().encode(`a,b\n${text.join("")}`);
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const range = /bytes=(\d+)-(\d+)?/.exec(request.headers.get("range") ?? "");
    const start = Number(range?.[1] ?? 0);
    const end = Math.min(content.length, Number(range?.[2] ?? content.length - 1) + 1);
    const headers = {
      "content-range": `bytes ${start}-${end - 1}/${content.length}`,
      "content-length": String(end - start),
      etag: '"one"',
    };
    const part = content.subarray(start, end);
    const body = ReadableStream.from((async function* () {
      // A call shows itself after half a second.
      for (let at = 0; at < part.length; at += part.length / 8) {
        await new Promise((resolve) => setTimeout(resolve, 150));
        yield part.subarray(Math.floor(at), Math.floor(at + part.length / 8));
      }
    })());
    return new Response(body, { status: range === null ? 200 : 206, headers });
  });
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      PROGRAM,
      new URL("../../", import.meta.url).href,
      `http://127.0.0.1:${(server.addr as Deno.NetAddr).port}/slow.csv`,
    ],
    env: { NO_COLOR: "1" },
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  const told = JSON.parse(new TextDecoder().decode(stdout));
  assertEquals([told.rows, told.tableRows], [rows, rows]);
  assert(told.batches.length > 0 && told.table.length > 0, JSON.stringify(told));
  assertMatch(told.batches.at(-1), /^batches http.*slow\.csv .*200,000 rows.* in /);
  assertMatch(told.table.at(-1), /^table http.*slow\.csv .*200,000 rows.* in /);
});
