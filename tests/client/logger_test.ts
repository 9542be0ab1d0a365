// What a logger is told: enough to see what happened, of its own client only, and no secret.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  configure,
  DipperError,
  file,
  InvalidInputError,
  LocalS3,
  type LogRecord,
  memory,
  NotFoundError,
  S3Client,
  type S3ClientOptions,
} from "dipper";
import { objectAnswer, ScriptedServer, sendAll } from "../storage/scripted_server.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

/** A server with one object, and the records of a client. */
async function told(
  options: S3ClientOptions,
  work: (client: S3Client, server: LocalS3) => Promise<unknown>,
): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  await using server = await LocalS3.start();
  using client = server.client({ ...options, logger: (record) => records.push(record) });
  await client.createBucket("bucket");
  await client.file("s3://bucket/key").write("content");
  records.length = 0;
  await work(client, server);
  return records;
}

const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" };

function find(records: LogRecord[], target: string, message: string): LogRecord {
  const found = records.find((record) => record.target === target && record.message === message);
  assert(found !== undefined, `${target} ${message} is not among ${Deno.inspect(records)}`);
  return found;
}

describe("a logger", () => {
  it("is told of each request: where to, and how it was answered", async () => {
    const before = Date.now();
    const all = await told({}, (client) => client.file("s3://bucket/key").text());
    // A HEAD for the checksum goes out beside it.
    const records = all.filter(({ fields }) => fields["method"] !== "HEAD");
    const sent = find(records, "dipper::request", "sent");
    const { host, ...fields } = sent.fields;
    assertEquals(fields, { operation: "get", method: "GET", path: "/bucket/key" });
    assert(typeof host === "string" && host.startsWith("127.0.0.1:"));
    assertEquals(sent.level, "debug");
    assert(sent.time.getTime() >= before - 1 && sent.time.getTime() <= Date.now());
    const answered = find(records, "dipper::request", "answered");
    assertEquals(answered.fields["status"], 206);
    assertEquals(typeof answered.fields["requestId"], "string");
    assert(answered.fields["ms"] as number > 0);
    const done = find(records, "dipper::operation", "done");
    assertEquals(done.fields["operation"], "get");
  });

  it("is told before the call returns, in order", async () => {
    const records = await told({}, (client) => client.file("s3://bucket/key").stat());
    assertEquals(records[0]?.message, "started");
    assertEquals(records.at(-1)?.message, "done");
    const times = records.map(({ time }) => time.getTime());
    assertEquals(times, times.toSorted((a, b) => a - b));
  });

  it("is told of a failure, with status and request id", async () => {
    let error: unknown;
    const records = await told({}, async (client) => {
      error = await client.file("s3://bucket/none").bytes().catch((reason) => reason);
    });
    assert(error instanceof NotFoundError);
    const failed = find(records, "dipper::operation", "failed");
    assertEquals(failed.fields["code"], "NoSuchKey");
    assertEquals(failed.fields["status"], 404);
    assertEquals(failed.fields["requestId"], error.requestId);
    assertEquals(failed.fields["uri"], "s3://bucket/none");
  });

  it("is told of requests through the SDK, too", async () => {
    const records = await told(
      { transport: "sdk" },
      async (client) => {
        await client.file("s3://bucket/key").text();
        await client.list("s3://bucket/").toArray();
      },
    );
    const answered = records.filter(({ message }) => message === "answered");
    assert(answered.some(({ fields }) => fields["operation"] === "get"));
    assert(answered.some(({ fields }) => fields["operation"] === "list"));
    for (const { fields } of answered) assert(fields["status"] === 200 || fields["status"] === 206);
  });

  it("is told why a request is sent again", async () => {
    let tries = 0;
    await using server = await ScriptedServer.start((asked, reply) => {
      if (tries++ === 0) {
        return reply.answer(
          503,
          { "x-amz-request-id": "BUSY1" },
          "<Error><Code>SlowDown</Code></Error>",
        );
      }
      return sendAll(reply, objectAnswer(asked, new TextEncoder().encode("content")));
    });
    const records: LogRecord[] = [];
    using client = new S3Client({
      endpoint: server.endpoint,
      region: "us-east-1",
      credentials,
      logger: (record) => records.push(record),
      checksums: "off",
    });
    assertEquals(await client.file("s3://bucket/key").text(), "content");
    const again = find(records, "dipper::retry", "trying again");
    assertEquals(again.level, "warn");
    assertEquals(again.fields["code"], "SlowDown");
    assertEquals(again.fields["status"], 503);
    assertEquals(again.fields["requestId"], "BUSY1");
    assertEquals(typeof again.fields["waitMs"], "number");
  });

  it("is told what becomes of an upload", async () => {
    const records = await told(
      { logLevel: "info" },
      (client) => client.file("s3://bucket/large").write(new Uint8Array(20 * 1024 ** 2)),
    );
    const { fields } = find(records, "dipper::upload", "completed");
    assertEquals([fields["bucket"], fields["key"]], ["bucket", "large"]);
    assertEquals(fields["bytes"], 20 * 1024 ** 2);
    assertEquals(fields["parts"], 3);
  });

  it("is told who gave the credentials", async () => {
    const records: LogRecord[] = [];
    await using server = await LocalS3.start();
    using client = server.client({
      credentials: () => ({ ...server.credentials }),
      logger: (record) => records.push(record),
    });
    await client.buckets();
    const { level, fields } = find(records, "dipper::credentials", "credentials loaded");
    assertEquals([level, typeof fields["provider"]], ["info", "string"]);
  });

  it("is told of the end of a call that was cancelled", async () => {
    await using server = await ScriptedServer.start((_, reply) => reply.silence());
    const records: LogRecord[] = [];
    using client = new S3Client({
      endpoint: server.endpoint,
      credentials,
      logger: (record) => records.push(record),
    });
    const signal = AbortSignal.timeout(100);
    await client.file("s3://bucket/key").bytes({ signal }).catch(() => {});
    find(records, "dipper::operation", "cancelled");
  });

  it("is told of its own client only, and of no other's", async () => {
    await using server = await LocalS3.start();
    const [first, second]: LogRecord[][] = [[], []];
    using one = server.client({ logger: (record) => first!.push(record) });
    using other = server.client({ logger: (record) => second!.push(record), logLevel: "trace" });
    using silent = server.client();
    await one.createBucket("bucket");
    await one.file("s3://bucket/one").write("1");
    await silent.file("s3://bucket/silent").write("3");
    await Promise.all([
      ...Array.from({ length: 20 }, () => one.file("s3://bucket/one").text()),
      ...Array.from({ length: 20 }, () => other.file("s3://bucket/other").exists()),
      ...Array.from({ length: 20 }, () => silent.file("s3://bucket/silent").text()),
    ]);
    const paths = (records: LogRecord[]) =>
      new Set(
        records.filter(({ message }) => message === "answered").map(({ fields }) => fields["path"]),
      );
    assertEquals([...paths(first!)].filter((path) => /other|silent/.test(String(path))), []);
    assert(paths(first!).has("/bucket/one"));
    assertEquals(paths(second!), new Set(["/bucket/other"]));
  });

  it("in a Worker is told of the Worker's client only", async () => {
    await using server = await LocalS3.start();
    const { endpoint, region, credentials } = server;
    const paths = new Set<unknown>();
    using client = server.client({ logger: ({ fields }) => paths.add(fields["path"]) });
    await client.createBucket("bucket");
    await client.file("s3://bucket/here").write("1");
    await client.file("s3://bucket/there").write("2");
    paths.clear();
    const worker = new Worker(import.meta.resolve("./logger_worker.ts"), { type: "module" });
    try {
      const told = new Promise((resolve, reject) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = reject;
      });
      worker.postMessage({ options: { endpoint, region, credentials }, uri: "s3://bucket/there" });
      for (let round = 0; round < 20; round++) await client.file("s3://bucket/here").text();
      assertEquals(await told, ["/bucket/there"]);
    } finally {
      worker.terminate();
    }
    paths.delete(undefined);
    assertEquals(paths, new Set(["/bucket/here"]));
  });

  it("that does not keep up loses records, and is told how many", async () => {
    await using server = await LocalS3.start();
    const records: LogRecord[] = [];
    using client = server.client({ logger: (record) => records.push(record) });
    await client.createBucket("bucket");
    await client.file("s3://bucket/key").write("content");
    records.length = 0;
    const reads = Array.from({ length: 1000 }, () => client.file("s3://bucket/key").stat());
    // They are sent at the end of this turn; then the program is busy.
    await Promise.resolve();
    const until = performance.now() + 3000;
    while (performance.now() < until);
    await Promise.all(reads);
    await client.file("s3://bucket/key").stat();
    const dropped = records.filter(({ target }) => target === "dipper::log");
    assert(dropped.length > 0, `${records.length} records, none dropped`);
    const lost = dropped.reduce((sum, { fields }) => sum + (fields["dropped"] as number), 0);
    assertEquals(dropped.map(({ level }) => level).filter((level) => level !== "warn"), []);
    // Each operation tells at least its start, a request, its answer and its end.
    assert(lost > 0 && records.length - dropped.length + lost >= 4 * 1000, `${lost} lost`);
  });

  it("is told that disposing a client ends its calls", async () => {
    await using server = await ScriptedServer.start((_, reply) => reply.silence());
    const records: LogRecord[] = [];
    const client = new S3Client({
      endpoint: server.endpoint,
      credentials,
      logger: (record) => records.push(record),
    });
    const read = client.file("s3://bucket/key").bytes();
    setTimeout(() => client.dispose(), 50);
    await assertRejects(() => read, InvalidInputError);
    find(records, "dipper::operation", "cancelled");
  });

  it("is told what the SDK tells of itself, when it asks for all", async () => {
    const quiet = await told({ logLevel: "debug" }, (client) => client.buckets());
    assert(quiet.every(({ target }) => target.startsWith("dipper")), Deno.inspect(quiet));
    const all = await told({ logLevel: "trace" }, (client) => client.buckets());
    assert(all.some(({ target }) => target.startsWith("aws_")));
    assert(all.some(({ level }) => level === "trace"));
  });

  it("is told less at lower levels", async () => {
    const info = await told(
      { logLevel: "info" },
      (client) => client.file("s3://bucket/key").text(),
    );
    assertEquals(info.filter(({ level }) => level === "debug" || level === "trace"), []);
  });

  it("may be console, or look like it", async () => {
    const lines: unknown[][] = [];
    const method = (level: string) => (...args: unknown[]) => lines.push([level, ...args]);
    const logger = {
      debug: method("debug"),
      info: method("info"),
      warn: method("warn"),
      error: method("error"),
    };
    await using server = await LocalS3.start();
    using client = server.client({ logger, logLevel: "trace" });
    await client.buckets();
    const [level, message, fields] = lines.find(([, message]) =>
      message === "dipper::request answered"
    ) as [string, string, Record<string, unknown>];
    assertEquals([level, message, fields["status"]], ["debug", "dipper::request answered", 200]);
    new S3Client({ logger: console }).dispose();
  });

  it("may be set by configure", async () => {
    const records: LogRecord[] = [];
    configure({
      endpoint: "http://127.0.0.1:1",
      credentials,
      retries: 0,
      logger: (record) => records.push(record),
    });
    await assertRejects(() => file("s3://bucket/key").bytes(), DipperError);
    configure({});
    find(records, "dipper::operation", "failed");
  });

  it("harms nothing when it throws, or rejects", async () => {
    await using server = await LocalS3.start();
    let called = 0;
    const loggers = [
      () => {
        called++;
        throw new Error("the logger fails");
      },
      async () => {
        called++;
        await Promise.resolve();
        throw new Error("the logger fails later");
      },
    ];
    for (const logger of loggers) {
      const before = called;
      using client = server.client({ logger });
      await client.buckets();
      assertEquals((await client.buckets()).length, 0);
      assert(called > before);
    }
  });

  it("may use the client that it listens to", async () => {
    await using server = await LocalS3.start();
    let nested: Promise<unknown> | undefined;
    using client = server.client({
      logger: () => {
        nested ??= client.buckets();
      },
    });
    await client.buckets();
    assertEquals(await nested, []);
  });

  it("is refused when it cannot be called", () => {
    const wrong: unknown[] = [5, "console", {}, { debug() {}, info() {}, warn() {} }, null, []];
    for (const logger of wrong) {
      assertThrows(
        () => new S3Client({ logger: logger as () => void }),
        InvalidInputError,
        "logger",
      );
    }
    for (const logLevel of ["verbose", 3, ""]) {
      assertThrows(
        () => new S3Client({ logLevel: logLevel as "info" }),
        InvalidInputError,
        "logLevel",
      );
    }
  });
});

describe("what a logger is told holds no credential", () => {
  const canaries = {
    accessKeyId: "AKIACANARYID42",
    secretAccessKey: "canary/secret+key/42",
    sessionToken: "canary-session-token-42",
  };
  const spellings = Object.values(canaries).flatMap((secret) => [
    secret,
    encodeURIComponent(secret),
    btoa(secret),
  ]);

  const given = () => ({ ...canaries, expiration: new Date(Date.now() + 3_600_000) });
  const ways = [["direct", canaries], ["sdk", canaries], ["direct", given], [
    "sdk",
    given,
  ]] as const;
  for (const [transport, credentials] of ways) {
    const source = typeof credentials === "function" ? "a function" : "the options";
    it(`whatever is done, by the way ${transport}, with keys of ${source}`, async () => {
      const records: LogRecord[] = [];
      const echo = Object.values(canaries).join(" ");
      await using server = await ScriptedServer.start((asked, reply, index) =>
        reply.answer(
          [400, 403, 404, 500, 301][index % 5]!,
          { "x-amz-request-id": "R1", "set-cookie": canaries.sessionToken },
          asked.method === "HEAD"
            ? ""
            : `<Error><Code>AccessDenied</Code><Message>${echo} ${
              asked.headers.get("authorization")
            }</Message></Error>`,
        )
      );
      using client = new S3Client({
        endpoint: server.endpoint,
        region: "us-east-1",
        credentials,
        retries: 1,
        transport,
        logger: (record) => records.push(record),
        logLevel: "trace",
      });
      const object = client.file("s3://bucket/key");
      const signed = await object.presign();
      const page = client.file(signed as `http://${string}`);
      const calls = [
        () => object.bytes(),
        () => object.stat(),
        () => object.write("x", { metadata: { a: "b" } }),
        () => object.delete(),
        () => object.copyTo("s3://bucket/copy"),
        () => client.list("s3://bucket/").toArray(),
        () => client.buckets(),
        () => client.createBucket("bucket"),
        () => page.bytes(),
        () => object.presign({ method: "PUT", contentType: "text/csv" }),
      ];
      for (const call of calls) await call().then(() => {}, () => {});
      assert(records.length > 50, `${records.length} records`);
      assert(records.some(({ target }) => target.startsWith("aws_")));
      const seen = records.map((record) => JSON.stringify(record));
      const signature = new URL(signed).searchParams.get("X-Amz-Signature")!;
      for (const secret of [...spellings, signature, "AWS4-HMAC-SHA256 Credential"]) {
        const line = seen.find((line) => line.includes(secret));
        assertEquals(line?.replaceAll(secret, "<here>"), undefined);
      }
    });
  }
});

describe("without a logger", () => {
  it("nothing is printed, whatever the environment asks for", async () => {
    const program = `
      import { LocalS3 } from ${JSON.stringify(import.meta.resolve("../../mod.ts"))};
      await using server = await LocalS3.start();
      using client = server.client();
      using silent = server.client({ logger: () => {}, logLevel: "trace" });
      await client.createBucket("bucket");
      await silent.file("s3://bucket/key").write("x");
      await client.file("s3://bucket/none").bytes().catch(() => {});
    `;
    const path = await Deno.makeTempFile({ suffix: ".ts" });
    await Deno.writeTextFile(path, program);
    try {
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "--quiet", "--allow-all", path],
        env: { RUST_LOG: "trace", NO_COLOR: "1" },
      }).output();
      const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
      assertEquals([code, text(stdout), text(stderr).replace(/^.*deno.*\n/gim, "")], [0, "", ""]);
    } finally {
      await Deno.remove(path);
    }
  });
});
