// Uploads that are given up, at each of their requests: by a signal, by disposing the client, by the
// end of their Worker or of their program. The call ends within 100 ms, nothing of the upload stays on
// the server, and nothing is held.

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { InvalidInputError, memory } from "dipper";
import { runProgram } from "../memory/program.ts";
import { settled } from "../memory/settled.ts";
import { within } from "../storage/scripted_server.ts";
import { control, type Fault, FaultBucket, type Kind } from "./fault_server.ts";
import { TRANSPORTS } from "./operations.ts";
import { atPoint, leftOpen, type Point, POINTS, SOURCES, upload } from "./uploads.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const DEADLINE = 15_000;
/** How soon a call ends. Two cores serve everything here, so the best of some rounds counts. */
const SOON = 100;

/** Whether another round is due: some, and a few more while none of them was soon. */
function again(rounds: number[]): boolean {
  return rounds.length < (Math.min(...rounds) <= SOON ? ROUNDS : 4 * ROUNDS);
}
const ROUNDS = 3;
/** How long what was begun may take to be aborted: behind a request that is under way. */
const CLEANING = 5000;

/** The request does what it should, and its answer comes late: only then the upload can be aborted. */
const late = (point: Point): Fault => ({
  ...atPoint(point),
  when: "done",
  what: { kind: "silent", ms: 500 },
});

/** Waits until a request of the point came. */
async function untilAt(bucket: FaultBucket, point: Point): Promise<void> {
  const { on } = atPoint(point);
  const wanted = point === "middle" ? 2 : point === "last" ? 4 : 1;
  const deadline = performance.now() + DEADLINE;
  while (((await bucket.report()).kinds[on as Kind] ?? 0) < wanted) {
    if (performance.now() > deadline) throw new Error(`${point} was never asked for`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  // The body flows.
  await new Promise((resolve) => setTimeout(resolve, 20));
}

/**
 * What may be there afterwards: no upload that is open. The object is there where the request that
 * makes it was already on its way, and then it is whole.
 */
async function nothingLeft(bucket: FaultBucket, point: Point): Promise<void> {
  assertEquals(await leftOpen(bucket, CLEANING), [], `${point}: uploads that are left`);
  const { written } = await bucket.report();
  const made = Object.keys(written).length > 0;
  assert(!made || point === "complete" || point === "put", `${point}: there is an object`);
}

for (const transport of TRANSPORTS) {
  describe(`giving up an upload, ${transport}`, { ignore: control === undefined }, () => {
    for (const point of POINTS) {
      for (const source of SOURCES) {
        it(`at ${point}, from ${source}, by its signal`, async () => {
          await settled("an earlier test left nothing");
          const rounds: number[] = [];
          while (again(rounds)) {
            await using bucket = await FaultBucket.make({ faults: [late(point)] });
            using client = bucket.client({ transport });
            const giving = new AbortController();
            const reason = { because: "the test says so" };
            const given = upload(client, bucket.uri("key"), { point, source }, giving.signal)
              .then(() => "it ended by itself", (why) => why);
            await untilAt(bucket, point);
            const begun = performance.now();
            giving.abort(reason);
            assertStrictEquals(await within(DEADLINE, given), reason);
            rounds.push(performance.now() - begun);
            await nothingLeft(bucket, point);
          }
          assert(Math.min(...rounds) <= SOON, `the call ended after ${rounds} ms`);
          await settled();
        });
      }

      it(`at ${point}, by disposing the client`, async () => {
        await settled("an earlier test left nothing");
        const rounds: number[] = [];
        while (again(rounds)) {
          await using bucket = await FaultBucket.make({ faults: [late(point)] });
          const client = bucket.client({ transport });
          const given = upload(client, bucket.uri("key"), { point, source: "memory" })
            .then(() => "it ended by itself", (why) => why);
          await untilAt(bucket, point);
          const begun = performance.now();
          client.dispose();
          const told = await within(DEADLINE, given);
          rounds.push(performance.now() - begun);
          assertInstanceOf(told, InvalidInputError);
          assertEquals(told.code, "ClientGone");
          await nothingLeft(bucket, point);
          await bucket.untilClosed(CLEANING);
        }
        assert(Math.min(...rounds) <= SOON, `the call ended after ${rounds} ms`);
        await settled();
      });
    }
  });
}

describe("an upload whose source or program ends", { ignore: control === undefined }, () => {
  it("is aborted when its stream fails midway, and tells the stream's own error", async () => {
    await settled("an earlier test left nothing");
    await using bucket = await FaultBucket.make({});
    using client = bucket.client();
    const mine = new RangeError("the source broke");
    const source = async function* (): AsyncGenerator<Uint8Array> {
      for (let count = 0; count < 20; count++) yield new Uint8Array(1024 * 1024);
      // Until then a part is on the server.
      await untilAt(bucket, "first");
      throw mine;
    };
    const file = client.file(bucket.uri("key"));
    const options = { partSize: 5 * 1024 * 1024 };
    const told = await within(DEADLINE, file.write(source(), options).then(() => "done", (e) => e));
    assertStrictEquals(told, mine);
    await nothingLeft(bucket, "first");
    const piped = ReadableStream.from(source()).pipeTo(file.writer(options));
    assertStrictEquals(await within(DEADLINE, piped.then(() => "done", (error) => error)), mine);
    await nothingLeft(bucket, "first");
    assert((await bucket.report()).aborted.length >= 2);
    await settled();
  });

  for (const writer of [false, true]) {
    it(`is aborted with the Worker that it runs in${writer ? ", of a writer too" : ""}`, async () => {
      await settled("an earlier test left nothing");
      await using bucket = await FaultBucket.make({
        faults: [{ ...atPoint("middle"), times: null, when: "done", what: { kind: "silent" } }],
      });
      const worker = new Worker(new URL("./programs/uploader.ts", import.meta.url), {
        type: "module",
      });
      worker.postMessage({ endpoint: bucket.endpoint, uri: bucket.uri("key"), writer });
      await untilAt(bucket, "middle");
      assertEquals((await bucket.report()).uploads.length, 1);
      worker.terminate();
      await nothingLeft(bucket, "middle");
      assertEquals((await bucket.report()).aborted, ["key"]);
      await bucket.untilQuiet(CLEANING);
      await settled();
    });
  }

  // A writer that nobody closes does not keep the program, and the upload ends with it.
  for (const [how, left] of [["return", 0], ["exit", 0], ["kill", 1]] as const) {
    it(`through a writer that is never closed ${left ? "is left by" : "is aborted with"} a program that ends by ${how}`, async () => {
      await using bucket = await FaultBucket.make({
        faults: [{ ...atPoint("middle"), times: null, when: "done", what: { kind: "silent" } }],
      });
      const task = { endpoint: bucket.endpoint, uri: bucket.uri("key"), how, writer: true };
      const args = [JSON.stringify(task)];
      const ended = await runProgram(programHere("uploader.ts"), { args, patience: 20_000 });
      if (how === "kill") assertEquals(ended.signal, "SIGKILL");
      else assertEquals([ended.signal, ended.code], [null, how === "exit" ? 7 : 0], ended.stderr);
      assertEquals((await bucket.report()).kinds.create, 1);
      assertEquals((await leftOpen(bucket, how === "kill" ? 500 : CLEANING)).length, left);
      assertEquals((await bucket.report()).written, {});
    });
  }

  // The third is the control: nobody can clean up behind it, so the test sees what is left.
  for (const [how, left] of [["exit", 0], ["throw", 0], ["kill", 1]] as const) {
    it(`${how === "kill" ? "is left by" : "is aborted with"} a program that ends by ${how}`, async () => {
      await using bucket = await FaultBucket.make({
        faults: [{ ...atPoint("middle"), times: null, when: "done", what: { kind: "silent" } }],
      });
      const running = runProgram(programHere("uploader.ts"), {
        args: [JSON.stringify({ endpoint: bucket.endpoint, uri: bucket.uri("key"), how })],
        patience: 20_000,
      });
      const ended = await running;
      if (how === "kill") assertEquals(ended.signal, "SIGKILL");
      else assertEquals([ended.signal, ended.code], [null, how === "exit" ? 7 : 1], ended.stderr);
      if (how === "throw") assertStringIncludes(ended.stderr, "RangeError: as asked");
      // It was in the middle of it.
      assertEquals((await bucket.report()).kinds.create, 1);
      assertEquals((await leftOpen(bucket, how === "kill" ? 500 : CLEANING)).length, left);
      assertEquals((await bucket.report()).written, {});
    });
  }

  it("takes its time to be aborted, and no longer", async () => {
    // The abort itself gets no answer: the program ends all the same.
    await using bucket = await FaultBucket.make({
      faults: [
        { ...atPoint("middle"), times: null, when: "done", what: { kind: "silent" } },
        { on: "abort", times: null, what: { kind: "silent" } },
      ],
    });
    const args = [
      JSON.stringify({ endpoint: bucket.endpoint, uri: bucket.uri("key"), how: "exit" }),
    ];
    const ended = await runProgram(programHere("uploader.ts"), { args, patience: 25_000 });
    assertEquals([ended.signal, ended.code], [null, 7], ended.stderr);
    assert(ended.milliseconds < 20_000, `it took ${ended.milliseconds} ms`);
  });
});

function programHere(name: string): URL {
  return new URL(`./programs/${name}`, import.meta.url);
}
