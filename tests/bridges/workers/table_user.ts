/** A Worker that holds a table of another isolate: adds to it, searches it, and lets go of it. */
import { EmbeddingTable } from "../../../mod.ts";

/** What it is asked, one thing at a time. */
export type ToTableUser =
  | { take: string }
  | { add: number; value: number }
  | { search: number }
  | { letGo: true };

/** What it answers. */
export interface FromTableUser {
  length: number;
  wrong: string[];
}

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<ToTableUser>) => Promise<void>;
  postMessage(answer: FromTableUser): void;
};

let table: EmbeddingTable | undefined;

/** Deno ends a Worker where it waits, and not amid a loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

scope.onmessage = async ({ data }) => {
  const wrong: string[] = [];
  try {
    if ("take" in data) table = EmbeddingTable.from(data.take);
    if (table === undefined) throw new Error("no table was taken");
    if ("add" in data) {
      const rows = new Float32Array(table.dimension * 10).fill(data.value);
      for (let added = 0; added < data.add; added += 10) {
        table.addMany(rows);
        if (added % 500 === 0) await turn();
      }
    }
    if ("search" in data) {
      const query = new Float32Array(table.dimension).fill(1);
      for (let round = 0; round < data.search; round++) {
        await turn();
        const before = table.length;
        const { indices, scores } = table.topK(query, 20);
        if (indices.length < Math.min(20, before)) wrong.push(`${indices.length} of ${before}`);
        const descending = scores.every((score, at) => at === 0 || scores[at - 1]! >= score);
        if (!descending) wrong.push(`round ${round} is out of order`);
        // All that was added at once is seen at once.
        const all = table.scores(query);
        if (all.length % 10 !== 0) wrong.push(`${all.length} rows`);
        for (let at = 0; at < all.length; at += 10) {
          if (all[at] !== all[at + 9]) wrong.push(`rows ${at} to ${at + 9} differ`);
        }
      }
    }
    const { length } = table;
    if ("letGo" in data) {
      table.dispose();
      table = undefined;
    }
    scope.postMessage({ length, wrong });
  } catch (error) {
    scope.postMessage({ length: -1, wrong: [String(error)] });
  }
};
