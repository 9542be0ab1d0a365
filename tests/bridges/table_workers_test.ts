/** One table, several Workers: no copy, no tearing, nothing left behind. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { EmbeddingTable, InvalidInputError, memory } from "dipper";
import { collectUntil, held, memoryTest } from "../memory/settled.ts";
import type { FromTableUser, ToTableUser } from "./workers/table_user.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

class TableUser {
  readonly #worker = new Worker(new URL("workers/table_user.ts", import.meta.url), {
    type: "module",
  });

  ask(question: ToTableUser): Promise<FromTableUser> {
    const { promise, resolve, reject } = Promise.withResolvers<FromTableUser>();
    this.#worker.onmessage = ({ data }) => resolve(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
    this.#worker.postMessage(question);
    return promise;
  }

  terminate(): void {
    this.#worker.terminate();
  }
}

memoryTest("a Worker holds the same table, and keeps it when others let go", async () => {
  const table = new EmbeddingTable(16);
  table.addMany(new Float32Array(16 * 10).fill(1));
  const token = table.share();
  const user = new TableUser();
  try {
    assertEquals(await user.ask({ take: token }), { length: 10, wrong: [] });
    const { bytes } = held();
    assertEquals((await user.ask({ add: 10, value: 2 })).length, 20);
    assertEquals(held().bytes, bytes, "the rows fit what was reserved: nothing is copied");
    assertEquals([table.length, table.row(19)[0]], [20, 2]);
    table.dispose();
    assert(held().bytes > 0, "the Worker holds it");
    const again = EmbeddingTable.from(token);
    assertEquals(again.length, 20);
    again.dispose();
    assertEquals(await user.ask({ letGo: true }), { length: 20, wrong: [] });
    assertEquals(held().bytes, 0);
    const error = assertThrows(() => EmbeddingTable.from(token), InvalidInputError);
    assertStringIncludes(error.message, "no isolate");
    assertStringIncludes((await user.ask({ take: token })).wrong.join(), "no isolate");
  } finally {
    user.terminate();
  }
});

memoryTest("a Worker that is terminated lets go of its table", async () => {
  const table = new EmbeddingTable(1024);
  table.addMany(new Float32Array(1024 * 1000));
  const user = new TableUser();
  await user.ask({ take: table.share() });
  table.dispose();
  assert(held().bytes > 0);
  user.terminate();
  assert(await collectUntil(() => held().bytes === 0));
});

memoryTest("Workers add and search at once", async () => {
  using table = new EmbeddingTable(96);
  table.addMany(new Float32Array(96 * 10).fill(0.5));
  const users = [1, 2, 3].map(() => new TableUser());
  try {
    for (const user of users) await user.ask({ take: table.share() });
    const [one, two, three] = users;
    const answers = Promise.all([
      one!.ask({ add: 20_000, value: 1 }),
      two!.ask({ add: 20_000, value: 2 }),
      three!.ask({ search: 60 }),
    ]);
    const query = new Float32Array(96).fill(1);
    for (let round = 0; round < 40; round++) {
      const { scores } = table.topK(query, 5);
      assert(scores.every((score) => score === scores[0] || score < scores[0]!));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    for (const { wrong } of await answers) assertEquals(wrong, []);
    assertEquals(table.length, 40_010);
    const sum = table.scores(query).reduce((sum, score) => sum + score, 0);
    assertEquals(sum, 96 * (20_000 * 3 + 10 * 0.5));
  } finally {
    for (const user of users) user.terminate();
  }
});

memoryTest(
  "Workers that are terminated while they add and search leave a sound table",
  async () => {
    using table = new EmbeddingTable(256);
    for (let round = 0; round < 4; round++) {
      const users = [1, 2].map(() => new TableUser());
      for (const user of users) await user.ask({ take: table.share() });
      void users[0]!.ask({ add: 1_000_000, value: 1 });
      void users[1]!.ask({ search: 1_000_000 });
      await new Promise((resolve) => setTimeout(resolve, 20 * (round + 1)));
      for (const user of users) user.terminate();
      assertEquals(table.length % 10, 0);
      table.addMany(new Float32Array(256 * 10).fill(2));
      assertEquals(table.row(table.length - 1)[255] === 0, false);
    }
  },
);
