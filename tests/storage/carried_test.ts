// What goes along with a copy that passes this process: between clients, between schemes, and from
// the web. On both servers, and against a scripted one that refuses.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  AccessDeniedError,
  LocalS3,
  memory,
  PreconditionFailedError,
  S3Client,
  type S3ClientOptions,
  type S3File,
  UnsupportedError,
} from "dipper";
import { type Asked, type Script, ScriptedServer } from "./scripted_server.ts";
import { everyWay } from "./servers.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const EXPIRES = new Date("2030-01-02T03:04:05Z");
const SAID = {
  contentType: "text/x-test",
  contentEncoding: "identity",
  contentLanguage: "de",
  contentDisposition: 'attachment; filename="a.csv"',
  cacheControl: "max-age=60",
  expires: EXPIRES,
  metadata: { by: "me" },
};

async function said(file: S3File): Promise<Record<string, unknown>> {
  const stat = await file.stat();
  return Object.fromEntries(
    Object.keys(SAID).map((name) => [name, stat[name as keyof typeof SAID]]),
  );
}

everyWay("a copy to another client", (at) => {
  it("says of itself what its source says", async () => {
    const { client, connect, uri } = at();
    using other = connect();
    const source = client.file(uri("source"));
    await source.write("hello", { ...SAID, tags: { a: "1", b: "x y" } });
    assertEquals(await said(source), SAID);
    const copy = other.file(uri("copy"));
    const stat = await source.copyTo(copy);
    assertEquals([stat.cacheControl, stat.expires], [SAID.cacheControl, EXPIRES]);
    assertEquals([await copy.text(), await said(copy)], ["hello", SAID]);
    assertEquals(await copy.tags(), { a: "1", b: "x y" });
    await source.moveTo(other.file(uri("moved")));
    const moved = client.file(uri("moved"));
    assertEquals([await said(moved), await moved.tags()], [SAID, { a: "1", b: "x y" }]);
    assertEquals(await source.exists(), false);
  });

  it("says what the options say instead", async () => {
    const { client, connect, uri } = at();
    using other = connect();
    const source = client.file(uri("source"));
    await source.write("hello", { ...SAID, tags: { a: "1" } });
    const copy = other.file(uri("copy"));
    await source.copyTo(copy, {
      cacheControl: "no-store",
      metadata: { other: "1" },
      tags: {},
      contentType: undefined,
    } as object);
    assertEquals(
      await said(copy),
      {
        ...SAID,
        cacheControl: "no-store",
        metadata: { other: "1" },
      },
    );
    assertEquals(await copy.tags(), {});
    await source.copyTo(copy, { tags: { c: "3" } });
    assertEquals(await copy.tags(), { c: "3" });
  });

  it("of a part is not encoded as the whole is", async () => {
    const { client, connect, uri } = at();
    using other = connect();
    const source = client.file(uri("source"));
    await source.write("hello", { ...SAID, tags: { a: "1" } });
    const copy = other.file(uri("part"));
    await source.slice(1, 3).copyTo(copy);
    const { contentEncoding, ...rest } = SAID;
    assert(contentEncoding !== undefined);
    assertEquals(await copy.text(), "el");
    assertEquals(await said(copy), { ...rest, contentEncoding: undefined });
    assertEquals(await copy.tags(), { a: "1" });
  });
});

describe("what goes along with a copy", () => {
  const credentials = { accessKeyId: "test", secretAccessKey: "secret" };

  /** A source whose tags are told as the script says, and what was asked about them. */
  async function copied(
    tags: Script,
    options: { credentials?: S3ClientOptions["credentials"]; tags?: Record<string, string> } = {},
  ): Promise<{ asked: Asked[]; tags: Record<string, string> }> {
    await using server = await ScriptedServer.start((asked, reply, index) =>
      asked.path.includes("tagging") ? tags(asked, reply, index) : reply.answer(200, {
        etag: '"0cc175b9c0f1b6a831c399e269772661"',
        "content-length": "1",
        "last-modified": "Fri, 02 Jan 2026 03:04:05 GMT",
        "x-amz-version-id": "v7",
      }, "a")
    );
    await using there = await LocalS3.start();
    using client = new S3Client({
      endpoint: server.endpoint,
      credentials: options.credentials ?? credentials,
    });
    using target = there.client();
    await target.createBucket("bucket");
    const copy = target.file("s3://bucket/copy");
    try {
      await client.file("s3://bkt/source").copyTo(copy, options.tags ? { tags: options.tags } : {});
    } catch (error) {
      assertEquals(await copy.exists(), false);
      throw error;
    }
    assertEquals(await copy.text(), "a");
    const asked = server.asked.filter(({ path }) => path.includes("tagging"));
    return { asked, tags: await copy.tags() };
  }

  const told = "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag>" +
    "<Tag><Key>aws:cloudformation:stack</Key><Value>x</Value></Tag></TagSet></Tagging>";

  it("are the tags of the version that is copied, without those that AWS gave", async () => {
    const { asked, tags } = await copied((_, reply) => reply.answer(200, {}, told));
    assertEquals(tags, { a: "1" });
    assertStringIncludes(asked[0]!.path, "versionId=v7");
  });

  it("are not the tags, when the caller names others: then nobody asks", async () => {
    const { asked, tags } = await copied((_, reply) => reply.answer(200, {}, told), { tags: {} });
    assertEquals([asked, tags], [[], {}]);
  });

  it("cannot be told when the tags may not be read: the way out is named", async () => {
    const refuse: Script = (_, reply) =>
      reply.answer(403, {}, "<Error><Code>AccessDenied</Code></Error>");
    const error = await assertRejects(() => copied(refuse), AccessDeniedError);
    assertEquals([error.operation, error.uri], ["copyTo", "s3://bkt/source"]);
    assertStringIncludes(error.message, "tags: {}");
    assertStringIncludes(error.message, "s3:GetObjectTagging");
    // Of what is public nobody may read the tags.
    assertEquals((await copied(refuse, { credentials: "anonymous" })).tags, {});
  });

  it("are no tags, where a server knows none", async () => {
    const { tags } = await copied((_, reply) =>
      reply.answer(501, {}, "<Error><Code>NotImplemented</Code></Error>")
    );
    assertEquals(tags, {});
  });

  it("is refused by a destination that takes no tags, which is said", async () => {
    await using from = await LocalS3.start();
    using client = from.client();
    await client.createBucket("bucket");
    await client.file("s3://bucket/tagged").write("a", { tags: { a: "1" } });
    await using server = await ScriptedServer.start((_, reply) =>
      reply.answer(403, {}, "<Error><Code>AccessDenied</Code></Error>")
    );
    using target = new S3Client({ endpoint: server.endpoint, credentials });
    const error = await assertRejects(
      () => client.file("s3://bucket/tagged").copyTo(target.file("s3://bkt/copy")),
      AccessDeniedError,
    );
    assertStringIncludes(error.message, "pass tags: {} to copy without them");
    assertEquals(error.message.split("s3:PutObjectTagging").length, 2);
    assertEquals(
      server.asked.find(({ method }) => method === "PUT")?.headers.get("x-amz-tagging"),
      "a=1",
    );
  });

  it("moves: only what was copied is deleted", async () => {
    const etag = '"0cc175b9c0f1b6a831c399e269772661"';
    for (
      const [status, code] of [[204, ""], [412, "PreconditionFailed"], [501, "NotImplemented"]]
    ) {
      await using server = await ScriptedServer.start((asked, reply) => {
        if (asked.path.includes("tagging")) return reply.answer(200, {}, told);
        if (asked.method !== "DELETE") {
          const modified = "Fri, 02 Jan 2026 03:04:05 GMT";
          return reply.answer(200, { etag, "content-length": "1", "last-modified": modified }, "a");
        }
        const answers = status === 501 && !asked.headers.has("if-match") ? 204 : Number(status);
        const body = answers === 204 ? "" : `<Error><Code>${code}</Code></Error>`;
        return reply.answer(answers, {}, body);
      });
      await using there = await LocalS3.start();
      using client = new S3Client({ endpoint: server.endpoint, credentials });
      using target = there.client();
      await target.createBucket("bucket");
      const copy = target.file("s3://bucket/copy");
      const moving = client.file("s3://bkt/source").moveTo(copy);
      if (status === 412) await assertRejects(() => moving, PreconditionFailedError);
      else await moving;
      assertEquals([await copy.text(), await copy.tags()], ["a", { a: "1" }]);
      const conditions = server.asked.filter(({ method }) => method === "DELETE")
        .map(({ headers }) => headers.get("if-match"));
      // A server that knows no such condition is asked without it.
      assertEquals(conditions, status === 501 ? [etag, undefined] : [etag]);
    }
  });

  it("from the web is what describes the content, and not how long a page is kept", async () => {
    await using page = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      () =>
        new Response("hello", {
          headers: {
            "content-type": "text/x-page",
            "content-language": "fr",
            "content-disposition": "inline",
            "cache-control": "no-store",
            expires: EXPIRES.toUTCString(),
            etag: '"1"',
          },
        }),
    );
    await using there = await LocalS3.start();
    using client = there.client();
    await client.createBucket("bucket");
    const copy = client.file("s3://bucket/copy");
    await client.file(`http://127.0.0.1:${page.addr.port}/x`).copyTo(copy);
    const { contentType, contentLanguage, contentDisposition, cacheControl, expires } = await copy
      .stat();
    assertEquals(
      [contentType, contentLanguage, contentDisposition, cacheControl, expires],
      ["text/x-page", "fr", "inline", undefined, undefined],
    );
    for (
      const call of [
        () => client.file("http://127.0.0.1:1/x").presign(),
        () => client.file("/tmp/x").presign(),
        () => client.file("/tmp/x").tags(),
        () => client.file("/tmp/x").restore("v1"),
        // deno-lint-ignore require-await -- what it throws is to be a rejection
        async () => client.file("/tmp/x").versions(),
      ]
    ) {
      const error = await assertRejects(call as () => Promise<unknown>, UnsupportedError);
      assertStringIncludes(error.message, "not on S3");
    }
  });
});
