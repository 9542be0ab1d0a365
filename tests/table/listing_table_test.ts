// list(…).toTable(): a row of each entry.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { LocalS3, memory, NotFoundError } from "dipper";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

Deno.test("a listing is a table of its entries", async () => {
  await using s3 = await LocalS3.start();
  using client = s3.client();
  await client.createBucket("bucket");
  for (const key of ["a.txt", "b/c.txt", "b/d.txt"]) {
    await client.file(`s3://bucket/${key}`).write(key);
  }
  const entries = await client.list("s3://bucket/").toArray();
  const table = await client.list("s3://bucket/").toTable({ useDate: true });
  assertEquals(table.numRows, 3);
  assertEquals(
    table.select(["uri", "key", "size", "lastModified", "etag"]).toArray(),
    entries.map(
      (entry) => {
        assert("key" in entry);
        const { uri, key, size, lastModified, etag } = entry;
        return { uri, key, size, lastModified, etag };
      },
    ) as never,
  );
  const groups = await client.list("s3://bucket/", { delimiter: "/" }).toTable();
  assertEquals(groups.select(["uri", "key", "size", "prefix"]).toArray(), [
    { uri: "s3://bucket/a.txt", key: "a.txt", size: 5, prefix: null },
    { uri: "s3://bucket/b/", key: null, size: null, prefix: "b/" },
  ] as never);
  const none = await client.list("s3://bucket/zzz").toTable();
  assertEquals([none.numRows, none.names], [0, ["uri", "key", "size", "lastModified"]]);
  await assertRejects(() => client.list("s3://nowhere/").toTable(), NotFoundError);
});
