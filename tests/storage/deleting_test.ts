// Deleting many objects: on both servers, and against a scripted server that shows the requests
// and answers with partial failures.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  AccessDeniedError,
  InvalidInputError,
  memory,
  NetworkError,
  NotFoundError,
  S3Client,
  type Source,
  TransferError,
  type TransferProgress,
  UnsupportedError,
} from "dipper";
import { type Asked, type Reply, ScriptedServer, within } from "./scripted_server.ts";
import { bucketName, everyWay } from "./servers.ts";

memory();

everyWay("deleteMany", (at) => {
  it("deletes a listing while it is read, in batches", async () => {
    const { client } = at();
    const bucket = bucketName();
    await client.createBucket(bucket);
    const keys = Array.from({ length: 1203 }, (_, index) => `folder/${index}`);
    const write = (key: string) => client.file({ bucket, key }).write(key);
    for (let first = 0; first < keys.length; first += 200) {
      await Promise.all(keys.slice(first, first + 200).map(write));
    }
    await client.file({ bucket, key: "kept" }).write("kept");
    const report = await client.deleteMany(client.list(`s3://${bucket}/folder/`));
    assertEquals([report.operation, report.deleted, report.failures], ["deleteMany", 1203, []]);
    assertEquals([report.transferred, report.bytes, report.dryRun], [0, 0, false]);
    assert(report.milliseconds > 0);
    const left = await client.list(`s3://${bucket}/`).toArray();
    assertEquals(left.map(({ uri }) => uri), [`s3://${bucket}/kept`]);
    await client.deleteMany(left);
    await client.deleteBucket(bucket);
  });

  it("deletes keys that XML cannot hold, or not as they are", async () => {
    const { client, server } = at();
    const bucket = bucketName();
    await client.createBucket(bucket);
    const keys = [" ends with space ", "<&>'\"]]>", "new\nline", "carriage\rreturn", "é/💧", "%41"];
    if (server === "LocalS3") keys.push("bell\u0007", "a//b", "../x", "\u0000nul", "\uFFFE");
    for (const key of keys) await client.file({ bucket, key }).write(key);
    await client.file({ bucket, key: "A" }).write("another than %41");
    const { deleted } = await client.deleteMany(keys.map((key) => ({ bucket, key })));
    assertEquals(deleted, keys.length);
    const left = await client.list(`s3://${bucket}/`).toArray();
    assertEquals(left.map(({ uri }) => uri), [`s3://${bucket}/A`]);
    await client.file({ bucket, key: "A" }).delete();
    await client.deleteBucket(bucket);
  });

  it("counts what does not exist, as S3 does, and names that stand twice", async () => {
    const { client, uri } = at();
    await client.file(uri("twice")).write("x");
    const sources = [uri("twice"), uri("missing"), client.file(uri("twice"))];
    assertEquals((await client.deleteMany(sources)).deleted, 3);
    assertEquals(await client.file(uri("twice")).exists(), false);
    assertEquals((await client.deleteMany([])).deleted, 0);
  });

  it("reports each object of a bucket that is missing, and deletes the others", async () => {
    const { client, uri } = at();
    const missing = bucketName();
    await client.file(uri("a")).write("x");
    const error = await assertRejects(
      () => client.deleteMany([`s3://${missing}/1`, uri("a"), `s3://${missing}/2`]),
      TransferError,
      missing,
    );
    assertEquals([error.code, error.operation, error.retryable], [
      "TransferFailed",
      "deleteMany",
      false,
    ]);
    const { deleted, failures } = error.report;
    assertEquals(deleted, 1);
    assertEquals(failures.map((failure) => failure.uri), [
      `s3://${missing}/1`,
      `s3://${missing}/2`,
    ]);
    for (const failure of failures) assert(failure.error instanceof NotFoundError);
    assertEquals(await client.file(uri("a")).exists(), false);
  });
});

describe("deleteMany asks", () => {
  it("for up to a thousand at once, several requests at a time", async () => {
    const asked: string[][] = [];
    const lines = new Set<string>();
    let running = 0;
    let most = 0;
    await using server = await ScriptedServer.start(async (request, reply) => {
      most = Math.max(most, ++running);
      const names = namesOf(request);
      asked.push(names.map(({ key }) => key));
      lines.add(`${request.method} ${request.path}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
      running--;
      await answer(reply, names.map(deleted));
    });
    using client = clientOf(server);
    const uris = Array.from({ length: 4500 }, (_, index) => `s3://bkt/${index}`);
    const report = await within(20_000, client.deleteMany(uris));
    assertEquals(report.deleted, 4500);
    assertEquals(asked.map((batch) => batch.length).sort(), [1000, 1000, 1000, 1000, 500]);
    assertEquals(asked.flat().sort(), uris.map((uri) => uri.slice(9)).sort());
    assertEquals([...lines], ["POST /bkt/?delete"]);
    assert(most >= 3, `${most} at a time`);
  });

  it("and tells how many of how many are done", async () => {
    await using server = await ScriptedServer.start(async (request, reply) => {
      const names = namesOf(request);
      await new Promise((resolve) => setTimeout(resolve, 120));
      await answer(
        reply,
        names.map((name) =>
          name.key.includes("7") ? failed(name.key, "AccessDenied") : deleted(name)
        ),
      );
    });
    using client = clientOf(server);
    const uris = Array.from({ length: 4500 }, (_, index) => `s3://bkt/${index}`);
    const sources = {
      array: uris,
      iterable: (function* () {
        yield* uris;
      })(),
    };
    for (const [kind, source] of Object.entries(sources)) {
      const seen: TransferProgress[] = [];
      const report = await client.deleteMany(source, {
        onError: "collect",
        onProgress: (now) => void seen.push(now),
      });
      assertEquals(report.deleted + report.failures.length, 4500);
      assert(report.failures.length > 0);
      const last = seen.at(-1)!;
      assertEquals([last.files, last.totalFiles, last.bytes], [4500, 4500, 0], kind);
      assert(seen.length > 1, kind);
      assert(seen.every(({ files }, at) => at === 0 || files >= seen[at - 1]!.files));
      if (kind === "array") assert(seen.every(({ totalFiles }) => totalFiles === 4500));
    }
    const reason = new Error("from the listener");
    const call = () =>
      client.deleteMany(uris, {
        onProgress: () => {
          throw reason;
        },
      });
    assertEquals(await assertRejects(call), reason);
  });

  it("for the versions that are named", async () => {
    let body = "";
    await using server = await ScriptedServer.start(async (request, reply) => {
      body = text(request);
      await answer(reply, namesOf(request).map(deleted));
    });
    using client = clientOf(server);
    const entry = {
      uri: "s3://bkt/k",
      key: "k",
      size: 1,
      lastModified: new Date(),
      versionId: "v1",
    };
    const file = client.file("s3://bkt/k", { versionId: "v2" });
    const report = await client.deleteMany([entry, file, "s3://bkt/k"]);
    assertEquals(report.deleted, 3);
    const names = "<Object><Key>k</Key><VersionId>v1</VersionId></Object>" +
      "<Object><Key>k</Key><VersionId>v2</VersionId></Object><Object><Key>k</Key></Object>";
    assertStringIncludes(body, names);
  });

  it("for no more than fits, whatever the source holds", async () => {
    let read = 0;
    let acknowledged = 0;
    let most = 0;
    await using server = await ScriptedServer.start(async (request, reply) => {
      const names = namesOf(request);
      acknowledged += names.length;
      await answer(reply, names.map(deleted));
    });
    function* endless(): Generator<string> {
      while (read < 60_000) {
        most = Math.max(most, read - acknowledged);
        yield `s3://bkt${read % 3}/${read++}`;
      }
    }
    using client = clientOf(server);
    assertEquals((await client.deleteMany(endless())).deleted, 60_000);
    assert(most <= 20_000, `${most} were read and not deleted`);
  });

  it("for what a slow source brought, without waiting for a thousand", async () => {
    let asked = 0;
    await using server = await ScriptedServer.start(async (request, reply) => {
      asked++;
      await answer(reply, namesOf(request).map(deleted));
    });
    using client = clientOf(server);
    const { promise: over, resolve: end } = Promise.withResolvers<void>();
    async function* slow(): AsyncGenerator<string> {
      yield "s3://bkt/1";
      yield "s3://bkt/2";
      await over;
      yield "s3://bkt/3";
    }
    const call = client.deleteMany(slow());
    while (asked === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    end();
    assertEquals((await within(10_000, call)).deleted, 3);
    assertEquals(asked, 2);
  });
});

describe("deleteMany reports", () => {
  it("what was refused, what failed for good, and what was left out of the answer", async () => {
    let requests = 0;
    await using server = await ScriptedServer.start(async (request, reply) => {
      requests++;
      const names = namesOf(request);
      await answer(
        reply,
        names.flatMap(({ key }) => {
          if (key === "refused") return [failed(key, "AccessDenied")];
          if (key === "broken") return [failed(key, "InternalError")];
          if (key === "once" && requests === 1) return [failed(key, "SlowDown")];
          return key === "forgotten" ? [] : [deleted({ key })];
        }),
      );
    });
    using client = clientOf(server, { retries: 2 });
    const keys = ["refused", "a", "broken", "once", "forgotten", "b"];
    const uris = keys.map((key) => `s3://bkt/${key}`);
    const report = await client.deleteMany(uris, { onError: "collect" });
    assertEquals(report.deleted, 3);
    const told = new Map(report.failures.map(({ uri, error }) => [uri, error]));
    assertEquals([...told.keys()].sort(), [
      "s3://bkt/broken",
      "s3://bkt/forgotten",
      "s3://bkt/refused",
    ]);
    const refused = told.get("s3://bkt/refused")!;
    assert(refused instanceof AccessDeniedError);
    assertStringIncludes(
      refused.message,
      "refuses unsigned requests s3:DeleteObject on s3://bkt/ref",
    );
    assertEquals([refused.uri, refused.requestId], ["s3://bkt/refused", "SCRIPTED"]);
    assert(told.get("s3://bkt/broken") instanceof NetworkError);
    assertStringIncludes(told.get("s3://bkt/forgotten")!.message, "did not say what became of");
    // The first batch, and twice what may be tried again.
    assertEquals(requests, 3);

    const error = await assertRejects(() => client.deleteMany(uris), TransferError);
    assertStringIncludes(error.message, "deleteMany: 3 of 6 failed: ");
    assertStringIncludes(error.message, 'onError: "collect"');
    assertEquals([error.report.deleted, error.report.failures.length], [3, 3]);
    assertStringIncludes(Deno.inspect(error.report), "3 failed");
  });

  it("a refused batch once for each of its objects", async () => {
    await using server = await ScriptedServer.start((_, reply) =>
      reply.answer(403, XML, "<Error><Code>AccessDenied</Code></Error>")
    );
    using client = clientOf(server);
    const report = await client.deleteMany(["s3://bkt/1", "s3://bkt/2"], { onError: "collect" });
    assertEquals(report.failures.map(({ uri }) => uri), ["s3://bkt/1", "s3://bkt/2"]);
    assertStringIncludes(report.failures[0]!.error.message, "s3:DeleteObject on s3://bkt/");
  });

  it("an answer of success that holds an error", async () => {
    await using server = await ScriptedServer.start((_, reply) =>
      reply.answer(200, XML, "<Error><Code>AccessDenied</Code></Error>")
    );
    using client = clientOf(server);
    const { failures, deleted } = await client.deleteMany(["s3://bkt/1"], { onError: "collect" });
    assertEquals([failures.length, deleted], [1, 0]);
  });

  it("what an answer that breaks off does not tell", async () => {
    await using server = await ScriptedServer.start((_, reply) =>
      reply.answer(200, XML, "<DeleteResult><Deleted><Key>1</Key></Deleted><Del")
    );
    using client = clientOf(server, { retries: 0 });
    const uris = ["s3://bkt/1", "s3://bkt/2"];
    const { failures, deleted } = await client.deleteMany(uris, { onError: "collect" });
    assertEquals([failures.map(({ uri }) => uri), deleted], [["s3://bkt/2"], 1]);
  });

  it("what cannot be meant, and sends the others", async () => {
    await using server = await ScriptedServer.start(async (request, reply) => {
      await answer(reply, namesOf(request).map(deleted));
    });
    using client = clientOf(server);
    const bad: Source[] = [
      "s3://bkt/",
      "http://user:canary@h/x",
      "http://127.0.0.1:1/x?canary",
      "/tmp/x",
      "nothing",
      { uri: "s3://bkt/folder/", prefix: "folder/" },
      client.file("s3://bkt/k").slice(1),
      null as unknown as string,
    ];
    const report = await client.deleteMany([...bad, "s3://bkt/good"], { onError: "collect" });
    assertEquals([report.deleted, report.failures.length], [1, bad.length]);
    for (const { error } of report.failures) assert(error instanceof InvalidInputError);
    assert(!Deno.inspect(report.failures, { depth: 9 }).includes("canary"));
  });
});

describe("deleteMany ends", () => {
  it("with one by one, where a server has no batches", async () => {
    for (
      const [status, code] of [[501, "NotImplemented"], [400, "MissingContentMD5"]] as const
    ) {
      const singles: string[] = [];
      await using server = await ScriptedServer.start(async (request, reply) => {
        if (request.method === "POST") {
          return await reply.answer(status, XML, `<Error><Code>${code}</Code></Error>`);
        }
        singles.push(`${request.method} ${request.path.split("?")[0]}`);
        await reply.answer(204, {});
      });
      using client = clientOf(server);
      assertEquals((await client.deleteMany(["s3://bkt/1", "s3://bkt/2"])).deleted, 2);
      assertEquals(singles.sort(), ["DELETE /bkt/1", "DELETE /bkt/2"]);
    }
  });

  it("with UnsupportedError for each where a server deletes nothing", async () => {
    await using server = await ScriptedServer.start((_, reply) =>
      reply.answer(501, XML, "<Error><Code>NotImplemented</Code></Error>")
    );
    using client = clientOf(server);
    const { failures } = await client.deleteMany(["s3://bkt/1"], { onError: "collect" });
    assert(failures[0]!.error instanceof UnsupportedError);
  });

  it("before anything is sent, for what is no list and no option", async () => {
    using client = new S3Client({ endpoint: "http://127.0.0.1:1", credentials: "anonymous" });
    for (
      const sources of ["s3://bkt/k", null, 7, new URL("s3://bkt/k")] as unknown[] as Source[][]
    ) {
      await assertRejects(() => client.deleteMany(sources), InvalidInputError, "no list");
    }
    const onError = "ignore" as "collect";
    await assertRejects(() => client.deleteMany([], { onError }), InvalidInputError, "onError");
  });

  it("with the signal's reason, and leaves the source", async () => {
    await using server = await ScriptedServer.start((_, reply) => reply.silence());
    using client = clientOf(server);
    const stop = new AbortController();
    const reason = new Error("enough");
    let left = false;
    async function* source(): AsyncGenerator<string> {
      try {
        for (let index = 0;; index++) {
          yield `s3://bkt/${index}`;
          if (index % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
        }
      } finally {
        left = true;
      }
    }
    setTimeout(() => stop.abort(reason), 100);
    const call = client.deleteMany(source(), { signal: stop.signal });
    assertEquals(await within(5000, assertRejects(() => call)), reason);
    await new Promise((resolve) => setTimeout(resolve, 10));
    assert(left);
    const early = client.deleteMany(["s3://bkt/1"], { signal: AbortSignal.abort(reason) });
    assertEquals(await assertRejects(() => early), reason);
  });

  it("at once when the source never answers", async () => {
    using client = new S3Client({ endpoint: "http://127.0.0.1:1", credentials: "anonymous" });
    const silent = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) };
    const reason = new Error("enough");
    const stop = new AbortController();
    const call = client.deleteMany(silent, { signal: stop.signal });
    stop.abort(reason);
    assertEquals(await within(2000, assertRejects(() => call)), reason);
  });

  it("with what the source threw, after what was sent", async () => {
    let answered = false;
    await using server = await ScriptedServer.start(async (request, reply) => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      answered = true;
      await answer(reply, namesOf(request).map(deleted));
    });
    using client = clientOf(server);
    const broken = new Error("the source broke");
    async function* source(): AsyncGenerator<string> {
      for (let index = 0; index < 1000; index++) yield `s3://bkt/${index}`;
      await Promise.resolve();
      throw broken;
    }
    assertEquals(await assertRejects(() => client.deleteMany(source())), broken);
    assert(answered);
  });

  it("when its client is disposed", async () => {
    await using server = await ScriptedServer.start((_, reply) => reply.silence());
    const client = clientOf(server);
    const call = client.deleteMany(["s3://bkt/1"]);
    setTimeout(() => client.dispose(), 50);
    const error = await within(5000, assertRejects(() => call, InvalidInputError));
    assertEquals(error.code, "ClientGone");
  });
});

const XML = { "content-type": "application/xml", "x-amz-request-id": "SCRIPTED" };

function clientOf(server: ScriptedServer, more: { retries?: number } = {}): S3Client {
  return new S3Client({ endpoint: server.endpoint, credentials: "anonymous", ...more });
}

function text({ body }: Asked): string {
  return new TextDecoder().decode(body);
}

function namesOf(asked: Asked): { key: string; version?: string }[] {
  const objects = text(asked).matchAll(/<Object>(.*?)<\/Object>/gs);
  return [...objects].map(([, object = ""]) => {
    const key = /<Key>(.*?)<\/Key>/s.exec(object)?.[1] ?? "";
    const version = /<VersionId>(.*?)<\/VersionId>/.exec(object)?.[1];
    return version === undefined ? { key } : { key, version };
  });
}

function deleted({ key, version }: { key: string; version?: string }): string {
  const told = version === undefined ? "" : `<VersionId>${version}</VersionId>`;
  return `<Deleted><Key>${key}</Key>${told}</Deleted>`;
}

function failed(key: string, code: string): string {
  return `<Error><Key>${key}</Key><Code>${code}</Code><Message>told</Message></Error>`;
}

async function answer(reply: Reply, parts: string[]): Promise<void> {
  await reply.answer(200, XML, `<DeleteResult>${parts.join("")}</DeleteResult>`);
}
