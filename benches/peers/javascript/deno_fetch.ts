/**
 * Deno's own `fetch`, unsigned: what a Deno program does without any client.
 *
 * @module
 */
import { jobGiven, report, run } from "./meter.ts";

const job = jobGiven();
const url = (key: string): string => `${job.endpoint}/${job.bucket}/${key}`;

async function body(answer: Response): Promise<ArrayBuffer> {
  if (!answer.ok) throw new Error(`${answer.status} for ${answer.url}`);
  return await answer.arrayBuffer();
}

report(
  await run(job, {
    get: async (key) => await body(await fetch(url(key))),
    range: async (key, start, end) =>
      await body(await fetch(url(key), { headers: { range: `bytes=${start}-${end - 1}` } })),
    async stream(key) {
      let bytes = 0;
      const answer = await fetch(url(key));
      if (!answer.body) throw new Error("no body");
      for await (const chunk of answer.body) bytes += chunk.length;
      return bytes;
    },
  }),
);
