// A function that gives credentials: called when they are needed and before they end, once for all
// who need them; what it does wrong becomes a CredentialsError, and the next call tries again.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  AccessDeniedError,
  CredentialsError,
  InvalidInputError,
  LocalS3,
  memory,
  S3Client,
  type S3ClientOptions,
  type TemporaryCredentials,
} from "dipper";
import {
  type Asked,
  objectAnswer,
  ScriptedServer,
  sendAll,
  within,
} from "../storage/scripted_server.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const PATIENCE = 60_000;

/** The access key id that a request was signed with. */
function signer(asked: Asked): string | undefined {
  return /Credential=([^/]+)\//.exec(asked.headers.get("authorization") ?? "")?.[1];
}

/** A server that has one object, and takes every signature. */
function server(data: Uint8Array, slow = 0): Promise<ScriptedServer> {
  return ScriptedServer.start(async (asked, reply) => {
    if (slow > 0) await new Promise((resolve) => setTimeout(resolve, slow));
    await sendAll(reply, objectAnswer(asked, data));
  });
}

/** Gives `id0`, `id1`, …, each for a time. */
function counting(life?: number): { calls: number; give: () => Promise<TemporaryCredentials> } {
  const told = {
    calls: 0,
    give: (): Promise<TemporaryCredentials> => {
      const accessKeyId = `id${told.calls++}`;
      const given: TemporaryCredentials = {
        accessKeyId,
        secretAccessKey: "canary-secret",
        sessionToken: `token-of-${accessKeyId}`,
      };
      if (life !== undefined) given.expiration = new Date(Date.now() + life);
      return Promise.resolve(given);
    },
  };
  return told;
}

const small = new Uint8Array([1, 2, 3]);

describe("a credentials function", () => {
  it("is called at the first request, and once for many that come together", async () => {
    await using s3 = await server(small);
    let calls = 0;
    using client = new S3Client({
      endpoint: s3.endpoint,
      credentials: async () => {
        calls++;
        await new Promise((resolve) => setTimeout(resolve, 50));
        return { accessKeyId: "id", secretAccessKey: "secret", sessionToken: "token" };
      },
    });
    assertEquals(calls, 0);
    const reads = Array.from({ length: 30 }, (_, n) => client.file(`s3://bucket/k${n}`).bytes());
    await within(PATIENCE, Promise.all(reads));
    await client.file("s3://bucket/later").bytes();
    assertEquals(calls, 1);
    for (const asked of s3.asked) {
      assertEquals([signer(asked), asked.headers.get("x-amz-security-token")], ["id", "token"]);
    }
  });

  it("may answer at once, and belongs to its client", async () => {
    await using s3 = await server(small);
    const clients = ["a", "b"].map((accessKeyId) =>
      new S3Client({
        endpoint: s3.endpoint,
        credentials: () => ({ accessKeyId, secretAccessKey: "secret" }),
      })
    );
    await Promise.all(clients.map((client) => client.file("s3://bucket/key").bytes()));
    assertEquals([...new Set(s3.asked.map(signer))].sort(), ["a", "b"]);
    clients.forEach((client) => client.dispose());
  });

  for (const transport of ["direct", "sdk"] as const) {
    it(`is called again before its credentials end, in the middle of a download (${transport})`, async () => {
      const data = crypto.getRandomValues(new Uint8Array(64 * 1024)).slice();
      const whole = new Uint8Array(24 * data.length).map((_, at) => data[at % data.length]!);
      await using s3 = await server(whole, 250);
      const given = counting(2000);
      using client = new S3Client({
        endpoint: s3.endpoint,
        credentials: given.give,
        connections: 1,
        partSize: data.length,
        transport,
      });
      const bytes = await within(60_000, client.file("s3://bucket/key").bytes());
      assertEquals(bytes.length, whole.length);
      assert(bytes.every((byte, at) => byte === whole[at]));
      const signers = [...new Set(s3.asked.map(signer))];
      assert(signers.length >= 3, `signed by ${signers}`);
      // On a busy machine some may end before they sign anything.
      const order = signers.map((id) => Number(id?.slice("id".length)));
      assertEquals([order[0], order], [0, order.toSorted((a, b) => a - b)]);
      // The last ones may have been renewed and not used.
      assert(given.calls <= order.at(-1)! + 3, `called ${given.calls} times`);
    });
  }

  for (const transport of ["direct", "sdk"] as const) {
    it(`is called again when the server calls its credentials expired (${transport})`, async () => {
      await using s3 = await ScriptedServer.start(async (asked, reply) => {
        if (signer(asked) === "id0") {
          const body = "<Error><Code>ExpiredToken</Code><Message>too old</Message></Error>";
          await reply.answer(400, { "x-amz-request-id": "R" }, asked.method === "HEAD" ? "" : body);
        } else {
          await sendAll(reply, objectAnswer(asked, small));
        }
      });
      const given = counting();
      using client = new S3Client({ endpoint: s3.endpoint, credentials: given.give, transport });
      const reads = Array.from({ length: 10 }, (_, n) => client.file(`s3://bucket/${n}`).bytes());
      for (const bytes of await within(PATIENCE, Promise.all(reads))) assertEquals(bytes, small);
      assertEquals(given.calls, 2);
    });
  }

  /** A server that takes uploads in parts, slowly; it refuses whom it is told to. */
  function uploads(slow: number, expired: (id: string, index: number) => boolean) {
    let parts = 0;
    return ScriptedServer.start(async (asked, reply) => {
      const headers = { "x-amz-request-id": "R", "content-type": "application/xml" };
      const query = new URL(`http://h${asked.path}`).searchParams;
      if (expired(signer(asked) ?? "", parts)) {
        const body = "<Error><Code>ExpiredToken</Code><Message>too old</Message></Error>";
        await reply.answer(400, headers, body);
      } else if (asked.method === "POST" && query.has("uploads")) {
        const body = "<InitiateMultipartUploadResult><Bucket>bucket</Bucket><Key>key</Key>" +
          "<UploadId>upload</UploadId></InitiateMultipartUploadResult>";
        await reply.answer(200, headers, body);
      } else if (asked.method === "PUT") {
        parts++;
        await new Promise((resolve) => setTimeout(resolve, slow));
        await reply.answer(200, { ...headers, etag: `"${query.get("partNumber")}"` });
      } else if (asked.method === "POST") {
        const body = "<CompleteMultipartUploadResult><Bucket>bucket</Bucket><Key>key</Key>" +
          `<ETag>"whole-6"</ETag></CompleteMultipartUploadResult>`;
        await reply.answer(200, headers, body);
      } else await reply.answer(204, headers);
    });
  }

  for (const transport of ["direct", "sdk"] as const) {
    it(`is called again in the middle of an upload in parts (${transport})`, async () => {
      await using s3 = await uploads(700, () => false);
      const given = counting(2000);
      using client = new S3Client({
        endpoint: s3.endpoint,
        credentials: given.give,
        connections: 1,
        partSize: 5 << 20,
        transport,
      });
      const data = new Uint8Array(30 << 20);
      await within(60_000, client.file("s3://bucket/key").write(data));
      const parts = s3.asked.filter(({ method }) => method === "PUT");
      assert(parts.length >= 4 && parts.every(({ body }) => body.length <= data.length / 3));
      const signers = [...new Set(s3.asked.map(signer))];
      assert(signers.length >= 2, `signed by ${signers}`);
      // On a busy machine some may end before they sign anything.
      const order = signers.map((id) => Number(id?.slice("id".length)));
      assertEquals([order[0], order], [0, order.toSorted((a, b) => a - b)]);
      assertEquals(signer(s3.asked.at(-1)!), signers.at(-1));
    });

    it(`is called again when the server ends a session between two parts (${transport})`, async () => {
      await using s3 = await uploads(0, (id, parts) => id === "id0" && parts >= 2);
      const given = counting();
      using client = new S3Client({
        endpoint: s3.endpoint,
        credentials: given.give,
        connections: 1,
        partSize: 5 << 20,
        transport,
      });
      await within(60_000, client.file("s3://bucket/key").write(new Uint8Array(20 << 20)));
      assertEquals(given.calls, 2);
      assertEquals(signer(s3.asked.at(-1)!), "id1");
      assert(!s3.asked.some(({ method }) => method === "DELETE"), "the upload was given up");
    });
  }

  it("whose credentials the server keeps calling expired is not called for ever", async () => {
    await using s3 = await ScriptedServer.start((_, reply) =>
      reply.answer(
        400,
        { "x-amz-request-id": "R" },
        "<Error><Code>ExpiredToken</Code><Message>too old</Message></Error>",
      )
    );
    const given = counting();
    using client = new S3Client({ endpoint: s3.endpoint, credentials: given.give, retries: 2 });
    const call = client.file("s3://bucket/key").bytes();
    const error = await assertRejects(() => within(PATIENCE, call), AccessDeniedError);
    assertEquals(error.code, "Expired");
    assert(given.calls < 12, `called ${given.calls} times`);
  });

  it("that fails makes a CredentialsError, and the next call on the client works", async () => {
    await using s3 = await server(small);
    const bad: [() => unknown, string][] = [
      [() => Promise.reject(new Error("the vault is sealed")), "the vault is sealed"],
      [() => {
        throw new TypeError("thrown at once");
      }, "thrown at once"],
      [() => undefined, "no { accessKeyId, secretAccessKey }"],
      [() => ({ accessKeyId: "id", secretAccessKey: 7 }), "no { accessKeyId, secretAccessKey }"],
      [() => ({ accessKeyId: "id", secretAccessKey: "canary\n" }), "no { accessKeyId"],
      [() => ({ accessKeyId: "i d", secretAccessKey: "canary" }), "no request can carry"],
      [() => ({ accessKeyId: "id", secretAccessKey: "canary", sessionToken: 7 }), "sessionToken"],
      [() => ({ accessKeyId: "id", secretAccessKey: "canary", expiration: "soon" }), "no Date"],
      [
        () => ({ accessKeyId: "id", secretAccessKey: "canary", expiration: new Date(NaN) }),
        "no Date",
      ],
      [
        () => ({ accessKeyId: "id", secretAccessKey: "canary", expiration: new Date(1000) }),
        "expired",
      ],
      [() => Promise.reject("a text"), "a text"],
      [() => Promise.reject(Object.create(null)), "cannot be shown"],
      [() => Promise.reject(new Error("\ud800".repeat(9000))), "the credentials function failed"],
    ];
    for (const [fails, words] of bad) {
      let calls = 0;
      using client = new S3Client({
        endpoint: s3.endpoint,
        credentials: () =>
          (calls++ === 0 ? fails() : { accessKeyId: "id", secretAccessKey: "secret" }) as
            | TemporaryCredentials
            | Promise<TemporaryCredentials>,
      });
      const object = client.file("s3://bucket/key");
      const error = await assertRejects(
        () => within(PATIENCE, object.bytes()),
        CredentialsError,
        words,
      );
      assertEquals([error.code, error.uri], ["CredentialsFailed", "s3://bucket/key"]);
      assertStringIncludes(error.message, "credentials function");
      assert(!error.message.includes("canary") && error.message.length < 1500, error.message);
      assertEquals(await within(PATIENCE, object.bytes()), small, words);
      assertEquals(calls, 2);
    }
  });

  it("that never answers is given up after stallTimeout, and called again by the next", async () => {
    await using s3 = await server(small);
    let calls = 0;
    using client = new S3Client({
      endpoint: s3.endpoint,
      stallTimeout: 300,
      credentials: () =>
        calls++ === 0
          ? new Promise(() => {})
          : Promise.resolve({ accessKeyId: "id", secretAccessKey: "secret" }),
    });
    const object = client.file("s3://bucket/key");
    const error = await assertRejects(
      () => within(PATIENCE, object.bytes()),
      CredentialsError,
      "within 300 ms",
    );
    assertStringIncludes(error.message, "stallTimeout");
    assertEquals(await within(PATIENCE, object.bytes()), small);
    assertEquals(calls, 2);
  });

  it("does not hold a call that is cancelled, nor a client that is disposed", async () => {
    await using s3 = await server(small);
    const client = new S3Client({
      endpoint: s3.endpoint,
      credentials: () => new Promise(() => {}),
    });
    const object = client.file("s3://bucket/key");
    const signal = AbortSignal.timeout(100);
    const reason = await within(PATIENCE, object.bytes({ signal }).catch((reason) => reason));
    assertEquals(reason, signal.reason);
    const pending = assertRejects(() => object.bytes(), InvalidInputError, "disposed");
    await new Promise((resolve) => setTimeout(resolve, 50));
    client.dispose();
    await within(PATIENCE, pending);
    assertEquals(s3.asked.length, 0);
  });

  it("still serves the others when the call that came first is cancelled", async () => {
    await using s3 = await server(small);
    let calls = 0;
    let open = () => {};
    using client = new S3Client({
      endpoint: s3.endpoint,
      credentials: () => {
        calls++;
        return new Promise((resolve) => {
          open = () => resolve({ accessKeyId: "id", secretAccessKey: "secret" });
        });
      },
    });
    const object = client.file("s3://bucket/key");
    const stop = new AbortController();
    const first = object.bytes({ signal: stop.signal }).catch((reason) => reason);
    while (calls === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    const second = object.bytes();
    stop.abort("enough");
    assertEquals(await within(PATIENCE, first), "enough");
    open();
    assertEquals(await within(PATIENCE, second), small);
    assertEquals(calls, 1);
  });

  it("works in several Workers", async () => {
    await using s3 = await server(small);
    const program = `
      import { S3Client } from ${JSON.stringify(new URL("../../mod.ts", import.meta.url).href)};
      self.onmessage = async ({ data: { endpoint, id } }) => {
        let calls = 0;
        const client = new S3Client({ endpoint, credentials: async () => {
          calls++;
          await new Promise((resolve) => setTimeout(resolve, 20));
          return { accessKeyId: id, secretAccessKey: "secret" };
        }});
        const object = client.file("s3://bucket/key");
        await Promise.all([object.bytes(), object.bytes(), object.stat()]);
        client.dispose();
        self.postMessage(calls);
      };`;
    const url = URL.createObjectURL(new Blob([program], { type: "text/typescript" }));
    const workers = Array.from({ length: 3 }, () => new Worker(url, { type: "module" }));
    const calls = workers.map((worker, n) =>
      new Promise((resolve, reject) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = (event) => {
          event.preventDefault();
          reject(new Error(event.message));
        };
        worker.postMessage({ endpoint: s3.endpoint, id: `worker${n}` });
      })
    );
    assertEquals(await within(60_000, Promise.all(calls)), [1, 1, 1]);
    workers.forEach((worker) => worker.terminate());
    URL.revokeObjectURL(url);
    assertEquals([...new Set(s3.asked.map(signer))].sort(), ["worker0", "worker1", "worker2"]);
  });

  it("signs what LocalS3 takes, reads and writes alike", async () => {
    await using s3 = await LocalS3.start();
    using client = s3.client({ credentials: () => s3.credentials });
    await client.createBucket("bucket");
    await client.file("s3://bucket/key").write("content");
    assertEquals(await client.file("s3://bucket/key").text(), "content");
    assertEquals((await client.list("s3://bucket/").toArray()).length, 1);
  });
});

describe("credentials that cannot be meant are refused before anything is sent", () => {
  const role = "arn:aws:iam::123456789012:role/reader";
  const wrong: [unknown, string][] = [
    [{ roleArn: "reader" }, "roleArn"],
    [{ roleArn: role, duration: 10 }, "duration"],
    [{ roleArn: role, duration: 901.5 }, "duration"],
    [{ roleArn: role, externalId: "\n" }, "externalId"],
    [{ roleArn: role, sessionName: "a b" }, "sessionName"],
    [{ roleArn: role, colour: "red" }, "colour"],
    [{ roleArn: role, source: "anonymous" }, "incomplete"],
    [{ roleArn: role, source: { accessKeyId: "id" } }, "incomplete"],
    ["profile", "incomplete"],
    [null, "incomplete"],
  ];
  for (const [credentials, words] of wrong) {
    it(JSON.stringify(credentials), () => {
      const options = { credentials } as S3ClientOptions;
      try {
        new S3Client(options);
      } catch (error) {
        assert(error instanceof InvalidInputError);
        assertStringIncludes(error.message, words);
        return;
      }
      throw new Error("it was taken");
    });
  }
});
