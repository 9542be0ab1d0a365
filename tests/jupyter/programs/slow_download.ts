// Downloads 2,000,000 bytes that take about two seconds. With "quiet" it shows no progress.

import { file } from "../../../mod.ts";

const SIZE = 2_000_000;
const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
  let pieces = 20;
  const body = new ReadableStream({
    async pull(controller) {
      if (pieces-- === 0) return controller.close();
      controller.enqueue(new Uint8Array(SIZE / 20));
      await new Promise((resolve) => setTimeout(resolve, 100));
    },
  }, { highWaterMark: 0 });
  return new Response(body, { headers: { "content-length": String(SIZE) } });
});
const slow = file(`http://127.0.0.1:${server.addr.port}/slow`);
const bytes = await slow.bytes({ progress: Deno.args[0] !== "quiet" });
console.log("length", bytes.length);
await server.shutdown();
