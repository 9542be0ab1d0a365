// Listings from servers that tests script: what is asked for, pages that break, tokens that lead in
// circles, servers that do not know every option, and the tokens that a listing gives.

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { afterEach, describe, it } from "@std/testing/bdd";
import {
  DipperError,
  type Entry,
  InvalidInputError,
  memory,
  NetworkError,
  S3Client,
  type S3ClientOptions,
} from "dipper";
import { type Asked, headOf, type Reply, ScriptedServer, within } from "./scripted_server.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const XML = { "content-type": "application/xml", "x-amz-request-id": "SCRIPTED" };
const nameOf = (entry: Entry): string => "key" in entry ? entry.key : `${entry.prefix} …`;

function clientOf(server: ScriptedServer, options: S3ClientOptions = {}): S3Client {
  const credentials = { accessKeyId: "id", secretAccessKey: "secret" };
  return new S3Client({ endpoint: server.endpoint, credentials, retries: 2, ...options });
}

function queryOf(asked: Asked): URLSearchParams {
  return new URL(asked.path, "http://host").searchParams;
}

/** A page of ListObjectsV2. */
function page(keys: readonly string[], more: { token?: string; rest?: string } = {}): string {
  const contents = keys.map((key) => `<Contents><Key>${key}</Key><Size>1</Size></Contents>`);
  const next = more.token === undefined
    ? "<IsTruncated>false</IsTruncated>"
    : `<IsTruncated>true</IsTruncated><NextContinuationToken>${more.token}</NextContinuationToken>`;
  return `<ListBucketResult><Name>bucket</Name><KeyCount>1</KeyCount>${next}${contents.join("")}${
    more.rest ?? ""
  }</ListBucketResult>`;
}

/** A server of numbered pages with three keys each. */
function numbered(pages: number): (asked: Asked) => string {
  return (asked) => {
    const number = Number(queryOf(asked).get("continuation-token") ?? 0);
    const keys = [0, 1, 2].map((index) => keyAt(3 * number + index));
    return page(keys, number + 1 < pages ? { token: String(number + 1) } : {});
  };
}

const keyAt = (number: number): string => `k${String(number).padStart(4, "0")}`;
const keysTo = (count: number): string[] => Array.from({ length: count }, (_, n) => keyAt(n));

describe("a listing", () => {
  afterEach(() => assertEquals(memory().operations, 0));

  for (const transport of ["direct", "sdk"] as const) {
    it(`asks as S3 wants to be asked, ${transport}`, async () => {
      await using server = await ScriptedServer.start((asked, reply) => {
        const query = queryOf(asked);
        const body = query.has("versions")
          ? "<ListVersionsResult><Name>b</Name><IsTruncated>false</IsTruncated></ListVersionsResult>"
          : query.has("uploads")
          ? "<ListMultipartUploadsResult><Bucket>b</Bucket><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>"
          : page([]);
        return reply.answer(200, XML, body);
      });
      using client = clientOf(server, { transport });
      const options = { delimiter: "/", startAfter: "a b", limit: 7 };
      await client.list("s3://bucket/p&x=/", { ...options, owner: true }).toArray();
      await client.list("s3://bucket/p/", { ...options, versions: true }).toArray();
      await client.incompleteUploads("s3://bucket/p/", { limit: 7 }).toArray();
      const asked = server.asked.map((one) => {
        const query = queryOf(one);
        query.delete("x-id");
        query.sort();
        return [one.method, ...[...query].map(([name, value]) => `${name}=${value}`)];
      });
      assertEquals(asked, [
        [
          "GET",
          "delimiter=/",
          "encoding-type=url",
          "fetch-owner=true",
          "list-type=2",
          "max-keys=7",
          "prefix=p&x=/",
          "start-after=a b",
        ],
        [
          "GET",
          "delimiter=/",
          "encoding-type=url",
          "key-marker=a b",
          "max-keys=7",
          "prefix=p/",
          "versions=",
        ],
        ["GET", "encoding-type=url", "max-uploads=7", "prefix=p/", "uploads="],
      ]);
      for (const { headers } of server.asked) {
        assert(headers.get("authorization")?.startsWith("AWS4-HMAC-SHA256"));
      }
    });

    it(`reads every field, ${transport}`, async () => {
      const body = `<?xml version="1.0" encoding="UTF-8"?>
        <ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name>
        <EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>
        <Contents><Key>a+b%2B%C3%BC</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified>
          <ETag>&quot;0&quot;</ETag><Size>5000000000000</Size><StorageClass>GLACIER</StorageClass>
          <Owner><ID>me</ID><DisplayName>M &amp; E</DisplayName></Owner></Contents>
        <Contents><Key>c</Key><LastModified>2026-01-02T03:04:05Z</LastModified><Size>0</Size>
        </Contents><CommonPrefixes><Prefix>b%2F</Prefix></CommonPrefixes></ListBucketResult>`;
      await using server = await ScriptedServer.start((_, reply) => reply.answer(200, XML, body));
      using client = clientOf(server, { transport });
      assertEquals(await client.list("s3://bucket/", { owner: true }).toArray(), [
        {
          uri: "s3://bucket/a b+ü",
          key: "a b+ü",
          size: 5e12,
          lastModified: new Date("2026-01-02T03:04:05.678Z"),
          etag: '"0"',
          storageClass: "GLACIER",
          owner: { id: "me", displayName: "M & E" },
        },
        { uri: "s3://bucket/b/", prefix: "b/" },
        {
          uri: "s3://bucket/c",
          key: "c",
          size: 0,
          lastModified: new Date("2026-01-02T03:04:05Z"),
        },
      ]);
    });

    it(`reads versions, delete markers and uploads, ${transport}`, async () => {
      const versions = `<ListVersionsResult><Name>b</Name><IsTruncated>false</IsTruncated>
        <Version><Key>k</Key><VersionId>v3</VersionId><IsLatest>false</IsLatest><Size>3</Size>
          <LastModified>2026-01-03T00:00:00Z</LastModified></Version>
        <Version><Key>k</Key><VersionId>v1</VersionId><IsLatest>false</IsLatest><Size>1</Size>
          <LastModified>2026-01-01T00:00:00Z</LastModified></Version>
        <Version><Key>z</Key><VersionId>null</VersionId><IsLatest>true</IsLatest><Size>1</Size>
          <LastModified>2026-01-01T00:00:00Z</LastModified></Version>
        <DeleteMarker><Key>k</Key><VersionId>v4</VersionId><IsLatest>true</IsLatest>
          <LastModified>2026-01-04T00:00:00Z</LastModified></DeleteMarker>
        <DeleteMarker><Key>k</Key><VersionId>v2</VersionId><IsLatest>false</IsLatest>
          <LastModified>2026-01-02T00:00:00Z</LastModified></DeleteMarker></ListVersionsResult>`;
      const uploads =
        `<ListMultipartUploadsResult><Bucket>b</Bucket><IsTruncated>false</IsTruncated>
        <Upload><Key>k</Key><UploadId>u</UploadId><Initiated>2026-01-02T00:00:00Z</Initiated>
        <Initiator><ID>other</ID></Initiator><Owner><ID>me</ID></Owner>
        <StorageClass>STANDARD</StorageClass></Upload></ListMultipartUploadsResult>`;
      await using server = await ScriptedServer.start((asked, reply) =>
        reply.answer(200, XML, queryOf(asked).has("uploads") ? uploads : versions)
      );
      using client = clientOf(server, { transport });
      const entries = await client.list("s3://b-b/", { versions: true }).toArray();
      assertEquals(
        entries.map((entry) =>
          "key" in entry &&
          [entry.key, entry.versionId, entry.isLatest, entry.deleteMarker, entry.size]
        ),
        [
          ["k", "v4", true, true, 0],
          ["k", "v3", false, false, 3],
          ["k", "v2", false, true, 0],
          ["k", "v1", false, false, 1],
          ["z", "null", true, false, 1],
        ],
        "in order, though the server sends markers apart",
      );
      assertEquals(await client.incompleteUploads("s3://b-b/").toArray(), [{
        uri: "s3://b-b/k",
        key: "k",
        uploadId: "u",
        initiated: new Date("2026-01-02T00:00:00Z"),
        storageClass: "STANDARD",
        owner: { id: "me" },
      }]);
    });
  }

  it("takes names as they are from a server that does not encode them", async () => {
    await using server = await ScriptedServer.start((_, reply) =>
      reply.answer(200, XML, page([" a+b%20&amp;&#x3c;]]&gt;ü "]))
    );
    using client = clientOf(server);
    assertEquals((await client.list("s3://bucket/").toArray()).map(nameOf), [" a+b%20&<]]>ü "]);
  });

  it("reads pages in chunks, as AWS sends them, and uses the connection again", async () => {
    const pageOf = numbered(4);
    await using server = await ScriptedServer.start(async (asked, reply) => {
      const bytes = new TextEncoder().encode(pageOf(asked));
      await reply.send(headOf(200, { ...XML, "transfer-encoding": "chunked" }));
      for (let at = 0; at < bytes.length; at += 100) {
        const piece = bytes.subarray(at, at + 100);
        await reply.send(`${piece.length.toString(16)}\r\n`);
        await reply.send(piece);
        await reply.send("\r\n");
      }
      await reply.send("0\r\n\r\n");
    });
    using client = clientOf(server);
    assertEquals((await client.list("s3://bucket/").toArray()).map(nameOf), keysTo(12));
    assertEquals([server.asked.length, server.connections], [4, 1]);
  });

  it("tells the code of an error that comes in chunks", async () => {
    const body = "<Error><Code>NoSuchBucket</Code><Message>no</Message></Error>";
    await using server = await ScriptedServer.start(async (_, reply) => {
      await reply.send(headOf(404, { ...XML, "transfer-encoding": "chunked" }));
      await reply.send(`${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`);
    });
    using client = clientOf(server);
    const error = await assertRejects(() => client.list("s3://bucket/").toArray(), DipperError);
    assertEquals([error.code, error.status], ["NoSuchBucket", 404]);
    const read = await assertRejects(() => client.file("s3://bucket/k").bytes(), DipperError);
    assertEquals(read.code, "NoSuchBucket");
  });

  it("asks a page again that fails in the middle, and goes on", async () => {
    for (const fault of ["503", "reset", "cut", "200 with an error"]) {
      const pageOf = numbered(5);
      let failed = false;
      await using server = await ScriptedServer.start(async (asked, reply) => {
        if (queryOf(asked).get("continuation-token") === "2" && !failed) {
          failed = true;
          return await fail(fault, reply);
        }
        await reply.answer(200, XML, pageOf(asked));
      });
      using client = clientOf(server);
      assertEquals((await client.list("s3://bucket/").toArray()).map(nameOf), keysTo(15), fault);
      assert(failed);
    }
  });

  it("hands out what came before a page that fails for ever, and then goes on by its token", async () => {
    const pageOf = numbered(5);
    let broken = true;
    await using server = await ScriptedServer.start((asked, reply) => {
      const query = queryOf(asked);
      if (broken && query.get("continuation-token") === "3") return fail("503", reply);
      const after = query.get("start-after");
      if (after === null) return reply.answer(200, XML, pageOf(asked));
      return reply.answer(200, XML, page(keysTo(15).filter((key) => key > after)));
    });
    using client = clientOf(server, { retries: 1 });
    const listing = client.list("s3://bucket/");
    const seen: string[] = [];
    const error = await assertRejects(async () => {
      for await (const entry of listing) seen.push(nameOf(entry));
    }, DipperError);
    assertEquals([error.code, error.operation], ["SlowDown", "list"]);
    assertEquals(seen, keysTo(9));
    const { token } = listing;
    assert(token !== undefined && /^[\w-]+$/.test(token));
    broken = false;
    const rest = client.list("s3://bucket/", { token });
    for await (const entry of rest) seen.push(nameOf(entry));
    assertEquals(seen, keysTo(15));
    assertEquals(rest.token, undefined, "at its end");
  });

  it("does not follow tokens in a circle", async () => {
    for (const length of [1, 2, 3, 7, 20]) {
      await using server = await ScriptedServer.start((asked, reply, index) => {
        if (index > 500) return reply.answer(200, XML, page([]));
        const token = Number(queryOf(asked).get("continuation-token") ?? 0);
        return reply.answer(200, XML, page(["k"], { token: String((token % length) + 1) }));
      });
      using client = clientOf(server);
      const error = await within(
        10_000,
        assertRejects(() => client.list("s3://bucket/").toArray(), NetworkError),
      );
      assertEquals(error.code, "NotS3");
      assertStringIncludes(error.message, "does not go on");
      assert(server.asked.length < 200, `${length}: ${server.asked.length} requests`);
    }
  });

  it("brings a key once that comes twice in a row, within a page or across two", async () => {
    await using server = await ScriptedServer.start((asked, reply) =>
      reply.answer(
        200,
        XML,
        queryOf(asked).has("continuation-token")
          ? page(["b", "c", "c", "d"])
          : page(["a", "a", "b"], { token: "t" }),
      )
    );
    using client = clientOf(server);
    assertEquals((await client.list("s3://bucket/").toArray()).map(nameOf), ["a", "b", "c", "d"]);
    const seen: string[] = [];
    for await (const entry of client.list("s3://bucket/")) seen.push(nameOf(entry));
    assertEquals(seen, ["a", "b", "c", "d"]);
  });

  it("starts and stops where it should on a server that knows neither", async () => {
    await using server = await ScriptedServer.start((_, reply) =>
      reply.answer(200, XML, page(["a", "b", "c", "d"]))
    );
    using client = clientOf(server);
    const options = { startAfter: "a", limit: 2 };
    const listing = client.list("s3://bucket/", options);
    assertEquals((await listing.toArray()).map(nameOf), ["b", "c"]);
    const rest = client.list("s3://bucket/", { ...options, token: listing.token! });
    assertEquals((await rest.toArray()).map(nameOf), ["d"]);
  });

  it("goes on behind the last key where the server says only that there is more", async () => {
    await using server = await ScriptedServer.start((asked, reply) => {
      const after = queryOf(asked).get("start-after") ?? "";
      const keys = keysTo(5).filter((key) => key > after);
      const body = page(keys.slice(0, 2), {}).replace(
        "<IsTruncated>false",
        `<IsTruncated>${keys.length > 2}`,
      );
      return reply.answer(200, XML, body);
    });
    using client = clientOf(server);
    assertEquals((await client.list("s3://bucket/").toArray()).map(nameOf), keysTo(5));
  });

  it("that says more and names nothing is refused, as is what is no listing", async () => {
    const bodies = {
      "does not say where": page([]).replace("false", "true"),
      "not with a listing": "<html><body>hello</body></html>",
      "not with a listing: it is no well-formed XML": page(["a"]).replace("</Key>", "</key>"),
      "a size in it is no number": page(["a"]).replace("<Size>1", "<Size>-1"),
    };
    for (const [what, body] of Object.entries(bodies)) {
      await using server = await ScriptedServer.start((_, reply) => reply.answer(200, XML, body));
      using client = clientOf(server);
      const error = await assertRejects(() => client.list("s3://bucket/").toArray(), NetworkError);
      assertEquals(error.code, "NotS3", what);
      assertStringIncludes(error.message, what);
      assertEquals(server.asked.length, 1, what);
    }
  });

  it("asks for one page when one entry is taken, and ahead when more are", async () => {
    const pageOf = numbered(100);
    await using server = await ScriptedServer.start((asked, reply) =>
      reply.answer(200, XML, pageOf(asked))
    );
    using client = clientOf(server);
    for await (const _ of client.list("s3://bucket/")) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
    assertEquals(server.asked.length, 1);
    let count = 0;
    for await (const _ of client.list("s3://bucket/")) if (++count === 7) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert(server.asked.length < 10, String(server.asked.length));
    const limited = await client.list("s3://bucket/", { limit: 2 }).toArray();
    assertEquals(limited.length, 2);
  });

  it("ends at once with the signal's reason, between pages and within one", async () => {
    await using server = await ScriptedServer.start((asked, reply) =>
      queryOf(asked).has("continuation-token")
        ? reply.silence()
        : reply.answer(200, XML, page(keysTo(3), { token: "t" }))
    );
    using client = clientOf(server);
    const reason = new Error("enough");
    for (const at of [2, 3]) {
      const controller = new AbortController();
      const listing = client.list("s3://bucket/", { signal: controller.signal });
      let count = 0;
      const error = await within(
        5000,
        assertRejects(async () => {
          for await (const _ of listing) {
            if (++count === at) setTimeout(() => controller.abort(reason), 10);
            if (count === at) {
              await new Promise((resolve) => setTimeout(resolve, at === 2 ? 30 : 0));
            }
          }
        }),
      );
      assertEquals(error, reason);
      assertEquals(count, at);
    }
  });

  it("serves readers that do not wait for each other, in order", async () => {
    const pageOf = numbered(3);
    await using server = await ScriptedServer.start((asked, reply) =>
      reply.answer(200, XML, pageOf(asked))
    );
    using client = clientOf(server);
    const entries = client.list("s3://bucket/")[Symbol.asyncIterator]();
    const results = await Promise.all(Array.from({ length: 11 }, () => entries.next()));
    assertEquals(
      results.map(({ value, done }) => done ? "done" : nameOf(value as Entry)),
      [...keysTo(9), "done", "done"],
    );
  });
});

describe("a token of a listing", () => {
  it("leads page by page through all of it", async () => {
    await using server = await ScriptedServer.start((asked, reply) => {
      const query = queryOf(asked);
      const after = query.get("start-after") ?? "";
      const keys = keysTo(10).filter((key) => key > after);
      const size = Number(query.get("max-keys"));
      const more = keys.length > size ? { token: "unused" } : {};
      return reply.answer(200, XML, page(keys.slice(0, size), more));
    });
    using client = clientOf(server);
    const seen: string[][] = [];
    let token: string | undefined;
    do {
      const listing = client.list("s3://bucket/", { limit: 4, ...(token && { token }) });
      seen.push((await listing.toArray()).map(nameOf));
      token = listing.token;
    } while (token !== undefined);
    assertEquals(seen.flat(), keysTo(10));
    assertEquals(seen.length, 3);
  });

  it("passes over a group that was handed out", async () => {
    await using server = await ScriptedServer.start((asked, reply) => {
      const after = queryOf(asked).get("start-after") ?? "";
      // The group has a key behind the last character that can follow its prefix.
      const groups = ["a/", "b/"].filter((group) => `${group}\u{10ffff}x` > after);
      const rest = groups.map((group) =>
        `<CommonPrefixes><Prefix>${group}</Prefix></CommonPrefixes>`
      );
      return reply.answer(200, XML, page([], { rest: rest.join("") }));
    });
    using client = clientOf(server);
    const listing = client.list("s3://bucket/", { delimiter: "/" });
    for await (const entry of listing) {
      assertEquals(nameOf(entry), "a/ …");
      break;
    }
    const rest = client.list("s3://bucket/", { delimiter: "/", token: listing.token! });
    assertEquals((await rest.toArray()).map(nameOf), ["b/ …"]);
    assertEquals(queryOf(server.asked.at(-1)!).get("start-after"), "a/\u{10ffff}");
  });

  it("of another listing, or none at all, is refused before anything is sent", async () => {
    await using server = await ScriptedServer.start((_, reply) =>
      reply.answer(200, XML, page(["a", "b"]))
    );
    using client = clientOf(server);
    const listing = client.list("s3://bucket/");
    assertEquals(listing.token, undefined);
    for await (const _ of listing) break;
    const token = listing.token!;
    const sent = server.asked.length;
    for (
      const call of [
        () => client.list("s3://other/", { token }),
        () => client.list("s3://bucket/a", { token }),
        () => client.list("s3://bucket/", { token, delimiter: "/" }),
        () => client.list("s3://bucket/", { token, versions: true }),
        () => client.incompleteUploads("s3://bucket/", { token }),
        () => client.list("s3://bucket/", { token: "nonsense" }),
        () => client.list("s3://bucket/", { token: "" }),
        () => client.list("s3://bucket/", { token: btoa('[1,"objects"]') }),
        () => client.list("s3://bucket/", { token: 7 as never }),
      ]
    ) {
      const error = assertThrows(call, InvalidInputError);
      assertStringIncludes(error.message, "token");
    }
    assertEquals(server.asked.length, sent);
  });

  it("goes on in the middle of an object's versions", async () => {
    const ids = ["v4", "v3", "v2", "v1"];
    await using server = await ScriptedServer.start((asked, reply) => {
      const marker = queryOf(asked).get("version-id-marker");
      const left = marker === null ? ids : ids.slice(ids.indexOf(marker) + 1);
      const lines = left.map((id) => `<Version><Key>k</Key><VersionId>${id}</VersionId></Version>`);
      return reply.answer(
        200,
        XML,
        `<ListVersionsResult><Name>b</Name><IsTruncated>false</IsTruncated>${
          lines.join("")
        }</ListVersionsResult>`,
      );
    });
    using client = clientOf(server);
    const options = { versions: true, limit: 2 };
    const listing = client.list("s3://bucket/", options);
    await listing.toArray();
    const rest = await client.list("s3://bucket/", { ...options, token: listing.token! }).toArray();
    assertEquals(rest.map((entry) => "key" in entry && entry.versionId), ["v2", "v1"]);
    assertEquals(queryOf(server.asked.at(-1)!).get("key-marker"), "k");
  });
});

describe("incomplete uploads", () => {
  it("go on amid the uploads of a key where the server refuses to start there", async () => {
    const uploads = ["a:1", "k:1", "k:2", "k:3", "z:1"];
    await using server = await ScriptedServer.start((asked, reply) => {
      const query = queryOf(asked);
      const [key, id] = [query.get("key-marker") ?? "", query.get("upload-id-marker")];
      const error =
        "<Error><Code>InvalidArgument</Code><Message>Invalid uploadId marker</Message></Error>";
      if (id !== null) return reply.answer(400, XML, error);
      const left = uploads.filter((upload) => upload.split(":")[0]! > key).map((upload) => {
        const [key, id] = upload.split(":");
        return `<Upload><Key>${key}</Key><UploadId>${id}</UploadId></Upload>`;
      });
      const body = `<Bucket>b</Bucket><IsTruncated>false</IsTruncated>${left.join("")}`;
      return reply.answer(
        200,
        XML,
        `<ListMultipartUploadsResult>${body}</ListMultipartUploadsResult>`,
      );
    });
    using client = clientOf(server);
    for (let count = 1; count < uploads.length; count++) {
      const first = client.incompleteUploads("s3://bucket/", { limit: count });
      const seen = await first.toArray();
      seen.push(
        ...await client.incompleteUploads("s3://bucket/", { token: first.token! }).toArray(),
      );
      assertEquals(seen.map(({ key, uploadId }) => `${key}:${uploadId}`), uploads, String(count));
    }
  });
});

async function fail(fault: string, reply: Reply): Promise<void> {
  const error = "<Error><Code>SlowDown</Code><Message>slow</Message></Error>";
  const broken = "<Error><Code>InternalError</Code><Message>oops</Message></Error>";
  switch (fault) {
    case "503":
      return await reply.answer(503, XML, error);
    case "200 with an error":
      return await reply.answer(200, XML, broken);
    case "reset":
      return reply.reset();
    case "cut":
      await reply.send(headOf(200, { ...XML, "content-length": "1000" }));
      await reply.send("<ListBucketResult><Contents>");
      return reply.close();
  }
}
