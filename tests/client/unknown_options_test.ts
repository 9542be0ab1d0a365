// An option that a call does not know, or that is misspelt, is an error before anything is sent: one
// that is ignored in silence deletes what a dry run should have shown, or reads another version.

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { file, InvalidInputError, LocalS3, memory, S3Client } from "dipper";
import { ScriptedServer } from "../storage/scripted_server.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

type Call = (options: never) => unknown;

function callsOf(client: S3Client): Record<string, Call> {
  const object = client.file("s3://bucket/key");
  const local = file("./missing");
  const drained = async (source: AsyncIterable<unknown>) => {
    for await (const _ of source);
  };
  return {
    bytes: (options) => object.bytes(options),
    arrayBuffer: (options) => object.arrayBuffer(options),
    buffer: (options) => object.buffer(options),
    text: (options) => object.text(options),
    json: (options) => object.json(options),
    blob: (options) => object.blob(options),
    into: (options) => object.into(new Uint8Array(1), options),
    stream: (options) => drained(object.stream(options)),
    ranges: (options) => object.ranges([[0, 1]], options),
    stat: (options) => object.stat(options),
    exists: (options) => object.exists(options),
    write: (options) => object.write("x", options),
    writer: (options) => object.writer(options).close(),
    copyTo: (options) => object.copyTo("s3://bucket/copy", options),
    moveTo: (options) => object.moveTo("s3://bucket/moved", options),
    delete: (options) => object.delete(options),
    versions: (options) => drained(object.versions(options)),
    restore: (options) => object.restore("1", options),
    tags: (options) => object.tags(undefined, options),
    "tags of one's own": (options) => object.tags({ a: "b" }, options),
    presign: (options) => object.presign(options),
    file: (options) => client.file("s3://bucket/key", options),
    get: (options) => client.get("s3://bucket/key", options),
    getMany: (options) => drained(client.getMany(["s3://bucket/key"], options)),
    list: (options) => client.list("s3://bucket/", options).toArray(),
    usage: (options) => client.usage("s3://bucket/", options),
    diagnose: (options) => client.diagnose("s3://bucket/", options),
    incompleteUploads: (options) => client.incompleteUploads("s3://bucket/", options).toArray(),
    abortUpload: (options) =>
      client.abortUpload({ uri: "s3://bucket/key", uploadId: "1" }, options),
    abortIncompleteUploads: (options) => client.abortIncompleteUploads("s3://bucket/", options),
    deleteMany: (options) => client.deleteMany(["s3://bucket/key"], options),
    download: (options) => client.download("s3://bucket/", "./missing", options),
    upload: (options) => client.upload("./missing", "s3://bucket/", options),
    sync: (options) => client.sync("s3://bucket/a", "s3://bucket/b", options),
    createBucket: (options) => client.createBucket("bucket", options),
    deleteBucket: (options) => client.deleteBucket("bucket", options),
    bucketRegion: (options) => client.bucketRegion("bucket", options),
    buckets: (options) => client.buckets(options),
    "local bytes": (options) => local.bytes(options),
    "local write": (options) => local.write("x", options),
    "local delete": (options) => local.delete(options),
    "LocalS3.start": (options) => LocalS3.start(options),
  };
}

describe("an option that a call does not know", () => {
  const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" };
  it("is refused by every call, before anything is sent", async () => {
    await using server = await ScriptedServer.start((_asked, reply) => reply.answer(200, {}));
    using client = new S3Client({ endpoint: server.endpoint, region: "us-east-1", credentials });
    for (const [name, call] of Object.entries(callsOf(client))) {
      const error = await assertRejects(
        async () => void await call({ misspelt: 1 } as never),
        InvalidInputError,
        "there is no option misspelt",
        name,
      );
      assertStringIncludes(error.hint ?? "", "known are", name);
      assertEquals(server.asked.length, 0, name);
    }
  });

  it("is refused where another call knows it", async () => {
    await using server = await ScriptedServer.start((_asked, reply) => reply.answer(200, {}));
    using client = new S3Client({ endpoint: server.endpoint, region: "us-east-1", credentials });
    const calls = callsOf(client);
    const others: [call: string, options: object][] = [
      ["deleteMany", { dryRun: true }],
      ["delete", { ifMatch: '"etag"' }],
      ["bytes", { versionId: "1" }],
      ["stat", { versionId: "1" }],
      ["exists", { ifMatch: '"etag"' }],
      ["list", { prefix: "a/" }],
      ["abortIncompleteUploads", { glob: "*" }],
      ["createBucket", { region: "eu-central-1" }],
    ];
    for (const [name, options] of others) {
      await assertRejects(
        async () => void await calls[name]!(options as never),
        InvalidInputError,
        `there is no option ${Object.keys(options)[0]}`,
        name,
      );
    }
    assertEquals(server.asked.length, 0);
  });
});
