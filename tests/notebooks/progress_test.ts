/**
 * Progress in the real kernel: one output for each call, updated in place, with what was done at the
 * end; none for quick calls and with `progress: false`; no growth over a hundred runs of a cell.
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { python } from "./executed_notebook.ts";
import { type Message, printed, runInKernel, type Told } from "./kernel_session.ts";

const START = `
import { EmbeddingTable, file, LocalS3, memory, S3Client } from "../mod.ts";
import { deactivate } from "../jupyter/plugin.ts";
const SIZE = 2_000_000;
const slowly = (pieces) => new ReadableStream({
  async pull(controller) {
    if (pieces-- === 0) return controller.close();
    controller.enqueue(new Uint8Array(SIZE / 20));
    await new Promise((resolve) => setTimeout(resolve, 100));
  },
}, { highWaterMark: 0 });
const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () =>
  new Response(slowly(20), { headers: { "content-length": String(SIZE) } }));
const slow = file("http://127.0.0.1:" + server.addr.port + "/<b>slow</b>");
// Answers each request of S3's like an empty bucket or an empty object, but slowly.
const late = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
  await new Promise((resolve) => setTimeout(resolve, 900));
  if (request.method !== "GET") return new Response(null, { status: 204 });
  const keys = Array.from({ length: 3 }, (_, index) => "<Contents><Key>k" + index +
    "</Key><Size>1</Size><LastModified>2024-01-01T00:00:00.000Z</LastModified></Contents>");
  return new Response('<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated>' +
    keys.join("") + "</ListBucketResult>", { headers: { "content-type": "application/xml" } });
});
const lateClient = new S3Client({
  endpoint: "http://127.0.0.1:" + late.addr.port, region: "us-east-1", credentials: "anonymous",
});
const directory = await Deno.makeTempDir();
globalThis.addEventListener("unload", () => Deno.removeSync(directory, { recursive: true }));
const s3 = await LocalS3.start();
const client = s3.client();
await client.createBucket("bucket");
console.log("ready");`;

/** The displays of a step, by their id, in order. */
function displays({ outputs }: Told): Map<string, Message[]> {
  return Map.groupBy(
    outputs.filter(({ type }) => type.endsWith("display_data")),
    ({ transient }) => transient?.display_id ?? "",
  );
}

describe("progress in the kernel", { ignore: python === undefined }, () => {
  it("updates one output in place, and says at the end what was done", async () => {
    const told = await runInKernel([
      { code: START },
      { code: "(await slow.bytes()).length;" },
      { code: "(await slow.bytes({ progress: false })).length;" },
      { code: `await client.file("s3://bucket/up").write(slowly(20)); 1;` },
      { code: `await client.file("s3://bucket/quick").write("x"); 1;` },
      { code: "await Promise.all([slow.bytes(), slow.bytes(), slow.text()]); 1;" },
      { code: "deactivate(); (await slow.bytes()).length;" },
    ]);
    assertStringIncludes(printed(told[0]!), "ready");
    for (const index of [1, 3]) {
      const shown = displays(told[index]!);
      assertEquals(shown.size, 1, JSON.stringify(told[index]));
      const [messages] = [...shown.values()] as [Message[]];
      assertEquals(messages[0]?.type, "display_data");
      assert(messages.length > 2, `${messages.length} updates`);
      assert(messages.slice(1).every(({ type }) => type === "update_display_data"));
      // Ten a second at most.
      assert(messages.length <= 10 * told[index]!.seconds + 2, `${messages.length} updates`);
      const last = messages.at(-1)?.data?.["text/plain"] ?? "";
      assertStringIncludes(last, "1.9 MiB  ");
      assertStringIncludes(last, "/s");
      assertStringIncludes(last, " in ");
      assert(!JSON.stringify(messages).includes("<b>slow"), "the name was not escaped");
    }
    const middle = [...displays(told[1]!).values()][0]![2]?.data?.["text/plain"] ?? "";
    for (const part of [" %", " of 1.9 MiB", "/s", " left"]) assertStringIncludes(middle, part);
    assertEquals([2, 6].map((index) => displays(told[index]!).size), [0, 0]);
    // A busy machine may make it slow.
    if (told[4]!.seconds < 0.8) assertEquals(displays(told[4]!).size, 0);
    assertEquals(displays(told[5]!).size, 3);
  });

  it("shows every call that takes long, with what it counts", async () => {
    const calls: [code: string, shown: RegExp][] = [
      [`for await (const chunk of slow.stream()) chunk;`, /^stream .* 1\.9 MiB {2}.*\/s {2}in /],
      [`await lateClient.file("s3://bucket/k").ranges([[0, 5]]).catch(() => {});`, /^ranges /],
      [`for await (const line of slow.lines()) line;`, /^lines .* 1\.9 MiB {2}.*\/s {2}in /],
      [
        `for await (const batch of slow.frames({ length: "u32be", batch: true })) batch;`,
        /^frames .* 1\.9 MiB/,
      ],
      [`await slow.checksum("sha256");`, /^checksum .* 1\.9 MiB/],
      [`for await (const { uri } of client.getMany([slow, slow])) uri;`, /^getMany .* 3\.8 MiB/],
      [`await slowly(20).pipeTo(client.file("s3://bucket/w").writer());`, /^writer .* 1\.9 MiB/],
      [`await slowly(20).pipeTo(file(directory + "/w").writer());`, /^writer .* 1\.9 MiB/],
      [`await file(directory + "/x").write(slowly(20));`, /^write .* 1\.9 MiB/],
      [`await client.file("s3://bucket/copy").write(slow.stream());`, /^write .* 1\.9 MiB/],
      [`await slow.copyTo(client.file("s3://bucket/copy"));`, /^copyTo .* 1\.9 MiB/],
      [`await lateClient.list("s3://bucket/").toArray();`, /^list .* 3 entries {2}\d+\/s {2}in /],
      [`for await (const { uri } of lateClient.list("s3://bucket/")) uri;`, /^list .* 3 entries/],
      [`await lateClient.usage("s3://bucket/");`, /^usage .* 3 objects/],
      [
        `await lateClient.deleteMany([1, 2].map((key) => "s3://b" + "k/" + key)).catch(() => {});`,
        /^deleteMany/,
      ],
      [
        `await EmbeddingTable.load("s3://bucket/k", { client: lateClient }).catch(() => {});`,
        /^load .* failed/,
      ],
    ];
    const told = await runInKernel([
      { code: START },
      ...calls.map(([code]) => ({ code: `${code} 1;` })),
    ]);
    calls.forEach(([code, pattern], index) => {
      const shown = displays(told[index + 1]!);
      // A download that is written is two calls of the user's.
      const bars = code.includes("slow.stream());") ? 2 : 1;
      assertEquals(shown.size, bars, `${code}: ${JSON.stringify(told[index + 1])}`);
      const lines = [...shown.values()].map((one) => one.at(-1)?.data?.["text/plain"] ?? "");
      assert(lines.some((line) => pattern.test(line)), `${code}: ${lines.join(" | ")}`);
    });
  });

  it("shows four of many calls, and the others together", async () => {
    const told = await runInKernel([
      { code: START },
      { code: `await Promise.all(Array.from({ length: 12 }, () => slow.bytes())); 1;` },
      {
        code: `await Promise.allSettled([...Array.from({ length: 5 }, () => slow.bytes()),
          file("http://127.0.0.1:" + server.addr.port + "/x").bytes({
            signal: AbortSignal.timeout(1500) })]); 1;`,
      },
    ]);
    const shown = displays(told[1]!);
    assert(shown.size <= 5, JSON.stringify([...shown.values()].map((one) => one.at(-1))));
    const lasts = [...shown.values()].map((one) => one.at(-1)?.data?.["text/plain"] ?? "");
    const together = lasts.find((line) => /^\d more/.test(line));
    assertMatch(together ?? "", / MiB {2}\d calls {2}.*\/s {2}in /);
    for (const messages of shown.values()) {
      assert(messages.length <= 10 * told[1]!.seconds + 2, `${messages.length} updates`);
    }
    assert(displays(told[2]!).size <= 5);
  });

  it("shows nothing more of a stream that nobody reads, and gives its room to others", async () => {
    const told = await runInKernel([
      { code: START },
      {
        code: `const readers = Array.from({ length: 4 }, () => slow.stream().getReader());
          // Longer than a call is silent, and shorter than the server sends.
          for (const end = performance.now() + 1400; performance.now() < end;) {
            await Promise.all(readers.map((one) => one.read()));
            await new Promise((resolve) => setTimeout(resolve, 10));
          } 1;`,
      },
      { code: `await new Promise((resolve) => setTimeout(resolve, 2500)); 2;` },
      { code: `(await slow.bytes()).length;` },
    ]);
    assertEquals(displays(told[1]!).size, 4);
    assertEquals(told[2]!.outputs.length, 1, JSON.stringify(told[2]));
    assertEquals(displays(told[3]!).size, 1);
    const last = [...displays(told[3]!).values()][0]!.at(-1)?.data?.["text/plain"] ?? "";
    assert(last.startsWith("bytes "), last);
  });

  it("shows what stopped, and the next cell shows its own", async () => {
    const told = await runInKernel([
      { code: START },
      {
        code: `setTimeout(() => console.log("begun"), 1000); await slow.bytes();`,
        stopAt: "begun",
      },
      { code: "(await slow.bytes()).length;" },
    ]);
    const [stopped] = [...displays(told[1]!).values()] as [Message[]];
    assertStringIncludes(stopped.at(-1)?.data?.["text/plain"] ?? "", "stopped");
    assertEquals(displays(told[2]!).size, 1);
    assertEquals(
      [...displays(told[1]!).keys()].filter((id) => displays(told[2]!).has(id)),
      [],
    );
  });

  it("runs a cell a hundred times without growing", async () => {
    const rss = `
      const { operations, buffers } = memory();
      const files = [...Deno.readDirSync("/proc/self/fd")].length;
      const threads = [...Deno.readDirSync("/proc/self/task")].length;
      console.log(Deno.memoryUsage().rss, files, threads, operations, buffers);`;
    const cell = `
      const again = "declared anew";
      for (let i = 0; i < 20; i++) await client.file("s3://bucket/k").bytes();
      for await (const entry of client.list("s3://bucket/")) entry.uri;`;
    // What they put out is not looked at.
    const again = (count: number) =>
      Array.from({ length: count }, () => ({ code: cell, quiet: 0.02 }));
    const told = await runInKernel([
      { code: START + `await client.file("s3://bucket/k").write(new Uint8Array(1000));` },
      ...again(30),
      { code: rss },
      ...again(100),
      { code: rss },
    ]);
    const [before, after] = [told[31]!, told.at(-1)!].map((one) =>
      printed(one).trim().split(" ").map(Number)
    );
    assertEquals(after?.slice(3), [0, 0]);
    // Connections and threads come and go, but do not add up.
    assert(after![1]! < before![1]! + 20, `${before![1]} files, then ${after![1]}`);
    assert(after![2]! < before![2]! + 20, `${before![2]} threads, then ${after![2]}`);
    const growth = after![0]! - before![0]!;
    assert(growth < 64 * 1024 * 1024, `${growth} bytes more after 100 runs`);
  });

  it("runs cells that are sent together, and starts anew after a restart", async () => {
    const told = await runInKernel([
      { code: START },
      { code: `console.log("one", (await slow.bytes()).length);` },
      { code: `console.log("two", (await slow.bytes()).length);`, together: true },
      { code: `const lost = slow.bytes({ signal: AbortSignal.timeout(50) }); 0;` },
      { code: `await new Promise((resolve) => setTimeout(resolve, 300)); console.log("alive");` },
      { restart: true },
      { code: START },
      { code: "(await slow.bytes()).length;" },
    ]);
    assertEquals([told[1]!, told[2]!].map((one) => printed(one)), [
      "one 2000000\n",
      "two 2000000\n",
    ]);
    // A rejection that nobody handles does not end the kernel.
    assertStringIncludes(printed(told[4]!), "alive");
    assertStringIncludes(printed(told[6]!), "ready");
    assertEquals(displays(told[7]!).size, 1);
  });
});
