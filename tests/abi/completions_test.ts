/** Every operation ends exactly once: done, failed or cancelled. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { KIND, RECORD } from "../../ffi/symbols.ts";
import { held, memoryTest, turn } from "../memory/settled.ts";
import { codeOf, drain, ended, json, loaded, queue, raw, submit } from "./raw_library.ts";

const MANY = 100_000;

memoryTest("100,000 operations submitted together end exactly once", async () => {
  const handles = submit(Array.from({ length: MANY }, () => ({ operation: "nothing" })));
  assertEquals(new Set(handles).size, MANY);
  const completions = await ended(MANY);
  const ends = new Map<number, number>();
  for (const { operation, kind } of completions) {
    assertEquals(kind, KIND.Done);
    ends.set(operation, (ends.get(operation) ?? 0) + 1);
  }
  assertEquals(ends.size, MANY);
  assert(handles.every((handle) => ends.get(handle) === 1));
  await turn(20);
  assertEquals([drain().length, raw.dipper_next_record(queue)], [0, 0]);
});

memoryTest("100,000 operations cancelled at once end exactly once", async () => {
  const handles = submit(Array.from({ length: MANY }, () => ({ operation: "nothing" })));
  for (const handle of handles) assertEquals(raw.dipper_cancel(handle), 0);
  const completions = await ended(MANY);
  assertEquals(completions.length, MANY);
  assertEquals(new Set(completions.map(({ operation }) => operation)).size, MANY);
  const kinds = new Set(completions.map(({ kind }) => kind));
  assert([...kinds].every((kind) => kind === KIND.Done || kind === KIND.Cancelled));
  assertEquals(drain().length, 0);
});

memoryTest("cancelling what has ended, or never was, is harmless", async () => {
  const [handle = 0] = submit([{ operation: "nothing" }]);
  await ended(1);
  for (const number of [handle, handle, handle + 1_000_000]) {
    assertEquals(raw.dipper_cancel(number), 0);
  }
  await turn(20);
  assertEquals(drain().length, 0, "no second end");
});

memoryTest("a panic is a completion that names the operation, and work goes on", async () => {
  const requests = Array.from({ length: 1000 }, (_, at) => ({
    operation: at % 2 === 0 ? "panic" : "nothing",
  }));
  const handles = submit(requests);
  const completions = new Map((await ended(1000)).map((one) => [one.operation, one]));
  handles.forEach((handle, at) => {
    const { kind, status, payload } = completions.get(handle)!;
    if (at % 2 === 1) return assertEquals(kind, KIND.Done);
    assertEquals([kind, codeOf(-status)], [KIND.Failed, "Internal"]);
    const details = JSON.parse(payload);
    assertEquals(details.operation, "panic");
    assertStringIncludes(details.message, "panic panicked at");
    assertStringIncludes(details.message, "on purpose");
  });
});

memoryTest("a record that does not fit stays, and says how much it needs", async () => {
  submit([{ operation: "panic" }]);
  while (raw.dipper_next_record(queue) === 0) await turn();
  const needed = raw.dipper_next_record(queue);
  assert(needed > RECORD.size && needed % 8 === 0);
  for (const size of [0, 1, RECORD.size, needed - 8, needed - 1]) {
    assertEquals(raw.dipper_drain(queue, new Uint8Array(size), size), 0, `${size} bytes`);
  }
  assertEquals(raw.dipper_next_record(queue), needed);
  const exact = drain(new Uint8Array(needed));
  assertEquals(exact.map(({ kind }) => kind), [KIND.Failed]);
  assertEquals(raw.dipper_next_record(queue), 0);
});

memoryTest("a room for one record at a time brings all of them", async () => {
  submit(Array.from({ length: 100 }, () => ({ operation: "nothing" })));
  while (held().operations > 0) await turn();
  assertEquals(drain(new Uint8Array(RECORD.size)).length, 100);
});

memoryTest("the target of an operation that writes nothing stays as it was", async () => {
  const target = new Uint8Array(64).fill(7);
  const request = json({ granted: [], request: { operation: "nothing" } });
  loaded.checked(raw.dipper_submit_into(queue, request, request.length, target, target.length));
  const [completion] = await ended(1);
  assertEquals(completion?.kind, KIND.Done);
  assert(target.every((byte) => byte === 7));
});
