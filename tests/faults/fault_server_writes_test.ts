// The fault server's writing side against Deno's own HTTP client: it keeps what it is sent, compares
// checksums, and fails where it is told. Without this, a test of dipper's uploads could pass because
// the server did nothing wrong, or kept nothing.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { connect } from "node:net";
import { contentOf } from "./content.ts";
import { control, FaultBucket, type What } from "./fault_server.ts";

const OBJECT = { size: 100_000, seed: 3 };
const data = contentOf(OBJECT);
/** CRC-32 of nine zeros is 0xe60914ae. */
const ZEROS = { body: new Uint8Array(9), crc32: "5gkUrg==" };

interface Answer {
  status: number;
  etag: string | null;
  text: string;
}

async function send(
  bucket: FaultBucket,
  method: string,
  path: string,
  body?: BodyInit,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(`${bucket.endpoint}/${bucket.name}/${path}`, {
    method,
    headers,
    ...(body !== undefined && { body }),
  });
  return {
    status: response.status,
    etag: response.headers.get("etag"),
    text: await response.text(),
  };
}

const create = async (bucket: FaultBucket, key: string): Promise<string> =>
  /<UploadId>([^<]+)/.exec((await send(bucket, "POST", `${key}?uploads`)).text)![1]!;

const complete = (bucket: FaultBucket, key: string, id: string, etags: string[]): Promise<Answer> =>
  send(
    bucket,
    "POST",
    `${key}?uploadId=${id}`,
    `<CompleteMultipartUpload>${
      etags.map((etag, index) =>
        `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag></Part>`
      ).join("")
    }</CompleteMultipartUpload>`,
  );

describe("the fault server, written to", { ignore: control === undefined }, () => {
  it("keeps an object, and tells whether it is the expected one", async () => {
    await using bucket = await FaultBucket.make({ expected: { good: OBJECT, bad: OBJECT } });
    await send(bucket, "PUT", "good", data, { "content-type": "a/b", "x-amz-meta-x": "y" });
    const flipped = data.slice();
    flipped[77_777]! ^= 1;
    await send(bucket, "PUT", "bad", flipped);
    const { written, kinds } = await bucket.report();
    assertEquals([written["good"]!.asExpected, written["bad"]!.asExpected], [true, false]);
    assertEquals([written["good"]!.size, written["good"]!.parts], [OBJECT.size, 0]);
    assertEquals(kinds.put, 2);
    const response = await fetch(`${bucket.endpoint}/${bucket.name}/good`, {
      headers: { range: "bytes=1000-1999" },
    });
    assertEquals(await response.bytes(), data.slice(1000, 2000));
    assertEquals(response.headers.get("content-type"), "a/b");
    assertEquals(response.headers.get("x-amz-meta-x"), "y");
    assertEquals((await send(bucket, "DELETE", "good")).status, 204);
    assertEquals((await send(bucket, "GET", "good")).status, 404);
    assertEquals((await bucket.report()).deleted, ["good"]);
  });

  it("puts parts together, in any order of their arrival", async () => {
    await using bucket = await FaultBucket.make({ expected: { key: OBJECT } });
    const id = await create(bucket, "key");
    const part = async (number: number, start: number, end: number): Promise<string> =>
      (await send(
        bucket,
        "PUT",
        `key?partNumber=${number}&uploadId=${id}`,
        data.slice(start, end),
      )).etag!;
    const second = await part(2, 60_000, 100_000);
    const first = await part(1, 0, 60_000);
    const open = await bucket.report();
    assertEquals(open.uploads, [{ key: "key", id, parts: [1, 2] }]);
    assertEquals((await complete(bucket, "key", id, [second, first])).status, 400);
    assertEquals((await complete(bucket, "key", id, [first, second])).status, 200);
    const { uploads, written } = await bucket.report();
    assertEquals([uploads, written["key"]!.asExpected, written["key"]!.parts], [[], true, 2]);
    // As on S3, it cannot be completed a second time.
    const again = await complete(bucket, "key", id, [first, second]);
    assert(again.status === 404 && again.text.includes("NoSuchUpload"), again.text);
  });

  it("lists uploads and parts, and aborts", async () => {
    await using bucket = await FaultBucket.make({});
    const ids = [await create(bucket, "a"), await create(bucket, "b")];
    await send(bucket, "PUT", `a?partNumber=7&uploadId=${ids[0]}`, "x");
    const page = (await send(bucket, "GET", "?uploads&max-uploads=1")).text;
    assert(page.includes("<Key>a</Key>") && !page.includes("<Key>b</Key>"), page);
    assert(page.includes("<IsTruncated>true"), page);
    const next = await send(bucket, "GET", `?uploads&key-marker=a&upload-id-marker=${ids[0]}`);
    assert(next.text.includes("<Key>b</Key>") && !next.text.includes("<Key>a</Key>"), next.text);
    const parts = (await send(bucket, "GET", `a?uploadId=${ids[0]}`)).text;
    assert(parts.includes("<PartNumber>7</PartNumber>"), parts);
    assertEquals((await send(bucket, "DELETE", `a?uploadId=${ids[0]}`)).status, 204);
    assertEquals((await send(bucket, "DELETE", `a?uploadId=${ids[0]}`)).status, 404);
    const { uploads, aborted } = await bucket.report();
    assertEquals([uploads.map(({ key }) => key), aborted], [["b"], ["a"]]);
  });

  it("refuses a body whose checksum is another, in the head or behind the body", async () => {
    await using bucket = await FaultBucket.make({ expected: { key: { size: 9 } } });
    const put = (headers: Record<string, string>, body: BodyInit = ZEROS.body) =>
      send(bucket, "PUT", "key", body, headers);
    assertEquals((await put({ "x-amz-checksum-crc32": "AAAAAA==" })).status, 400);
    assertEquals((await put({ "x-amz-checksum-crc32": ZEROS.crc32 })).status, 200);
    const chunked = (sum: string) =>
      put(
        { "content-encoding": "aws-chunked", "x-amz-decoded-content-length": "9" },
        new TextEncoder().encode(
          `9\r\n${"\0".repeat(9)}\r\n0\r\nx-amz-checksum-crc32:${sum}\r\n\r\n`,
        ),
      );
    assertEquals((await chunked("AAAAAA==")).status, 400);
    assertEquals((await chunked(ZEROS.crc32)).status, 200);
    const { refused, written } = await bucket.report();
    assertEquals([refused, written["key"]!.asExpected], [2, true]);
  });

  it("obeys conditions", async () => {
    await using bucket = await FaultBucket.make({ objects: { there: OBJECT } });
    const put = async (key: string, headers: Record<string, string>) =>
      (await send(bucket, "PUT", key, "x", headers)).status;
    assertEquals(await put("there", { "if-none-match": "*" }), 412);
    assertEquals(await put("new", { "if-none-match": "*" }), 200);
    assertEquals(await put("new", { "if-none-match": "*" }), 412);
    assertEquals(await put("new", { "if-match": '"other"' }), 412);
    assertEquals(await put("none", { "if-match": '"other"' }), 412);
  });

  it("copies, whole and in parts", async () => {
    await using bucket = await FaultBucket.make({
      objects: { "a b": OBJECT },
      expected: { whole: OBJECT, parts: OBJECT },
    });
    const source = `/${bucket.name}/a%20b`;
    const whole = await send(bucket, "PUT", "whole", undefined, { "x-amz-copy-source": source });
    assert(whole.text.includes("<CopyObjectResult>"), whole.text);
    const id = await create(bucket, "parts");
    const etags = await Promise.all(["0-59999", "60000-99999"].map(async (range, index) => {
      const path = `parts?partNumber=${index + 1}&uploadId=${id}`;
      const headers = { "x-amz-copy-source": source, "x-amz-copy-source-range": `bytes=${range}` };
      return /&quot;(\w+)&quot;/.exec((await send(bucket, "PUT", path, undefined, headers)).text)!;
    }));
    await complete(bucket, "parts", id, etags.map((etag) => etag[1]!));
    const { written, kinds } = await bucket.report();
    assertEquals([written["whole"]!.asExpected, written["parts"]!.asExpected], [true, true]);
    assertEquals([kinds.copy, kinds.copyPart], [1, 2]);
    const none = { "x-amz-copy-source": `/${bucket.name}/none` };
    assertEquals((await send(bucket, "PUT", "x", undefined, none)).status, 404);
  });

  it("deletes many, and refuses those it is told to", async () => {
    await using bucket = await FaultBucket.make({
      any: OBJECT,
      faults: [{ on: "deleteMany", what: { kind: "refuse", text: "locked" } }],
    });
    const keys = ["a&b", "locked/1", "c"];
    const objects = keys.map((key) => `<Object><Key>${key.replace("&", "&amp;")}</Key></Object>`);
    const { text } = await send(bucket, "POST", "?delete", `<Delete>${objects.join("")}</Delete>`);
    assert(text.includes("<Deleted><Key>a&amp;b</Key></Deleted>"), text);
    assert(text.includes("<Error><Key>locked/1</Key><Code>AccessDenied</Code>"), text);
    assertEquals((await bucket.report()).deleted, ["a&b", "c"]);
  });

  it("lists versions by pages", async () => {
    await using bucket = await FaultBucket.make({
      versions: { count: 5, name: "k", pageSize: 2 },
      faults: [{ on: "versions", part: "last", what: { kind: "status", status: 503 } }],
    });
    const page = (query: string) => send(bucket, "GET", `?versions${query}`);
    const first = await page("");
    assert(first.text.includes("<NextKeyMarker>k00000001</NextKeyMarker>"), first.text);
    const second = await page("&key-marker=k00000001&version-id-marker=v1");
    assert(second.text.includes("<Key>k00000002</Key><VersionId>v2</VersionId>"), second.text);
    assertEquals((await page("&key-marker=k00000003")).status, 503);
    assertEquals((await page("&key-marker=k00000003")).text.match(/<Key>/g)?.length, 1);
  });

  it("breaks within a body, once it got so much of it, and keeps nothing", async () => {
    for (const kind of ["reset", "close"] as const) {
      await using bucket = await FaultBucket.make({
        faults: [{ on: "put", after: 50_000, what: { kind } }],
      });
      assertEquals(await rawly(bucket, "PUT", data), "");
      assertEquals((await bucket.report()).written, {});
      assertEquals((await send(bucket, "PUT", "key", data)).status, 200);
      assertEquals((await bucket.report()).fired, [1]);
    }
  });

  it("answers before it has the body, and does not lose that answer", async () => {
    const large = new Uint8Array(8 * 2 ** 20);
    for (const when of ["before", "within", "read"] as const) {
      await using bucket = await FaultBucket.make({
        faults: [{ on: "put", when, what: { kind: "status", status: 503 } }],
      });
      const text = await rawly(bucket, "PUT", large);
      assert(text.startsWith("HTTP/1.1 503 "), text);
      assertEquals((await bucket.report()).written, {});
    }
  });

  it("loses the answer to what it did", async () => {
    const whats: What[] = [{ kind: "reset" }, { kind: "close" }, {
      kind: "status",
      status: 500,
      code: "InternalError",
    }];
    for (const what of whats) {
      await using bucket = await FaultBucket.make({
        faults: [{ on: "put", when: "done", what }],
        expected: { key: OBJECT },
      });
      const text = await rawly(bucket, "PUT", data);
      assert(what.kind === "status" ? text.startsWith("HTTP/1.1 500 ") : text === "", text);
      assertEquals((await bucket.report()).written["key"]!.asExpected, true);
    }
  });

  it("fails only with the part of a number", async () => {
    await using bucket = await FaultBucket.make({
      faults: [{ on: "part", number: 2, times: null, what: { kind: "status", status: 500 } }],
    });
    const id = await create(bucket, "key");
    const status = async (number: number) =>
      (await send(bucket, "PUT", `key?partNumber=${number}&uploadId=${id}`, "x")).status;
    assertEquals([await status(1), await status(2), await status(3), await status(2)], [
      200,
      500,
      200,
      500,
    ]);
  });

  it("flips a bit of what it reads, which a checksum shows", async () => {
    await using bucket = await FaultBucket.make({
      faults: [{ on: "put", times: 2, what: { kind: "flip" } }],
      expected: { key: { size: 9 } },
    });
    const sum = { "x-amz-checksum-crc32": ZEROS.crc32 };
    assertEquals((await send(bucket, "PUT", "key", ZEROS.body, sum)).status, 400);
    assertEquals((await send(bucket, "PUT", "key", ZEROS.body)).status, 200);
    assertEquals((await bucket.report()).written["key"]!.asExpected, false);
  });

  it("counts and forgets, where it is told to", async () => {
    await using bucket = await FaultBucket.make({ discard: true });
    const id = await create(bucket, "key");
    const etags = await Promise.all(
      [1, 2].map(async (number) =>
        (await send(bucket, "PUT", `key?partNumber=${number}&uploadId=${id}`, data)).etag!
      ),
    );
    await complete(bucket, "key", id, etags);
    const { written } = await bucket.report();
    assertEquals([written["key"]!.size, written["key"]!.asExpected], [2 * OBJECT.size, null]);
  });

  it("notices that a client went away in the middle of a body that stalls", async () => {
    await using bucket = await FaultBucket.make({
      faults: [{ on: "put", after: 1000, what: { kind: "stall" } }],
    });
    const stop = AbortSignal.timeout(200);
    const url = `${bucket.endpoint}/${bucket.name}/key`;
    await assertRejects(() =>
      fetch(url, { method: "PUT", body: new Uint8Array(8 * 2 ** 20), signal: stop })
    );
    await bucket.untilQuiet(5000);
  });
});

/**
 * The first bytes that come back for a request; none when the connection breaks. Deno's HTTP client
 * would send such a request again.
 */
function rawly(bucket: FaultBucket, method: string, body: Uint8Array): Promise<string> {
  const { hostname, port } = new URL(bucket.endpoint);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    let text = "";
    socket.on("data", (chunk: Uint8Array) => {
      text += new TextDecoder().decode(chunk);
      socket.destroy();
    });
    socket.on("end", () => socket.destroy());
    socket.on("error", () => socket.destroy());
    socket.once("close", () => resolve(text));
    socket.write(`${method} /${bucket.name}/key HTTP/1.1\r\nHost: x\r\n`);
    socket.write(`Content-Length: ${body.length}\r\n\r\n`);
    socket.write(body);
  });
}
