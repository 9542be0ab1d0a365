// Writes whose source is silent, and streams that somebody forgot: what happens to the upload is
// noticed at once and not at the next piece, and nothing of it is left.

import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { afterAll, describe, it } from "@std/testing/bdd";
import { DipperError, file, InvalidInputError, memory, S3Client } from "dipper";
import { collect, settled } from "../memory/settled.ts";
import { ScriptedServer, within } from "./scripted_server.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const MIB = 1 << 20;
const PATIENCE = 60_000;
const credentials = { accessKeyId: "a", secretAccessKey: "s" };

/** A server that begins uploads, and takes or refuses their parts. */
async function serving(parts: "takes" | "refuses"): Promise<ScriptedServer> {
  return await ScriptedServer.start(async (asked, reply) => {
    const id = { "x-amz-request-id": "SCRIPTED" };
    if (asked.method === "POST" && asked.path.includes("uploads")) {
      const body = "<InitiateMultipartUploadResult><UploadId>U1</UploadId>" +
        "</InitiateMultipartUploadResult>";
      await reply.answer(200, id, body);
    } else if (asked.method === "PUT" && parts === "takes") {
      await reply.answer(200, { ...id, etag: '"p"' });
    } else if (asked.method === "PUT") {
      const body = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>";
      await reply.answer(403, id, body);
    } else {
      await reply.answer(204, id);
    }
  });
}

const aborts = (server: ScriptedServer) =>
  server.asked.filter((asked) => asked.method === "DELETE" && asked.path.includes("uploadId=U1"));
const sent = (server: ScriptedServer) => server.asked.filter(({ method }) => method === "PUT");

async function until(done: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + PATIENCE;
  while (!done()) {
    assert(performance.now() < deadline, what);
    await new Promise((go) => setTimeout(go, 10));
  }
}

/** Brings some bytes and then nothing; tells with what it was cancelled. */
function silentStream(bytes: number) {
  const cancelled = Promise.withResolvers<unknown>();
  let left = bytes;
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (left === 0) await new Promise<never>(() => {});
      const piece = Math.min(left, MIB);
      left -= piece;
      controller.enqueue(new Uint8Array(piece));
    },
    cancel: (reason) => cancelled.resolve(reason),
  }, { highWaterMark: 0 });
  return { stream, cancelled: cancelled.promise };
}

/** The same as an iterable. */
function silentIterable(bytes: number) {
  const cancelled = Promise.withResolvers<unknown>();
  let left = bytes;
  const source: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({
      next() {
        if (left === 0) return new Promise<never>(() => {});
        const piece = Math.min(left, MIB);
        left -= piece;
        return Promise.resolve({ value: new Uint8Array(piece) });
      },
      return() {
        cancelled.resolve("returned");
        return Promise.resolve({ done: true, value: undefined });
      },
    }),
  };
  return { source, cancelled: cancelled.promise };
}

describe("a write whose source is silent", () => {
  afterAll(() => settled());

  it("ends when the server refuses a part, and tells its source why", async () => {
    await using server = await serving("refuses");
    using client = new S3Client({ endpoint: server.endpoint, credentials });
    const { stream, cancelled } = silentStream(20 * MIB);
    const writing = client.file("s3://bucket/key").write(stream);
    const error = await within(PATIENCE, assertRejects(() => writing));
    assertInstanceOf(error, DipperError);
    assertEquals([error.code, error.operation], ["AccessDenied", "write"]);
    assertEquals(await within(PATIENCE, cancelled), error);
    assertEquals(aborts(server).length, 1);
    const iterable = silentIterable(20 * MIB);
    const other = client.file("s3://bucket/key").write(iterable.source);
    assertEquals(
      (await within(PATIENCE, assertRejects(() => other)) as DipperError).code,
      "AccessDenied",
    );
    assertEquals(await within(PATIENCE, iterable.cancelled), "returned");
  });

  it("ends when its client is disposed, on S3 and in a file", async () => {
    await using server = await serving("takes");
    const folder = await Deno.makeTempDir();
    for (const target of ["s3://bucket/key", `${folder}/x`] as const) {
      for (const bytes of [0, 20 * MIB]) {
        const client = new S3Client({ endpoint: server.endpoint, credentials });
        const { stream, cancelled } = silentStream(bytes);
        const before = sent(server).length;
        const writing = client.file(target as `s3://${string}`).write(stream);
        writing.catch(() => {});
        if (target.startsWith("s3:") && bytes > 0) {
          await until(() => sent(server).length > before, "no part was sent");
        }
        // Longer than a write goes on before it asks.
        await new Promise((go) => setTimeout(go, 300));
        client.dispose();
        const error = await within(PATIENCE, assertRejects(() => writing));
        assertInstanceOf(error, InvalidInputError);
        assertEquals(error.code, "ClientGone");
        assertEquals(await within(PATIENCE, cancelled), error);
      }
    }
    await until(() => aborts(server).length === 1, "the upload was not aborted");
    assertEquals(Array.from(Deno.readDirSync(folder)), []);
    await Deno.remove(folder, { recursive: true });
  });

  it("ends with the signal's reason, which its source gets", async () => {
    await using server = await serving("takes");
    using client = new S3Client({ endpoint: server.endpoint, credentials });
    const { stream, cancelled } = silentStream(20 * MIB);
    const reason = new Error("enough");
    const ending = new AbortController();
    const options = { signal: ending.signal };
    const writing = client.file("s3://bucket/key").write(stream, options);
    writing.catch(() => {});
    await until(() => sent(server).length > 0, "no part was sent");
    ending.abort(reason);
    assertEquals(await within(PATIENCE, assertRejects(() => writing)), reason);
    assertEquals(await within(PATIENCE, cancelled), reason);
    await until(() => aborts(server).length === 1, "the upload was not aborted");
  });

  it("goes on when it speaks again", async () => {
    const folder = await Deno.makeTempDir();
    const target = file(`${folder}/slow` as `/${string}`);
    await target.write(
      (async function* () {
        yield "one ";
        await new Promise((go) => setTimeout(go, 400));
        yield "two";
      })(),
    );
    assertEquals(await target.text(), "one two");
    await Deno.remove(folder, { recursive: true });
  });
});

describe("a writer that is forgotten", () => {
  it("aborts its upload when it is collected", async () => {
    await using server = await serving("takes");
    using client = new S3Client({ endpoint: server.endpoint, credentials });
    const forget = async (): Promise<void> => {
      const writer = client.file("s3://bucket/key").writer().getWriter();
      await writer.write(new Uint8Array(20 * MIB));
    };
    await forget();
    await until(() => sent(server).length > 0, "no part was sent");
    await until(() => {
      collect();
      return aborts(server).length === 1;
    }, "the upload was not aborted");
    await settled();
  });
});
