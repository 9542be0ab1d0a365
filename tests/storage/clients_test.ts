// Several clients at once, and what is left of one that was disposed, on both servers.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  AccessDeniedError,
  configure,
  file,
  get,
  InvalidInputError,
  list,
  LocalS3,
  memory,
  S3Client,
} from "dipper";
import { assertSameBytes, pattern } from "./bytes.ts";
import { onBothServers } from "./servers.ts";

onBothServers("clients", (at) => {
  it("work at the same time, and two of them are disposed meanwhile", async () => {
    const { connect, client, uri } = at();
    const data = pattern(3 << 20, 8);
    await client.file(uri("shared")).write(data);
    const clients = Array.from({ length: 6 }, () => connect());
    const reads = clients.flatMap((one) =>
      Array.from({ length: 4 }, () => one.file(uri("shared")).bytes())
    );
    const ends = Promise.allSettled(reads);
    await new Promise((resolve) => setTimeout(resolve, 1));
    clients[1]!.dispose();
    clients[4]!.dispose();
    (await ends).forEach((end, index) => {
      const disposed = [1, 4].includes(Math.floor(index / 4));
      if (end.status === "fulfilled") assertSameBytes(end.value, data, `read ${index}`);
      else {
        assert(disposed, `read ${index}: ${end.reason}`);
        assert(end.reason instanceof InvalidInputError && end.reason.code === "ClientGone");
      }
    });
    for (const one of clients) one.dispose();
    assertEquals(memory().operations, 0);
  });

  it("that are disposed right after a call say so", async () => {
    const { connect, uri } = at();
    const calls: Record<string, (client: S3Client) => Promise<unknown>> = {
      bytes: (client) => client.file(uri("key")).bytes(),
      stat: (client) => client.file(uri("key")).stat(),
      stream: (client) => Array.fromAsync(client.file(uri("key")).stream()),
      lines: (client) => Array.fromAsync(client.file(uri("key")).lines()),
      ranges: (client) => client.file(uri("key")).ranges([[0, 1]]),
      checksum: (client) => client.file(uri("key")).checksum("sha256"),
      presign: (client) => client.file(uri("key")).presign(),
      write: (client) => client.file(uri("key")).write("x"),
      copyTo: (client) => client.file(uri("key")).copyTo(uri("copy")),
      list: (client) => client.list(uri("")).toArray(),
      usage: (client) => client.usage(uri("")),
      deleteMany: (client) => client.deleteMany([uri("key")]),
      tags: (client) => client.file(uri("key")).tags(),
      buckets: (client) => client.buckets(),
    };
    for (const [name, call] of Object.entries(calls)) {
      const client = connect();
      const called = call(client);
      client.dispose();
      const error = await assertRejects(() => called, InvalidInputError, "disposed", name);
      assertEquals(error.code, "ClientGone", name);
    }
  });

  it("that were disposed say so, for every operation", async () => {
    const { connect, bucket, uri } = at();
    const client = connect();
    const early = client.file(uri("early"));
    await early.write("x");
    client.dispose();
    client.dispose();
    const late = client.file(uri("late"));
    const calls: Record<string, () => Promise<unknown>> = {
      "a file made before": () => early.bytes(),
      "a slice of it": () => early.slice(1).text(),
      "a file made after": () => late.text(),
      into: () => late.into(new Uint8Array(4)),
      write: () => early.write("y"),
      stat: () => early.stat(),
      exists: () => early.exists(),
      delete: () => early.delete(),
      list: () => client.list(uri("")).toArray(),
      get: () => client.get(uri("early")),
      buckets: () => client.buckets(),
      createBucket: () => client.createBucket("never-made"),
      deleteBucket: () => client.deleteBucket(bucket),
    };
    for (const [name, call] of Object.entries(calls)) {
      const error = await assertRejects(call, InvalidInputError, "disposed", name);
      assertEquals(error.code, "ClientGone", name);
      assert(error.message.includes("make a new S3Client"), name);
    }
    assertEquals(await at().client.file(uri("early")).text(), "x", "another client goes on");
  });

  it("end with their using block", async () => {
    const { connect, uri } = at();
    let kept;
    {
      using client = connect();
      kept = client.file(uri("scoped"));
      await kept.write("x");
    }
    await assertRejects(() => kept.text(), InvalidInputError, "disposed");
  });

  it("keep the options they were made with", async () => {
    const { server } = at();
    if (server !== "LocalS3") return;
    await using s3 = await LocalS3.start();
    const credentials = s3.credentials;
    const options = { endpoint: s3.endpoint, region: s3.region, credentials };
    using client = new S3Client(options);
    options.endpoint = "http://127.0.0.1:1";
    credentials.secretAccessKey = "changed";
    await client.createBucket("still-here");
    assertEquals((await client.buckets()).map(({ name }) => name), ["still-here"]);
  });
});

describe("two servers", () => {
  it("have nothing in common, credentials least", async () => {
    await using one = await LocalS3.start();
    await using other = await LocalS3.start();
    assert(one.endpoint !== other.endpoint);
    assert(one.credentials.secretAccessKey !== other.credentials.secretAccessKey);
    using client = one.client();
    await client.createBucket("bucket");
    using foreign = new S3Client({ endpoint: other.endpoint, credentials: one.credentials });
    const error = await assertRejects(() => foreign.buckets(), AccessDeniedError);
    assertEquals(error.code, "InvalidAccessKey");
    using empty = other.client();
    assertEquals(await empty.buckets(), []);
  });
});

describe("the module's own client", () => {
  it("is the one that was configured last; handles keep theirs", async () => {
    await using one = await LocalS3.start();
    await using other = await LocalS3.start();
    for (const server of [one, other]) {
      using client = server.client();
      await client.createBucket("bucket");
      await client.file("s3://bucket/key").write(server.endpoint);
    }
    configure({ endpoint: one.endpoint, credentials: one.credentials });
    const early = file("s3://bucket/key");
    assertEquals(await early.text(), one.endpoint);
    configure({ endpoint: other.endpoint, credentials: other.credentials });
    assertEquals(await file("s3://bucket/key").text(), other.endpoint);
    assertEquals(await early.text(), one.endpoint);
    {
      using buffer = await get("s3://bucket/key");
      assertEquals(new TextDecoder().decode(buffer.view()), other.endpoint);
    }
    assertEquals((await list("s3://bucket/").toArray()).length, 1);
    assertThrows(() => configure({ nonsense: 1 } as object), InvalidInputError, "nonsense");
    assertEquals(await file("s3://bucket/key").text(), other.endpoint, "as it was before");
  });
});

describe("LocalS3", () => {
  it("stops: nobody listens any more, and twice is harmless", async () => {
    const server = await LocalS3.start();
    using client = server.client({ retries: 0 });
    await client.buckets();
    await server.stop();
    await server.stop();
    await assertRejects(() => client.buckets(), Error, "cannot be reached");
  });

  it("keeps a given directory and what is in it", async () => {
    const directory = await Deno.makeTempDir({ prefix: "dipper-test-" });
    try {
      for (const round of [1, 2]) {
        await using server = await LocalS3.start({ directory });
        using client = server.client();
        if (round === 1) {
          await client.createBucket("bucket");
          await client.file("s3://bucket/../../escape").write("kept", { metadata: { a: "b" } });
        }
        const file = client.file("s3://bucket/../../escape");
        assertEquals(await file.text(), "kept");
        assertEquals((await file.stat()).metadata, { a: "b" });
      }
      const around = [...Deno.readDirSync(`${directory}/..`)].map(({ name }) => name);
      assert(!around.includes("escape"));
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });

  it("takes a given port, and refuses what it cannot use", async () => {
    await using server = await LocalS3.start();
    const port = Number(new URL(server.endpoint).port);
    const taken = await assertRejects(() => LocalS3.start({ port }), InvalidInputError);
    assert(taken.message.includes(String(port)), taken.message);
    await server.stop();
    await using again = await LocalS3.start({ port });
    assertEquals(again.endpoint, server.endpoint);

    for (const wrong of [-1, 65_536, 1.5, NaN, "80"]) {
      await assertRejects(
        () => LocalS3.start({ port: wrong as number }),
        InvalidInputError,
        "port",
      );
    }
    for (const directory of ["", 7, null]) {
      await assertRejects(
        () => LocalS3.start({ directory: directory as string }),
        InvalidInputError,
        "directory",
      );
    }
    const path = await Deno.makeTempFile();
    try {
      const error = await assertRejects(
        () => LocalS3.start({ directory: path }),
        InvalidInputError,
      );
      assert(error.message.includes(path), error.message);
    } finally {
      await Deno.remove(path);
    }
  });
});
