/** `sync` from bucket to bucket where two clients reach the two sides. */

import { InvalidInputError, LocalS3, memory, NotFoundError, type S3Client } from "dipper";
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { onBothServers } from "./servers.ts";
import { inDirectory, put, treeOf, write } from "./trees.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

async function contentOf(client: S3Client, folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const entry of client.list(folder)) {
    if ("key" in entry) found[entry.uri.slice(folder.length)] = await client.file(entry).text();
  }
  return found;
}

/** Waits until what was stopped has let go of its uploads: a moment after the call. */
async function nothingUnderWay(): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (memory().operations > 0 && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assertEquals(memory().operations, 0);
}

onBothServers("a sync to another server", (at) => {
  let elsewhere: LocalS3;
  let other: S3Client;
  beforeAll(async () => {
    elsewhere = await LocalS3.start();
    other = elsewhere.client();
    await other.createBucket("other");
  });
  afterAll(async () => {
    other.dispose();
    await elsewhere.stop();
  });

  it("streams what differs, and deletes there what is too much", async () => {
    const { client, bucket } = at();
    const from = at().uri("out");
    const to = "s3://other/out/";
    await put(client, bucket, { "out/a": "1", "out/b/c": "22", "out/b/empty": "", "outer": "no" });
    await put(other, "other", { "out/a": "another", "out/old": "old" });
    const metadata = { by: "test" };
    await client.file(at().uri("out/m.csv")).write("1,2", { metadata, contentType: "text/x-test" });
    const options = { destination: other, delete: true };
    const plan = await client.sync(from, to, { ...options, dryRun: true });
    assertEquals([plan.transferred, plan.deleted, plan.bytes], [4, 1, 6]);
    assertEquals(await contentOf(other, to), { "a": "another", "old": "old" });
    const seen: number[][] = [];
    const report = await client.sync(from, to, {
      ...options,
      onProgress: ({ bytes, total, files, totalFiles }) =>
        seen.push([bytes, total, files, totalFiles]),
    });
    assertEquals([report.transferred, report.skipped, report.deleted], [4, 0, 1]);
    assertEquals(seen.at(-1), [6, 6, 4, 4]);
    assertEquals(await contentOf(other, to), {
      "a": "1",
      "b/c": "22",
      "b/empty": "",
      "m.csv": "1,2",
    });
    const stat = await other.file("s3://other/out/m.csv").stat();
    assertEquals([stat.metadata, stat.contentType], [metadata, "text/x-test"]);
    const again = await client.sync(from, to, options);
    assertEquals([again.transferred, again.skipped, again.deleted], [0, 4, 0]);
  });

  it("and back, by the option or by a handle of the other client", async () => {
    const { client } = at();
    await put(other, "other", { "back/x": "x", "back/y/z": "z" });
    const options = { source: other };
    const report = await client.sync("s3://other/back", at().uri("back"), options);
    assertEquals(report.transferred, 2);
    assertEquals(await contentOf(client, at().uri("back/")), { "x": "x", "y/z": "z" });
    const handle = other.file("s3://other/back");
    assertEquals((await client.sync(handle, at().uri("back-2"))).transferred, 2);
    assertEquals(await contentOf(client, at().uri("back-2/")), { "x": "x", "y/z": "z" });
    await client.sync(at().uri("back"), other.file("s3://other/forth/"));
    assertEquals(await contentOf(other, "s3://other/forth/"), { "x": "x", "y/z": "z" });
    // The whole of a bucket has no handle.
    const all = await client.sync("s3://other", at().uri("all"), options);
    assert(all.transferred >= 4);
  });

  it("brings a large object over whole", async () => {
    const { client } = at();
    const bytes = new Uint8Array(40_000_003);
    for (let index = 0; index < bytes.length; index += 4093) bytes[index] = index % 251;
    await client.file(at().uri("large/40 MB")).write(bytes);
    await client.file(at().uri("large/copy")).write(bytes);
    const report = await client.sync(at().uri("large"), "s3://other/large", { destination: other });
    assertEquals([report.transferred, report.bytes], [2, 80_000_006]);
    for (const name of ["40 MB", "copy"]) {
      const copy = await other.file(`s3://other/large/${name}`).bytes();
      assert(copy.length === bytes.length && copy.every((byte, at) => byte === bytes[at]));
    }
    await nothingUnderWay();
  });

  it("is stopped by the signal, and rejects when nothing is under way any more", async () => {
    const { client } = at();
    const files = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`many/${n}`, `${n}`]));
    await inDirectory(async (path) => {
      await write(path, files);
      await client.upload(path, at().uri(""));
    });
    const ending = new AbortController();
    const reason = new Error("enough");
    let told = 0;
    const stopped = client.sync(at().uri("many"), "s3://other/many", {
      destination: other,
      signal: ending.signal,
      onProgress: () => {
        told++;
        ending.abort(reason);
      },
    });
    assertEquals(await stopped.catch((error) => error), reason);
    assertEquals(told, 1);
    assert((await other.list("s3://other/many/").toArray()).length < 200);
    await nothingUnderWay();
  });

  it("ends with what a progress function throws", async () => {
    const { client, bucket } = at();
    await put(client, bucket, { "thrown/a": "1", "thrown/b": "2" });
    const error = new Error("told badly");
    const synced = client.sync(at().uri("thrown"), "s3://other/thrown", {
      destination: other,
      onProgress() {
        throw error;
      },
    });
    assertEquals(await synced.catch((thrown) => thrown), error);
    await nothingUnderWay();
  });

  it("reports what could not be copied", async () => {
    const { client, bucket } = at();
    await put(client, bucket, { "gone/a": "1", "gone/b": "2" });
    const error = await assertRejects(
      () => client.sync(at().uri("gone"), "s3://no-such-bucket/x", { destination: other }),
      NotFoundError,
      "no-such-bucket",
    );
    assertInstanceOf(error, NotFoundError);
  });

  it("is refused where a client is named in vain", () =>
    inDirectory(async (path) => {
      const { client } = at();
      const refused = (call: () => Promise<unknown>, text: string) =>
        assertRejects(call, InvalidInputError, text);
      await refused(() => client.sync(path, at().uri("x"), { source: other }), "is a directory");
      await refused(
        () => client.sync(at().uri("x"), path, { destination: other }),
        "is a directory",
      );
      await refused(
        () => client.sync(other.file("s3://other/x"), at().uri("x"), { source: other }),
        "keeps its own client",
      );
      await refused(
        () => client.sync(at().uri("x"), "s3://other/x", { destination: {} as S3Client }),
        "destination is no S3Client",
      );
      await refused(
        () => client.sync(client.file(at().uri("x"), { versionId: "v" }), path),
        "one version",
      );
      await refused(() => client.sync(client.file(at().uri("x")).slice(1), path), "a slice");
      await refused(() => client.download(client.file("/tmp/x"), path), "not on S3");
      // Two clients of one server reach the same objects.
      using same = at().connect();
      await refused(
        () => client.sync(at().uri("a"), at().uri("a/b"), { destination: same }),
        "hold each other",
      );
    }));

  it("downloads and uploads through a handle's own client", () =>
    inDirectory(async (path) => {
      const { client } = at();
      await put(other, "other", { "own/a": "1" });
      await client.download(other.file("s3://other/own"), path);
      assertEquals(await treeOf(path), { "a": "1" });
      await client.upload(path, other.file("s3://other/uploaded"));
      assertEquals(await contentOf(other, "s3://other/uploaded/"), { "a": "1" });
    }));
});

describe("a sync between two regions of one endpoint", () => {
  it("streams between two clients, and is copied by the server within one", async () => {
    await using server = await LocalS3.start();
    using one = server.client({ region: "us-east-1" });
    using two = server.client({ region: "eu-central-1" });
    await one.createBucket("one");
    await two.createBucket("two");
    await put(one, "one", { "a": "1", "b/c": "2" });
    const report = await one.sync("s3://one", "s3://two/streamed", { destination: two });
    assertEquals(report.transferred, 2);
    assertEquals(await contentOf(two, "s3://two/streamed/"), { "a": "1", "b/c": "2" });
    assertEquals((await one.sync("s3://one", "s3://two/copied")).transferred, 2);
    assertEquals(await contentOf(two, "s3://two/copied/"), { "a": "1", "b/c": "2" });
  });
});
