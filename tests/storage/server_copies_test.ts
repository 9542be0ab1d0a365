// Copies and moves by the server: on both servers, and against a scripted server that shows the
// requests and tells sizes that no test could store.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  AccessDeniedError,
  DipperError,
  IntegrityError,
  InvalidInputError,
  memory,
  NotFoundError,
  type ObjectFile,
  PreconditionFailedError,
  S3Client,
  type S3ClientOptions,
} from "dipper";
import { type Asked, type Reply, type Script, ScriptedServer, within } from "./scripted_server.ts";
import { bucketName, everyWay } from "./servers.ts";

memory();

const MEBIBYTE = 1024 ** 2;

/** Bytes whose every part differs. */
function patterned(length: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4)).map((_, index) => index * 2654435761);
  return new Uint8Array(words.buffer, 0, length);
}

async function digest(file: ObjectFile): Promise<string> {
  const sum = await crypto.subtle.digest("SHA-256", await file.bytes());
  return new Uint8Array(sum).toHex();
}

everyWay("copies by the server", (at) => {
  it("take bytes, media type, headers, metadata and tags along", async () => {
    const { client, uri } = at();
    const from = client.file(uri("a/b c+d?#é"));
    await from.write("hello", {
      contentType: "text/x-test",
      contentEncoding: "x-none",
      contentLanguage: "de",
      cacheControl: "max-age=7",
      metadata: { author: "me", "x-y": "z=1" },
      tags: { project: "dipper" },
    });
    const stat = await from.copyTo(uri("copy"));
    const copy = client.file(uri("copy"));
    assertEquals(await copy.bytes(), new TextEncoder().encode("hello"));
    assertEquals([stat.uri, stat.size, stat.contentType], [copy.uri, 5, "text/x-test"]);
    assertEquals(stat.contentEncoding, "x-none");
    assertEquals(stat.metadata, { author: "me", "x-y": "z=1" });
    assertEquals(stat, await copy.stat());
    assertEquals(await copy.tags(), { project: "dipper" });
    assertEquals(await from.text(), "hello");
  });

  it("in parts are whole, and take the same along", async () => {
    const { client, uri } = at();
    const data = patterned(11 * MEBIBYTE + 7);
    const from = client.file(uri("large"));
    await from.write(data, {
      contentType: "text/x-test",
      metadata: { author: "me" },
      tags: { project: "dipper", n: "1" },
    });
    const told: number[] = [];
    const stat = await from.copyTo(uri("large copy"), {
      partSize: 5 * MEBIBYTE,
      onProgress: ({ bytes, total }) => {
        assertEquals(total, data.length);
        told.push(bytes);
      },
    });
    const copy = client.file(uri("large copy"));
    assertEquals([stat.size, stat.contentType, stat.metadata.author], [
      data.length,
      "text/x-test",
      "me",
    ]);
    assertStringIncludes(stat.etag!, "-3");
    assertEquals(await digest(copy), await digest(from));
    assertEquals(await copy.tags(), { project: "dipper", n: "1" });
    assertEquals(told.at(-1), data.length);
    await client.deleteMany([from, copy]);
  });

  it("replace what the options name, and carry the rest", async () => {
    const { client, uri } = at();
    const from = client.file(uri("from"));
    await from.write("x", {
      contentType: "text/x-old",
      cacheControl: "max-age=7",
      metadata: { old: "1" },
      tags: { old: "1" },
    });
    const first = await from.copyTo(uri("first"), { metadata: { new: "2" } });
    assertEquals([first.contentType, first.metadata], ["text/x-old", { new: "2" }]);
    assertEquals(await client.file(uri("first")).tags(), { old: "1" });
    const second = await from.copyTo(uri("second"), { contentType: "text/x-new", tags: {} });
    assertEquals([second.contentType, second.metadata], ["text/x-new", { old: "1" }]);
    assertEquals(await client.file(uri("second")).tags(), {});
    await from.copyTo(uri("third"), { tags: { new: "2" } });
    assertEquals(await client.file(uri("third")).tags(), { new: "2" });
  });

  it("onto itself change what the object says, and nothing else", async () => {
    const { client, uri } = at();
    const file = client.file(uri("itself"));
    await file.write("same bytes", { contentType: "text/x-test", metadata: { a: "1" } });
    const stat = await file.copyTo(file, { metadata: { b: "2" } });
    assertEquals([stat.metadata, stat.contentType], [{ b: "2" }, "text/x-test"]);
    assertEquals(await file.text(), "same bytes");
    const error = await assertRejects(() => file.copyTo(file), InvalidInputError, "onto itself");
    assertStringIncludes(error.message, "changes nothing");
    await assertRejects(() => file.moveTo(file), InvalidInputError, "onto itself");
    await assertRejects(() => file.moveTo(file.uri, { metadata: {} }), InvalidInputError, "itself");
    assertEquals(await file.text(), "same bytes");
  });

  it("hold to conditions on the destination", async () => {
    const { client, uri } = at();
    const from = client.file(uri("conditions/from"));
    const to = client.file(uri("conditions/to"));
    await from.write("new");
    await assertRejects(() => from.copyTo(to, { ifMatch: '"0"' }), PreconditionFailedError);
    await from.copyTo(to, { ifNoneMatch: "*" });
    await to.write("kept");
    const error = await assertRejects(
      () => from.copyTo(to, { ifNoneMatch: "*" }),
      PreconditionFailedError,
      "it exists",
    );
    assertEquals([error.code, error.uri], ["PreconditionFailed", to.uri]);
    await assertRejects(() => from.moveTo(to, { ifNoneMatch: "*" }), PreconditionFailedError);
    assertEquals([await to.text(), await from.text()], ["kept", "new"]);
    const { etag } = await to.stat();
    await from.copyTo(to, { ifMatch: etag! });
    assertEquals(await to.text(), "new");
  });

  it("move: the source is gone when the copy is there", async () => {
    const { client, uri } = at();
    const from = client.file(uri("move/from"));
    await from.write("moved", { metadata: { a: "1" }, tags: { t: "1" } });
    const stat = await from.moveTo(uri("move/to"));
    assertEquals([stat.uri, stat.metadata], [uri("move/to"), { a: "1" }]);
    assertEquals(await client.file(uri("move/to")).text(), "moved");
    assertEquals(await client.file(uri("move/to")).tags(), { t: "1" });
    assertEquals(await from.exists(), false);
    const large = client.file(uri("move/large"));
    await large.write(patterned(6 * MEBIBYTE));
    await large.moveTo(uri("move/large to"), { partSize: 5 * MEBIBYTE });
    assertEquals(await large.exists(), false);
    assertEquals((await client.file(uri("move/large to")).stat()).size, 6 * MEBIBYTE);
    await client.file(uri("move/large to")).delete();
  });

  it("go to other buckets, and come from keys that need encoding", async () => {
    const { client, bucket } = at();
    const other = bucketName();
    await client.createBucket(other);
    for (const key of ["pl+us", "%41", "sp ace", "?q#f", "a&b=c", "é/💧", "new\nline"]) {
      const from = client.file({ bucket, key });
      await from.write(`content of ${key}`);
      await from.copyTo(client.file({ bucket: other, key }));
      const copy = client.file({ bucket: other, key });
      assertEquals(await copy.text(), `content of ${key}`);
      await copy.delete();
    }
    await client.deleteBucket(other);
  });

  it("of what is missing, and into buckets that are missing, write nothing", async () => {
    const { client, uri } = at();
    const missing = client.file(uri("nobody"));
    for (const call of [() => missing.copyTo(uri("x")), () => missing.moveTo(uri("x"))]) {
      const error = await assertRejects(call, NotFoundError, missing.uri);
      assertEquals(error.uri, missing.uri);
    }
    assertEquals(await client.file(uri("x")).exists(), false);
    const from = client.file(uri("stays"));
    await from.write("x");
    const nowhere = `s3://${bucketName()}/x`;
    const error = await assertRejects(() => from.moveTo(nowhere), NotFoundError, nowhere);
    assertEquals(error.operation, "moveTo");
    assertEquals(await from.text(), "x");
  });

  it("between clients are streamed", async () => {
    const { client, uri, connect } = at();
    using other = connect();
    const from = client.file(uri("streamed/from"));
    const data = patterned(9 * MEBIBYTE);
    await from.write(data, { contentType: "text/x-test", metadata: { a: "1" } });
    await from.copyTo(other.file(uri("streamed/to")));
    const to = client.file(uri("streamed/to"));
    const stat = await to.stat();
    assertEquals([stat.size, stat.contentType, stat.metadata], [data.length, "text/x-test", {
      a: "1",
    }]);
    assertEquals(await digest(to), await digest(from));
    await from.moveTo(other.file(uri("streamed/moved")));
    assertEquals(await from.exists(), false);
    assertEquals((await client.file(uri("streamed/moved")).stat()).size, data.length);
    await client.deleteMany([to, uri("streamed/moved")]);
  });

  it("between clients never lose an object that both lead to", async () => {
    const { client, uri, connect } = at();
    using other = connect();
    const from = client.file(uri("one object"));
    await from.write("precious");
    await assertRejects(
      () => from.moveTo(other.file(uri("one object"))),
      InvalidInputError,
      "look like one object",
    );
    assertEquals(await from.text(), "precious");
  });

  it("to a file of this machine are streamed, and moved", async () => {
    const { client, uri } = at();
    const directory = await Deno.makeTempDir();
    try {
      const from = client.file(uri("to a file"));
      await from.write("hello");
      await from.copyTo(`${directory}/copy`);
      await from.moveTo(`${directory}/moved`);
      assertEquals(await Deno.readTextFile(`${directory}/copy`), "hello");
      assertEquals(await Deno.readTextFile(`${directory}/moved`), "hello");
      assertEquals(await from.exists(), false);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });

  it("are refused before anything is sent when the options cannot be meant", async () => {
    const { client, uri } = at();
    const from = client.file(uri("a"));
    const calls: [() => Promise<unknown>, string][] = [
      [() => from.copyTo(uri("b"), { partSize: 5 }), "partSize"],
      [() => from.copyTo(uri("b"), { checksum: "none" }), "checksum"],
      [() => from.copyTo(uri("b"), { metadata: { a: "\n" } }), "metadata"],
      [() => from.copyTo(uri("b"), { tags: { "aws:x": "1" } }), "tag"],
      [() => from.copyTo(client.file(uri("b"), { versionId: "v" })), "version"],
      [() => from.copyTo("http://127.0.0.1:1/x"), "web address"],
      [() => from.slice(1).moveTo(uri("b")), "slice"],
      [() => from.copyTo(client.file(uri("b")).slice(1)), "slice"],
      [() => from.restore(""), "versionId"],
    ];
    for (const [call, word] of calls) {
      const error = await assertRejects(async () => await call(), InvalidInputError, word);
      assert(["copyTo", "moveTo", "restore"].includes(error.operation), error.operation);
    }
  });
});

describe("a copy by the server asks", () => {
  it("for one request up to 5 GB, bound to what it looked at", async () => {
    await using server = await ScriptedServer.start(scripted({ size: 5 * 1024 ** 3 }));
    using client = clientOf(server);
    const stat = await client.file("s3://from/a b+é", { versionId: "v 1" }).copyTo("s3://bkt/to", {
      storageClass: "STANDARD_IA",
      encryption: { kmsKeyId: "key", bucketKey: true },
      acl: "bucket-owner-full-control",
    });
    assertEquals(stat.size, 5 * 1024 ** 3);
    assertEquals(lines(server), [
      "HEAD /from/a%20b%2B%C3%A9?versionId=v%201",
      "PUT /bkt/to",
      "HEAD /bkt/to?versionId=made",
    ]);
    const { headers } = server.asked[1]!;
    assertEquals(headers.get("x-amz-copy-source"), "from/a%20b%2B%C3%A9?versionId=v%201");
    assertEquals(headers.get("x-amz-copy-source-if-match"), '"one"');
    assertEquals(headers.get("x-amz-storage-class"), "STANDARD_IA");
    assertEquals(headers.get("x-amz-acl"), "bucket-owner-full-control");
    assertEquals(headers.get("x-amz-server-side-encryption"), "aws:kms");
    assertEquals(headers.get("x-amz-server-side-encryption-aws-kms-key-id"), "key");
    assertEquals(headers.get("x-amz-server-side-encryption-bucket-key-enabled"), "true");
    assertEquals(headers.get("x-amz-metadata-directive"), undefined);
  });

  it("for parts above 5 GB, with all that the source says", async () => {
    const size = 6 * 1024 ** 3 + 1;
    await using server = await ScriptedServer.start(scripted({ size }));
    using client = clientOf(server);
    const stat = await client.file("s3://from/key").copyTo("s3://bkt/to");
    assertEquals(stat.size, size);
    const asked = server.asked;
    const begun = asked.find(({ path }) => path === "/bkt/to?uploads")!;
    assertEquals(begun.headers.get("content-type"), "text/x-test");
    assertEquals(begun.headers.get("content-language"), "de");
    assertEquals(begun.headers.get("content-disposition"), "inline");
    assertEquals(begun.headers.get("cache-control"), "max-age=7");
    assertEquals(begun.headers.get("expires"), "sometime");
    assertEquals(begun.headers.get("x-amz-meta-author"), "me");
    assertEquals(begun.headers.get("x-amz-tagging"), "a=b%20c");
    assertEquals(begun.headers.get("x-amz-storage-class"), "STANDARD_IA");
    const parts = asked.filter(({ headers }) => headers.has("x-amz-copy-source-range"));
    let next = 0;
    const ranges = parts.map(({ headers, path }) => {
      assertEquals(headers.get("x-amz-copy-source"), "from/key");
      assertEquals(headers.get("x-amz-copy-source-if-match"), '"one"');
      const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(
        headers.get("x-amz-copy-source-range")!,
      )!;
      const number = new URLSearchParams(path.split("?")[1]).get("partNumber");
      return { start: Number(start), end: Number(end), number: Number(number) };
    }).sort((one, other) => one.start - other.start);
    ranges.forEach(({ start, end, number }, index) => {
      assertEquals([start, number], [next, index + 1]);
      next = end + 1;
    });
    assertEquals(next, size);
    const complete = asked.find(({ method, path }) =>
      method === "POST" && path.includes("uploadId")
    )!;
    const text = new TextDecoder().decode(complete.body);
    assertEquals(text.match(/<PartNumber>/g)!.length, ranges.length);
    assert(!asked.some(({ method }) => method === "DELETE"));
  });

  it("and aborts what fails, and tells why", async () => {
    await using server = await ScriptedServer.start(
      scripted({ size: 6 * 1024 ** 3, part: (number) => number === 3 ? 403 : 200 }),
    );
    using client = clientOf(server);
    const error = await assertRejects(
      () => client.file("s3://from/key").moveTo("s3://bkt/to"),
      AccessDeniedError,
      "s3:PutObject on s3://bkt/to",
    );
    assertEquals(error.operation, "moveTo");
    assertEquals(lines(server).filter((line) => line.startsWith("DELETE")), [
      "DELETE /bkt/to?uploadId=U",
    ]);
  });

  it("and aborts what is cancelled", async () => {
    const { promise: parted, resolve: part } = Promise.withResolvers<void>();
    const { promise: aborted, resolve: abort } = Promise.withResolvers<void>();
    await using server = await ScriptedServer.start(
      scripted({
        size: 6 * 1024 ** 3,
        part: () => (part(), "silence"),
        aborted: abort,
      }),
    );
    using client = clientOf(server);
    const stop = new AbortController();
    const call = client.file("s3://from/key").copyTo("s3://bkt/to", { signal: stop.signal });
    const reason = new Error("enough");
    parted.then(() => stop.abort(reason));
    assertEquals(await within(5000, assertRejects(() => call)), reason);
    await within(5000, aborted);
  });

  it("again when a part's answer turns into a failure", async () => {
    let failures = 0;
    await using server = await ScriptedServer.start(
      scripted({
        size: 6 * 1024 ** 3,
        part: (number) => number === 2 && !failures++ ? "late" : 200,
      }),
    );
    using client = clientOf(server);
    assertEquals((await client.file("s3://from/key").copyTo("s3://bkt/to")).size, 6 * 1024 ** 3);
    assertEquals(failures, 2);
  });

  it("and refuses a copy in one request that turned into a failure", async () => {
    await using server = await ScriptedServer.start(scripted({ size: 7, copy: "late" }));
    using client = clientOf(server, { retries: 0 });
    const error = await assertRejects(
      () => client.file("s3://from/key").moveTo("s3://bkt/to"),
      DipperError,
    );
    assertEquals([error.code, error.retryable], ["ServerFailure", true]);
    assert(!lines(server).some((line) => line.startsWith("DELETE")));
  });

  it("and tells when the source changed meanwhile", async () => {
    for (const size of [7, 6 * 1024 ** 3]) {
      const script = scripted({ size, copy: 412, part: () => 412, etags: ['"one"', '"two"'] });
      await using server = await ScriptedServer.start(script);
      using client = clientOf(server);
      const error = await assertRejects(
        () => client.file("s3://from/key").moveTo("s3://bkt/to"),
        PreconditionFailedError,
        "changed while it was copied",
      );
      assertEquals([error.code, error.uri], ["ObjectChanged", "s3://from/key"]);
      assert(!lines(server).includes("DELETE /from/key"));
    }
  });

  it("and does not delete a source that changed after it was copied", async () => {
    await using server = await ScriptedServer.start(
      scripted({ size: 7, etags: ['"one"', '"two"'] }),
    );
    using client = clientOf(server);
    const error = await assertRejects(
      () => client.file("s3://from/key").moveTo("s3://bkt/to"),
      PreconditionFailedError,
      "it was not deleted",
    );
    assertEquals(error.code, "ObjectChanged");
    assert(!lines(server).some((line) => line.startsWith("DELETE")));
  });

  it("and deletes under the condition that it is still what was copied", async () => {
    await using server = await ScriptedServer.start(scripted({ size: 7 }));
    using client = clientOf(server);
    await client.file("s3://from/key").moveTo("s3://bkt/to");
    const deleted = server.asked.find(({ method }) => method === "DELETE")!;
    assertEquals([deleted.path.split("?")[0], deleted.headers.get("if-match")], [
      "/from/key",
      '"one"',
    ]);
  });

  it("and calls no copy good that is another size or has another checksum", async () => {
    for (const copied of [{ size: 6 }, { size: 7, checksum: "AAAAAAAAAAA=" }]) {
      await using server = await ScriptedServer.start(
        scripted({ size: 7, checksum: "AQAAAAAAAAA=", copied }),
      );
      using client = clientOf(server);
      const call = () => client.file("s3://from/key").moveTo("s3://bkt/to");
      const error = await assertRejects(call, IntegrityError, "is not what was copied");
      assertEquals(error.uri, "s3://bkt/to");
      assert(!lines(server).some((line) => line.startsWith("DELETE")));
    }
  });

  it("with the keys of both ends", async () => {
    await using server = await ScriptedServer.start(scripted({ size: 7 }));
    using client = clientOf(server);
    const [one, other] = [1, 2].map((byte) => new Uint8Array(32).fill(byte));
    const from = client.file("s3://from/key", { customerKey: one! });
    await from.copyTo("s3://bkt/to", { encryption: { customerKey: other! } });
    const [head, copy, after] = server.asked;
    const text = (key: Uint8Array) => btoa(String.fromCharCode(...key));
    const name = "x-amz-server-side-encryption-customer-key";
    assertEquals(head!.headers.get(name), text(one!));
    assertEquals(copy!.headers.get(`x-amz-copy-source${name.slice(5)}`), text(one!));
    assertEquals(copy!.headers.get(name), text(other!));
    assertEquals(after!.headers.get(name), text(other!));
  });
});

interface Scene {
  size: number;
  checksum?: string;
  /** What the copy turns out to be. */
  copied?: { size: number; checksum?: string };
  /** The source's, look by look. */
  etags?: string[];
  /** What becomes of a copy in one request. */
  copy?: number | "late";
  /** What becomes of a part. */
  part?(number: number): number | "late" | "silence";
  aborted?(): void;
}

/** A server with one object `s3://from/…`, which tells what it is asked to. */
function scripted(scene: Scene): Script {
  const xml = { "content-type": "application/xml", "x-amz-request-id": "SCRIPTED" };
  const etags = [...scene.etags ?? []];
  const said = (code: string) => `<Error><Code>${code}</Code><Message>told</Message></Error>`;
  const end = async (reply: Reply, outcome: number | "late" | "silence", good: string) => {
    if (outcome === "silence") return await reply.silence();
    if (outcome === 403) return await reply.answer(403, xml, said("AccessDenied"));
    if (outcome === 412) return await reply.answer(412, xml, said("PreconditionFailed"));
    const version = { ...xml, "x-amz-version-id": "made" };
    await reply.answer(200, version, outcome === "late" ? said("InternalError") : good);
  };
  return async (asked: Asked, reply: Reply) => {
    const [path = "", query = ""] = asked.path.split("?");
    const asks = new URLSearchParams(query);
    const from = path.startsWith("/from/");
    if (asked.method === "HEAD") {
      const etag = from ? (etags.length > 1 ? etags.shift()! : etags[0] ?? '"one"') : '"copy"';
      const { size, checksum } = from ? scene : scene.copied ?? scene;
      return await reply.answer(200, {
        ...xml,
        etag,
        "content-length": String(size),
        "content-type": "text/x-test",
        "content-language": "de",
        "content-disposition": "inline",
        "cache-control": "max-age=7",
        expires: "sometime",
        "x-amz-meta-author": "me",
        "x-amz-storage-class": "STANDARD_IA",
        ...(checksum === undefined ? {} : { "x-amz-checksum-crc64nvme": checksum }),
      });
    }
    if (asked.method === "DELETE") {
      await reply.answer(204, {});
      if (asks.has("uploadId")) scene.aborted?.();
      return;
    }
    if (asks.has("tagging")) {
      const tags = "<TagSet><Tag><Key>a</Key><Value>b c</Value></Tag></TagSet>";
      return await reply.answer(200, xml, `<Tagging>${tags}</Tagging>`);
    }
    if (asks.has("uploads")) {
      const result = "<UploadId>U</UploadId>";
      return await end(
        reply,
        200,
        `<InitiateMultipartUploadResult>${result}</InitiateMultipartUploadResult>`,
      );
    }
    if (asked.method === "POST") {
      const result = '<ETag>"copy"</ETag>';
      return await end(
        reply,
        200,
        `<CompleteMultipartUploadResult>${result}</CompleteMultipartUploadResult>`,
      );
    }
    if (asks.has("partNumber")) {
      const outcome = scene.part?.(Number(asks.get("partNumber"))) ?? 200;
      return await end(reply, outcome, '<CopyPartResult><ETag>"p"</ETag></CopyPartResult>');
    }
    await end(reply, scene.copy ?? 200, '<CopyObjectResult><ETag>"copy"</ETag></CopyObjectResult>');
  };
}

function clientOf(server: ScriptedServer, more: S3ClientOptions = {}): S3Client {
  return new S3Client({ endpoint: server.endpoint, credentials: "anonymous", ...more });
}

/** What was asked, without what the SDK adds. */
function lines(server: ScriptedServer): string[] {
  return server.asked.map(({ method, path }) =>
    `${method} ${path.replace(/([?&])x-id=\w+&?/, "$1").replace(/[?&]$/, "")}`
  );
}
