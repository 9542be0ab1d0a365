// What plain web addresses lead to: read by every method, and never a word of their queries.

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  AccessDeniedError,
  DipperError,
  file,
  get,
  getMany,
  HttpFile,
  InvalidInputError,
  memory,
  metricsOf,
  NotFoundError,
  S3Client,
  UnsupportedError,
} from "dipper";
import { assertSameBytes, pattern } from "./bytes.ts";
import { makeCertificates } from "./certificates.ts";
import {
  headOf,
  objectAnswer,
  type Script,
  ScriptedServer,
  sendAll,
  sendPart,
  within,
} from "./scripted_server.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const MIB = 1 << 20;
const SECRET = "canary-of-http-test";
const data = pattern(2 * MIB + 9, 6);
type Displayed = Record<symbol, () => Promise<unknown>>;
type Address = `http://${string}`;

/** Answers as a web server does that knows ranges and HEAD. */
const sound: Script = async (asked, reply) => {
  const answer = objectAnswer(asked, data, {
    "content-type": "text/plain",
    "last-modified": "Fri, 01 Mar 2024 12:34:56 GMT",
  });
  if (asked.method === "HEAD") await reply.send(headOf(answer.status, answer.headers));
  else await sendAll(reply, answer);
};

async function serving(script: Script = sound) {
  const server = await ScriptedServer.start(script);
  const client = new S3Client({ retries: 0, stallTimeout: 3000 });
  const at = (path: string): Address => `${server.endpoint}${path}` as Address;
  return {
    server,
    client,
    at,
    async [Symbol.asyncDispose]() {
      client.dispose();
      await server[Symbol.asyncDispose]();
    },
  };
}

describe("a web address", () => {
  it("is read by every method, unsigned", async () => {
    await using place = await serving();
    const one = place.client.file(place.at("/folder/data%20set.bin"));
    assertInstanceOf(one, HttpFile);
    assertEquals(one.name, "data set.bin");
    assertSameBytes(await one.bytes(), data, "bytes");
    assertSameBytes(await one.arrayBuffer(), data, "arrayBuffer");
    {
      using buffer = await one.buffer();
      assertSameBytes(buffer.view(), data, "buffer");
    }
    assertSameBytes(await one.into(new Uint8Array(data.length)), data, "into");
    const blob = await one.blob();
    assertSameBytes(await blob.bytes(), data, "blob");
    assertEquals(blob.type, "text/plain");
    assertSameBytes(await new Response(one.stream()).bytes(), data, "stream");
    const [head, tail] = await one.ranges([[0, 10], [MIB, MIB + 100]]);
    assertSameBytes(head!, data.subarray(0, 10), "ranges");
    assertSameBytes(tail!, data.subarray(MIB, MIB + 100), "ranges");
    for (const [start, end] of [[5, 100], [-7], [-9, -3], [1, -1], [9, 3], [0, 9e9]]) {
      const expected = new Uint8Array(await new Blob([data]).slice(start, end).arrayBuffer());
      assertSameBytes(await one.slice(start, end).bytes(), expected, `slice(${start}, ${end})`);
    }
    const [result] = await Array.fromAsync(place.client.getMany([one]));
    assertSameBytes(result!.bytes!, data, "getMany");
    for (const asked of place.server.asked) {
      assertEquals(asked.path, "/folder/data%20set.bin");
      for (const name of asked.headers.keys()) {
        assert(name !== "authorization" && !name.startsWith("x-amz"), `sends ${name}`);
      }
    }
    assertEquals(memory().operations, 0);
  });

  it("is read by the functions of the module, as text and as a URL", async () => {
    await using place = await serving((_, reply) =>
      reply.answer(200, { etag: '"t"' }, '{"name": "ford"}')
    );
    assertEquals(await file(place.at("/cars.json")).json(), { name: "ford" });
    assertEquals(await file(new URL(place.at("/cars.json"))).text(), '{"name": "ford"}');
    using buffer = await get(place.at("/cars.json"));
    assertEquals(buffer.byteLength, 16);
    const [result] = await Array.fromAsync(getMany([place.at("/cars.json")]));
    assertEquals(result?.bytes?.length, 16);
  });

  it("tells size, type, date and ETag, and whether it exists", async () => {
    await using place = await serving((asked, reply, index) =>
      asked.path === "/there" ? sound(asked, reply, index) : reply.answer(404, {}, "")
    );
    const stat = await place.client.file(place.at("/there")).stat();
    assertEquals([stat.size, stat.contentType, stat.etag], [data.length, "text/plain", '"one"']);
    assertEquals(stat.lastModified?.toISOString(), "2024-03-01T12:34:56.000Z");
    assertEquals(await place.client.file(place.at("/there")).exists(), true);
    assertEquals(await place.client.file(place.at("/missing")).exists(), false);
  });

  it("keeps its query for the server alone", async () => {
    await using place = await serving((asked, reply, index) =>
      asked.path.startsWith("/there") ? sound(asked, reply, index) : reply.answer(403, {}, "no")
    );
    const query = `?X-Amz-Signature=${SECRET}&name=${SECRET}`;
    const there = place.client.file(place.at(`/there${query}#part`));
    assertEquals(there.uri, place.at(`/there${query}#part`), "as it was given");
    assertSameBytes(await there.slice(0, 10).bytes(), data.subarray(0, 10));
    assertEquals(place.server.asked[0]?.path, `/there${query}`, "without the fragment");
    assertEquals(there.name, "there");
    const shown = [
      Deno.inspect(there),
      Deno.inspect(await there.stat()),
      JSON.stringify(await (there as unknown as Displayed)[Symbol.for("Jupyter.display")]!()),
    ];
    const denied = place.client.file(place.at(`/denied${query}`));
    for (
      const call of [
        () => denied.bytes(),
        () => denied.stat(),
        () => denied.ranges([[0, 1]]),
        () => new Response(denied.stream()).bytes(),
        () => denied.slice(-3, -1).bytes(),
        () => there.json(),
        () => there.ranges([[2, 1]]),
        () => there.into(new Uint8Array(0)),
      ]
    ) {
      const error = await assertRejects(call, DipperError);
      shown.push(Deno.inspect(error), JSON.stringify(error), error.stack ?? "", error.uri ?? "");
    }
    const [result] = await Array.fromAsync(place.client.getMany([denied]));
    assertEquals(result?.uri, denied.uri, "so that the caller finds it again");
    shown.push(Deno.inspect(result?.error));
    for (const text of shown) assert(!text.includes(SECRET), text);
    assertStringIncludes(shown[0]!, "/there?…");
  });

  it("with a password is refused without showing it", () => {
    for (const at of [`http://me:${SECRET}@127.0.0.1/x`, new URL(`https://${SECRET}@127.0.0.1/`)]) {
      const error = assertThrows(() => file(at as string), InvalidInputError, "user or password");
      assert(!Deno.inspect(error).includes(SECRET));
    }
  });

  it("that answers with a refusal is a typed error", async () => {
    for (
      const [status, kind] of [
        [404, NotFoundError],
        [410, DipperError],
        [403, AccessDeniedError],
        [
          401,
          AccessDeniedError,
        ],
        [500, DipperError],
        [503, DipperError],
      ] as const
    ) {
      await using place = await serving((_, reply) => reply.answer(status, {}, "no"));
      const one = place.client.file(place.at("/x"));
      const error = await within(10_000, assertRejects(() => one.bytes(), kind));
      assertEquals(error.status, status);
      assertStringIncludes(error.message, place.at("/x"));
    }
  });

  it("is read whole from a server that knows no ranges, and one that tells no length", async () => {
    const answers: Record<string, Script> = {
      "no ranges": (_, reply) => reply.answer(200, {}, data),
      "chunks": async (_, reply) => {
        await reply.send(headOf(200, { "transfer-encoding": "chunked" }));
        for (let at = 0; at < data.length; at += 100_000) {
          const part = data.subarray(at, at + 100_000);
          await reply.send(`${part.length.toString(16)}\r\n`);
          await reply.send(part);
          await reply.send("\r\n");
        }
        await reply.send("0\r\n\r\n");
      },
      "until it closes": async (_, reply) => {
        await reply.send(headOf(200, { connection: "close" }));
        await reply.send(data);
        reply.close();
      },
    };
    for (const [name, script] of Object.entries(answers)) {
      await using place = await serving(script);
      const one = place.client.file(place.at("/x"));
      const read = async (way: string, call: () => Promise<Uint8Array>) => {
        try {
          assertSameBytes(await within(10_000, call()), data, `${name}: ${way}`);
        } catch (error) {
          throw new Error(`${name}: ${way}`, { cause: error });
        }
      };
      await read("bytes", () => one.bytes());
      await read("stream", () => new Response(one.stream()).bytes());
    }
  });

  it("is followed where it is redirected to", async () => {
    await using target = await serving();
    await using place = await serving((asked, reply) =>
      reply.answer(302, { location: asked.path === "/a" ? "/b" : target.at("/c") }, "")
    );
    assertSameBytes(await within(10_000, place.client.file(place.at("/a")).bytes()), data);
    assertEquals(target.server.asked.at(-1)?.path, "/c");
  });

  it("that leads in a circle is an error", async () => {
    await using place = await serving((_, reply) => reply.answer(302, { location: "/a" }, ""));
    await within(
      10_000,
      assertRejects(() => place.client.file(place.at("/a")).bytes(), DipperError),
    );
    assert(place.server.asked.length < 50);
  });

  it("over TLS trusts what its client trusts", async () => {
    const { authority, certificate, key } = await makeCertificates();
    await using server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, cert: certificate, key, onListen() {} },
      () => new Response(data, { headers: { etag: '"one"' } }),
    );
    using client = new S3Client({ caCertificates: authority, retries: 0 });
    const at = `https://127.0.0.1:${server.addr.port}/x` as const;
    assertSameBytes(await client.file(at).bytes(), data);
    using other = new S3Client({ retries: 0 });
    const error = await assertRejects(() => other.file(at).bytes(), DipperError);
    assertEquals(error.code, "TlsFailed");
  });

  it("tells its progress and its metrics", async () => {
    await using place = await serving();
    let last: [number, number] | undefined;
    const bytes = await place.client.file(place.at("/x")).bytes({
      onProgress: ({ bytes, total }) => void (last = [bytes, total]),
    });
    assertEquals(last, [data.length, data.length]);
    const metrics = metricsOf(bytes);
    assertEquals([metrics?.bytes, metrics?.estimatedCost], [data.length, 0]);
    assert(["http", "direct"].includes(metrics!.transport), metrics!.transport);
  });

  it("is known where a HEAD is not answered, and where no length is told", async () => {
    const sound: Script = async (asked, reply) => {
      const answer = objectAnswer(asked, data);
      await reply.send(headOf(answer.status, answer.headers));
      await reply.send(answer.body);
    };
    for (const status of [403, 405, 501]) {
      await using place = await serving((asked, reply, index) =>
        asked.method === "HEAD" ? reply.answer(status, {}) : sound(asked, reply, index)
      );
      const one = place.client.file(place.at("/x"));
      assertEquals((await one.stat()).size, data.length, `${status}`);
      assertEquals(await one.exists(), true);
    }
    await using refusing = await serving((_, reply) => reply.answer(403, {}));
    await assertRejects(
      () => refusing.client.file(refusing.at("/x")).exists(),
      AccessDeniedError,
      "HTTP 403",
    );
    await using endless = await serving(async (asked, reply) => {
      await reply.send(headOf(200, { "transfer-encoding": "chunked" }));
      if (asked.method !== "HEAD") await reply.send("5\r\nhello\r\n0\r\n\r\n");
    });
    const page = endless.client.file(endless.at("/x"));
    assertEquals(await page.exists(), true);
    assertEquals(await page.text(), "hello");
    await assertRejects(() => page.stat(), UnsupportedError, "does not say how long");
    await using empty = await serving((asked, reply) =>
      asked.method === "HEAD"
        ? reply.answer(405, {})
        : reply.answer(416, { "content-range": "bytes */0" })
    );
    assertEquals((await empty.client.file(empty.at("/x")).stat()).size, 0);
  });

  it("has no tags, versions or signed addresses, and says so", async () => {
    await using place = await serving((_, reply) => reply.answer(200, {}, data));
    for (const one of [place.client.file(place.at("/x")), place.client.file("./missing")]) {
      for (
        const call of [
          () => one.tags(),
          () => one.restore("1"),
          () => one.presign(),
          async () => await Array.fromAsync(one.versions()),
        ]
      ) {
        await assertRejects(async () => void await call(), UnsupportedError, "is not on S3");
      }
    }
  });

  it("is ended by a signal and by disposing its client", async () => {
    for (const how of ["signal", "dispose"] as const) {
      await using place = await serving(async (asked, reply) => {
        await sendPart(reply, objectAnswer(asked, data), 300_000);
        await reply.silence();
      });
      const one = place.client.file(place.at("/x"));
      const controller = new AbortController();
      const reason = new Error("enough");
      const { signal } = controller;
      const calls = [
        one.bytes({ signal }),
        one.into(new Uint8Array(data.length), { signal }),
        one.ranges([[0, MIB]], { signal }),
        new Response(one.stream({ signal })).bytes(),
      ].map((call) => assertRejects(() => call));
      setTimeout(() => how === "signal" ? controller.abort(reason) : place.client.dispose(), 50);
      for (const error of await within(5000, Promise.all(calls))) {
        if (how === "signal") assertEquals(error, reason);
        else assert(error instanceof InvalidInputError && error.code === "ClientGone", `${error}`);
      }
      assertEquals(memory().operations, 0);
    }
  });
});
