// Values that cannot be written as a text, where options and arguments are meant: typed errors, as
// for any other that cannot be meant, and nothing is sent.

import { assert, assertRejects } from "@std/assert";
import { InvalidInputError, LocalS3, memory, S3Client } from "dipper";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const MUTE = Object.create(null) as never;

Deno.test("a value without a text is refused by a typed error", async () => {
  using client = new S3Client({ endpoint: "http://127.0.0.1:9", credentials: "anonymous" });
  const file = client.file("s3://bucket/key");
  const calls: Record<string, () => unknown> = {
    slice: () => file.slice(MUTE),
    limit: () => client.list("s3://bucket/", { limit: MUTE }).toArray(),
    port: () => LocalS3.start({ port: MUTE }),
    endpoint: () => new S3Client({ endpoint: MUTE }),
    directory: () => client.download("s3://bucket/", MUTE),
    rows: () => file.table({ limit: MUTE }),
    int64: () => file.table({ int64: MUTE }),
  };
  for (const [name, call] of Object.entries(calls)) {
    const error = await assertRejects(async () => await call(), InvalidInputError, undefined, name);
    assert(error.hint, name);
  }
});
