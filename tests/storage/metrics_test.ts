// Metrics: what a read did, true to what the server saw, and readable.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { memory, type Metrics, metricsOf, RustBuffer, S3Client } from "dipper";
import { pattern } from "./bytes.ts";
import { objectAnswer, ScriptedServer, sendAll } from "./scripted_server.ts";
import { everyWay } from "./servers.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const MIB = 1 << 20;
const SIZE = 3 * MIB;

everyWay("the metrics", (at) => {
  it("come with every result, and say which way it came", async () => {
    const { client, uri, transport } = at();
    const file = client.file(uri("metered"));
    await file.write(pattern(SIZE));
    using buffer = await file.buffer();
    using whole = await client.get(file);
    const stream = file.stream();
    for await (const _ of stream);
    const results = {
      bytes: await file.bytes(),
      arrayBuffer: await file.arrayBuffer(),
      buffer,
      get: whole,
      into: await file.into(new Uint8Array(SIZE)),
      stream,
      ranges: await file.ranges([[0, SIZE]]),
    };
    for (const [name, result] of Object.entries(results)) {
      const metrics = metricsOf(result);
      assert(metrics, name);
      assertEquals([metrics.bytes, metrics.transport], [SIZE, transport], name);
      assert(metrics.parts >= 1 && metrics.requests >= metrics.parts, `${name}: ${metrics.parts}`);
      assert(metrics.timeToFirstByte > 0 && metrics.timeToFirstByte < 10_000, name);
      assertEquals(metrics.retries, 0, name);
      assert(Math.abs(metrics.estimatedCost - metrics.requests * 4e-7) < 1e-12, name);
    }
  });

  it("of a plain read tell 0 copies on the direct way, and what the SDK copies", async () => {
    const { client, uri, transport } = at();
    const file = client.file(uri("copies"));
    for (const size of [1000, SIZE]) {
      await file.write(pattern(size));
      for (const result of [await file.bytes(), await file.into(new Uint8Array(size))]) {
        const { copies } = metricsOf(result)!;
        if (transport === "direct") assertEquals(copies, 0, `${size} bytes`);
        else assert(copies >= size, `${copies} copies of ${size} bytes`);
      }
    }
  });

  it("of a slice and of an empty object are theirs", async () => {
    const { client, uri } = at();
    const file = client.file(uri("small"));
    await file.write(pattern(1000));
    assertEquals(metricsOf(await file.slice(10, 20).bytes())?.bytes, 10);
    await file.write("");
    assertEquals(metricsOf(await file.bytes())?.bytes, 0);
  });
});

describe("metrics", () => {
  it("count the requests and connections that the server sees", async () => {
    const data = pattern(SIZE);
    await using server = await ScriptedServer.start((asked, reply) =>
      sendAll(reply, objectAnswer(asked, data))
    );
    using client = new S3Client({ endpoint: server.endpoint, credentials: "anonymous" });
    const file = client.file("s3://bucket/key");
    const first = metricsOf(await file.bytes())!;
    assertEquals(first.requests, server.asked.length);
    assertEquals(first.connectionsOpened, server.connections);
    const before = server.asked.length;
    const second = metricsOf(await file.bytes())!;
    assertEquals(second.requests, server.asked.length - before);
    assertEquals(second.connectionsOpened, server.connections - first.connectionsOpened);
  });

  it("count what was tried again", async () => {
    const data = pattern(1000);
    let refused = 0;
    await using server = await ScriptedServer.start((asked, reply) =>
      asked.method === "GET" && refused++ === 0
        ? reply.answer(503, {}, "")
        : sendAll(reply, objectAnswer(asked, data))
    );
    using client = new S3Client({ endpoint: server.endpoint, credentials: "anonymous" });
    const metrics = metricsOf(await client.file("s3://bucket/key").bytes())!;
    assert(metrics.retries >= 1, `${metrics.retries} retries`);
    assertEquals(metrics.requests, server.asked.length);
  });

  it("of what was not read are undefined", () => {
    using buffer = new RustBuffer(8);
    for (const other of [new Uint8Array(3), new ArrayBuffer(3), buffer, [new Uint8Array(1)]]) {
      assertEquals(metricsOf(other), undefined);
    }
  });

  it("are read as an object, shown as a table, and written as JSON", async () => {
    await using server = await ScriptedServer.start((asked, reply) =>
      sendAll(reply, objectAnswer(asked, pattern(1000)))
    );
    using client = new S3Client({ endpoint: server.endpoint, credentials: "anonymous" });
    const metrics = metricsOf(await client.file("s3://bucket/key").bytes())!;
    assertMatch(Deno.inspect(metrics), /^Metrics: 1,000 bytes, direct\n {2}Bytes/);
    const plain = JSON.parse(JSON.stringify(metrics)) as Metrics;
    assertEquals(Object.keys(plain).sort(), [
      "bytes",
      "connectionsOpened",
      "copies",
      "estimatedCost",
      "parts",
      "requests",
      "retries",
      "timeToFirstByte",
      "transport",
      "verified",
    ]);
  });
});
