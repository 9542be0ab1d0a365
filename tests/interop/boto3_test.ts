// boto3 reads what dipper wrote, and dipper reads what boto3 wrote, on the embedded server. The two
// clients share no code, so what they agree on is the protocol.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { LocalS3, memory, NotFoundError, PreconditionFailedError, type S3Client } from "dipper";
import { assertSameBytes, pattern } from "../storage/bytes.ts";
import { Boto3 } from "./boto3_client.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const base64 = (bytes: Uint8Array): string => bytes.toBase64();
const fromBase64 = (text: string | undefined): Uint8Array => Uint8Array.fromBase64(text ?? "");

const KEYS = [
  "plain.txt",
  "folder/deep/er.bin",
  "../x",
  "../../etc/passwd",
  "/abs",
  "a//b",
  ".",
  "..",
  "tr/",
  "pl+us",
  "sp ace",
  "%41",
  "%2e%2e%2f",
  "?q#f",
  "new\nline",
  "tab\there",
  "carriage\rreturn",
  "🚰/ünï",
  "quote\"'",
  "<script>&amp;",
  "bell\u0007",
  "k".repeat(1024),
  "é".repeat(512),
];

describe("boto3 and dipper", { ignore: !Deno.env.has("DIPPER_TEST_PYTHON") }, () => {
  let server: LocalS3;
  let client: S3Client;
  let boto3: Boto3;
  const bucket = "interop";
  const uri = (key: string): `s3://${string}` => `s3://${bucket}/${key}`;
  beforeAll(async () => {
    server = await LocalS3.start();
    client = server.client();
    await client.createBucket(bucket);
    boto3 = new Boto3(server);
  });
  afterAll(async () => {
    await boto3[Symbol.asyncDispose]();
    client.dispose();
    await server.stop();
  });

  it("read what boto3 put, of every size and in every form", async () => {
    for (const size of [0, 1, 1000, 70_000, 3 << 20]) {
      const data = pattern(size, size + 1);
      const key = `from-boto3/${size}`;
      const { etag, error } = await boto3.ask("put", { bucket, key, body: base64(data) });
      assertEquals(error, undefined);
      const file = client.file(uri(key));
      assertSameBytes(await file.bytes(), data);
      assertSameBytes(await file.into(new Uint8Array(size)), data);
      assertSameBytes(await file.slice(-10).bytes(), data.slice(-10));
      const stat = await file.stat();
      assertEquals([stat.size, stat.etag], [size, etag]);
      using buffer = await client.get(uri(key), { ifMatch: etag! });
      assertSameBytes(buffer.view(), data);
    }
  });

  it("read what boto3 uploaded in parts, across their borders", async () => {
    const size = 5 << 20;
    const parts = [pattern(size, 1), pattern(size, 2), pattern(123, 3)];
    const whole = new Uint8Array(await new Blob(parts).arrayBuffer());
    const { etag, error } = await boto3.ask("multipart", {
      bucket,
      key: "parts",
      parts: parts.map(base64),
      Metadata: { made: "in parts" },
      ContentType: "application/x-parts",
    });
    assertEquals(error, undefined);
    const file = client.file(uri("parts"));
    assertSameBytes(await file.bytes(), whole);
    const stat = await file.stat();
    assertEquals([stat.size, stat.etag, stat.contentType], [
      whole.length,
      etag,
      "application/x-parts",
    ]);
    assert(etag!.endsWith('-3"'), etag);
    assertEquals(stat.metadata, { made: "in parts" });
    for (const [start, end] of [[size - 5, size + 5], [2 * size - 1, 2 * size + 124], [-200]]) {
      assertSameBytes(await file.slice(start, end).bytes(), whole.slice(start, end));
    }
  });

  it("read the properties that boto3 set", async () => {
    const before = Date.now();
    await boto3.ask("put", {
      bucket,
      key: "described",
      body: base64(new TextEncoder().encode("a,b\n")),
      ContentType: "text/csv; charset=utf-8",
      ContentEncoding: "identity",
      CacheControl: "no-store",
      Metadata: { origin: "boto3", "with-hyphen": "yes", empty: "" },
    });
    const stat = await client.file(uri("described")).stat();
    assertEquals(stat.contentType, "text/csv; charset=utf-8");
    assertEquals(stat.contentEncoding, "identity");
    assertEquals(stat.metadata, { origin: "boto3", "with-hyphen": "yes", empty: "" });
    assert(Math.abs(stat.lastModified!.getTime() - before) < 60_000);
  });

  it("read text that boto3 put compressed", async () => {
    const text = "compressed by Python\n".repeat(500);
    const packed = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
    const body = base64(await new Response(packed).bytes());
    await boto3.ask("put", { bucket, key: "text.gz", body, ContentEncoding: "gzip" });
    assertEquals(await client.file(uri("text.gz")).text(), text);
  });

  it("give boto3 what dipper wrote, of every size", async () => {
    for (const size of [0, 1, 1000, 70_000, 3 << 20]) {
      const data = pattern(size, size + 2);
      const key = `from-dipper/${size}`;
      const { etag } = await client.file(uri(key)).write(data);
      const answer = await boto3.ask("get", { bucket, key });
      assertEquals(answer.error, undefined);
      assertSameBytes(fromBase64(answer.body), data);
      assertEquals(answer.etag, etag);
      if (size < 100) continue;
      const part = await boto3.ask("get", { bucket, key, Range: "bytes=10-19" });
      assertSameBytes(fromBase64(part.body), data.slice(10, 20));
    }
  });

  it("give boto3 the properties that dipper wrote", async () => {
    const before = Date.now();
    const { etag } = await client.file(uri("from-dipper")).write("{}", {
      contentType: "application/json",
      contentEncoding: "identity",
      cacheControl: "max-age=3600",
      metadata: { origin: "dipper", "with-hyphen": "two words", empty: "" },
    });
    const answer = await boto3.ask("get", { bucket, key: "from-dipper" });
    assertEquals(answer.etag, etag);
    assertEquals(answer.metadata, { origin: "dipper", "with-hyphen": "two words", empty: "" });
    assertEquals(
      [answer.contentType, answer.contentEncoding, answer.cacheControl],
      ["application/json", "identity", "max-age=3600"],
    );
    assert(Math.abs(answer.modified! - before) < 60_000);
  });

  it("agree on odd keys, in both directions and in listings", async () => {
    for (const [index, key] of KEYS.entries()) {
      const body = base64(new TextEncoder().encode(`boto3 ${index}`));
      const { error } = await boto3.ask("put", { bucket, key, body });
      assertEquals(error, undefined, JSON.stringify(key));
      const file = client.file({ bucket, key });
      assertEquals(await file.text(), `boto3 ${index}`, JSON.stringify(key));
      await file.write(`dipper ${index}`);
      const answer = await boto3.ask("get", { bucket, key });
      assertEquals(new TextDecoder().decode(fromBase64(answer.body)), `dipper ${index}`);
    }
    const theirs = await boto3.ask("keys", { bucket });
    const ours = await client.list(uri("")).toArray();
    assertEquals(ours.map((entry) => "key" in entry ? entry.key : ""), theirs.keys);
    assertEquals(ours.map((entry) => "key" in entry ? entry.size : -1), theirs.sizes);
    for (const key of KEYS) assert(theirs.keys!.includes(key), JSON.stringify(key));
  });

  it("agree on deletions", async () => {
    await client.file(uri("gone-1")).write("x");
    await boto3.ask("delete", { bucket, key: "gone-1" });
    assertEquals(await client.file(uri("gone-1")).exists(), false);
    await assertRejects(() => client.file(uri("gone-1")).bytes(), NotFoundError);
    await boto3.ask("put", { bucket, key: "gone-2", body: "" });
    await client.file(uri("gone-2")).delete();
    assertEquals((await boto3.ask("get", { bucket, key: "gone-2" })).error, "NoSuchKey");
    assertEquals((await boto3.ask("head", { bucket, key: "gone-2" })).error, "404");
  });

  it("agree on conditions", async () => {
    const file = client.file(uri("condition"));
    const { etag } = await file.write("dipper");
    const body = base64(new TextEncoder().encode("boto3"));
    const lost = await boto3.ask("put", { bucket, key: "condition", body, IfNoneMatch: "*" });
    assertEquals(lost.error, "PreconditionFailed");
    const won = await boto3.ask("put", { bucket, key: "condition", body, IfMatch: etag });
    assertEquals(won.error, undefined);
    await assertRejects(() => file.write("late", { ifMatch: etag! }), PreconditionFailedError);
    await assertRejects(() => file.text({ ifMatch: etag! }), PreconditionFailedError);
    assertEquals(await file.text({ ifMatch: won.etag! }), "boto3");
  });

  it("agree on buckets", async () => {
    await boto3.ask("create_bucket", { bucket: "made-by-boto3" });
    await client.createBucket("made-by-dipper");
    const ours = (await client.buckets()).map(({ name }) => name);
    assertEquals(ours, (await boto3.ask("buckets")).names);
    assert(ours.includes("made-by-boto3") && ours.includes("made-by-dipper"));
    await boto3.ask("delete_bucket", { bucket: "made-by-dipper" });
    await client.deleteBucket("made-by-boto3");
    assertEquals((await boto3.ask("buckets")).names, [bucket]);
    assertEquals(
      (await boto3.ask("delete_bucket", { bucket })).error,
      "BucketNotEmpty",
    );
  });
});
