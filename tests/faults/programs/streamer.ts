/**
 * Writes an object of so many MiB from a stream, in parts of 5 MiB, as fast or as slowly as it is
 * told. Whoever starts it may kill it in the middle.
 */
import { S3Client } from "dipper";

const [task = "{}"] = Deno.args;
const { server, uri, mebibytes, pause } = JSON.parse(task);
using client = new S3Client(server);

async function* source(): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < mebibytes; at++) {
    yield new Uint8Array(1024 * 1024).fill(at);
    if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

await client.file(uri).write(source(), { partSize: 5 * 1024 * 1024 });
