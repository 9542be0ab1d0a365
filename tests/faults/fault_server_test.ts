// The fault server against Deno's own HTTP client: it serves what it says, and fails as it is told.
// Without this, a test of dipper could pass because the server did nothing wrong.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { connect } from "node:net";
import { assertSameBytes } from "../storage/bytes.ts";
import { contentOf } from "./content.ts";
import { control, FaultBucket, type What } from "./fault_server.ts";

const SIZE = 200_001;
const OBJECT = { size: SIZE, seed: 42 };
const data = contentOf(OBJECT);

/** The answer to a request for the object, or for a range of it. */
async function get(
  bucket: FaultBucket,
  range?: string,
  more: Record<string, string> = {},
): Promise<{ status: number; headers: Headers; body: Uint8Array }> {
  const headers = range === undefined ? more : { range: `bytes=${range}`, ...more };
  const response = await fetch(`${bucket.endpoint}/${bucket.name}/key`, { headers });
  return {
    status: response.status,
    headers: response.headers,
    body: await response.bytes(),
  };
}

/** All that the server sends for a request, down to the end of the connection. */
function raw(bucket: FaultBucket, patience = 5000): Promise<{ text: string; ended: boolean }> {
  const { hostname, port } = new URL(bucket.endpoint);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    let text = "";
    const done = (ended: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      socket.once("close", () => resolve({ text, ended }));
    };
    const timer = setTimeout(() => done(false), patience);
    socket.on("data", (chunk: Uint8Array) => text += new TextDecoder("latin1").decode(chunk));
    socket.on("end", () => done(true));
    socket.on("error", () => done(true));
    socket.write(`GET /${bucket.name}/key HTTP/1.1\r\nHost: x\r\n\r\n`);
  });
}

describe("the fault server", { ignore: control === undefined }, () => {
  it("serves the bytes that follow from a seed, and any range of them", async () => {
    await using bucket = await FaultBucket.make({ objects: { key: OBJECT } });
    const whole = await get(bucket);
    assertEquals([whole.status, whole.headers.get("content-length")], [200, String(SIZE)]);
    assertSameBytes(whole.body, data);
    const cases: [string, number, number][] = [
      ["0-0", 0, 1],
      ["1-3", 1, 4],
      [
        "65534-131073",
        65534,
        131074,
      ],
      ["200000-", 200_000, SIZE],
      ["-7", SIZE - 7, SIZE],
      ["0-999999", 0, SIZE],
    ];
    for (const [range, start, end] of cases) {
      const { status, headers, body } = await get(bucket, range);
      assertEquals([status, headers.get("content-range")], [
        206,
        `bytes ${start}-${end - 1}/${SIZE}`,
      ]);
      assertSameBytes(body, data.slice(start, end), range);
    }
    assertEquals((await get(bucket, "200001-")).status, 416);
    const { keys, connections } = await bucket.report();
    assertEquals([keys["key"]!.gets, keys["key"]!.asked.length], [8, 8]);
    assert(connections >= 1);
  });

  it("tells checksums to those who ask", async () => {
    // CRC-32 of nine zeros is 0xe60914ae.
    await using bucket = await FaultBucket.make({
      objects: { key: { size: 9, checksums: [{ algorithm: "crc32" }] } },
    });
    const mode = { "x-amz-checksum-mode": "ENABLED" };
    const { headers } = await get(bucket, undefined, mode);
    assertEquals(headers.get("x-amz-checksum-crc32"), "5gkUrg==");
    assertEquals(headers.get("x-amz-checksum-type"), "FULL_OBJECT");
    assertEquals((await get(bucket)).headers.get("x-amz-checksum-crc32"), null);
    assertEquals((await get(bucket, "0-3", mode)).headers.get("x-amz-checksum-crc32"), null);
  });

  it("tells of a part that was uploaded", async () => {
    await using bucket = await FaultBucket.make({
      objects: { key: { ...OBJECT, partSize: 100_000 } },
    });
    const response = await fetch(`${bucket.endpoint}/${bucket.name}/key?partNumber=3`);
    assertEquals((await response.bytes()).length, 1);
    assertEquals(response.headers.get("content-range"), `bytes 200000-200000/${SIZE}`);
    assertEquals(response.headers.get("x-amz-mp-parts-count"), "3");
  });

  it("gives each key of `any` bytes of its own", async () => {
    await using bucket = await FaultBucket.make({ any: OBJECT });
    assertSameBytes((await get(bucket)).body, contentOf(OBJECT, 0, "key"));
  });

  it("changes an object, and obeys If-Match or not", async () => {
    for (const honour of [true, false]) {
      await using bucket = await FaultBucket.make({
        objects: { key: OBJECT },
        faults: [{ skip: 1, what: { kind: "change", honour } }],
      });
      const first = await get(bucket);
      const second = await get(bucket, undefined, { "if-match": first.headers.get("etag")! });
      assertEquals(second.status, honour ? 412 : 200);
      const third = await get(bucket);
      assertSameBytes(third.body, contentOf(OBJECT, 1));
      assert(third.headers.get("etag") !== first.headers.get("etag"));
    }
  });

  it("breaks off where it is told: at a byte, and only in requests for it", async () => {
    for (const kind of ["reset", "close"] as const) {
      await using bucket = await FaultBucket.make({
        objects: { key: OBJECT },
        faults: [{ at: 150_000, times: null, what: { kind } }],
      });
      assertSameBytes((await get(bucket, "0-149999")).body, data.slice(0, 150_000));
      await assertRejects(() => get(bucket, "100000-150000"));
      await assertRejects(() => get(bucket));
      const { fired } = await bucket.report();
      assertEquals(fired, [2]);
    }
    await using bucket = await FaultBucket.make({
      objects: { key: OBJECT },
      faults: [{ at: 20, what: { kind: "close" } }],
    });
    const { text, ended } = await raw(bucket);
    assertEquals([text.length - text.indexOf("\r\n\r\n") - 4, ended], [20, true]);
    assertSameBytes((await get(bucket)).body, data);
  });

  it("flips a bit", async () => {
    await using bucket = await FaultBucket.make({
      objects: { key: OBJECT },
      faults: [{ at: 150_000, what: { kind: "flip" } }],
    });
    const flipped = data.slice();
    flipped[150_000]! ^= 1;
    assertSameBytes((await get(bucket)).body, flipped);
    assertSameBytes((await get(bucket)).body, data);
  });

  it("stalls, dribbles and is silent", async () => {
    const small = { size: 40, seed: 1 };
    const whats: What[] = [{ kind: "stall", ms: 150 }, { kind: "dribble", ms: 10 }, {
      kind: "silent",
      ms: 150,
    }];
    for (const what of whats) {
      await using bucket = await FaultBucket.make({
        objects: { key: small },
        faults: [{ at: 20, what }],
      });
      const begun = performance.now();
      assertSameBytes((await get(bucket)).body, contentOf(small));
      assert(performance.now() - begun >= 145, what.kind);
    }
    for (const kind of ["stall", "silent"] as const) {
      await using bucket = await FaultBucket.make({
        objects: { key: small },
        faults: [{ what: { kind } }],
      });
      const { text, ended } = await raw(bucket, 200);
      assertEquals([text === "", ended], [kind === "silent", false]);
      await bucket.untilClosed(1000);
    }
  });

  it("leaves the length out", async () => {
    for (const chunked of [false, true]) {
      await using bucket = await FaultBucket.make({
        objects: { key: OBJECT },
        faults: [{ what: { kind: "noLength", chunked } }],
      });
      const { headers, body } = await get(bucket);
      assertEquals(headers.get("content-length"), null);
      assertSameBytes(body, data);
    }
  });

  it("answers something else, and spoils heads", async () => {
    await using bucket = await FaultBucket.make({
      objects: { key: { size: 10, seed: 1 } },
      faults: [
        { what: { kind: "status", status: 503 } },
        { what: { kind: "contentRange" } },
        { what: { kind: "head", add: [["etag", '"other"']], pad: 5, count: 2 } },
        { what: { kind: "head", raw: "SSH-2.0\xff\r\n", cut: 9 } },
        { what: { kind: "head", cut: 12, then: "close" } },
        { what: { kind: "extra", text: "xxx" } },
      ],
    });
    const slow = await get(bucket);
    assertEquals(slow.status, 503);
    assert(new TextDecoder().decode(slow.body).includes("<Code>SlowDown</Code>"));
    assertEquals((await get(bucket, "0-3")).headers.get("content-range"), "bytes 1-4/5");
    const { text } = await raw(bucket, 100);
    assertEquals(text.match(/^etag:/gim)?.length, 2);
    assert(text.includes("x-pad: ppppp\r\n") && text.includes("x-more-1: m\r\n"));
    assertEquals(await raw(bucket), { text: "SSH-2.0\xff\r\n".slice(0, 9), ended: true });
    assertEquals(await raw(bucket), { text: "HTTP/1.1 200", ended: true });
    assert((await raw(bucket, 100)).text.endsWith("xxx"));
    assertEquals((await bucket.report()).fired, [1, 1, 1, 1, 1, 1]);
  });

  it("lists pages of keys, and fails on the page it is told", async () => {
    await using bucket = await FaultBucket.make({
      listing: { count: 25, name: "a b/", pageSize: 10 },
      faults: [{ on: "list", part: "middle", what: { kind: "status", status: 503 } }],
    });
    const list = async (query: string) => {
      const response = await fetch(`${bucket.endpoint}/${bucket.name}?list-type=2${query}`);
      return { status: response.status, text: await response.text() };
    };
    const first = await list("&encoding-type=url");
    assertEquals(first.text.match(/<Key>a\+b%2F|<Key>a\+b\//g)?.length, 10);
    const token = /<NextContinuationToken>([^<]+)/.exec(first.text)![1];
    assertEquals((await list(`&continuation-token=${token}`)).status, 503);
    assertEquals((await list(`&continuation-token=${token}`)).status, 200);
    const last = await list("&continuation-token=entry-20");
    assertEquals(last.text.match(/<Key>/g)?.length, 5);
    assert(last.text.includes("<IsTruncated>false"));
  });

  it("refuses a script that it does not understand", async () => {
    await assertRejects(
      // deno-lint-ignore no-explicit-any -- what the types forbid is what is tried
      () => FaultBucket.make({ faults: [{ what: { kind: "explode" } as any }] }),
      Error,
      "explode",
    );
  });
});
