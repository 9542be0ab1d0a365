/** Several isolates at the boundary at once. */
import { assert, assertEquals } from "@std/assert";
import { collectUntil, held, memoryTest, turn } from "../memory/settled.ts";
import { codeOf, ended, loaded, queue, raw, submit } from "./raw_library.ts";

/** What a Worker of `boundary_worker.ts` answers. */
interface Answer {
  [fact: string]: number;
}

function ask(worker: Worker, question: Record<string, unknown>): Promise<Answer> {
  const answer = new Promise<Answer>((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
  });
  worker.postMessage(question);
  return answer;
}

function boundaryWorker(): Worker {
  return new Worker(new URL("./boundary_worker.ts", import.meta.url), { type: "module" });
}

memoryTest("four Workers submit, panic, cancel and send garbage at once", async () => {
  const first = boundaryWorker();
  // Deno checks and compiles a Worker's program once, if the first of them is alone.
  await ask(first, { rounds: 0 });
  const workers = [first, ...Array.from({ length: 3 }, boundaryWorker)];
  const rounds = 20;
  const answers = await Promise.all(workers.map((worker) => ask(worker, { rounds })));
  for (const answer of answers) {
    assertEquals(answer, {
      done: rounds * 100,
      panics: rounds * 10,
      cancelled: rounds * 10,
      refused: rounds * 20,
      buffers: rounds * 50,
    });
  }
  for (const worker of workers) worker.terminate();
});

memoryTest("what a Worker held and never mapped goes with it", async () => {
  const worker = boundaryWorker();
  const { first = 0 } = await ask(worker, { hold: 100 });
  assertEquals(held().buffers, 100);
  assert(raw.dipper_buffer_address(first) > 0, "handles belong to the process");
  worker.terminate();
  assert(await collectUntil(() => held().buffers === 0));
  assertEquals(codeOf(raw.dipper_buffer_address(first)), "StaleHandle");
});

memoryTest("a Worker's queue and client end with it", async () => {
  const worker = boundaryWorker();
  const { queue: foreign = 0, client = 0 } = await ask(worker, { name: true });
  assertEquals(raw.dipper_next_record(foreign), 0);
  worker.terminate();
  assert(await collectUntil(() => raw.dipper_next_record(foreign) < 0));
  assertEquals(codeOf(raw.dipper_next_record(foreign)), "StaleHandle");
  assertEquals(codeOf(raw.dipper_client_release(client)), "StaleHandle");
  assertEquals(raw.dipper_next_record(queue), 0, "ours lives");
});

memoryTest("Workers terminated with thousands of operations, twenty times", async () => {
  for (let round = 0; round < 20; round++) {
    const worker = boundaryWorker();
    await ask(worker, { flood: 20_000 });
    await turn(round % 5);
    worker.terminate();
  }
  assert(await collectUntil(() => held().operations === 0));
  submit([{ operation: "nothing" }]);
  assertEquals((await ended(1)).length, 1, "the boundary works on");
  assertEquals(typeof loaded.node.adopt(0), "number");
});
