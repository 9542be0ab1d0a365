// Streams into S3: of any length, held back by the server, and gone without a trace when they fail.

import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  DipperError,
  InvalidInputError,
  memory,
  metricsOf,
  PreconditionFailedError,
  type Progress,
  RustBuffer,
  S3Client,
} from "dipper";
import { assertSameBytes, pattern } from "./bytes.ts";
import { ScriptedServer, within } from "./scripted_server.ts";
import { everyWay } from "./servers.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const MIB = 1 << 20;

everyWay("writing what is long", (at) => {
  const long = pattern(33 * MIB + 7, 3);

  it("takes it from every kind of source", async () => {
    const { client, uri } = at();
    const file = client.file(uri("long"));
    using buffer = new RustBuffer(long.length);
    buffer.view().set(long);
    async function* uneven(): AsyncGenerator<Uint8Array> {
      const piece = new Uint8Array(3 * MIB + 1);
      for (let start = 0; start < long.length; start += piece.length) {
        await Promise.resolve();
        const part = long.subarray(start, start + piece.length);
        piece.set(part);
        yield piece.subarray(0, part.length);
        piece.fill(0);
      }
    }
    const sources = {
      memory: () => long,
      "a Blob": () => new Blob([long]),
      "a Response": () => new Response(long),
      "a stream": () => new Blob([long]).stream(),
      "pieces that are used again": uneven,
      "a RustBuffer": () => buffer,
    };
    for (const [name, source] of Object.entries(sources)) {
      const stat = await file.write(source(), { contentType: "a/b", metadata: { by: "test" } });
      assertEquals([stat.size, stat.uri], [long.length, file.uri], name);
      assertSameBytes(await file.bytes(), long, name);
      const told = await file.stat();
      assertEquals([told.etag, told.contentType], [stat.etag, "a/b"], name);
      assertEquals(told.metadata, { by: "test" }, name);
    }
    const text = "🚰".repeat(6 * MIB);
    assertEquals((await file.write(text)).size, 24 * MIB);
    assertEquals(await file.text(), text);
    assertEquals(memory().operations, 0);
  });

  it("takes it through a writer", async () => {
    const { client, uri } = at();
    const file = client.file(uri("written"));
    for (const size of [0, 1, 8 * MIB, 8 * MIB + 1, long.length]) {
      const data = long.subarray(0, size);
      const writer = file.writer();
      await new Blob([data]).stream().pipeTo(writer);
      assertSameBytes(await file.bytes(), data, String(size));
      assertEquals(metricsOf(writer)?.bytes, size);
    }
    const writer = file.writer({ partSize: 5 * MIB }).getWriter();
    for (let start = 0; start < long.length; start += 100_003) {
      await writer.write(long.subarray(start, start + 100_003));
    }
    await writer.close();
    assertSameBytes(await file.bytes(), long);
    assertEquals(memory().operations, 0);
  });

  it("tells its progress", async () => {
    const { client, uri } = at();
    for (const data of [long, new Blob([long]).stream(), new Blob(["x"])]) {
      const seen: Progress[] = [];
      const onProgress = (now: Progress) => void seen.push(now);
      const stat = await client.file(uri("told")).write(data, { onProgress });
      assertEquals([seen.at(-1)?.bytes, seen.at(-1)?.total], [stat.size, stat.size]);
      assert(seen.every((now, index) => index === 0 || now.bytes >= seen[index - 1]!.bytes));
    }
    const reason = new Error("from the listener");
    for (const data of [long, new Blob([long]).stream()]) {
      const call = () =>
        client.file(uri("thrown")).write(data, {
          onProgress: () => {
            throw reason;
          },
        });
      assertEquals(await assertRejects(call), reason);
    }
  });

  it("leaves nothing when the source fails, and what was there before", async () => {
    const { client, uri } = at();
    const reason = new Error("the source broke");
    const failing = (bytes: number) =>
      (async function* () {
        for (let sent = 0; sent < bytes; sent += MIB) {
          await Promise.resolve();
          yield new Uint8Array(MIB);
        }
        throw reason;
      })();
    const never = client.file(uri("never"));
    const kept = client.file(uri("kept"));
    await kept.write("as it was");
    for (const bytes of [0, MIB, 30 * MIB]) {
      for (const file of [never, kept]) {
        assertEquals(await assertRejects(() => file.write(failing(bytes))), reason);
        const writer = file.writer();
        const pipe = () => ReadableStream.from(failing(bytes)).pipeTo(writer);
        assertEquals(await assertRejects(pipe), reason);
      }
      assertEquals([await never.exists(), await kept.text()], [false, "as it was"]);
    }
    assertEquals(memory().operations, 0);
  });

  it("keeps conditions", async () => {
    const { client, uri } = at();
    const file = client.file(uri("conditions"));
    const sources = [() => "x", () => new Blob(["x"]).stream(), () => long];
    const { etag } = await file.write("first", { ifNoneMatch: "*" });
    for (const source of sources) {
      const call = () => file.write(source(), { ifNoneMatch: "*" });
      await assertRejects(call, PreconditionFailedError);
      await assertRejects(() => file.write(source(), { ifMatch: '"no"' }), PreconditionFailedError);
    }
    assertEquals(await file.text(), "first");
    await file.write(new Blob(["second"]).stream(), { ifMatch: etag! });
    assertEquals(await file.text(), "second");
  });

  it("notices data that is detached or shortened meanwhile", async () => {
    const { client, uri } = at();
    const file = client.file(uri("detached"));
    const data = new Uint8Array(40 * MIB);
    const writing = file.write(data);
    await Promise.resolve();
    data.buffer.transfer(0);
    await assertRejects(() => writing, InvalidInputError, "detached");
    const shrinking = new ArrayBuffer(40 * MIB, { maxByteLength: 40 * MIB });
    const shortened = file.write(new Uint8Array(shrinking));
    await Promise.resolve();
    shrinking.resize(20 * MIB);
    await assertRejects(() => shortened, InvalidInputError);
    assertEquals(await file.exists(), false);
  });
});

describe("a stream into S3", () => {
  const credentials = { accessKeyId: "a", secretAccessKey: "s" };

  /** A server that begins an upload and treats its parts as told. */
  async function serving(part: (index: number) => "takes" | "silent" | "refuses") {
    let parts = 0;
    return await ScriptedServer.start(async (asked, reply) => {
      const id = { "x-amz-request-id": "SCRIPTED" };
      if (asked.method === "POST" && asked.path.includes("uploads")) {
        const body = "<InitiateMultipartUploadResult><UploadId>U1</UploadId>" +
          "</InitiateMultipartUploadResult>";
        await reply.answer(200, { ...id, "content-type": "application/xml" }, body);
      } else if (asked.method === "PUT") {
        const what = part(parts++);
        if (what === "silent") await reply.silence();
        else if (what === "takes") await reply.answer(200, { ...id, etag: '"p"' });
        else {
          const body = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>";
          await reply.answer(403, { ...id, "content-type": "application/xml" }, body);
        }
      } else {
        await reply.answer(204, id);
      }
    });
  }
  const aborts = (server: ScriptedServer) =>
    server.asked.filter((asked) => asked.method === "DELETE" && asked.path.includes("uploadId=U1"));
  const settled = async (done: () => boolean): Promise<void> => {
    for (let tries = 0; tries < 250 && !done(); tries++) {
      await new Promise((go) => setTimeout(go, 20));
    }
    assert(done(), "not settled within five seconds");
  };

  it("is held back by a server that does not take it", async () => {
    await using server = await serving(() => "silent");
    using client = new S3Client({ endpoint: server.endpoint, credentials });
    let given = 0;
    const source = new ReadableStream<Uint8Array>({
      pull(controller) {
        given += MIB;
        controller.enqueue(new Uint8Array(MIB));
      },
    }, { highWaterMark: 0 });
    const reason = new Error("enough");
    const ending = new AbortController();
    const writing = client.file("s3://bucket/key").write(source, { signal: ending.signal });
    await new Promise((go) => setTimeout(go, 1500));
    const before = given;
    assert(before > 8 * MIB && before <= 64 * MIB, `${before / MIB} MiB were taken`);
    await new Promise((go) => setTimeout(go, 500));
    assertEquals(given, before);
    ending.abort(reason);
    assertEquals(await within(1000, assertRejects(() => writing)), reason);
    await settled(() => aborts(server).length === 1);
  });

  it("that is aborted aborts its upload", async () => {
    await using server = await serving(() => "takes");
    using client = new S3Client({ endpoint: server.endpoint, credentials });
    const reason = new Error("enough");
    const writer = client.file("s3://bucket/key").writer().getWriter();
    await writer.write(new Uint8Array(20 * MIB));
    await settled(() => server.asked.some((asked) => asked.method === "PUT"));
    await within(6000, writer.abort(reason));
    assertEquals(await assertRejects(() => writer.closed), reason);
    assertEquals(aborts(server).length, 1);
    assert(
      !server.asked.some((asked) => asked.path.endsWith("uploadId=U1") && asked.method === "POST"),
    );
    assertEquals(memory().operations, 0);
  });

  it("can be aborted while the server is silent", async () => {
    await using server = await serving(() => "silent");
    using client = new S3Client({ endpoint: server.endpoint, credentials });
    const writer = client.file("s3://bucket/key").writer().getWriter();
    const pending = writer.write(new Uint8Array(80 * MIB));
    pending.catch(() => {});
    await settled(() => server.asked.some((asked) => asked.method === "POST"));
    await within(6000, writer.abort(new Error("enough")));
    await assertRejects(() => pending);
    await settled(() => aborts(server).length === 1);
  });

  it("is ended by its signal", async () => {
    await using server = await serving(() => "takes");
    using client = new S3Client({ endpoint: server.endpoint, credentials });
    const reason = new Error("enough");
    const ending = new AbortController();
    const writer = client.file("s3://bucket/key").writer({ signal: ending.signal }).getWriter();
    await writer.write(new Uint8Array(20 * MIB));
    await settled(() => server.asked.some((asked) => asked.method === "PUT"));
    ending.abort(reason);
    assertEquals(await assertRejects(() => writer.write(new Uint8Array(1))), reason);
    assertEquals(await assertRejects(() => writer.closed), reason);
    await settled(() => aborts(server).length === 1);
    const late = client.file("s3://bucket/key").writer({ signal: AbortSignal.abort(reason) });
    assertEquals(await assertRejects(() => late.getWriter().closed), reason);
  });

  it("fails with what the server says, and aborts what is there", async () => {
    await using server = await serving((index) => index === 0 ? "takes" : "refuses");
    using client = new S3Client({ endpoint: server.endpoint, credentials });
    let cancelled: unknown;
    const source = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await new Promise((go) => setTimeout(go, 1));
        controller.enqueue(new Uint8Array(MIB));
      },
      cancel: (reason) => void (cancelled = reason),
    });
    const error = await assertRejects(() => client.file("s3://bucket/key").write(source));
    assertInstanceOf(error, DipperError);
    assertEquals([error.code, error.operation], ["AccessDenied", "write"]);
    assertEquals(cancelled, error);
    assertEquals(aborts(server).length, 1);
    const writer = client.file("s3://bucket/key").writer();
    const piped = await assertRejects(() =>
      new Blob([new Uint8Array(40 * MIB)]).stream().pipeTo(writer)
    );
    assertEquals((piped as DipperError).code, "AccessDenied");
  });

  it("that is never used sends nothing", async () => {
    await using server = await serving(() => "takes");
    using client = new S3Client({ endpoint: server.endpoint, credentials });
    client.file("s3://bucket/key").writer();
    const writer = client.file("s3://bucket/key").writer();
    await writer.abort(new Error("enough"));
    assertEquals(server.asked.length, 0);
    assertEquals(memory().operations, 0);
  });

  it("ends with its client", async () => {
    await using server = await serving(() => "takes");
    const client = new S3Client({ endpoint: server.endpoint, credentials });
    const writer = client.file("s3://bucket/key").writer().getWriter();
    await writer.write(new Uint8Array(20 * MIB));
    client.dispose();
    const error = await assertRejects(() => writer.close());
    assertInstanceOf(error, DipperError);
    assertEquals(error.code, "ClientGone");
  });
});
