/**
 * The smallest example of the README, word for word: an object `s3://bucket/test` that holds 1, 2, 3, 4,
 * its `RustBuffer`, the view's length and its first four bytes.
 */

import { assertEquals } from "@std/assert";
import { configure, file, get, LocalS3, memory } from "dipper";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

Deno.test("s3://bucket/test holds 1, 2, 3, 4", async () => {
  await using server = await LocalS3.start();
  using client = server.client();
  await client.createBucket("bucket");
  await client.file("s3://bucket/test").write(new Uint8Array([1, 2, 3, 4]));
  {
    using buffer = await client.get("s3://bucket/test");
    const view = buffer.view();
    assertEquals(view.length, 4);
    assertEquals([...view.subarray(0, 4)], [1, 2, 3, 4]);
  }
  assertEquals(memory().bytes, 0);
});

Deno.test("the same through the functions of the module, after configure()", async () => {
  await using server = await LocalS3.start();
  const { endpoint, region, credentials } = server;
  configure({ endpoint, region, credentials, pathStyle: true });
  using client = server.client();
  await client.createBucket("bucket");
  await file("s3://bucket/test").write(new Uint8Array([1, 2, 3, 4]));
  {
    using buffer = await get("s3://bucket/test");
    const view = buffer.view();
    assertEquals(view.length, 4);
    assertEquals([...view.subarray(0, 4)], [1, 2, 3, 4]);
  }
  assertEquals(memory().bytes, 0);
});
