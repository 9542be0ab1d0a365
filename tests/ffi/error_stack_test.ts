// Where errors point to: the user's line that awaits the call, or the loop over what is read.

import { assert, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { file, memory, S3Client } from "dipper";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const MISSING = "/no such folder/file.parquet";

/** What fails, in a function whose name its stack must tell. */
const FAILING: Record<string, () => Promise<unknown>> = {
  async awaited() {
    await file(MISSING).bytes();
  },
  async lines() {
    for await (const _ of file(MISSING).lines());
  },
  async frames() {
    for await (const _ of file(MISSING).frames({ length: "u32be" }));
  },
  async batches() {
    for await (const _ of file(MISSING).batches());
  },
  async stream() {
    for await (const _ of file(MISSING).stream());
  },
  async values() {
    for await (const _ of file(MISSING).stream().values({ preventCancel: true }));
  },
  async reader() {
    await file(MISSING).stream().getReader().read();
  },
  async readerWithMemory() {
    await file(MISSING).stream().getReader({ mode: "byob" }).read(new Uint8Array(8));
  },
  async listing() {
    const credentials = { accessKeyId: "id", secretAccessKey: "secret" };
    using client = new S3Client({ endpoint: "http://127.0.0.1:1", credentials, retries: 0 });
    for await (const _ of client.list("s3://bucket/"));
  },
};

describe("the stack of an error names who waits", () => {
  for (const [name, fails] of Object.entries(FAILING)) {
    it(name, async () => {
      const error = await fails().then(() => undefined, (error: unknown) => error);
      assert(error instanceof Error);
      assertStringIncludes(error.stack ?? "", `${name} (${import.meta.url}:`);
    });
  }
});
