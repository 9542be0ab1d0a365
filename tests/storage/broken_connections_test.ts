// Connections that break, stall or lie: the exact bytes or a typed error, within a deadline, and
// nothing left in memory.

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { afterEach, describe, it } from "@std/testing/bdd";
import { connect, type Socket } from "node:net";
import {
  DipperError,
  IntegrityError,
  memory,
  metricsOf,
  NetworkError,
  PreconditionFailedError,
  S3Client,
  type S3ClientOptions,
  TimeoutError,
} from "dipper";
import { assertSameBytes, pattern } from "./bytes.ts";
import {
  type Asked,
  headOf,
  objectAnswer,
  type Script,
  ScriptedServer,
  sendAll,
  sendPart,
  within,
} from "./scripted_server.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const DEADLINE = 60_000;
const DATE = "Fri, 01 Mar 2024 12:34:56 GMT";
const SIZE = 300_000;
const data = pattern(SIZE, 11);

/** A server that follows the script, and a client of it. */
async function scripted(
  script: Script,
  options: S3ClientOptions = {},
): Promise<AsyncDisposable & { server: ScriptedServer; client: S3Client }> {
  const server = await ScriptedServer.start(script);
  const credentials = { accessKeyId: "id", secretAccessKey: "secret" };
  // Without the request for checksums: what is asked for the body can be counted.
  const checksums = "off";
  const client = new S3Client({ endpoint: server.endpoint, credentials, checksums, ...options });
  return {
    server,
    client,
    async [Symbol.asyncDispose]() {
      client.dispose();
      await server[Symbol.asyncDispose]();
    },
  };
}

function nothingLeft(): void {
  const { buffers, operations } = memory();
  assertEquals({ buffers, operations }, { buffers: 0, operations: 0 });
}

/** Which bytes of the object a request asks for, however it spells the range. */
function bytesAsked({ headers }: Asked): [start: number, end: number] {
  const range = headers.get("range");
  if (range === undefined) return [0, SIZE];
  const [, from = "", to = ""] = /^bytes=(\d*)-(\d*)$/.exec(range) ?? [];
  if (from === "") return [SIZE - Number(to), SIZE];
  // A first request asks for a whole part, however small the object.
  return [Number(from), to === "" ? SIZE : Math.min(SIZE, Number(to) + 1)];
}

const PLACES = [["at the first byte", 0], ["in the middle", 123_457], [
  "before the last byte",
  SIZE - 1,
]] as const;

describe("a connection that ends early", () => {
  afterEach(nothingLeft);

  for (const manner of ["close", "reset"] as const) {
    for (const [place, offset] of PLACES) {
      it(`by a ${manner} ${place} is resumed there, with the version pinned`, async () => {
        await using place = await scripted(async (asked, reply, index) => {
          if (index > 0) return await sendAll(reply, objectAnswer(asked, data));
          await sendPart(reply, objectAnswer(asked, data), offset);
          // Bytes that are still on their way would be lost with a reset.
          if (manner === "reset") await new Promise((resolve) => setTimeout(resolve, 100));
          reply[manner]();
        });
        const { client, server } = place;
        assertSameBytes(await within(DEADLINE, client.file("s3://bucket/key").bytes()), data);
        assertEquals(server.asked.length, 2);
        const resumed = server.asked[1]!;
        assertEquals(bytesAsked(resumed), [offset, SIZE]);
        if (offset > 0) assertEquals(resumed.headers.get("if-match"), '"one"');
      });
    }
  }

  it("is resumed inside a slice", async () => {
    const slices = [
      { from: [1000, 9000], first: [1000, 9000], then: [1500, 9000] },
      { from: [1000], first: [1000, SIZE], then: [1500, SIZE] },
      { from: [-4000], first: [SIZE - 4000, SIZE], then: [SIZE - 3500, SIZE] },
    ] as const;
    for (const { from, first, then } of slices) {
      await using place = await scripted(async (asked, reply, index) => {
        if (index > 0) return await sendAll(reply, objectAnswer(asked, data));
        await sendPart(reply, objectAnswer(asked, data), 500);
        reply.close();
      });
      const { client, server } = place;
      const bytes = await within(DEADLINE, client.file("s3://bucket/key").slice(...from).bytes());
      assertSameBytes(bytes, data.slice(...from), `slice(${from})`);
      assertEquals(server.asked.map(bytesAsked), [[...first], [...then]]);
    }
  });

  it("is resumed into the caller's memory", async () => {
    await using place = await scripted(async (asked, reply, index) => {
      if (index > 0) return await sendAll(reply, objectAnswer(asked, data));
      await sendPart(reply, objectAnswer(asked, data), 1000);
      reply.close();
    });
    const read = place.client.file("s3://bucket/key").into(new Uint8Array(SIZE));
    assertSameBytes(await within(DEADLINE, read), data);
  });

  it("is resumed again and again, each time at the next missing byte", async () => {
    await using place = await scripted(async (asked, reply) => {
      await sendPart(reply, objectAnswer(asked, data), 100_000);
      reply.close();
    }, { retries: 5 });
    const { client, server } = place;
    assertSameBytes(await within(DEADLINE, client.file("s3://bucket/key").bytes()), data);
    assertEquals(server.asked.map(bytesAsked), [[0, SIZE], [100_000, SIZE], [200_000, SIZE]]);
  });

  it("too often is a NetworkError, after the retries that were allowed", async () => {
    for (const retries of [0, 2]) {
      await using place = await scripted(async (asked, reply) => {
        await sendPart(reply, objectAnswer(asked, data), 1000);
        reply.close();
      }, { retries });
      const { client, server } = place;
      const error = await within(
        DEADLINE,
        assertRejects(() => client.file("s3://bucket/key").bytes(), NetworkError),
      );
      assertEquals([error.code, error.retryable], ["ConnectionBroken", true]);
      assertEquals(error.uri, "s3://bucket/key");
      assertStringIncludes(error.message, `of ${SIZE}`);
      assertEquals(server.asked.length, retries + 1);
    }
  });

  it("is not resumed without an ETag: the version would be a guess", async () => {
    await using place = await scripted(async (asked, reply) => {
      const { etag: _, ...headers } = objectAnswer(asked, data, { "last-modified": DATE }).headers;
      await sendPart(reply, { ...objectAnswer(asked, data), headers }, 1000);
      reply.close();
    });
    const error = await within(
      DEADLINE,
      assertRejects(() => place.client.file("s3://bucket/key").bytes(), NetworkError),
    );
    assertEquals(error.code, "ConnectionBroken");
    assertEquals(place.server.asked.length, 1);
  });

  it("hands the target back", async () => {
    await using place = await scripted(async (asked, reply) => {
      await sendPart(reply, objectAnswer(asked, data), 1000);
      reply.close();
    }, { retries: 0 });
    const target = new Uint8Array(SIZE);
    const error = await assertRejects(
      () => place.client.file("s3://bucket/key").into(target),
      NetworkError,
    );
    assertEquals(error.target?.length, SIZE);
  });

  it("before any answer is tried again", async () => {
    await using place = await scripted(async (asked, reply, index) => {
      if (index === 0) reply.close();
      else await sendAll(reply, objectAnswer(asked, data));
    });
    const read = place.client.file("s3://bucket/key").bytes();
    assertSameBytes(await within(DEADLINE, read), data);
  });

  it("while an object is written sends the whole body again", async () => {
    const body = pattern(50_000, 9);
    await using place = await scripted(async (_, reply, index) => {
      if (index === 0) reply.reset();
      else await reply.answer(200, { etag: '"written"', "x-amz-request-id": "SCRIPTED" });
    });
    const stat = await within(DEADLINE, place.client.file("s3://bucket/key").write(body));
    assertEquals([stat.etag, stat.size], ['"written"', 50_000]);
    const [first, second] = place.server.asked;
    assertSameBytes(second!.body, first!.body);
    assert(second!.body.length >= 50_000);
  });
});

describe("an object that changes while it is read", () => {
  afterEach(nothingLeft);

  it("is a PreconditionFailedError when the server says so", async () => {
    await using place = await scripted(async (asked, reply, index) => {
      if (index > 0) {
        return await reply.answer(
          412,
          { "x-amz-request-id": "SCRIPTED" },
          "<Error><Code>PreconditionFailed</Code></Error>",
        );
      }
      await sendPart(reply, objectAnswer(asked, data), 1000);
      reply.close();
    });
    const error = await within(
      DEADLINE,
      assertRejects(() => place.client.file("s3://bucket/key").bytes(), PreconditionFailedError),
    );
    assertEquals([error.code, error.retryable], ["ObjectChanged", true]);
    assertStringIncludes(error.message, "read it again");
  });

  it("is never a mixture when the server ignores If-Match", async () => {
    const other = pattern(SIZE, 99);
    await using place = await scripted(async (asked, reply, index) => {
      if (index > 0) return await sendAll(reply, objectAnswer(asked, other, { etag: '"two"' }));
      await sendPart(reply, objectAnswer(asked, data), 1000);
      reply.close();
    });
    const error = await within(
      DEADLINE,
      assertRejects(() => place.client.file("s3://bucket/key").bytes(), DipperError),
    );
    assertInstanceOf(error, PreconditionFailedError);
    assertEquals(error.code, "ObjectChanged");
  });
});

describe("a server that answers a resumed read wrongly", () => {
  afterEach(nothingLeft);

  /** Cuts the first answer, lies in the second, tells the truth from then on. */
  async function resumed(lie: Script): Promise<void> {
    await using place = await scripted(async (asked, reply, index) => {
      if (index > 1) return await sendAll(reply, objectAnswer(asked, data));
      if (index === 1) return await lie(asked, reply, index);
      await sendPart(reply, objectAnswer(asked, data), 100_000);
      reply.close();
    });
    let bytes: Uint8Array;
    try {
      bytes = await within(DEADLINE, place.client.file("s3://bucket/key").bytes());
    } catch (error) {
      assertInstanceOf(error, DipperError);
      assert(!["Internal", "StaleHandle"].includes(error.code), error.message);
      return;
    }
    assertSameBytes(bytes, data, "a read that succeeds");
  }

  it("with the whole object instead of the rest", async () => {
    await resumed(async (_, reply) => {
      await reply.answer(200, { etag: '"one"' }, data);
    });
  });

  it("with the whole object, cut again in the middle", async () => {
    await resumed(async (_, reply) => {
      const headers = { etag: '"one"', "content-length": String(SIZE) };
      await sendPart(reply, { status: 200, headers, body: data }, 50_000);
      await new Promise((resolve) => setTimeout(resolve, 50));
      reply.close();
    });
  });

  it("with another range than the rest", async () => {
    await resumed(async (_, reply) => {
      const body = data.subarray(0, 200_000);
      const headers = {
        etag: '"one"',
        "content-length": "200000",
        "content-range": `bytes 0-199999/${SIZE}`,
      };
      await sendAll(reply, { status: 206, headers, body });
    });
  });

  it("with an object of another size", async () => {
    await resumed(async (_, reply) => {
      const body = pattern(100, 2);
      const headers = {
        etag: '"one"',
        "content-length": "100",
        "content-range": `bytes 100000-100099/100100`,
      };
      await sendAll(reply, { status: 206, headers, body });
    });
  });
});

describe("a server in trouble", () => {
  afterEach(nothingLeft);

  it("is asked again, and the answer is the object", async () => {
    await using place = await scripted(async (asked, reply, index) => {
      if (index < 2) await reply.answer(503, {}, "<Error><Code>SlowDown</Code></Error>");
      else await sendAll(reply, objectAnswer(asked, data));
    });
    const read = place.client.file("s3://bucket/key").bytes();
    assertSameBytes(await within(DEADLINE, read), data);
    assertEquals(place.server.asked.length, 3);
  });

  for (
    const [status, body, code] of [
      [503, "<Error><Code>SlowDown</Code></Error>", "SlowDown"],
      [429, "", "SlowDown"],
      [500, "<Error><Code>InternalError</Code></Error>", "ServerFailure"],
      [502, "<html>bad gateway</html>", "ServerFailure"],
    ] as const
  ) {
    it(`that always answers ${status} ends as ${code}`, async () => {
      await using place = await scripted((_, reply) => reply.answer(status, {}, body), {
        retries: 1,
      });
      const error = await within(
        DEADLINE,
        assertRejects(() => place.client.file("s3://bucket/key").bytes(), NetworkError),
      );
      assertEquals([error.code, error.status, error.retryable], [code, status, true]);
      assertStringIncludes(error.message, place.server.endpoint);
      assert(place.server.asked.length <= 2);
    });
  }

  it("that answers 416 to a whole read is an error, not an empty object", async () => {
    await using place = await scripted((_, reply) =>
      reply.answer(416, {}, "<Error><Code>InvalidRange</Code></Error>")
    );
    const error = await assertRejects(
      () => place.client.file("s3://bucket/key").bytes(),
      DipperError,
    );
    assertEquals(error.code, "InvalidRange");
  });
});

describe("checksums", () => {
  afterEach(nothingLeft);
  const small = new TextEncoder().encode("hello world");
  // CRC-32 of "hello world" is 0x0d4a1185.
  const crc32 = btoa(String.fromCharCode(0x0d, 0x4a, 0x11, 0x85));

  it("that fit let the bytes pass", async () => {
    await using place = await scripted(
      (asked, reply) =>
        sendAll(reply, objectAnswer(asked, small, { "x-amz-checksum-crc32": crc32 })),
      {
        checksums: "auto",
      },
    );
    const bytes = await place.client.file("s3://bucket/key").bytes();
    assertSameBytes(bytes, small);
    assertEquals(metricsOf(bytes)?.verified, "crc32");
  });

  it("find a flipped bit", async () => {
    const flipped = small.slice();
    flipped[4]! ^= 0x10;
    await using place = await scripted(
      (asked, reply) =>
        sendAll(reply, objectAnswer(asked, flipped, { "x-amz-checksum-crc32": crc32 })),
      {
        checksums: "auto",
      },
    );
    for (const call of ["bytes", "buffer", "text"] as const) {
      const error = await within(
        DEADLINE,
        assertRejects(() => place.client.file("s3://bucket/key")[call](), IntegrityError),
      );
      assertEquals([error.code, error.retryable], ["ChecksumMismatch", true], call);
      assertStringIncludes(error.message, "read it again");
    }
    using careless = new S3Client({
      endpoint: place.server.endpoint,
      credentials: "anonymous",
      checksums: "off",
    });
    const bytes = await careless.file("s3://bucket/key").bytes();
    assertSameBytes(bytes, flipped);
    assertEquals(metricsOf(bytes)?.verified, "none");
  });

  it("of what is written go along", async () => {
    const script: Script = (_, reply) =>
      reply.answer(200, { etag: '"written"', "x-amz-request-id": "SCRIPTED" });
    await using place = await scripted(script, { checksums: "auto" });
    await place.client.file("s3://bucket/key").write(small);
    const [{ headers, body }] = place.server.asked as [ScriptedServer["asked"][number]];
    const told = [...headers.keys()].some((name) => name.startsWith("x-amz-checksum-")) ||
      new TextDecoder().decode(body).includes("x-amz-checksum-");
    assert(told, [...headers.keys()].join(" "));
  });
});

describe("silence", () => {
  afterEach(nothingLeft);

  it("in the middle of a body is a TimeoutError after stallTimeout", async () => {
    await using place = await scripted(async (asked, reply) => {
      await sendPart(reply, objectAnswer(asked, data), 1000);
      await reply.silence();
    }, { stallTimeout: 200, retries: 0 });
    const begun = performance.now();
    const error = await within(
      DEADLINE,
      assertRejects(() => place.client.file("s3://bucket/key").bytes(), TimeoutError),
    );
    const took = performance.now() - begun;
    assert(took >= 190 && took < 10_000, `${took} ms`);
    assertEquals([error.code, error.retryable], ["Stalled", true]);
    assertStringIncludes(error.message, "stallTimeout");
  });

  it("in the middle of a body is overcome by asking again", async () => {
    await using place = await scripted(async (asked, reply, index) => {
      if (index > 0) return await sendAll(reply, objectAnswer(asked, data));
      await sendPart(reply, objectAnswer(asked, data), 1000);
      await reply.silence();
    }, { stallTimeout: 200 });
    const read = place.client.file("s3://bucket/key").bytes();
    assertSameBytes(await within(DEADLINE, read), data);
  });

  it("before an answer is a TimeoutError", async () => {
    await using place = await scripted((_, reply) => reply.silence(), {
      stallTimeout: 200,
      retries: 0,
    });
    for (
      const call of [
        () => place.client.file("s3://bucket/key").bytes(),
        () => place.client.file("s3://bucket/key").stat(),
        () => place.client.list("s3://bucket/").toArray(),
        () => place.client.file("s3://bucket/key").write("x"),
      ]
    ) {
      const error = await within(DEADLINE, assertRejects(call, TimeoutError));
      assertEquals([error.code, error.retryable], ["Timeout", true]);
      assertStringIncludes(error.message, place.server.endpoint);
    }
  });

  it("is not a slow body: bytes that keep coming are waited for", async () => {
    await using place = await scripted(async (asked, reply) => {
      const { status, headers, body } = objectAnswer(asked, data.subarray(0, 8));
      await reply.send(headOf(status, headers));
      for (let at = 0; at < body.length; at++) {
        await new Promise((resolve) => setTimeout(resolve, 300));
        await reply.send(body.subarray(at, at + 1));
      }
    }, { stallTimeout: 2000, retries: 0 });
    const read = place.client.file("s3://bucket/key").bytes();
    assertSameBytes(await within(DEADLINE, read), data.subarray(0, 8));
  });
});

describe("a host that does not take connections", () => {
  afterEach(nothingLeft);

  it("is given up after connectTimeout", async () => {
    // A listener whose queue is full: the kernel drops further attempts, as if nobody were there.
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0, tcpBacklog: 1 });
    const { port } = listener.addr;
    const fillers: Socket[] = [];
    try {
      while (await connects(port, fillers)) assert(fillers.length < 100, "the queue never fills");
      using client = new S3Client({
        endpoint: `http://127.0.0.1:${port}`,
        credentials: "anonymous",
        connectTimeout: 300,
        retries: 0,
      });
      const begun = performance.now();
      const error = await within(
        DEADLINE,
        assertRejects(() => client.file("s3://bucket/key").bytes(), TimeoutError),
      );
      const took = performance.now() - begun;
      assert(took >= 290 && took < 10_000, `${took} ms`);
      assertEquals([error.code, error.retryable], ["Timeout", true]);
      assertStringIncludes(error.message, `127.0.0.1:${port}`);
      assertStringIncludes(error.message, "connectTimeout");
    } finally {
      for (const socket of fillers) {
        const closed = new Promise((resolve) => socket.once("close", resolve));
        socket.destroy();
        await closed;
      }
    }
  });
});

/** Whether a connection is taken within a moment. The socket is kept either way. */
async function connects(port: number, kept: Socket[]): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  kept.push(socket);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const taken = await Promise.race([
    new Promise<boolean>((resolve) => socket.once("connect", () => resolve(true))),
    new Promise<boolean>((resolve) => timer = setTimeout(() => resolve(false), 200)),
  ]);
  clearTimeout(timer);
  return taken;
}
