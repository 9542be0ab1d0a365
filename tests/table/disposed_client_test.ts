// Tables whose client is disposed while they are read: an error, never fewer rows.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { InvalidInputError, LocalS3, memory, type S3Client } from "dipper";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const ROWS = 400_000;

async function withFiles(
  run: (open: () => S3Client, uris: string[]) => Promise<void>,
): Promise<void> {
  await using server = await LocalS3.start();
  using client = server.client();
  await client.createBucket("bucket");
  const table = { n: Float64Array.from({ length: ROWS }, (_, row) => row) };
  const uris = ["parquet", "arrow", "csv", "ndjson"].map((format) => `s3://bucket/n.${format}`);
  for (const uri of uris) {
    await client.writeTable(uri, table, uri.endsWith("parquet") ? { rowGroupSize: 20_000 } : {});
  }
  await run(() => server.client(), uris);
}

async function assertGone(read: () => Promise<unknown>): Promise<void> {
  const error = await assertRejects(read, InvalidInputError, "disposed");
  assertEquals(error.code, "ClientGone");
}

describe("a client that is disposed", () => {
  it("ends a loop over batches with an error", async () => {
    await withFiles(async (open, uris) => {
      for (const uri of uris) {
        const client = open();
        let batches = 0;
        await assertGone(async () => {
          for await (const _ of client.file(uri).batches()) {
            batches++;
            client.dispose();
          }
        });
        assertEquals(batches, 1, uri);
      }
    });
  });

  it("ends the reading of a table at any moment with an error or with all rows", async () => {
    await withFiles(async (open, uris) => {
      let ended = 0;
      for (const uri of uris) {
        for (let moment = 0; moment < 40; moment++) {
          const client = open();
          const reading = client.file(uri).table().then(({ numRows }) => numRows, (e) => e);
          await new Promise((resolve) => setTimeout(resolve, moment / 2));
          client.dispose();
          const outcome = await reading;
          if (outcome === ROWS) continue;
          assert(outcome instanceof InvalidInputError, `${uri}, ${moment}: ${outcome}`);
          assertEquals(outcome.code, "ClientGone");
          ended++;
        }
      }
      assert(ended > uris.length, `${ended} were ended`);
    });
  });

  it("ends the reading of many files with an error", async () => {
    await withFiles(async (open) => {
      const client = open();
      await assertGone(async () => {
        const series = Array(9).fill("s3://bucket/n.parquet");
        for await (const _ of client.batches(series)) client.dispose();
      });
    });
  });
});
