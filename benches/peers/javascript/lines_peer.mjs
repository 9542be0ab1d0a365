/** Counts the lines of a file in Node.js, Bun or Deno: `lines_peer.mjs PATH WAY COUNT`. */
import { createReadStream } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";

const [path, way, expected] = process.argv.slice(2);

/** The text of a file, chunk by chunk. */
async function* chunks() {
  if (globalThis.Bun) {
    const decoder = new TextDecoder();
    for await (const chunk of globalThis.Bun.file(path).stream()) {
      yield decoder.decode(chunk, { stream: true });
    }
    yield decoder.decode();
  } else {
    const file = await Deno.open(path);
    yield* file.readable.pipeThrough(new TextDecoderStream());
  }
}

let count = 0;
if (way === "readline") {
  const input = createReadStream(path);
  for await (const _ of createInterface({ input, crlfDelay: Infinity })) count++;
} else {
  let open = "";
  for await (const chunk of chunks()) {
    const lines = chunk.split("\n");
    lines[0] = open + lines[0];
    open = lines.pop();
    count += lines.length;
  }
  if (open !== "") count++;
}
if (count !== Number(expected)) throw new Error(`${count} lines came, not ${expected}`);
