// Endpoints that are no S3 servers, or cannot be reached at all: a typed error for every operation,
// and never a success that is none.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { afterEach, describe, it } from "@std/testing/bdd";
import { DipperError, memory, NetworkError, NotFoundError, S3Client } from "dipper";
import { type Script, ScriptedServer, within } from "./scripted_server.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const PAGE = "<!doctype html><html><body><h1>It works!</h1></body></html>";
const HTML = { "content-type": "text/html" };

function clientOf(endpoint: string): S3Client {
  const credentials = { accessKeyId: "id", secretAccessKey: "secret" };
  return new S3Client({ endpoint, credentials, retries: 0, stallTimeout: 2000 });
}

/** Every operation, by its name. */
function operations(client: S3Client): Record<string, () => Promise<unknown>> {
  const file = client.file("s3://bucket/key");
  return {
    bytes: () => file.bytes(),
    slice: () => file.slice(1, 5).bytes(),
    into: () => file.into(new Uint8Array(1000)),
    text: () => file.text(),
    stat: () => file.stat(),
    exists: () => file.exists(),
    write: () => file.write("precious"),
    delete: () => file.delete(),
    list: () => client.list("s3://bucket/").toArray(),
    buckets: () => client.buckets(),
    createBucket: () => client.createBucket("bucket"),
    deleteBucket: () => client.deleteBucket("bucket"),
  };
}

describe("an endpoint that is no S3 server", () => {
  afterEach(() => assertEquals(memory().operations, 0));

  it("but answers every request with a web page is found out by every operation", async () => {
    await using server = await ScriptedServer.start((asked, reply) =>
      reply.answer(
        200,
        { ...HTML, "content-length": String(PAGE.length) },
        asked.method === "HEAD" ? "" : PAGE,
      )
    );
    using client = clientOf(server.endpoint);
    const taken: string[] = [];
    for (const [name, call] of Object.entries(operations(client))) {
      try {
        await within(5000, call());
        taken.push(name);
      } catch (error) {
        assert(error instanceof DipperError, String(error));
        // A page that ignores byte ranges may be told by that first.
        assert(["NotS3", "Unsupported"].includes(error.code), `${name}: ${error.code}`);
      }
    }
    // A 204 is what a deletion is answered with; a 200 page is not.
    assertEquals(taken, [], "these operations take a web page for success");
  });

  it("names the endpoint and the remedy", async () => {
    await using server = await ScriptedServer.start((_, reply) => reply.answer(200, HTML, PAGE));
    using client = clientOf(server.endpoint);
    const error = await assertRejects(() => client.list("s3://bucket/").toArray(), NetworkError);
    assertEquals([error.code, error.retryable], ["NotS3", false]);
    assertStringIncludes(error.message, server.endpoint);
    assertStringIncludes(error.message, "check that endpoint is the S3 address");
  });

  it("and answers 404 with a web page is never a success", async () => {
    await using server = await ScriptedServer.start((asked, reply) =>
      reply.answer(404, HTML, asked.method === "HEAD" ? "" : PAGE)
    );
    using client = clientOf(server.endpoint);
    for (const [name, call] of Object.entries(operations(client))) {
      // A HEAD of a missing object looks just so: no header of S3, no body.
      if (name === "exists") continue;
      const error = await assertRejects(call, DipperError);
      const told = error instanceof NotFoundError || error.code === "NotS3";
      assert(told, `${name}: ${error.code}`);
      assertStringIncludes(error.message, server.endpoint, name);
    }
  });

  const scripts: [name: string, script: Script][] = [
    ["speaks another protocol", async (_, reply) => {
      await reply.send("SSH-2.0-OpenSSH_9.9\r\n");
      reply.close();
    }],
    ["sends garbage", async (_, reply) => {
      await reply.send(crypto.getRandomValues(new Uint8Array(200)));
      reply.close();
    }],
    ["closes every connection", (_, reply) => reply.close()],
    ["resets every connection", (_, reply) => reply.reset()],
    ["cuts its heads off", async (_, reply) => {
      await reply.send("HTTP/1.1 200 OK\r\nContent-Le");
      reply.close();
    }],
    ["lies about the length", async (_, reply) => {
      await reply.send("HTTP/1.1 200 OK\r\nContent-Length: minus one\r\n\r\n");
      reply.close();
    }],
  ];
  for (const [name, script] of scripts) {
    it(`and ${name} is a NetworkError for every operation`, async () => {
      await using server = await ScriptedServer.start(script);
      using client = clientOf(server.endpoint);
      for (const [operation, call] of Object.entries(operations(client))) {
        const error = await within(5000, assertRejects(call, NetworkError, "", operation));
        assert(
          ["ConnectionFailed", "ConnectionBroken", "NotS3"].includes(error.code),
          `${operation}: ${error.code}`,
        );
        assertStringIncludes(error.message, server.endpoint, operation);
        assert(error.hint !== undefined && error.message.includes(error.hint), operation);
      }
    });
  }

  it("and tells no size is not believed to hold an empty object", async () => {
    await using server = await ScriptedServer.start(async (_, reply) => {
      await reply.send('HTTP/1.1 200 OK\r\nETag: "x"\r\nx-amz-request-id: R\r\n\r\n');
      reply.close();
    });
    using client = clientOf(server.endpoint);
    const file = client.file("s3://bucket/key");
    for (
      const call of [() => file.stat(), () => file.bytes(), () => file.slice(-3, -1).bytes()]
    ) {
      const error = await within(5000, assertRejects(call, NetworkError));
      assertEquals(error.code, "NotS3");
      assertStringIncludes(error.message, "how long");
    }
  });

  it("and dates its objects with nonsense is called that, or its date is left out", async () => {
    await using server = await ScriptedServer.start((asked, reply) =>
      reply.answer(
        200,
        {
          etag: '"x"',
          "x-amz-request-id": "R",
          "last-modified": "Thu, 99 Foo",
          "content-length": "5",
        },
        asked.method === "HEAD" ? "" : "01234",
      )
    );
    using client = clientOf(server.endpoint);
    const file = client.file("s3://bucket/key");
    for (const call of [() => file.stat(), () => file.bytes()]) {
      try {
        const found = await within<object>(5000, call());
        assertEquals(Reflect.get(found, "lastModified"), undefined);
      } catch (error) {
        assert(error instanceof NetworkError && error.code === "NotS3", String(error));
      }
    }
  });

  it("and answers a listing with something else is found out", async () => {
    for (
      const body of [
        "",
        "{}",
        "<Error><Code>InternalError</Code><Message>late</Message></Error>",
        '<?xml version="1.0"?><rss></rss>',
        "<ListBucketResult><Contents><Key>cut",
      ]
    ) {
      await using server = await ScriptedServer.start((_, reply) => reply.answer(200, {}, body));
      using client = clientOf(server.endpoint);
      await within(
        5000,
        assertRejects(() => client.list("s3://bucket/").toArray(), NetworkError, "", body),
      );
    }
  });

  it("and closes nothing it announced is given up with the rest of the file", async () => {
    await using server = await ScriptedServer.start(async (_, reply) => {
      await reply.send(
        'HTTP/1.1 200 OK\r\nETag: "x"\r\nContent-Length: 9007199254740991\r\n\r\nabc',
      );
      reply.close();
    });
    using client = clientOf(server.endpoint);
    const error = await within(
      5000,
      assertRejects(() => client.file("s3://bucket/key").bytes(), DipperError),
    );
    assertEquals(error.code, "BudgetExceeded", error.message);
  });
});

describe("an endpoint that cannot be reached", () => {
  it("because nobody listens is a NetworkError that names it", async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    listener.close();
    using client = clientOf(`http://127.0.0.1:${port}`);
    for (const [name, call] of Object.entries(operations(client))) {
      const error = await within(5000, assertRejects(call, NetworkError, "", name));
      assertEquals([error.code, error.retryable], ["ConnectionFailed", true], name);
      assertStringIncludes(error.message, `127.0.0.1:${port}`, name);
      assertStringIncludes(error.message, "check that the server runs", name);
      assertEquals(error.status, undefined, name);
    }
  });

  it("because its name does not resolve is a NetworkError that says so", async () => {
    // RFC 6761: names below .invalid never resolve.
    using client = clientOf("http://no-such-host.invalid:9000");
    for (const [name, call] of Object.entries(operations(client))) {
      const error = await within(20_000, assertRejects(call, NetworkError, "", name));
      assertEquals(error.code, "UnknownHost", `${name}: ${error.message}`);
      assertStringIncludes(error.message, "no-such-host.invalid", name);
      assertStringIncludes(error.message, "check the spelling", name);
    }
  });

  it("by TLS, because it speaks plain HTTP, is a NetworkError", async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const serving = (async () => {
      for await (const connection of listener) {
        await connection.read(new Uint8Array(4096));
        await connection.write(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n"));
        connection.close();
      }
    })();
    using client = clientOf(`https://127.0.0.1:${listener.addr.port}`);
    const error = await within(
      5000,
      assertRejects(() => client.file("s3://bucket/key").bytes(), NetworkError),
    );
    assert(["TlsFailed", "ConnectionFailed"].includes(error.code), error.code);
    assertStringIncludes(error.message, `https://127.0.0.1:${listener.addr.port}`);
    listener.close();
    await serving;
  });
});
