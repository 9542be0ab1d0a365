/**
 * Progress in the real kernel: one output for each call, updated in place, with what was done at the
 * end; none for quick calls and with `progress: false`; no growth over a hundred runs of a cell.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { python } from "./executed_notebook.ts";
import { type Message, printed, runInKernel, type Told } from "./kernel_session.ts";

const START = `
import { file, LocalS3, memory } from "../mod.ts";
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
    assertEquals([2, 4, 6].map((index) => displays(told[index]!).size), [0, 0, 0]);
    assertEquals(displays(told[5]!).size, 3);
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
    const rss = `console.log(Deno.memoryUsage().rss, memory().operations, memory().buffers);`;
    const cell = `
      for (let i = 0; i < 20; i++) await client.file("s3://bucket/k").bytes();
      for await (const entry of client.list("s3://bucket/")) entry.uri;`;
    const again = (count: number) => Array.from({ length: count }, () => ({ code: cell }));
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
    assertEquals(after?.slice(1), [0, 0]);
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
