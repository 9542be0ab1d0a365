// Versions of objects: kept, listed, read, restored, tagged and deleted, on both servers.

import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { InvalidInputError, memory, NotFoundError, type ObjectEntry, S3Client } from "dipper";
import { ScriptedServer } from "./scripted_server.ts";
import { bucketName, everyWay } from "./servers.ts";

memory();

async function all(entries: AsyncIterable<ObjectEntry>): Promise<ObjectEntry[]> {
  const found: ObjectEntry[] = [];
  for await (const entry of entries) found.push(entry);
  return found;
}

everyWay("versions", (at) => {
  async function versioned(): Promise<{ bucket: string; end(): Promise<void> }> {
    const { client } = at();
    const bucket = bucketName();
    await client.createBucket(bucket, { versioning: true });
    const end = async (): Promise<void> => {
      await client.deleteMany(client.list(`s3://${bucket}/`, { versions: true }));
      await client.deleteBucket(bucket);
    };
    return { bucket, end };
  }

  it("are listed, the newest first, and read", async () => {
    const { client } = at();
    const { bucket, end } = await versioned();
    const file = client.file(`s3://${bucket}/key`);
    assertEquals(await all(file.versions()), []);
    const one = await file.write("1");
    const two = await file.write("22");
    await client.file(`s3://${bucket}/key2`).write("another");
    await client.file(`s3://${bucket}/key-below`).write("another");
    assertNotEquals(one.versionId, two.versionId);
    const versions = await all(file.versions());
    assertEquals(
      versions.map(({ key, size, versionId, isLatest, deleteMarker }) => [
        key,
        size,
        versionId,
        isLatest,
        deleteMarker,
      ]),
      [
        ["key", 2, two.versionId, true, false],
        ["key", 1, one.versionId, false, false],
      ],
    );
    assertEquals(await client.file(versions[1]!).text(), "1");
    assertEquals(await client.file(file, { versionId: two.versionId! }).text(), "22");
    assertEquals((await client.file(versions[1]!).stat()).versionId, one.versionId);
    await end();
  });

  it("come back after an overwrite and after a deletion", async () => {
    const { client } = at();
    const { bucket, end } = await versioned();
    const file = client.file(`s3://${bucket}/key`);
    const good = await file.write("good", {
      contentType: "text/x-test",
      metadata: { a: "1" },
      tags: { t: "1" },
    });
    await file.write("bad");
    const stat = await file.restore(good.versionId!);
    assertEquals([stat.size, stat.contentType, stat.metadata], [4, "text/x-test", { a: "1" }]);
    assert(stat.versionId !== undefined && stat.versionId !== good.versionId);
    assertEquals([await file.text(), await file.tags()], ["good", { t: "1" }]);
    await file.delete();
    assertEquals(await file.exists(), false);
    const [marker] = await all(file.versions());
    assertEquals([marker!.deleteMarker, marker!.isLatest], [true, true]);
    await file.restore(good.versionId!);
    assertEquals(await file.text(), "good");
    assertEquals((await all(file.versions())).length, 5);
    await end();
  });

  it("are deleted one by one; without its marker an object is back", async () => {
    const { client } = at();
    const { bucket, end } = await versioned();
    const file = client.file(`s3://${bucket}/key`);
    const one = await file.write("1");
    const two = await file.write("22");
    await client.file(file, { versionId: two.versionId! }).delete();
    assertEquals(await file.text(), "1");
    await file.delete();
    const [marker] = await all(file.versions());
    await client.file(marker!).delete();
    assertEquals(await file.text(), "1");
    assertEquals((await client.deleteMany(file.versions())).deleted, 1);
    assertEquals(await all(file.versions()), []);
    await assertRejects(() => file.restore(one.versionId!), NotFoundError);
    await end();
  });

  it("have tags of their own, and are copied and moved", async () => {
    const { client } = at();
    const { bucket, end } = await versioned();
    const file = client.file(`s3://${bucket}/key`);
    const one = await file.write("1");
    await file.write("22");
    const old = client.file(file, { versionId: one.versionId! });
    await old.tags({ which: "old" });
    assertEquals([await old.tags(), await file.tags()], [{ which: "old" }, {}]);
    await old.copyTo(`s3://${bucket}/copy`);
    assertEquals(await client.file(`s3://${bucket}/copy`).text(), "1");
    await old.moveTo(`s3://${bucket}/moved`);
    assertEquals(await client.file(`s3://${bucket}/moved`).text(), "1");
    assertEquals(await file.text(), "22");
    assertEquals((await all(file.versions())).map(({ size }) => size), [2]);
    await end();
  });

  it("that are markers of a deletion are not restored", async () => {
    const { client } = at();
    const { bucket, end } = await versioned();
    const file = client.file(`s3://${bucket}/key`);
    await file.write("1");
    await file.delete();
    const [marker] = await all(file.versions());
    const error = await assertRejects(
      () => file.restore(marker!.versionId!),
      InvalidInputError,
      "delete marker",
    );
    assertEquals(error.operation, "restore");
    await end();
  });

  it("are one where a bucket keeps none", async () => {
    const { client, uri } = at();
    const file = client.file(uri("single"));
    await file.write("1");
    const versions = await all(file.versions());
    assertEquals(versions.map(({ versionId, isLatest }) => [versionId, isLatest]), [[
      "null",
      true,
    ]]);
    await file.delete();
  });
});

describe("a bucket that cannot keep versions", () => {
  it("is removed again", async () => {
    await using server = await ScriptedServer.start((asked, reply) =>
      asked.path.includes("versioning")
        ? reply.answer(501, {}, "<Error><Code>NotImplemented</Code></Error>")
        : reply.answer(asked.method === "DELETE" ? 204 : 200, {})
    );
    using client = new S3Client({ endpoint: server.endpoint, credentials: "anonymous" });
    const call = () => client.createBucket("bucket", { versioning: true });
    await assertRejects(call, Error, "the bucket was removed again");
    assertEquals(server.asked.map(({ method, path }) => `${method} ${path.split("?")[0]}`), [
      "PUT /bucket/",
      "PUT /bucket/",
      "DELETE /bucket/",
    ]);
    const versioning = "yes" as unknown as boolean;
    await assertRejects(() => client.createBucket("bucket", { versioning }), InvalidInputError);
  });
});
