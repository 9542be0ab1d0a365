/**
 * The embedded S3 server as a process of its own, over a folder in memory, with one empty bucket
 * that the command line names. It keeps the contract of `tools/test_servers/test_server.ts`.
 *
 * @module
 */
import { LocalS3 } from "dipper";
import { temporaryMemory } from "./memory_folder.ts";

const directory = await Deno.makeTempDir({
  prefix: "dipper-bench-s3-",
  ...await temporaryMemory(),
});
try {
  await using server = await LocalS3.start({ directory });
  await server.client().createBucket(Deno.args[0] ?? "");
  console.log(JSON.stringify({ endpoint: server.endpoint, ...server.credentials }));
  for await (const _ of Deno.stdin.readable) {
    // Serves until standard input closes.
  }
} finally {
  await Deno.remove(directory, { recursive: true });
}
