// What is sent beside the data, asserted by a server that does what it is told; and what is refused
// before anything is sent.

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  InvalidInputError,
  memory,
  metricsOf,
  S3Client,
  type S3File,
  type WriteOptions,
} from "dipper";
import { type Asked, ScriptedServer } from "./scripted_server.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const MIB = 1 << 20;
const KEY = new Uint8Array(32).fill(7);
const KEY_TEXT = KEY.toBase64();
const XML = { "content-type": "application/xml", "x-amz-request-id": "SCRIPTED" };

/** A server that takes everything. */
async function taking(): Promise<ScriptedServer> {
  return await ScriptedServer.start(async (asked, reply) => {
    const etag = { etag: '"one"', "x-amz-request-id": "SCRIPTED" };
    const url = new URL(asked.path, "http://server");
    if (asked.method === "POST" && url.searchParams.has("uploads")) {
      const body = "<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key>" +
        "<UploadId>U1</UploadId></InitiateMultipartUploadResult>";
      await reply.answer(200, XML, body);
    } else if (asked.method === "POST") {
      const body = "<CompleteMultipartUploadResult><ETag>&quot;all-1&quot;</ETag>" +
        "</CompleteMultipartUploadResult>";
      await reply.answer(200, XML, body);
    } else if (asked.method === "HEAD") {
      await reply.answer(200, { ...etag, "content-length": "5" });
    } else if (asked.method === "GET") {
      await reply.answer(200, etag, "hello");
    } else {
      await reply.answer(asked.method === "DELETE" ? 204 : 200, etag);
    }
  });
}

function clientOf(server: ScriptedServer): S3Client {
  return new S3Client({
    endpoint: server.endpoint,
    credentials: { accessKeyId: "a", secretAccessKey: "s" },
  });
}

/** The headers of a request that are not of the transport's. */
function said(asked: Asked | undefined, ...names: string[]): (string | undefined)[] {
  assert(asked !== undefined, "nothing was sent");
  return names.map((name) => asked.headers.get(name));
}

describe("the options of a write", () => {
  const cases: [name: string, options: WriteOptions, headers: Record<string, string>][] = [
    ["media type", { contentType: "a/b" }, { "content-type": "a/b" }],
    ["encoding", { contentEncoding: "gzip" }, { "content-encoding": "gzip" }],
    ["language", { contentLanguage: "de" }, { "content-language": "de" }],
    ["disposition", { contentDisposition: "attachment; filename=a" }, {
      "content-disposition": "attachment; filename=a",
    }],
    ["caching", { cacheControl: "no-store" }, { "cache-control": "no-store" }],
    ["expiry", { expires: new Date(784_111_777_000) }, {
      expires: "Sun, 06 Nov 1994 08:49:37 GMT",
    }],
    ["metadata", { metadata: { Origin: "bench 7" } }, { "x-amz-meta-origin": "bench 7" }],
    ["tags", { tags: { "a b": "c+d=ü", e: "" } }, {
      "x-amz-tagging": "a%20b=c%2Bd%3D%C3%BC&e=",
    }],
    ["storage class", { storageClass: "STANDARD_IA" }, { "x-amz-storage-class": "STANDARD_IA" }],
    ["access list", { acl: "public-read" }, { "x-amz-acl": "public-read" }],
    ["encryption by S3", { encryption: "AES256" }, {
      "x-amz-server-side-encryption": "AES256",
    }],
    ["encryption by KMS", { encryption: "aws:kms" }, {
      "x-amz-server-side-encryption": "aws:kms",
    }],
    [
      "encryption by a key of KMS",
      { encryption: { kmsKeyId: "alias/mine", context: { k: "v" }, bucketKey: true } },
      {
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": "alias/mine",
        "x-amz-server-side-encryption-context": btoa('{"k":"v"}'),
        "x-amz-server-side-encryption-bucket-key-enabled": "true",
      },
    ],
    ["encryption by a key of one's own", { encryption: { customerKey: KEY } }, {
      "x-amz-server-side-encryption-customer-algorithm": "AES256",
      "x-amz-server-side-encryption-customer-key": KEY_TEXT,
    }],
    ["the same key as base64", { encryption: { customerKey: KEY_TEXT } }, {
      "x-amz-server-side-encryption-customer-key": KEY_TEXT,
    }],
    ["a condition", { ifMatch: '"e"' }, { "if-match": '"e"' }],
    ["the other condition", { ifNoneMatch: "*" }, { "if-none-match": "*" }],
    ["the checksum", {}, { "x-amz-checksum-crc64nvme": "" }],
    ["another checksum", { checksum: "sha256" }, { "x-amz-checksum-sha256": "" }],
  ];
  /** What goes with the request that completes an upload in parts. */
  const atTheEnd = ["if-match", "if-none-match"];

  for (const [name, options, headers] of cases) {
    it(`say ${name}, in one request and in parts`, async () => {
      await using server = await taking();
      using client = clientOf(server);
      const file = client.file("s3://bucket/key");
      const stat = await file.write("hello", options);
      assertEquals(stat.size, 5);
      const [one] = server.asked;
      assertEquals([one?.method, one?.path], ["PUT", "/bucket/key"]);
      const writer = file.writer({ ...options, partSize: 5 * MIB }).getWriter();
      await writer.write(new Uint8Array(6 * MIB));
      await writer.close();
      const sent = server.asked.slice(1);
      const started = sent.find((asked) =>
        asked.method === "POST" && asked.path.includes("uploads")
      );
      const completed = sent.find((asked) =>
        asked.method === "POST" && !asked.path.includes("uploads")
      );
      const part = sent.find((asked) => asked.method === "PUT");
      for (const [header, value] of Object.entries(headers)) {
        const isSum = header.startsWith("x-amz-checksum-");
        const where = isSum ? part : atTheEnd.includes(header) ? completed : started;
        for (const asked of [one, where]) {
          const [told] = said(asked, header);
          if (isSum) assert((told?.length ?? 0) > 8, `${header}: ${told}`);
          else assertEquals(told, value, header);
        }
      }
      assertEquals(memory().operations, 0);
    });
  }

  it("send no checksum when told so", async () => {
    await using server = await taking();
    using client = clientOf(server);
    await client.file("s3://bucket/key").write("hello", { checksum: "none" });
    const names = [...server.asked[0]!.headers.keys()];
    assertEquals(names.filter((name) => name.startsWith("x-amz-checksum")), []);
  });

  it("guess the media type from the key, after what the data says", async () => {
    await using server = await taking();
    using client = clientOf(server);
    const typed: [key: string, data: string | Blob | Uint8Array, type: string | undefined][] = [
      ["a.csv", "a,b", "text/csv; charset=utf-8"],
      ["a.csv", new Uint8Array(3), "text/csv"],
      ["a.json", "{}", "application/json"],
      ["a.parquet", new Uint8Array(3), "application/vnd.apache.parquet"],
      ["a.csv", new Blob(["{}"], { type: "application/json" }), "application/json"],
      ["a.csv", new Blob(["{}"]), "text/csv"],
    ];
    for (const [key, data, type] of typed) {
      await client.file({ bucket: "bucket", key }).write(data);
      assertEquals(said(server.asked.at(-1), "content-type"), [type], key);
    }
    await client.file("s3://bucket/a.csv").write("x", { contentType: "x/y" });
    assertEquals(said(server.asked.at(-1), "content-type"), ["x/y"]);
  });

  it("take the key of the handle, for writes and for reads", async () => {
    await using server = await taking();
    using client = clientOf(server);
    const header = "x-amz-server-side-encryption-customer-key";
    const file = client.file("s3://bucket/key", { customerKey: KEY });
    await file.write("hello");
    await file.text();
    await file.stat();
    await client.file(file).slice(0, 2).bytes().catch(() => {});
    assert(server.asked.length >= 4);
    for (const asked of server.asked) assertEquals(said(asked, header), [KEY_TEXT], asked.method);
    // The options of one write say another.
    await file.write("hello", { encryption: "AES256" });
    assertEquals(said(server.asked.at(-1), header), [undefined]);
    assert(!Deno.inspect(file).includes(KEY_TEXT) && !JSON.stringify(file).includes(KEY_TEXT));
  });

  it("tell what a write took", async () => {
    await using server = await taking();
    using client = clientOf(server);
    const stat = await client.file("s3://bucket/key").write("hello");
    const metrics = metricsOf(stat);
    assertEquals([metrics?.bytes, metrics?.requests, metrics?.verified], [5, 1, "crc64nvme"]);
    assertStringIncludes(Deno.inspect(metrics), "5");
  });

  it("that cannot be meant are refused, before anything is sent", async () => {
    await using server = await taking();
    using client = clientOf(server);
    const file: S3File = client.file("s3://bucket/key");
    const tags = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`t${index}`, "v"]));
    const refused: [options: unknown, says: string][] = [
      [{ contenttype: "a/b" }, "there is no option contenttype"],
      [{ Metadata: {} }, "there is no option Metadata"],
      [7, "the options are no object"],
      [{ contentType: 7 }, "contentType is not a string"],
      [{ contentType: "a\r\nx: y" }, "contentType is not a string"],
      [{ contentDisposition: "attachment; filename=ü" }, "cannot carry"],
      [{ cacheControl: {} }, "cacheControl is not a string"],
      [{ expires: "tomorrow" }, "expires is not a date"],
      [{ expires: new Date(NaN) }, "expires is not a date"],
      [{ expires: new Date(-1) }, "between 1970 and 9999"],
      [{ metadata: { a: "x".repeat(2048) } }, "2049 bytes, and S3 takes 2048"],
      [{ metadata: { A: "1", a: "2" } }, "there twice"],
      [{ metadata: ["a"] }, "metadata is not an object"],
      [{ metadata: new Map([["a", "b"]]) }, "metadata is not an object"],
      [{ metadata: new Headers({ a: "b" }) }, "metadata is not an object"],
      [{ tags: tags(11) }, "11 tags are more than the 10"],
      [{ tags: { a: "x".repeat(257) } }, "too long"],
      [{ tags: { ["x".repeat(129)]: "v" } }, "too long"],
      [{ tags: { "": "v" } }, "is empty or too long"],
      [{ tags: { "aws:x": "v" } }, "belongs to AWS"],
      [{ tags: { a: "<b>" } }, "characters that S3 refuses"],
      [{ tags: { a: 7 } }, "is no string"],
      [{ tags: [] }, "tags are not an object"],
      [{ tags: new Map([["a", "b"]]) }, "tags are not an object"],
      [{ ifMatch: "" }, "ifMatch is empty"],
      [{ ifNoneMatch: "" }, 'ifNoneMatch is not "*"'],
      [{ ifNoneMatch: '"etag"' }, 'ifNoneMatch is not "*"'],
      [{ ifNoneMatch: "*", ifMatch: '"etag"' }, "ifMatch wants an object"],
      [{ encryption: [] }, "encryption is none"],
      [{ storageClass: "cold storage" }, "storageClass is not the name"],
      [{ storageClass: 7 }, "storageClass is not"],
      [{ acl: "everyone" }, "acl is none of S3's"],
      [{ encryption: "rot13" }, "encryption is none"],
      [{ encryption: null }, "encryption is none"],
      [{ encryption: { customerKey: new Uint8Array(31) } }, "not a key of 32 bytes"],
      [{ encryption: { customerKey: "AAAA" } }, "not a key of 32 bytes"],
      [{ encryption: { customerKey: "no base64!" } }, "not a key of 32 bytes"],
      [{ encryption: { customerKey: KEY, kmsKeyId: "a" } }, "a key of yours and one of KMS"],
      [{ encryption: { kmsKeyId: "a\nb" } }, "kmsKeyId is not the name"],
      [{ encryption: { context: { a: 1 } } }, "context is not an object of strings"],
      [{ encryption: { bucketKey: "yes" } }, "bucketKey is not true or false"],
      [{ encryption: { keyId: "a" } }, "there is no option encryption.keyId"],
      [{ checksum: "md5" }, "checksum is none"],
      [{ partSize: 5 * MIB - 1 }, "from 5 MiB to 5 GiB"],
      [{ partSize: 5 * 1024 ** 3 + 1 }, "from 5 MiB to 5 GiB"],
      [{ partSize: 5.5 * MIB + 0.5 }, "from 5 MiB to 5 GiB"],
      [{ partSize: "8MiB" }, "from 5 MiB to 5 GiB"],
      [{ signal: "now" }, "signal is not an AbortSignal"],
      [{ onProgress: "often" }, "onProgress is not a function"],
    ];
    for (const [options, says] of refused) {
      const given = options as WriteOptions;
      const error = await assertRejects(() => file.write("x", given), InvalidInputError, says);
      assertEquals(error.operation, "write");
      assert(!error.message.includes(KEY_TEXT));
    }
    for (const [options, says] of refused.filter(([, says]) => !says.includes("1970"))) {
      if (says.includes("cannot carry")) continue;
      assertThrows(() => file.writer(options as WriteOptions), InvalidInputError, says);
    }
    for (const key of [new Uint8Array(31), "AAAA", 7]) {
      assertThrows(
        () => client.file("s3://bucket/key", { customerKey: key as string }),
        InvalidInputError,
        "32 bytes",
      );
    }
    assertThrows(() => client.file("./x", { customerKey: KEY }), InvalidInputError, "S3 objects");
    await assertRejects(
      () => client.file("s3://bucket/key", { versionId: "v1" }).write("x"),
      InvalidInputError,
      "versions do not change",
    );
    assertEquals(server.asked.length, 0);
  });

  it("allow what is just within the limits", async () => {
    await using server = await taking();
    using client = clientOf(server);
    const tags = Object.fromEntries(
      Array.from({ length: 10 }, (_, index) => [`${index}`.padStart(128, "k"), "v".repeat(256)]),
    );
    const metadata = { a: "x".repeat(2047) };
    await client.file("s3://bucket/key").write("x", { tags, metadata, partSize: 5 * MIB });
    assertEquals(server.asked.length, 1);
  });

  it("that ask for 10,001 parts are refused, before anything is sent", async () => {
    await using server = await taking();
    using client = clientOf(server);
    const path = await Deno.makeTempFile();
    try {
      // Holes: it takes no room on the disk.
      await Deno.truncate(path, 10_000 * 5 * MIB + 1);
      const copy = client.file(path as `/${string}`).copyTo("s3://bucket/key", {
        partSize: 5 * MIB,
      });
      const error = await assertRejects(() => copy, InvalidInputError, "10001 parts");
      assertStringIncludes(error.message, "larger partSize");
      assertEquals(server.asked.length, 0);
    } finally {
      await Deno.remove(path);
    }
  });
});
