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
    ["ifMatch", 7, (options) => file.stream(options)],
    ["onProgress", 7, (options) => file.stream(options)],
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
