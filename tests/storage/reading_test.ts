// Every way to read an object gives the same bytes, on both servers.

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { it } from "@std/testing/bdd";
import {
  BudgetExceededError,
  type DipperError,
  IntegrityError,
  InvalidInputError,
  memory,
  NotFoundError,
  RustBuffer,
  UnsupportedError,
} from "dipper";
import { assertSameBytes, gzipped, pattern } from "./bytes.ts";
import { everyWay } from "./servers.ts";

const SIZES = [0, 1, 2, 4095, 65_536, 1_000_003, 9 << 20];

everyWay("reading", (at) => {
  for (const size of SIZES) {
    it(`gives ${size} bytes back in every form`, async () => {
      const { client, uri } = at();
      const file = client.file(uri(`size-${size}`));
      const data = pattern(size, size + 1);
      await file.write(data);

      const bytes = await file.bytes();
      assertInstanceOf(bytes, Uint8Array);
      assertSameBytes(bytes, data, "bytes()");
      assertEquals([bytes.byteOffset, bytes.buffer.byteLength], [0, size]);

      const whole = await file.arrayBuffer();
      assertInstanceOf(whole, ArrayBuffer);
      assertSameBytes(whole, data, "arrayBuffer()");
      {
        using buffer = await file.buffer();
        assertInstanceOf(buffer, RustBuffer);
        assertEquals(buffer.byteLength, size);
        assertSameBytes(buffer.view(), data, "buffer()");
      }
      {
        using buffer = await client.get(uri(`size-${size}`));
        assertSameBytes(buffer.view(), data, "get()");
      }
      const blob = await file.blob();
      assertInstanceOf(blob, Blob);
      assertSameBytes(await blob.arrayBuffer(), data, "blob()");

      const roomy = new Uint8Array(size + 100).fill(0xee);
      const filled = await file.into(roomy);
      assertSameBytes(filled, data, "into()");
    });
  }

  it("gives each caller memory of its own", async () => {
    const { client, uri } = at();
    const file = client.file(uri("own-memory"));
    await file.write(pattern(1000));
    const [one, other] = await Promise.all([file.bytes(), file.bytes()]);
    one.fill(0);
    assertSameBytes(other, pattern(1000));
    assert(one.buffer !== other.buffer);
  });

  it("returns what dispose() gives back to the account", async () => {
    const { client, uri } = at();
    const file = client.file(uri("accounted"));
    await file.write(pattern(1 << 20));
    const before = memory();
    const buffer = await file.buffer();
    assertEquals(memory().buffers, before.buffers + 1);
    // Results of earlier tests may be collected meanwhile, so the sum of bytes may fall as well.
    assert(memory().bytes >= 1 << 20, String(memory().bytes));
    buffer.dispose();
    assertEquals(memory().buffers, before.buffers);
  });

  it("fills the caller's memory, keeps its surroundings, and hands it back", async () => {
    const { client, uri } = at();
    const file = client.file(uri("into"));
    const data = pattern(500);
    await file.write(data);
    const around = new Uint8Array(1000).fill(0xaa);
    const target = around.subarray(100, 700);
    const filled = await file.into(target);
    assertEquals([target.length, around.length], [0, 0], "the caller's views are detached");
    assertEquals([filled.byteOffset, filled.length, filled.buffer.byteLength], [100, 500, 1000]);
    assertSameBytes(filled, data);
    const behind = new Uint8Array(filled.buffer);
    assert(behind.subarray(0, 100).every((byte) => byte === 0xaa), "before the target");
    assert(behind.subarray(600).every((byte) => byte === 0xaa), "behind the bytes");

    const slice = await file.slice(10, 20).into(filled);
    assertSameBytes(slice, data.subarray(10, 20), "a slice");
  });

  it("decodes text as UTF-8", async () => {
    const { client, uri } = at();
    const file = client.file(uri("text.txt"));
    const text = "größe 数据 🚰 \u0000 end\n";
    await file.write(text);
    assertEquals(await file.text(), text);
    await file.write("\uFEFFwith a byte order mark");
    assertEquals(await file.text(), "with a byte order mark", "as Response.text()");
    await file.write(new Uint8Array([0x61, 0xff, 0x62]));
    assertEquals(await file.text(), "a\uFFFDb", "as Response.text()");
    await file.write("");
    assertEquals(await file.text(), "");
  });

  it("decompresses text by magic bytes, with and without a header or a suffix", async () => {
    const { client, uri } = at();
    const text = "line of text\n".repeat(5000);
    const packed = await gzipped(new TextEncoder().encode(text));
    for (
      const [key, options] of [
        ["plain-name", {}],
        ["suffix.txt.gz", {}],
        ["header", { contentEncoding: "gzip" }],
      ] as const
    ) {
      const file = client.file(uri(key));
      await file.write(packed, options);
      assertEquals(await file.text(), text, key);
      assertSameBytes(await file.bytes(), packed, `${key}: bytes() are raw`);
    }
  });

  it("reads text that only claims to be compressed", async () => {
    const { client, uri } = at();
    const file = client.file(uri("claims.gz"));
    await file.write("not compressed at all", { contentEncoding: "gzip" });
    assertEquals(await file.text(), "not compressed at all");
  });

  it("refuses damaged and unknown compression in text, and still gives the bytes", async () => {
    const { client, uri } = at();
    const packed = await gzipped(new TextEncoder().encode("text ".repeat(1000)));
    const damaged = client.file(uri("damaged.gz"));
    await damaged.write(packed.slice(0, packed.length / 2));
    const error = await assertRejects(() => damaged.text(), IntegrityError, damaged.uri);
    assertStringIncludes(error.message, "bytes()");
    assertEquals((await damaged.bytes()).length, Math.floor(packed.length / 2));

    const zstd = client.file(uri("data.zst"));
    await zstd.write(new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, 1, 2, 3]));
    const broken = await assertRejects(() => zstd.text(), IntegrityError, "zstd");
    assertEquals([broken.code, broken.operation], ["DamagedData", "text"]);
    assertStringIncludes(broken.message, "bytes()");

    const brotli = client.file(uri("data.br"));
    await brotli.write("brotli has no magic number", { contentEncoding: "br" });
    const unknown = await assertRejects(() => brotli.text(), UnsupportedError, "brotli");
    assertEquals([unknown.code, unknown.operation], ["Unsupported", "text"]);
  });

  it("parses JSON, compressed or not, and names what is none", async () => {
    const { client, uri } = at();
    const file = client.file(uri("value.json"));
    const value = { list: [1, 2.5, null], text: "ü", nested: { yes: true } };
    await file.write(JSON.stringify(value));
    assertEquals(await file.json(), value);
    await file.write(await gzipped(new TextEncoder().encode(JSON.stringify(value))));
    assertEquals(await file.json(), value);
    for (const text of ["{broken", ""]) {
      await file.write(text);
      const error = await assertRejects(() => file.json(), InvalidInputError, file.uri);
      assertEquals([error.code, error.operation], ["InvalidInput", "json"]);
      assertStringIncludes(error.message, "is not JSON");
    }
  });

  it("gives a Blob the object's media type", async () => {
    const { client, uri } = at();
    const file = client.file(uri("typed"));
    await file.write("<p>", { contentType: "text/html" });
    const blob = await file.blob();
    assertEquals([blob.type, blob.size, await blob.text()], ["text/html", 3, "<p>"]);
  });

  it("names a missing object, the server and the remedy", async () => {
    const { client, bucket, uri } = at();
    const file = client.file(uri("missing/object"));
    const calls: [string, () => Promise<unknown>][] = [
      ["bytes", () => file.bytes()],
      ["arrayBuffer", () => file.arrayBuffer()],
      ["buffer", () => file.buffer()],
      ["get", () => client.get(file)],
      ["into", () => file.into(new Uint8Array(10))],
      ["text", () => file.text()],
      ["json", () => file.json()],
      ["blob", () => file.blob()],
      ["slice", () => file.slice(1, 3).bytes()],
      ["slice of the end", () => file.slice(-3).bytes()],
      ["slice of both", () => file.slice(-3, -1).bytes()],
      ["stat", () => file.stat()],
    ];
    for (const [name, call] of calls) {
      const error: DipperError = await assertRejects(call, NotFoundError, file.uri, name);
      const ofHead = error.code === "NotFound" && ["stat", "slice of both"].includes(name);
      assert(error.code === "NoSuchKey" || ofHead, `${name}: ${error.code}`);
      assertEquals([error.name, error.uri, error.status], ["NotFoundError", file.uri, 404], name);
      assertEquals(error.retryable, false, name);
      assertStringIncludes(error.message, "does not exist at http://127.0.0.1:", name);
      assertStringIncludes(error.message, `list s3://${bucket}/ to see its keys`, name);
      if (error.requestId !== undefined) assertStringIncludes(error.message, error.requestId, name);
    }
    assertEquals(await file.exists(), false);
  });

  it("hands the target of a failed into() back", async () => {
    const { client, uri } = at();
    const target = new Uint8Array(10).fill(7);
    const error = await assertRejects(
      () => client.file(uri("no such object")).into(target),
      NotFoundError,
    );
    assertEquals(target.length, 0, "it was taken away");
    assertEquals(error.target, new Uint8Array(10).fill(7));
  });

  it("refuses what is larger than the client's memory budget before it is read", async () => {
    const { connect, client, uri } = at();
    await client.file(uri("large")).write(pattern(100_000));
    using small = connect({ memoryBudget: 50_000 });
    const error = await assertRejects(() => small.file(uri("large")).bytes(), BudgetExceededError);
    assertEquals([error.code, error.retryable], ["BudgetExceeded", false]);
    assertStringIncludes(error.message, "100000");
    assertStringIncludes(error.message, "50000");
    assertSameBytes(
      await small.file(uri("large")).slice(0, 50_000).bytes(),
      pattern(100_000).subarray(0, 50_000),
      "a slice that fits",
    );
    // Memory of the caller's is not the budget's.
    assertEquals((await small.file(uri("large")).into(new Uint8Array(100_000))).length, 100_000);
  });

  it("waits for the budget rather than fail when several reads share it", async () => {
    const { connect, client, uri } = at();
    await client.file(uri("shared")).write(pattern(40_000));
    using small = connect({ memoryBudget: 100_000 });
    const reads = Array.from({ length: 8 }, () => small.file(uri("shared")).bytes());
    for (const bytes of await Promise.all(reads)) assertSameBytes(bytes, pattern(40_000));
  });
});
