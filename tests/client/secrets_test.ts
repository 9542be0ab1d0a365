// No secret anywhere: keys that are easy to find are given to everything that takes keys, and
// looked for in everything that dipper shows, throws or keeps in sight.

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { configure, file, list, LocalS3, memory, RustBuffer, S3Client } from "dipper";
import { objectAnswer, ScriptedServer, sendPart } from "../storage/scripted_server.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const CANARIES = {
  accessKeyId: "AKIACANARYID42",
  secretAccessKey: "canary/secret+key/42",
  sessionToken: "canary-session-token-42",
};
/** Everything that must not show, also when it is encoded for a URL, JSON, or base64. */
const SPELLINGS = Object.values(CANARIES).flatMap((secret) => [
  secret,
  encodeURIComponent(secret),
  btoa(secret),
]);

/** All that can be seen of a value: texts, JSON, inspection, displays, own properties. */
async function sightsOf(value: unknown): Promise<string> {
  const texts = [
    Deno.inspect(value),
    Deno.inspect(value, { showHidden: true, depth: 10, getters: true, iterableLimit: 1000 }),
    String(value),
    JSON.stringify(value) ?? "",
  ];
  for (let at = value; typeof at === "object" && at !== null; at = Object.getPrototypeOf(at)) {
    for (const name of Reflect.ownKeys(at)) {
      texts.push(String(name));
      const property = Object.getOwnPropertyDescriptor(at, name);
      if (property !== undefined && "value" in property) texts.push(Deno.inspect(property.value));
    }
  }
  if (value instanceof Error) {
    texts.push(value.message, value.stack ?? "", Deno.inspect(value.cause, { showHidden: true }));
  }
  const display = (value as Record<symbol, unknown> | null)?.[Symbol.for("Jupyter.display")];
  if (typeof display === "function") texts.push(await displayed(() => display.call(value)));
  try {
    texts.push(Deno.inspect(structuredClone(value)));
  } catch {
    // Not everything can be cloned.
  }
  return texts.join("\n");
}

/** A display's bundle, or the sights of the error that a notebook shows in its place. */
async function displayed(display: () => unknown): Promise<string> {
  try {
    return JSON.stringify(await display());
  } catch (error) {
    return await sightsOf(error);
  }
}

async function assertNoSecret(value: unknown, what: string): Promise<void> {
  const seen = await sightsOf(value);
  for (const secret of SPELLINGS) {
    const at = seen.indexOf(secret);
    assert(at === -1, `${what} shows a secret: …${seen.slice(Math.max(0, at - 80), at)}<here>`);
  }
}

/** Every way to fail, and what came of it. */
async function failures(client: S3Client): Promise<Map<string, unknown>> {
  const object = client.file("s3://bucket/key");
  const calls: Record<string, () => unknown> = {
    bytes: () => object.bytes(),
    slice: () => object.slice(1, 2).bytes(),
    into: () => object.into(new Uint8Array(1)),
    text: () => object.text(),
    stat: () => object.stat(),
    exists: () => object.exists(),
    write: () => object.write("x", { metadata: { a: "b" } }),
    "write under a condition": () => object.write("x", { ifMatch: '"no"' }),
    delete: () => object.delete(),
    list: () => client.list("s3://bucket/").toArray(),
    get: () => client.get("s3://bucket/missing"),
    buckets: () => client.buckets(),
    diagnose: () => client.diagnose("s3://bucket/key"),
    createBucket: () => client.createBucket("bucket"),
    deleteBucket: () => client.deleteBucket("bucket"),
    "a bad URI": () => client.file("s3:/typo"),
    "a bad bucket": () => client.createBucket("b"),
    "a bad body": () => object.write(7 as unknown as string),
    "bad metadata": () => object.write("x", { metadata: { "no name": "x" } }),
    aborted: () => object.bytes({ signal: AbortSignal.timeout(0) }),
  };
  const ends = new Map<string, unknown>();
  for (const [name, call] of Object.entries(calls)) {
    try {
      ends.set(name, await call());
    } catch (error) {
      ends.set(name, error);
    }
  }
  return ends;
}

async function assertClientIsSilent(client: S3Client, what: string): Promise<Map<string, unknown>> {
  const shown: Record<string, unknown> = {
    client,
    file: client.file("s3://bucket/key"),
    slice: client.file("s3://bucket/key").slice(1),
    listing: client.list("s3://bucket/"),
  };
  for (const [name, value] of Object.entries(shown)) {
    await assertNoSecret(value, `${what}: ${name}`);
  }
  const ends = await failures(client);
  for (const [name, value] of ends) await assertNoSecret(value, `${what}: ${name}`);
  return ends;
}

function errorsIn(ends: Map<string, unknown>): number {
  return [...ends.values()].filter((end) => end instanceof Error).length;
}

describe("given credentials are not shown", () => {
  it("by the check itself: it finds what is there", async () => {
    const hidden = Object.defineProperty({}, "deep", {
      value: { secret: CANARIES.secretAccessKey },
    });
    for (const value of [new Error(CANARIES.sessionToken), { a: [CANARIES.accessKeyId] }, hidden]) {
      assertEquals(await assertNoSecret(value, "it").then(() => "unseen", () => "seen"), "seen");
    }
  });

  it("when the server does not know them", async () => {
    await using server = await LocalS3.start();
    using client = server.client({ credentials: CANARIES });
    assertEquals(errorsIn(await assertClientIsSilent(client, "unknown")), 19);
    await assertNoSecret(server, "server");
  });

  it("when nobody listens, nothing resolves, or nobody answers", async () => {
    await using silent = await ScriptedServer.start((_, reply) => reply.silence());
    for (
      const endpoint of ["http://127.0.0.1:1", "http://no-such-host.invalid", silent.endpoint]
    ) {
      using client = new S3Client({
        endpoint,
        credentials: CANARIES,
        retries: 0,
        stallTimeout: 50,
        connectTimeout: 500,
      });
      assertEquals(errorsIn(await assertClientIsSilent(client, endpoint)), 19, endpoint);
    }
  });

  it("when the server says back what it was sent", async () => {
    const echo = `${CANARIES.accessKeyId} ${CANARIES.sessionToken}`;
    for (const status of [400, 403, 404, 409, 412, 500]) {
      for (const code of ["InvalidArgument", "SignatureDoesNotMatch", "NoSuchKey"]) {
        await using server = await ScriptedServer.start((asked, reply) => {
          const token = asked.headers.get("x-amz-security-token") ?? "";
          const body = `<Error><Code>${code}</Code><Message>${echo} ${token} ${
            asked.headers.get("authorization")
          }</Message><AWSAccessKeyId>${CANARIES.accessKeyId}</AWSAccessKeyId></Error>`;
          return reply.answer(
            status,
            { "x-amz-request-id": "R1" },
            asked.method === "HEAD" ? "" : body,
          );
        });
        using client = new S3Client({
          endpoint: server.endpoint,
          credentials: CANARIES,
          retries: 0,
        });
        await assertClientIsSilent(client, `echo ${status} ${code}`);
      }
    }
  });

  it("when the connection breaks in the middle", async () => {
    await using server = await ScriptedServer.start(async (asked, reply) => {
      await sendPart(reply, objectAnswer(asked, new Uint8Array(1000)), 10);
      reply.close();
    });
    using client = new S3Client({ endpoint: server.endpoint, credentials: CANARIES, retries: 0 });
    await assertClientIsSilent(client, "broken");
  });

  it("when the client was disposed", async () => {
    const client = new S3Client({ endpoint: "http://127.0.0.1:1", credentials: CANARIES });
    client.dispose();
    await assertClientIsSilent(client, "disposed");
  });

  it("by the module's own client", async () => {
    configure({ endpoint: "http://127.0.0.1:1", credentials: CANARIES, retries: 0 });
    await assertNoSecret(file("s3://bucket/key"), "file()");
    await assertNoSecret(list("s3://bucket/"), "list()");
    const error = await file("s3://bucket/key").bytes().catch((reason) => reason);
    assert(error instanceof Error);
    await assertNoSecret(error, "its error");
    configure({});
  });

  it("in refusals of options that hold them", async () => {
    const { accessKeyId, secretAccessKey, sessionToken } = CANARIES;
    const wrong: unknown[] = [
      { credentials: { accessKeyId, secretAccessKey: [secretAccessKey] } },
      { credentials: { accessKeyId, secretAccessKey: `${secretAccessKey}\n` } },
      { credentials: { accessKeyId, secretAccessKey, sessionToken: 7 } },
      { credentials: `${accessKeyId}:${secretAccessKey}` },
      { credentials: [accessKeyId, secretAccessKey, sessionToken] },
      { accessKeyId, secretAccessKey },
      { endpoint: `http://${accessKeyId}:${encodeURIComponent(secretAccessKey)}@host` },
      { endpoint: `http://host/?token=${sessionToken}` },
      { endpoint: `://${secretAccessKey}` },
      { profile: { secretAccessKey } },
      { region: secretAccessKey },
      { caCertificates: [secretAccessKey] },
    ];
    for (const options of wrong) {
      try {
        new S3Client(options as object);
        assert(false, `${Object.keys(options as object)} was taken`);
      } catch (error) {
        await assertNoSecret(error, Object.keys(options as object).join());
      }
    }
  });
});

describe("credentials that were asked for are not shown", () => {
  /** What servers say: nothing of them, or all that they were sent. */
  const echo = (): Promise<ScriptedServer> =>
    ScriptedServer.start(async (asked, reply) => {
      const sent = [...asked.headers].map(([name, value]) => `${name}: ${value}`).join(" ");
      const { accessKeyId, secretAccessKey, sessionToken } = CANARIES;
      const words = `${accessKeyId} ${secretAccessKey} ${sessionToken} ${sent}`.replaceAll("<", "");
      const body = `<Error><Code>InvalidArgument</Code><Message>${words}</Message></Error>`;
      await reply.answer(400, { "x-amz-request-id": "R" }, asked.method === "HEAD" ? "" : body);
    });

  it("when a function gave them, in errors, diagnoses and logs", async () => {
    await using server = await echo();
    const told: unknown[] = [];
    using client = new S3Client({
      endpoint: server.endpoint,
      credentials: () => Promise.resolve(CANARIES),
      retries: 0,
      logger: (record) => void told.push(record),
      logLevel: "trace",
    });
    await assertClientIsSilent(client, "a function");
    assert(told.length > 20, `${told.length} records`);
    await assertNoSecret(told, "the log");
  });

  it("when what a function gave is refused", async () => {
    await using server = await echo();
    for (
      const gives of [
        () => ({ ...CANARIES, secretAccessKey: 7 as unknown as string }),
        () => ({ ...CANARIES, accessKeyId: `${CANARIES.accessKeyId} ` }),
        () => ({ ...CANARIES, expiration: CANARIES.sessionToken as unknown as Date }),
        () => ({ ...CANARIES, expiration: new Date(0) }),
      ]
    ) {
      const told: unknown[] = [];
      using client = new S3Client({
        endpoint: server.endpoint,
        credentials: gives,
        logger: (record) => void told.push(record),
        logLevel: "trace",
      });
      const diagnosis = await client.diagnose("s3://bucket/key");
      assertEquals(diagnosis.errors.length, 1);
      await assertNoSecret(diagnosis, "a diagnosis");
      await assertNoSecret(diagnosis.errors[0], "its error");
      await assertNoSecret(told, "the log");
    }
  });
});

describe("the embedded server's credentials", () => {
  it("are there for who asks, and are not shown otherwise", async () => {
    await using server = await LocalS3.start();
    const { accessKeyId, secretAccessKey } = server.credentials;
    assert(accessKeyId.length >= 8 && secretAccessKey.length >= 16);
    // The getter is public; inspecting with getters is to ask for it.
    const shown = [
      Deno.inspect(server, { showHidden: true, depth: 10 }),
      String(server),
      JSON.stringify(server),
      ...Reflect.ownKeys(server).map((name) => Deno.inspect(Reflect.get(server, name))),
    ].join("\n");
    assert(!shown.includes(secretAccessKey), "the server shows its secret");
    assert(!shown.includes(accessKeyId), "the server shows its key id");
    using client = server.client();
    for (const value of [client, client.file("s3://bucket/key"), client.list("s3://bucket/")]) {
      assert(!(await sightsOf(value)).includes(secretAccessKey));
    }
    await client.createBucket("bucket");
    const error = await client.createBucket("bucket").catch((reason) => reason);
    assert(error instanceof Error && !(await sightsOf(error)).includes(secretAccessKey));
  });
});

describe("a display", () => {
  it("of an object, a listing, buckets and memory holds no credential", async () => {
    await using server = await LocalS3.start();
    const secrets = Object.values(server.credentials);
    using client = server.client();
    await client.createBucket("bucket");
    const object = client.file("s3://bucket/key.txt");
    await object.write("content");
    using buffer = new RustBuffer(4);
    const values = {
      object,
      stat: await object.stat(),
      bytes: await object.bytes(),
      listing: client.list("s3://bucket/"),
      missing: client.file("s3://bucket/missing"),
      buckets: await client.buckets(),
      memory: memory(),
      buffer,
    };
    for (const [name, value] of Object.entries(values)) {
      const display = Reflect.get(value, Symbol.for("Jupyter.display")) as () => unknown;
      assertEquals(typeof display, "function", name);
      const shown = JSON.stringify(await display.call(value));
      assert(shown.length > 20, name);
      for (const secret of secrets) assert(!shown.includes(secret), name);
    }
  });
});
