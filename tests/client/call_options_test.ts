// Options of single calls that cannot be meant: an InvalidInputError that names the option, and
// never a defect of dipper's or an end of the process.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { InvalidInputError, LocalS3, memory, type S3Client, type S3File } from "dipper";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

describe("options of a call", () => {
  let server: LocalS3;
  let client: S3Client;
  let file: S3File;
  beforeAll(async () => {
    server = await LocalS3.start();
    client = server.client();
    await client.createBucket("bucket");
    file = client.file("s3://bucket/key");
    await file.write("content");
  });
  afterAll(async () => {
    client.dispose();
    await server.stop();
  });

  const wrong: [option: string, value: unknown, call: (options: object) => unknown][] = [
    ["ifMatch", 7, (options) => file.bytes(options)],
    ["ifMatch", ["a"], (options) => file.text(options)],
    ["signal", {}, (options) => file.bytes(options)],
    ["signal", "x", (options) => file.stat(options)],
    ["onProgress", "x", (options) => file.bytes(options)],
    ["contentType", 7, (options) => file.write("x", options)],
    ["contentEncoding", {}, (options) => file.write("x", options)],
    ["cacheControl", true, (options) => file.write("x", options)],
    ["ifMatch", 7, (options) => file.write("x", options)],
    ["ifNoneMatch", true, (options) => file.write("x", options)],
    ["metadata", "a=b", (options) => file.write("x", options)],
    ["metadata", 7, (options) => file.write("x", options)],
    ["versionId", 7, (options) => client.file(file, options).bytes()],
    ["map", "yes", (options) => client.file("/tmp/x", options)],
    ["progress", "no", (options) => file.bytes(options)],
    ["progress", 1, (options) => file.write("x", options)],
    ["onProgress", 7, (options) => client.deleteMany([], options)],
    ["progress", 7, (options) => client.deleteMany([], options)],
    ["ifMatch", 7, (options) => file.stream(options)],
    ["onProgress", 7, (options) => file.stream(options)],
    ["signal", 7, (options) => file.lines(options)],
    ["progress", 7, (options) => client.lines("s3://bucket/key", options)],
    ["onProgress", 7, (options) => file.frames({ length: "u32be", ...options })],
    ["signal", 7, (options) => file.ranges([[0, 1]], options)],
    ["ordered", 1, (options) => client.getMany([], options)],
    ["delimiter", 7, (options) => client.list("s3://bucket/", options).toArray()],
    ["startAfter", 7, (options) => client.list("s3://bucket/", options).toArray()],
    ["startAfter", "\uD800", (options) => client.list("s3://bucket/", options).toArray()],
  ];
  for (const [option, value, call] of wrong) {
    it(`${option}: ${Deno.inspect(value)} is refused by ${String(call).replace(/^.*?=> /, "")}`, async () => {
      await file.write("content");
      const error = await Promise.resolve().then(() => call({ [option]: value })).then(
        () => undefined,
        (reason) => reason,
      );
      assert(error instanceof InvalidInputError, Deno.inspect(error));
      assertEquals(error.code, "InvalidInput");
      if (value !== "\uD800") assertStringIncludes(error.message, option);
      assertEquals(await file.text(), "content", "nothing was written");
    });
  }

  it("are signal, onProgress and progress everywhere", async () => {
    const folder = await Deno.makeTempDir();
    const every = { signal: AbortSignal.timeout(60_000), onProgress: () => {}, progress: false };
    const local = client.file(`${folder}/local` as `/${string}`);
    const other = client.file("s3://bucket/other");
    const calls: Record<string, () => unknown> = {
      bytes: () => file.bytes(every),
      arrayBuffer: () => file.arrayBuffer(every),
      buffer: async () => (await file.buffer(every)).dispose(),
      into: () => file.into(new Uint8Array(7), every),
      text: () => file.text(every),
      blob: () => file.blob(every),
      stream: () => new Response(file.stream(every)).text(),
      lines: () => Array.fromAsync(file.lines(every)),
      frames: () => Array.fromAsync(file.frames({ ...every, length: "varint" })).catch(() => {}),
      ranges: () => file.ranges([[0, 1]], every),
      stat: () => file.stat(every),
      exists: () => file.exists(every),
      write: () => file.write("content", every),
      writer: () => new Blob(["x"]).stream().pipeTo(other.writer(every)),
      copyTo: () => file.copyTo(other, every),
      moveTo: () => other.moveTo("s3://bucket/moved", every),
      "copyTo a path": () => file.copyTo(local, every),
      "copyTo from a path": () => local.copyTo(other, every),
      "write to a path": () => local.write("x", every),
      versions: () => Array.fromAsync(file.versions(every)),
      tags: () => file.tags(undefined, every),
      presign: () => file.presign(every),
      restore: () => file.restore("null", { ...every, metadata: { a: "b" } }),
      delete: () => other.delete(every),
      get: async () => (await client.get("s3://bucket/key", every)).dispose(),
      getMany: () => Array.fromAsync(client.getMany(["s3://bucket/key"], every)),
      list: () => client.list("s3://bucket/", every).toArray(),
      usage: () => client.usage("s3://bucket/", every),
      incompleteUploads: () => client.incompleteUploads("s3://bucket/", every).toArray(),
      abortIncompleteUploads: () => client.abortIncompleteUploads("s3://bucket/", every),
      deleteMany: () => client.deleteMany(["s3://bucket/moved"], every),
      download: () => client.download("s3://bucket/", folder, every),
      upload: () => client.upload(folder, "s3://bucket/up", every),
      sync: () => client.sync("s3://bucket/up/", "s3://bucket/two/", every),
      diagnose: () => client.diagnose("s3://bucket/", every),
      createBucket: () => client.createBucket("another", every),
      bucketRegion: () => client.bucketRegion("another", every),
      deleteBucket: () => client.deleteBucket("another", every),
      buckets: () => client.buckets(every),
    };
    for (const [name, call] of Object.entries(calls)) {
      try {
        await call();
      } catch (error) {
        throw new Error(`${name}: ${Deno.inspect(error)}`, { cause: error });
      }
    }
    await Deno.remove(folder, { recursive: true });
  });

  it("may be undefined, and signal may be null as for fetch()", async () => {
    const unset = {
      signal: undefined,
      onProgress: undefined,
      ifMatch: undefined,
      contentType: undefined,
      metadata: undefined,
    };
    assertEquals(await file.text(unset as object), "content");
    await file.write("content", unset as object);
    // In a program of its own: an error that nobody can catch would end this one.
    const { FFI, runOne } = await import("../permissions/child.ts");
    const { endpoint, region, credentials } = server;
    const told = await runOne(
      `await tell(() => connect().file("s3://bucket/key").text({ signal: null } as object));`,
      { flags: [FFI, "--allow-net=127.0.0.1"], input: { endpoint, region, credentials } },
    );
    assertEquals(told, { ok: "content" });
  });
});
