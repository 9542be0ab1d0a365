/**
 * Stop in the real kernel: what it ends, how soon, what stays, and when the kernel ends instead.
 * Each situation is a cell that would go on for minutes; Stop is pressed once it says that it began.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { python } from "./executed_notebook.ts";
import { errorOf, printed, runInKernel, type Step, type Told } from "./kernel_session.ts";

/** From Stop to the end of the cell. Half a second, and what a busy machine adds. */
const SOON = 3;

const START = `
import {
  checksumBytes, EmbeddingTable, file, LocalS3, memory, RustBuffer, S3Client, scaleInplace,
} from "../mod.ts";
import { activate, deactivate, isActive } from "../jupyter/plugin.ts";
// Takes connections and says nothing.
const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
const dead = "http://127.0.0.1:" + silent.addr.port + "/x";
const s3 = await LocalS3.start();
const client = s3.client();
await client.createBucket("bucket");
for (let i = 0; i < 20; i++) await client.file("s3://bucket/" + i).write("hello");
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const begun = () => setTimeout(() => console.log("begun"), 100);
const held = async () => {
  // What was adopted goes when V8 looks for it.
  for (let turn = 0; turn < 100 && memory().bytes > 0; turn++) {
    new Uint8Array(1e7).fill(turn);
    await sleep(20);
  }
  const { bytes, buffers, operations } = memory();
  return JSON.stringify({ bytes, buffers, operations });
};
console.log("ready");`;

/** Cells that Stop ends, by what they do. */
const SITUATIONS: Record<string, string> = {
  "await of a download": `begun(); await file(dead).bytes();`,
  "await of an upload whose source waits": `begun();
    await client.file("s3://bucket/w").write((async function* () {
      yield new Uint8Array(10);
      await new Promise(() => {});
    })());`,
  "several at once": `begun(); await Promise.all([file(dead).bytes(), file(dead).text()]);`,
  "into memory of JavaScript's": `begun(); await file(dead).into(new Uint8Array(10));`,
  "for await over a listing, between two entries": `begun();
    for await (const entry of client.list("s3://bucket/")) await sleep(500);`,
  "for await over many objects": `begun();
    for await (const { uri } of client.getMany([dead, dead])) console.log(uri);`,
  "for await over a stream": `begun(); for await (const chunk of file(dead).stream()) {}`,
  "a download of a tree": `begun();
    const directory = await Deno.makeTempDir();
    try { while (true) await client.download("s3://bucket/", directory, { compare: "checksum" }); }
    finally { await Deno.remove(directory, { recursive: true }); }`,
  "a loop of synchronous calls": `console.log("begun"); while (true) memory();`,
  "a loop that makes buffers": `console.log("begun"); while (true) new RustBuffer(10).dispose();`,
  "the sum of an object": `begun(); await file(dead).checksum("sha256");`,
  "checksums of much memory": `const much = new Uint8Array(2 ** 27);
    console.log("begun"); while (true) checksumBytes(much);`,
  "many numbers scaled in place": `const many = new Float64Array(2 ** 24);
    console.log("begun"); while (true) scaleInplace(many, 1);`,
  "small numbers scaled in place": `const few = new Float64Array(3);
    console.log("begun"); while (true) scaleInplace(few, 1);`,
  "a search of a large table by many queries": `{
      using table = new EmbeddingTable(256);
      table.addMany(new Float32Array(2 ** 24).fill(1));
      const queries = { data: new Float32Array(2 ** 20).fill(1), shape: [4096, 256] };
      console.log("begun");
      while (true) table.topK(queries, 3, { metric: "cosine" });
    }`,
  "the scores of a table, again and again": `{
      using table = new EmbeddingTable(256);
      table.addMany(new Float32Array(2 ** 22).fill(1));
      const query = new Float32Array(256).fill(1);
      console.log("begun");
      while (true) table.scores(query);
    }`,
  "loading a table": `begun(); await EmbeddingTable.load(dead);`,
  "saving a table to a server that says nothing": `{
      using table = new EmbeddingTable(256);
      table.addMany(new Float32Array(2 ** 20).fill(1));
      const nowhere = new S3Client({
        endpoint: new URL(dead).origin,
        region: "us-east-1",
        credentials: { accessKeyId: "a", secretAccessKey: "b" },
      });
      begun();
      await table.save("s3://bucket/table.npy", { client: nowhere });
    }`,
  "a call that a signal of its own would end later": `begun();
    await file(dead).bytes({ signal: AbortSignal.timeout(100_000) });`,
};

/** The situation, and the cell after it. */
function stopped(code: string): Step[] {
  return [{ code, stopAt: "begun", timeout: 15 }, {
    timeout: 15,
    code: "console.log(await held(), 6 * 7);",
  }];
}

const NOTHING_HELD = '{"bytes":0,"buffers":0,"operations":0}';

describe("Stop in the kernel", { ignore: python === undefined }, () => {
  it(`ends a cell in ${Object.keys(SITUATIONS).length} situations, and the next one works`, async () => {
    const told = await runInKernel([
      { code: START },
      ...Object.values(SITUATIONS).flatMap(stopped),
    ]);
    assertStringIncludes(printed(told[0]!), "ready");
    Object.keys(SITUATIONS).forEach((name, index) => {
      const [ended, next] = told.slice(1 + 2 * index) as [Told, Told];
      assert(ended?.ended && next?.ended, `${name}: the kernel ended`);
      const error = errorOf(ended);
      assertEquals(error?.ename, "AbortError", `${name}: ${JSON.stringify(ended.outputs)}`);
      assertStringIncludes(error?.evalue ?? "", "the cell was stopped", name);
      assert(ended.secondsAfterStop! < SOON, `${name}: ${ended.secondsAfterStop} s`);
      assertEquals(printed(next), `${NOTHING_HELD} 42\n`, `${name}: ${JSON.stringify(next)}`);
    });
  });

  it("lets what is in the background go on", async () => {
    const told = await runInKernel([
      { code: START },
      {
        code: `
          const patience = AbortSignal.timeout(3000);
          const goes = file(dead).bytes({ background: true, signal: patience });
          const ends = file(dead).bytes();
          const both = [goes, ends].map((one) => one.catch((error) => error.name));
          console.log("begun");
          await Promise.all(both);`,
        stopAt: "begun",
      },
      { code: "console.log(JSON.stringify(await Promise.all(both)), await held());" },
    ]);
    assertEquals(printed(told[2]!), `["TimeoutError","AbortError"] ${NOTHING_HELD}\n`);
  });

  for (
    const [name, code] of Object.entries({
      "a loop in JavaScript": `console.log("begun"); while (true) {}`,
      "a promise that never settles": `console.log("begun"); await new Promise(() => {});`,
    })
  ) {
    it(`ends the kernel at the second Stop in ${name}, not at the first`, async () => {
      const told = await runInKernel([
        { code: START },
        { code, stops: [1, 3], timeout: 30 },
        { restart: true },
        { code: "console.log(1 + 1);" },
      ]);
      assertEquals(told[1]!.alive, false);
      assert(told[1]!.seconds > 3, `it ended after ${told[1]!.seconds} s, before the second`);
      assertEquals(printed(told.at(-1)!), "2\n");
    });
  }

  it("says so when nothing was under way, and forgets it when a cell has ended well", async () => {
    const told = await runInKernel([
      { code: START },
      { code: `console.log("begun"); await sleep(1000); 1;`, stopAt: "begun" },
      { code: `console.log("begun"); await sleep(1000); 2;`, stopAt: "begun" },
      { code: `console.log("begun"); await sleep(1000); console.log("alive");`, stopAt: "begun" },
    ]);
    for (const one of told.slice(1)) {
      assertStringIncludes(printed(one, "stderr"), "Press Stop again");
    }
    assertStringIncludes(printed(told.at(-1)!), "alive");
  });

  it("ends the kernel at the first Stop again after deactivate()", async () => {
    const told = await runInKernel([
      { code: START },
      {
        code: `const shows = async () =>
            Symbol.for("Jupyter.display") in await client.file("s3://bucket/1").bytes();
          console.log(isActive(), await shows());
          deactivate();
          console.log(isActive(), await shows());`,
      },
      { code: `await sleep(5000); console.log("still here");`, stops: [1] },
    ]);
    assertEquals(printed(told[1]!), "true true\nfalse false\n");
    assertEquals(told[2]!.alive, false);
  });

  it("is not installed before the first call, and then installed once", async () => {
    const listened = "(await Deno.readTextFile('/proc/self/status')).match(/SigCgt.*/)[0]";
    const told = await runInKernel([
      {
        code: `import { file, memory, RustBuffer } from "../mod.ts";
          import { activate, deactivate, isActive } from "../jupyter/plugin.ts";
          console.log(isActive(), (BigInt("0x" + ${listened}.split("\\t")[1]) & 2n) === 2n);`,
      },
      {
        code: `new RustBuffer(1).dispose();
          console.log(isActive(), (BigInt("0x" + ${listened}.split("\\t")[1]) & 2n) === 2n);`,
      },
      {
        code:
          `for (let i = 0; i < 100; i++) { deactivate(); activate(); } console.log(isActive());`,
      },
      {
        code: `console.log((await Array.fromAsync(Deno.readDir("/proc/self/task"))).length < 60);`,
      },
    ]);
    assertEquals(told.map((one) => printed(one)), [
      "false false\n",
      "true true\n",
      "true\n",
      "true\n",
    ]);
  });
});
