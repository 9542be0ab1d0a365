// What can be written, and what a server keeps of it, on both servers.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { it } from "@std/testing/bdd";
import { InvalidInputError, memory, RustBuffer, type Writable } from "dipper";
import { assertSameBytes, pattern } from "./bytes.ts";
import { onBothServers } from "./servers.ts";
import { everyKind } from "./writables.ts";

const data = pattern(1024);

onBothServers("writing", (at) => {
  for (const [name, make, expected] of everyKind) {
    it(`takes ${name}`, async () => {
      const { client, uri } = at();
      const file = client.file(uri(`written/${name}`));
      const stat = await file.write(make());
      assertEquals([stat.uri, stat.size], [file.uri, expected.length]);
      assertSameBytes(await file.bytes(), expected);
      assertEquals((await file.stat()).etag, stat.etag);
    });
  }

  it("takes a RustBuffer from where it lies and leaves it to its owner", async () => {
    const { client, uri } = at();
    const file = client.file(uri("from-rust"));
    using buffer = new RustBuffer(data.length);
    buffer.view().set(data);
    await file.write(buffer);
    assertSameBytes(buffer.view(), data, "the buffer is still its owner's");
    assertSameBytes(await file.bytes(), data);
    using read = await file.buffer();
    await client.file(uri("copied")).write(read);
    assertSameBytes(await client.file(uri("copied")).bytes(), data);
    using empty = new RustBuffer(0);
    await file.write(empty);
    assertEquals((await file.bytes()).length, 0);
  });

  it("sends what the data was when write() was called", async () => {
    const { client, uri } = at();
    const file = client.file(uri("snapshot"));
    const bytes = pattern(100_000);
    const written = file.write(bytes);
    bytes.fill(0);
    await written;
    assertSameBytes(await file.bytes(), pattern(100_000));
  });

  it("finishes a write whose RustBuffer is disposed meanwhile", async () => {
    const { client, uri } = at();
    const file = client.file(uri("disposed-meanwhile"));
    for (
      const wait of [
        () => {},
        () => Promise.resolve(),
        () => new Promise((go) => setTimeout(go, 0)),
      ]
    ) {
      const buffer = new RustBuffer(1 << 20);
      buffer.view().set(pattern(1 << 20));
      const written = file.write(buffer);
      await wait();
      buffer.dispose();
      await written;
      assertSameBytes(await file.bytes(), pattern(1 << 20));
      await file.delete();
    }
  });

  it("replaces the whole object", async () => {
    const { client, uri } = at();
    const file = client.file(uri("replaced"));
    await file.write(pattern(5000), { metadata: { kept: "no" }, contentType: "text/plain" });
    await file.write("short");
    assertEquals(await file.text(), "short");
    const stat = await file.stat();
    assertEquals([stat.size, stat.metadata], [5, {}]);
    assert(stat.contentType !== "text/plain", String(stat.contentType));
  });

  it("frees the copy that it sent", async () => {
    const { client, uri } = at();
    const before = memory();
    await client.file(uri("freed")).write(pattern(1 << 20));
    await assertRejects(() => client.file("s3://no-such-bucket-here/k").write(pattern(1 << 20)));
    const after = memory();
    // What earlier tests dropped may be collected meanwhile.
    assertEquals(
      [after.buffers <= before.buffers, after.operations, after.bytes <= before.bytes],
      [true, 0, true],
    );
  });

  it("keeps media type, encoding, and metadata", async () => {
    const { client, uri } = at();
    const file = client.file(uri("described"));
    const before = Date.now();
    const written = await file.write("a,b\n", {
      contentType: "text/csv; charset=utf-8",
      contentEncoding: "identity",
      cacheControl: "max-age=60",
      metadata: { origin: "test bench 7", "with-hyphen": "v", empty: "" },
    });
    const stat = await file.stat();
    assertEquals([stat.uri, stat.size], [file.uri, 4]);
    assertEquals(stat.contentType, "text/csv; charset=utf-8");
    assertEquals(stat.contentEncoding, "identity");
    assertEquals(stat.metadata["origin"], "test bench 7");
    assertEquals(stat.metadata["with-hyphen"], "v");
    assert(stat.lastModified instanceof Date);
    assert(Math.abs(stat.lastModified.getTime() - before) < 60_000);
    assert(/^"[^"]+"$/.test(stat.etag ?? ""), String(stat.etag));
    assertEquals(written.etag, stat.etag);
    // A slice tells of the whole object.
    assertEquals((await file.slice(1, 2).stat()).size, 4);
  });

  it("takes the media type of a Blob or Response, unless told another", async () => {
    const { client, uri } = at();
    const file = client.file(uri("typed"));
    const type = async (): Promise<string | undefined> => (await file.stat()).contentType;
    await file.write(new Blob(["{}"], { type: "application/json" }));
    assertEquals(await type(), "application/json");
    await file.write(new Response("<p>", { headers: { "content-type": "text/html" } }));
    assertEquals(await type(), "text/html");
    await file.write(new Blob(["{}"], { type: "application/json" }), { contentType: "text/plain" });
    assertEquals(await type(), "text/plain");
  });

  it("deletes, twice without an error, and knows what exists", async () => {
    const { client, uri } = at();
    const file = client.file(uri("deleted"));
    assertEquals(await file.exists(), false);
    await file.write("x");
    assertEquals(await file.exists(), true);
    assertEquals(await file.delete(), undefined);
    assertEquals(await file.exists(), false);
    await file.delete();
  });

  it("refuses what cannot be written, before anything is sent", async () => {
    const { client, uri } = at();
    const file = client.file(uri("untouched"));
    await file.write("as it was");
    const detached = new Uint8Array(8);
    detached.buffer.transfer();
    const read = new Response("x");
    await read.text();
    const shrinking = new ArrayBuffer(100, { maxByteLength: 100 });
    const [outside, outsideView] = [new Uint8Array(shrinking, 50, 50), new DataView(shrinking, 90)];
    const beyond = new DataView(shrinking, 50, 50);
    shrinking.resize(60);
    const cases: [name: string, value: unknown, says: string][] = [
      ["null", null, "null cannot be written"],
      ["undefined", undefined, "undefined cannot be written"],
      ["a number", 7, "number cannot be written"],
      ["an object", { a: 1 }, "JSON.stringify()"],
      ["an array", [1, 2], "cannot be written"],
      ["a function", () => 1, "function cannot be written"],
      ["a detached array", detached, "detached"],
      ["an array outside of its buffer", outside, "lies outside"],
      ["a view outside of its buffer", beyond, "lies outside"],
      ["a view that starts outside", outsideView, "lies outside"],
      ["pieces outside of their buffer", ReadableStream.from([outside]), "lies outside"],
      ["what only looks like an iterable", { [Symbol.asyncIterator]: 7 }, "cannot be written"],
      ["a Response that was read", read, "clone()"],
      ["a stream of numbers", ReadableStream.from([7]), "yield Uint8Arrays"],
    ];
    for (const [name, value, says] of cases) {
      const error = await assertRejects(
        () => file.write(value as Writable),
        InvalidInputError,
        says,
        name,
      );
      assertEquals([error.code, error.operation, error.uri], ["InvalidInput", "write", file.uri]);
    }
    const gone = new RustBuffer(4);
    gone.dispose();
    const error = await assertRejects(() => file.write(gone), InvalidInputError, "disposed");
    assertEquals(error.code, "BufferGone");
    assertEquals(await file.text(), "as it was");
  });

  it("passes on what a stream throws, and writes nothing", async () => {
    const { client, uri } = at();
    const file = client.file(uri("never-there"));
    const reason = new Error("the source broke");
    const broken = (async function* () {
      yield new Uint8Array(10);
      throw reason;
    })();
    assertEquals(await assertRejects(() => file.write(broken)), reason);
    assertEquals(await file.exists(), false);
  });

  it("refuses metadata that no HTTP header can carry", async () => {
    const { client, uri } = at();
    const file = client.file(uri("bad-metadata"));
    const cases: Record<string, string>[] = [
      { "with space": "v" },
      { "": "v" },
      { "ü": "v" },
      { "new\nline": "v" },
      { name: "two\r\nlines" },
      { name: "nul\0" },
      { name: 7 as unknown as string },
    ];
    for (const metadata of cases) {
      const error = await assertRejects(() => file.write("x", { metadata }), InvalidInputError);
      assertStringIncludes(error.message, "cannot be an HTTP header");
      assertStringIncludes(error.message, "letters, digits and hyphens");
    }
    assertEquals(await file.exists(), false);
  });

  it("keeps metadata that is not ASCII, or refuses it", async () => {
    const { client, uri } = at();
    const file = client.file(uri("foreign-metadata"));
    for (const value of ["größe", "数据 🚰", "long ".repeat(20) + "ü"]) {
      try {
        await file.write("x", { metadata: { value } });
      } catch (error) {
        assert(error instanceof InvalidInputError, String(error));
        continue;
      }
      assertEquals((await file.stat()).metadata, { value });
    }
  });

  it("writes and deletes no slices", async () => {
    const { client, uri } = at();
    const file = client.file(uri("whole"));
    await file.write("whole");
    for (const call of [() => file.slice(1).write("x"), () => file.slice(0, 2).delete()]) {
      await assertRejects(call, InvalidInputError, "the whole object");
    }
    assertEquals(await file.text(), "whole");
  });
});
