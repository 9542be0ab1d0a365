/** Workers: several at once, and ended in the middle of everything. */
import { assert, assertEquals } from "@std/assert";
import { memory } from "dipper";
import { Bucket } from "./bucket.ts";
import { HeldServer } from "./held_server.ts";
import { collectUntil, held, memoryTest, stamp, turn } from "./settled.ts";
import { WorkerThread } from "./worker_thread.ts";
import type { Churned, ToChurner } from "./workers/churner.ts";
import type { Serving, ToServer } from "./workers/server.ts";
import type { Started, ToStarter } from "./workers/starter.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const MIB = 1 << 20;
const METHODS = ["bytes", "into", "buffer", "write", "text"] as const;

memoryTest("several Workers read, write and churn buffers at once", async () => {
  await using bucket = await Bucket.start();
  await bucket.object("object", stamp(new Uint8Array(MIB)));
  const { options } = bucket;
  const first = new WorkerThread<ToChurner, Churned>("churner.ts");
  // Deno checks and compiles a Worker's program once, if the first of them is alone.
  await first.ask({ options, name: "none", rounds: 0 });
  const others = Array.from(
    { length: 3 },
    () => new WorkerThread<ToChurner, Churned>("churner.ts"),
  );
  const workers = [first, ...others];
  const answers = await Promise.all(
    workers.map((worker, at) => worker.ask({ options, name: `worker${at}`, rounds: 15 })),
  );
  for (const answer of answers) assertEquals(answer, { right: 15, wrong: [] });
  for (const worker of workers) worker.terminate();
  assert(await collectUntil(() => held().bytes === 0));
});

for (const method of METHODS) {
  memoryTest(`Workers terminated in the middle of ${method}, ten times`, async () => {
    for (let round = 0; round < 10; round++) {
      await using server = new HeldServer(4 * MIB);
      const worker = new WorkerThread<ToStarter, Started>("starter.ts");
      await worker.ask({ options: server.options, methods: [method, method], size: 4 * MIB });
      await server.arrived(2);
      assertEquals(held().operations, 2);
      worker.terminate();
      if (round % 2 === 0) server.release();
      assert(await collectUntil(() => held().operations === 0), "operations end with the Worker");
      // A body that is being sent goes with its connection.
      if (method === "write") server.release();
      assert(await collectUntil(() => held().bytes === 0), "and so does their memory");
    }
  });
}

memoryTest("Workers terminated at any moment of a busy transfer, thirty times", async () => {
  await using bucket = await Bucket.start();
  await bucket.object("object", new Uint8Array(4 * MIB).fill(1));
  for (let round = 0; round < 30; round++) {
    const worker = new WorkerThread<ToStarter, Started>("starter.ts");
    const methods = [...METHODS, ...METHODS];
    await worker.ask({ options: bucket.options, methods, size: 4 * MIB });
    await turn(round % 10);
    worker.terminate();
  }
  assert(await collectUntil(() => held().operations === 0 && held().bytes === 0));
  assertEquals((await bucket.file("object").bytes()).length, 4 * MIB);
});

memoryTest("a Worker that closes itself ends its operations", async () => {
  await using server = new HeldServer(4 * MIB);
  const worker = new WorkerThread<ToStarter, Started>("starter.ts");
  await worker.ask({ options: server.options, methods: [...METHODS], size: 4 * MIB });
  await server.arrived(METHODS.length);
  await worker.ask({ close: true });
  assert(await collectUntil(() => held().operations === 0));
  server.release();
  assert(await collectUntil(() => held().bytes === 0));
  worker.terminate();
});

memoryTest("a Worker that waits for the budget is ended like any other", async () => {
  await using bucket = await Bucket.start();
  await bucket.object("object", new Uint8Array(4 * MIB));
  const worker = new WorkerThread<ToStarter, Started>("starter.ts");
  const options = { ...bucket.options, memoryBudget: 5 * MIB };
  await worker.ask({ options, methods: ["buffer", "buffer", "buffer"], size: 4 * MIB });
  await turn(200);
  worker.terminate();
});

/** Whether a port refuses connections, within five seconds. */
async function refuses(port: number): Promise<boolean> {
  for (let attempt = 0; attempt < 100; attempt++) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    } catch (error) {
      return error instanceof Deno.errors.ConnectionRefused;
    }
    await turn(50);
  }
  return false;
}

for (const end of ["terminate", "close"] as const) {
  memoryTest(`a Worker's LocalS3 ends with it: ${end}`, async () => {
    const temporary = await Deno.makeTempDir({ prefix: "dipper-test-" });
    const before = Deno.env.get("TMPDIR");
    Deno.env.set("TMPDIR", temporary);
    try {
      const worker = new WorkerThread<ToServer, Serving>("server.ts");
      const { port, read } = await worker.ask({ start: true });
      assertEquals(read, "hello");
      assertEquals([...Deno.readDirSync(temporary)].length, 1, "it has a temporary directory");
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      if (end === "close") await worker.ask({ close: true });
      else worker.terminate();
      assert(await collectUntil(() => [...Deno.readDirSync(temporary)].length === 0), "removed");
      assert(await refuses(port), "the port is closed");
      worker.terminate();
    } finally {
      if (before === undefined) Deno.env.delete("TMPDIR");
      else Deno.env.set("TMPDIR", before);
      await Deno.remove(temporary, { recursive: true });
    }
  });
}

memoryTest(
  "a Worker terminated while its LocalS3 starts leaves nothing, twenty times",
  async () => {
    const temporary = await Deno.makeTempDir({ prefix: "dipper-test-" });
    const before = Deno.env.get("TMPDIR");
    Deno.env.set("TMPDIR", temporary);
    try {
      for (let round = 0; round < 20; round++) {
        const worker = new WorkerThread<ToServer, Serving>("server.ts");
        await worker.ask({ startAndSay: true });
        await turn(round % 7);
        worker.terminate();
      }
      assert(
        await collectUntil(() =>
          held().operations === 0 && [...Deno.readDirSync(temporary)].length === 0
        ),
        `${[...Deno.readDirSync(temporary)].length} directories stay`,
      );
    } finally {
      if (before === undefined) Deno.env.delete("TMPDIR");
      else Deno.env.set("TMPDIR", before);
      await Deno.remove(temporary, { recursive: true });
    }
  },
);
