/**
 * Stop in the real kernel: what it ends, how soon, what stays, and when the kernel ends instead.
 * Each situation is a cell that would go on for minutes; Stop is pressed once it says that it began.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { python } from "./executed_notebook.ts";
import { errorOf, printed, runInKernel, type Step, type Told, whyNot } from "./kernel_session.ts";

/** From Stop to the end of the cell. Half a second, and what a busy machine adds. */
const SOON = 5;

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
const directory = await Deno.makeTempDir();
globalThis.addEventListener("unload", () => Deno.removeSync(directory, { recursive: true }));
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
  "for await over lines": `begun(); for await (const line of file(dead).lines()) {}`,
  "for await over messages": `begun();
    for await (const frame of file(dead).frames({ length: "u32be", batch: true })) {}`,
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

/** A pause in which Stop surely falls, and nothing of dipper's is under way. */
const GAP = `if (turn++ === 1) { console.log("begun"); await sleep(400); }`;
/** JavaScript computes, so that what was asked for and Stop arrive together. */
const BUSY = `if (turn++ === 1) {
  console.log("begun");
  for (const end = Date.now() + 400; Date.now() < end;);
}`;

/** Loops of calls, by what they do; Stop falls between two of them, or between two steps of one. */
const BETWEEN: Record<string, string> = {
  "asynchronous calls, with a pause between": `while (true) {
    await client.file("s3://bucket/1").bytes();
    await sleep(20);
    ${GAP}
  }`,
  "synchronous calls, with a pause between": `while (true) { memory(); await sleep(20); ${GAP} }`,
  "numbers, with a pause between": `const few = new Float64Array(3);
    while (true) { scaleInplace(few, 1); await sleep(20); ${GAP} }`,
  "a table, with a pause between": `using table = new EmbeddingTable(2);
    table.add(new Float32Array(2));
    while (true) { table.row(0); await sleep(20); ${GAP} }`,
  "several calls at once, with a pause between": `while (true) {
    await Promise.all([1, 2, 3].map((key) => client.file("s3://bucket/" + key).text()));
    ${GAP}
  }`,
  "listings, with a pause between": `while (true) {
    for await (const { key } of client.list("s3://bucket/")) key;
    ${GAP}
  }`,
  "streams, with a pause between": `while (true) {
    for await (const chunk of client.file("s3://bucket/1").stream()) chunk;
    ${GAP}
  }`,
  "lines, with a pause between": `while (true) {
    for await (const line of client.file("s3://bucket/1").lines()) line;
    ${GAP}
  }`,
  "many objects, with a pause between": `while (true) {
    for await (const { uri } of client.getMany(["s3://bucket/1", "s3://bucket/2"])) uri;
    ${GAP}
  }`,
  "writes, with a pause between": `while (true) {
    await client.file("s3://bucket/w").write("x");
    ${GAP}
  }`,
  "trees, with a pause between": `while (true) {
    await client.download("s3://bucket/", directory);
    ${GAP}
  }`,
  "asynchronous calls, and no pause": `while (true) {
    const answer = client.file("s3://bucket/1").bytes();
    await sleep(0);
    ${BUSY}
    await answer;
  }`,
  "synchronous calls, and no pause": `while (true) { memory(); ${BUSY} }`,
  "progress of a tree, told between two steps": `while (true) {
    await client.download("s3://bucket/", directory, { compare: "checksum" });
    ${BUSY}
  }`,
};

/** What loops do that Stop ends at any moment. */
const LOOPS: Record<string, string> = {
  reads: `await client.file("s3://bucket/1").bytes();`,
  "reads with a pause": `await client.file("s3://bucket/1").text(); await sleep(20);`,
  "reads at once":
    `await Promise.all([1, 2, 3].map((key) => client.file("s3://bucket/" + key).stat()));`,
  writes: `await client.file("s3://bucket/w").write("x");`,
  streams: `for await (const chunk of client.file("s3://bucket/1").stream()) chunk;`,
  lines: `for await (const line of client.file("s3://bucket/1").lines()) line;`,
  listings: `for await (const { key } of client.list("s3://bucket/")) key;`,
  usage: `await client.usage("s3://bucket/");`,
  many: `for await (const { uri } of client.getMany(["s3://bucket/1", "s3://bucket/2"])) uri;`,
  downloads: `await client.download("s3://bucket/", directory, { compare: "checksum" });`,
  uploads: `await client.upload(directory, "s3://bucket/tree/");`,
  copies: `await client.sync("s3://bucket/tree/", "s3://bucket/copy/");`,
  deletions: `await client.deleteMany(["s3://bucket/none"]);`,
  "synchronous calls": `memory();`,
  "synchronous calls with a pause": `memory(); await sleep(5);`,
};

/** The situation, and the cell after it. */
function stopped(code: string): Step[] {
  return [{ code, stopAt: "begun", timeout: 60 }, {
    timeout: 60,
    code: "console.log(await held(), 6 * 7);",
  }];
}

const NOTHING_HELD = '{"bytes":0,"buffers":0,"operations":0}';

/**
 * Nothing is under way, and no buffer is held. When V8 frees the five bytes that each turn of a loop
 * read is its own business: a few turns may be left.
 */
function assertReleased(told: Told, name: string): void {
  const [, bytes, rest] = /^\{"bytes":(\d+),(.*)$/s.exec(printed(told)) ?? [];
  assertEquals(rest, '"buffers":0,"operations":0} 42\n', `${name}: ${JSON.stringify(told)}`);
  assert(Number(bytes) < 100_000, `${name}: ${bytes} bytes`);
}

describe("Stop in the kernel", { ignore: python === undefined }, () => {
  it(`ends a cell in ${Object.keys(SITUATIONS).length} situations, and the next one works`, async () => {
    const told = await runInKernel([
      { code: START },
      ...Object.values(SITUATIONS).flatMap(stopped),
    ]);
    assertStringIncludes(printed(told[0]!), "ready");
    Object.keys(SITUATIONS).forEach((name, index) => {
      const [ended, next] = told.slice(1 + 2 * index);
      assert(ended?.ended && next?.ended, `${name}: ${whyNot(ended?.ended ? next : ended)}`);
      const error = errorOf(ended);
      assertEquals(error?.ename, "AbortError", `${name}: ${JSON.stringify(ended.outputs)}`);
      assertStringIncludes(error?.evalue ?? "", "the cell was stopped", name);
      assert(ended.secondsAfterStop! < SOON, `${name}: ${ended.secondsAfterStop} s`);
      assertEquals(printed(next), `${NOTHING_HELD} 42\n`, `${name}: ${JSON.stringify(next)}`);
    });
  });

  it(`ends ${Object.keys(BETWEEN).length} loops when it falls between two calls`, async () => {
    const steps = Object.values(BETWEEN).flatMap((code): Step[] => [
      { code: `{ let turn = 0; ${code} }`, stopAt: "begun", timeout: 60 },
      { code: "console.log(await held(), 6 * 7);", timeout: 60 },
    ]);
    const told = await runInKernel([{ code: START }, ...steps]);
    Object.keys(BETWEEN).forEach((name, index) => {
      const [ended, next] = told.slice(1 + 2 * index);
      assert(ended?.ended && next?.ended, `${name}: ${whyNot(ended?.ended ? next : ended)}`);
      assertEquals(ended.reply?.ename, "AbortError", `${name}: ${JSON.stringify(ended)}`);
      assertStringIncludes(ended.reply?.evalue ?? "", "the cell was stopped", name);
      assert(!printed(ended, "stderr").includes("Press Stop again"), name);
      assert(ended.secondsAfterStop! < SOON, `${name}: ${ended.secondsAfterStop} s`);
      assertReleased(next, name);
    });
  });

  it("ends a loop whose pauses are long with its next call, and says so", async () => {
    const pause = `if (turn++ === 1) console.log("begun"); await sleep(1500);`;
    const loops = {
      reads: `while (true) { await client.file("s3://bucket/1").bytes(); ${pause} }`,
      "synchronous calls": `while (true) { memory(); ${pause} }`,
    };
    const steps = Object.values(loops).flatMap((code): Step[] => [
      { code: `{ let turn = 0; ${code} }`, stopAt: "begun", timeout: 60 },
      { code: "console.log(await held(), 6 * 7);", timeout: 60 },
    ]);
    const told = await runInKernel([{ code: START }, ...steps]);
    Object.keys(loops).forEach((name, index) => {
      const [ended, next] = told.slice(1 + 2 * index);
      assert(ended?.ended && next?.ended, `${name}: ${whyNot(ended?.ended ? next : ended)}`);
      assertEquals(ended.reply?.ename, "AbortError", `${name}: ${JSON.stringify(ended)}`);
      assertStringIncludes(printed(ended, "stderr"), "Its next call ends the cell.", name);
      assert(ended.secondsAfterStop! < SOON, `${name}: ${ended.secondsAfterStop} s`);
      assertReleased(next, name);
    });
  });

  it("ends nothing of the next cell when it comes behind a cell's end", async () => {
    // Stop, when no cell runs.
    const late = `setTimeout(() => Deno.kill(Deno.pid, "SIGINT"), 200);`;
    const read = `await client.file("s3://bucket/1").text();`;
    const told = await runInKernel([
      { code: START },
      { code: `${read} ${late} "ended well";` },
      { code: `await sleep(1500); console.log(${read.slice(0, -1)});` },
      {
        code: `console.log("begun"); ${late.replace("200", "1000")} await file(dead).bytes();`,
        stopAt: "begun",
      },
      { code: `await sleep(2500); console.log(${read.slice(0, -1)});` },
    ]);
    assertEquals(printed(told[2]!), "hello\n");
    assertEquals(errorOf(told[3]!)?.ename, "AbortError");
    assertEquals(printed(told[4]!), "hello\n");
  });

  it("ends a loop at each of 200 moments", async () => {
    const loops = Object.values(LOOPS);
    const steps = Array.from({ length: 200 }, (_, moment): Step => ({
      code: `console.log("begun"); while (true) { ${loops[moment % loops.length]} }`,
      stopAt: "begun",
      // Spread over what a turn of a loop takes.
      stopDelay: (moment * 0.618034 % 1) * 0.1,
      // What a cell that ends says is in the kernel's answer.
      quiet: 0.02,
      timeout: 60,
    }));
    const told = await runInKernel([
      { code: START },
      ...steps,
      { code: "console.log(await held(), 6 * 7);", timeout: 60 },
    ]);
    const slow: number[] = [];
    steps.forEach((step, moment) => {
      const one = told[1 + moment];
      const what = "code" in step ? step.code : "";
      assert(one?.ended, `moment ${moment}, ${what}: ${whyNot(one)}`);
      assertEquals(one.reply?.ename, "AbortError", `${what}: ${JSON.stringify(one)}`);
      assert(!printed(one, "stderr").includes("Press Stop again"), what);
      slow.push(one.secondsAfterStop!);
    });
    const slowest = Math.max(...slow);
    assert(slowest < SOON, `${slowest} s: ${loops[slow.indexOf(slowest) % loops.length]}`);
    assertReleased(told.at(-1)!, "after all");
  });

  it("says how many numbers a call in place had changed, and no other is", async () => {
    const told = await runInKernel([
      { code: START },
      {
        stopAt: "begun",
        timeout: 30,
        code: `
          const numbers = new Float64Array(2 ** 26).fill(1);
          let turns = 0;
          let said = "";
          console.log("begun");
          try {
            while (true) { scaleInplace(numbers, -1); turns++; }
          } catch (error) { said = error.message; }`,
      },
      {
        timeout: 30,
        code: `
          const changed = Number(/(\\d+) elements were scaled/.exec(said)?.[1] ?? 0);
          const sign = turns % 2 === 0 ? 1 : -1;
          let wrong = 0;
          for (let at = 0; at < numbers.length; at++) {
            if (numbers[at] !== (at < changed ? -sign : sign)) wrong++;
          }
          console.log(wrong, said);`,
      },
    ]);
    assertStringIncludes(printed(told[2]!), "0 the cell was stopped");
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

  it("takes nothing of the background: neither what goes on nor what begins just then", async () => {
    const told = await runInKernel([
      { code: START },
      {
        // Its listing waits, then its objects: calls within a call.
        code: `const slow = new S3Client({ endpoint: "http://" + dead.split("/")[2],
            region: "us-east-1", credentials: "anonymous" });
          const patience = AbortSignal.timeout(6000);
          const quiet = { background: true, signal: patience };
          const goes = Promise.allSettled([
            slow.download("s3://bucket/", directory, quiet),
            slow.usage("s3://bucket/", quiet),
            slow.list("s3://bucket/", quiet).toArray(),
            slow.deleteMany(["s3://bucket/a"], quiet),
          ]);
          const pressed = new Promise((resolve) => Deno.addSignalListener("SIGINT", resolve));
          console.log("begun");
          await pressed;
          await sleep(100);
          const during = [
            await client.file("s3://bucket/w").write("x", { background: true }).then(() => "written"),
            await client.file("s3://bucket/w").text({ background: true }),
          ];
          try {
            while (true) await client.file("s3://bucket/w").text();
          } catch (error) {
            during.push(error.name);
          }
          during.push(await client.file("s3://bucket/w").text());`,
        stopAt: "begun",
        timeout: 60,
      },
      {
        code: `console.log(during.join(), (await goes).map(({ reason }) => reason?.name).join());`,
        timeout: 60,
      },
    ]);
    assertEquals(
      printed(told[2]!),
      "written,x,AbortError,x TimeoutError,TimeoutError,TimeoutError,TimeoutError\n",
      JSON.stringify(told.slice(1)),
    );
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
      { code: `console.log("begun"); await sleep(4000); 1;`, stopAt: "begun" },
      { code: `console.log("begun"); await sleep(4000); 2;`, stopAt: "begun" },
      { code: `console.log("begun"); await sleep(4000); console.log("alive");`, stopAt: "begun" },
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
