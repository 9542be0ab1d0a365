// How an object is named: strings as they stand, URLs decoded, entries, files, and parts.

import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  file as defaultFile,
  InvalidInputError,
  list as defaultList,
  type ObjectFile,
  S3Client,
  S3File,
} from "dipper";
import { onBothServers } from "./servers.ts";

const client = new S3Client({ endpoint: "http://127.0.0.1:1", credentials: "anonymous" });

function namesOf(file: ObjectFile): [bucket: string, key: string] {
  assert(file instanceof S3File);
  return [file.bucket, file.key];
}

describe("a location", () => {
  it("in a string is taken as it stands", () => {
    const cases: [text: string, bucket: string, key: string][] = [
      ["s3://bucket/key", "bucket", "key"],
      ["s3://bucket/a/b/c.txt", "bucket", "a/b/c.txt"],
      ["S3://bucket/key", "bucket", "key"],
      ["s3://bucket/%41+b c?d#e&f", "bucket", "%41+b c?d#e&f"],
      ["s3://bucket/../up", "bucket", "../up"],
      ["s3://bucket//slash", "bucket", "/slash"],
      ["s3://bucket/folder/", "bucket", "folder/"],
      ["s3://bucket/s3://other/key", "bucket", "s3://other/key"],
      ["s3://bucket/new\nline", "bucket", "new\nline"],
      ["s3://bucket/@:;,", "bucket", "@:;,"],
      ["s3://dotted.bucket.name/key", "dotted.bucket.name", "key"],
      ["s3://Old_Bucket/key", "Old_Bucket", "key"],
    ];
    for (const [text, bucket, key] of cases) {
      const file = client.file(text);
      assertEquals(namesOf(file), [bucket, key], text);
      assertEquals(file.uri, `s3://${bucket}/${key}`, text);
    }
  });

  it("in a URL object is percent-decoded", () => {
    const cases: [url: string, key: string][] = [
      ["s3://bucket/key", "key"],
      ["s3://bucket/%41+b%20c%3Fd%23e", "A+b c?d#e"],
      ["s3://bucket/ünï", "ünï"],
      ["s3://bucket/%2E%2E%2Fup", "../up"],
      ["s3://bucket/%25", "%"],
      ["s3://bucket//slash", "/slash"],
    ];
    for (const [url, key] of cases) {
      assertEquals(namesOf(client.file(new URL(url))), ["bucket", key], url);
    }
  });

  it("by bucket and key takes any key", () => {
    for (const key of ["plain", "s3://x/y", "?#%", "/", " ", "🚰"]) {
      assertEquals(namesOf(client.file({ bucket: "bucket", key })), ["bucket", key]);
    }
  });

  it("by another file is that file's, on this client", () => {
    const file = client.file("s3://bucket/%41?x", { versionId: "v1" });
    const copy = client.file(file);
    assertEquals(namesOf(copy), namesOf(file));
    assertStrictEquals(copy.versionId, "v1");
    assertStrictEquals(client.file(file, { versionId: "v2" }).versionId, "v2");
    assertStrictEquals(client.file("s3://bucket/k").versionId, undefined);
  });

  it("has a name: what stands behind the last slash", () => {
    const cases: [key: string, name: string][] = [
      ["key", "key"],
      ["a/b/c.txt", "c.txt"],
      ["folder/", "folder"],
      ["a//b", "b"],
      ["/", ""],
      ["%41 +", "%41 +"],
    ];
    for (const [key, name] of cases) {
      assertEquals(client.file({ bucket: "bucket", key }).name, name);
    }
  });

  it("is checked at once, without I/O, by the functions of the module too", () => {
    assertEquals(namesOf(defaultFile("s3://bucket/key")), ["bucket", "key"]);
    assertEquals(defaultList("s3://bucket/prefix").uri, "s3://bucket/prefix");
    for (const call of [() => defaultFile("s3:/typo"), () => client.file("s3:/typo")]) {
      assertThrows(call, InvalidInputError);
    }
  });
});

describe("a malformed location", () => {
  const cases: [name: string, value: unknown, says: string][] = [
    ["one slash", "s3:/bucket/key", "s3://bucket/key"],
    ["no slashes", "s3:bucket/key", "s3://bucket/key"],
    ["no scheme", "bucket/key", "is not a URI"],
    ["a path without ./", "file.csv", "is ./name"],
    ["a home folder", "~/file.csv", "expand ~"],
    ["a folder", "/tmp/", "names a folder"],
    ["a path with NUL", "/tmp/a\0b", "NUL"],
    ["a Windows path", "C:\\temp\\file", "looks like a path of Windows"],
    ["a file URL of another host", "file://host/share", "another host"],
    ["a file URL with a query", "file:///tmp/a?b", "a query or a fragment"],
    ["a file URL with an encoded slash", "file:///tmp/a%2Fb", "encoded slash"],
    ["a web address without a host", "http://", "is not a URL"],
    ["empty", "", "is not a URI"],
    ["blank", " ", "is not a URI"],
    ["a space in front", " s3://bucket/key", "is not a URI"],
    ["an unknown scheme", "gopher://bucket/key", "gopher:"],
    ["another cloud's scheme", "gs://bucket/key", "gs:"],
    ["an unknown scheme in a URL", new URL("ftp://bucket/key"), "ftp:"],
    ["an empty bucket", "s3:///key", "the bucket is empty"],
    ["an empty bucket and key", "s3://", "the bucket is empty"],
    ["an empty key", "s3://bucket", "the key is empty"],
    ["an empty key behind a slash", "s3://bucket/", "the key is empty"],
    ["an empty key in parts", { bucket: "bucket", key: "" }, "the key is empty"],
    ["an empty bucket in parts", { bucket: "", key: "key" }, "the bucket is empty"],
    ["a bucket that is none", "s3://buck et/key", "is not a bucket name"],
    ["a bucket with a slash", { bucket: "a/b", key: "key" }, "is not a bucket name"],
    ["a bucket that is a host", { bucket: "a@evil.example", key: "k" }, "is not a bucket name"],
    ["a bucket of one letter", "s3://b/key", "is not a bucket name"],
    ["a bucket with a port", "s3://bucket:80/key", "is not a bucket name"],
    ["a query in a URL", new URL("s3://bucket/key?versionId=1"), "query"],
    ["a fragment in a URL", new URL("s3://bucket/key#part"), "fragment"],
    ["a user in a URL", new URL("s3://user@bucket/key"), "user"],
    ["a broken escape in a URL", new URL("s3://bucket/%zz"), "s3://bucket/key"],
    ["bytes that are no text in a URL", new URL("s3://bucket/%ff"), "s3://bucket/key"],
    ["null", null, "null names no object"],
    ["undefined", undefined, "undefined names no object"],
    ["a number", 7, "a number names no object"],
    ["an object", {}, "an Object names no object"],
    ["a key that is no text", { bucket: "bucket", key: 7 }, "a key is a string"],
    ["a bucket that is no text", { bucket: 7, key: "key" }, "is not a bucket name"],
    ["a bucket that is missing", { bucket: undefined, key: "key" }, "is not a bucket name"],
    ["a URI that is no text", { uri: 7 }, "names no object"],
  ];
  for (const [name, value, says] of cases) {
    it(`(${name}) is an InvalidInputError that says how to write it`, () => {
      const error = assertThrows(() => client.file(value as string), InvalidInputError, says);
      assertEquals([error.name, error.code], ["InvalidInputError", "InvalidInput"]);
      assertEquals([error.operation, error.retryable], ["file", false]);
      assert(error.hint !== undefined && error.hint.length > 10);
      assertStringIncludes(error.message, error.hint);
    });
  }

  it("is refused for listings too, where an empty key is right", () => {
    assertEquals(client.list("s3://bucket").uri, "s3://bucket/");
    for (const value of ["", "s3:///", "gs://bucket/", "s3:/bucket", null, 7]) {
      const error = assertThrows(() => client.list(value as string), InvalidInputError);
      assertEquals(error.operation, "list");
    }
  });

  it("is refused for buckets", async () => {
    for (const name of ["", "a/b", "s3://bucket", "b", null, 7]) {
      for (const operation of ["createBucket", "deleteBucket"] as const) {
        const failed = await client[operation](name as string).then(() => undefined, (e) => e);
        assert(failed instanceof InvalidInputError, `${operation}(${name}): ${failed}`);
        assertEquals([failed.code, failed.operation], ["InvalidInput", operation]);
        assertStringIncludes(failed.message, "3 to 63 lower-case letters");
      }
    }
  });

  it("is shown shortened, and without a password", () => {
    const secret = "hunter2secret";
    const long = `s3:/${"x".repeat(5000)}`;
    assert(assertThrows(() => client.file(long), InvalidInputError).message.length < 500);
    for (
      const value of [
        `bucket://user:${secret}@host/key`,
        `s3:x//user:${secret}@host/key`,
        `s3:/bucket/key?X-Amz-Signature=${secret}`,
        `https://user:${secret}@host/key`,
        `https://bad host/key?X-Amz-Signature=${secret}`,
        new URL(`https://user:${secret}@host/key`),
        new URL(`file:///tmp/key?${secret}`),
        new URL(`s3://user:${secret}@bucket/key`),
      ]
    ) {
      const error = assertThrows(() => client.file(value), InvalidInputError);
      assert(!Deno.inspect(error).includes(secret), error.message);
    }
  });
});

onBothServers("a location", (at) => {
  it("means the object under exactly this key", async () => {
    const { client, bucket } = at();
    await client.file({ bucket, key: "%41" }).write("as it stands");
    await client.file({ bucket, key: "A" }).write("decoded");
    assertEquals(await client.file(`s3://${bucket}/%41`).text(), "as it stands");
    assertEquals(await client.file(new URL(`s3://${bucket}/%41`)).text(), "decoded");
    assertEquals(await client.file(new URL(`s3://${bucket}/%2541`)).text(), "as it stands");
    const entries = await client.list(`s3://${bucket}/`).toArray();
    assertEquals(await Promise.all(entries.map((entry) => client.file(entry).text())), [
      "as it stands",
      "decoded",
    ]);
  });
});
