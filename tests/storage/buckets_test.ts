// Buckets: making, listing and removing, on both servers.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { InvalidInputError, NotFoundError, S3Client } from "dipper";
import { ScriptedServer } from "./scripted_server.ts";
import { bucketName, onBothServers } from "./servers.ts";

onBothServers("buckets", (at) => {
  it("are listed between their making and their removal", async () => {
    const { client } = at();
    const name = bucketName();
    const before = Date.now();
    await client.createBucket(name);
    const made = (await client.buckets()).find((bucket) => bucket.name === name);
    assert(made?.createdAt instanceof Date);
    assert(Math.abs(made.createdAt.getTime() - before) < 60_000, `made at ${made.createdAt}`);
    await client.deleteBucket(name);
    assertEquals((await client.buckets()).filter((bucket) => bucket.name === name), []);
  });

  it("come as an array, sorted by name", async () => {
    const { client } = at();
    const names = [bucketName(), bucketName(), bucketName()];
    for (const name of names) await client.createBucket(name);
    const listed = (await client.buckets()).map((bucket) => bucket.name);
    assertEquals(listed, listed.toSorted());
    for (const name of names) assert(listed.includes(name));
    for (const name of names) await client.deleteBucket(name);
  });

  it("cannot be made twice", async () => {
    const { client, bucket } = at();
    const error = await assertRejects(() => client.createBucket(bucket), InvalidInputError, bucket);
    assertEquals([error.code, error.operation], ["BucketUnavailable", "createBucket"]);
    assertEquals(error.uri, `s3://${bucket}/`);
    assertStringIncludes(error.message, "choose another name");
  });

  it("tell where they live, also through a client of another region", async () => {
    const { client, bucket, connect, server } = at();
    const region = await client.bucketRegion(bucket);
    assertEquals(region, "us-east-1");
    // versitygw takes signatures for its own region only, and does not say which that is.
    if (server === "LocalS3") {
      using elsewhere = connect({ region: "eu-central-1" });
      assertEquals(await elsewhere.bucketRegion(bucket), region);
    }
    const missing = bucketName();
    const error = await assertRejects(() => client.bucketRegion(missing), NotFoundError, missing);
    assertEquals([error.operation, error.uri], ["bucketRegion", `s3://${missing}/`]);
    await assertRejects(() => client.bucketRegion("a/b"), InvalidInputError, "not a bucket name");
  });

  it("are not removed while they hold objects", async () => {
    const { client } = at();
    const name = bucketName();
    await client.createBucket(name);
    const file = client.file(`s3://${name}/kept`);
    await file.write("here");
    const error = await assertRejects(() => client.deleteBucket(name), InvalidInputError, name);
    assertEquals(error.code, "BucketNotEmpty");
    assertStringIncludes(error.message, "delete its objects first");
    assertEquals(await file.text(), "here");
    await file.delete();
    await client.deleteBucket(name);
  });

  it("that are missing cannot be removed, listed, read or written", async () => {
    const { client } = at();
    const name = bucketName();
    const file = client.file(`s3://${name}/key`);
    for (
      const [operation, call] of [
        ["deleteBucket", () => client.deleteBucket(name)],
        ["list", () => client.list(`s3://${name}/`).toArray()],
        ["get", () => file.bytes()],
        ["write", () => file.write("x")],
      ] as const
    ) {
      const error = await assertRejects(call, NotFoundError, name, operation);
      assertEquals(error.code, "NoSuchBucket", operation);
      assertStringIncludes(error.message, "buckets() lists yours");
      assertEquals(error.status, 404);
    }
    // A HEAD has no body to name the reason in.
    const error = await assertRejects(() => file.stat(), NotFoundError, name);
    assert(["NotFound", "NoSuchBucket"].includes(error.code), error.code);
  });

  it("take only names that S3 takes", async () => {
    const { client, server } = at();
    const names = ["", "ab", "Upper-Case", "under_score", "-dash", "a/b", "192.168.0.1"];
    // versitygw makes this one.
    if (server === "LocalS3") names.push("dot..dot");
    for (const name of names) {
      const error = await assertRejects(() => client.createBucket(name), InvalidInputError);
      assert(["InvalidInput", "BucketUnavailable"].includes(error.code), `${name}: ${error.code}`);
      assertStringIncludes(error.message, "3 to 63 lower-case letters", name);
    }
  });
});

describe("the region of a bucket", () => {
  it("is told by a server that refuses, and else asked for", async () => {
    const cases: [number, Record<string, string>, string, string][] = [
      [200, { "x-amz-bucket-region": "eu-north-1" }, "", "eu-north-1"],
      [403, { "x-amz-bucket-region": "eu-north-1" }, "", "eu-north-1"],
      [301, { "x-amz-bucket-region": "eu-north-1" }, "", "eu-north-1"],
      [200, {}, "<LocationConstraint/>", "us-east-1"],
      [200, {}, "<LocationConstraint>EU</LocationConstraint>", "eu-west-1"],
      [200, {}, "<LocationConstraint>ap-south-1</LocationConstraint>", "ap-south-1"],
    ];
    for (const [status, headers, body, region] of cases) {
      await using server = await ScriptedServer.start((asked, reply) =>
        asked.method === "HEAD" ? reply.answer(status, headers) : reply.answer(200, {}, body)
      );
      using client = new S3Client({ endpoint: server.endpoint, credentials: "anonymous" });
      assertEquals(await client.bucketRegion("bucket"), region);
      assertEquals(server.asked.length, body === "" ? 1 : 2);
    }
  });
});
