// A client's options: what is refused, with what words, and what the accepted ones do.

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  AccessDeniedError,
  configure,
  DipperError,
  InvalidInputError,
  LocalS3,
  memory,
  S3Client,
  type S3ClientOptions,
} from "dipper";
import { assertSameBytes, pattern } from "../storage/bytes.ts";
import { type Asked, ScriptedServer } from "../storage/scripted_server.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const SECRET = "canary-of-options-test";

/** A refusal: what is wrong with an option, and what to do. */
interface Refused {
  options: unknown;
  says: string[];
}

const refused: Record<string, Refused> = {
  "an unknown option": { options: { regoin: "x" }, says: ["no option regoin", "known are region"] },
  "an option of another client": { options: { forcePathStyle: true }, says: ["forcePathStyle"] },
  "an option of issue-tracker fame": { options: { accessKeyId: SECRET }, says: ["accessKeyId"] },
  "a region that is no text": { options: { region: 7 }, says: ["region is not a text"] },
  "an empty region": { options: { region: "" }, says: ["region is not a text", "non-empty"] },
  "a region that is a host": { options: { region: "evil.example/" }, says: ["eu-central-1"] },
  "an overlong region": { options: { region: "r".repeat(64) }, says: ["region"] },
  "an endpoint without a scheme": {
    options: { endpoint: "127.0.0.1:9000" },
    says: ["endpoint is not an http or https address", "http://127.0.0.1:9000"],
  },
  "an endpoint of another scheme": { options: { endpoint: "ftp://host" }, says: ["endpoint"] },
  "an empty endpoint": { options: { endpoint: "" }, says: ["endpoint is not"] },
  "an endpoint without a host": { options: { endpoint: "http://" }, says: ["endpoint is not"] },
  "an endpoint with a bad port": { options: { endpoint: "http://h:99999" }, says: ["endpoint"] },
  "an endpoint with a password": {
    options: { endpoint: `http://user:${SECRET}@host` },
    says: ["user or password", "credentials"],
  },
  "an endpoint with a query": { options: { endpoint: `http://h/?${SECRET}` }, says: ["query"] },
  "an endpoint with a fragment": { options: { endpoint: "http://h/#x" }, says: ["fragment"] },
  "an endpoint that is a number": { options: { endpoint: 9000 }, says: ["endpoint is not"] },
  "an endpoint that is null": { options: { endpoint: null }, says: ["endpoint is not"] },
  "a pathStyle that is a text": { options: { pathStyle: "yes" }, says: ["pathStyle", "boolean"] },
  "an empty profile": { options: { profile: "" }, says: ["profile is not a text"] },
  "a profile that is a list": { options: { profile: ["a"] }, says: ["profile is not a text"] },
  "a caCertificates that is no text": { options: { caCertificates: 1 }, says: ["caCertificates"] },
  "a connectTimeout of zero": { options: { connectTimeout: 0 }, says: ["connectTimeout", "1 to"] },
  "a connectTimeout in text": { options: { connectTimeout: "1s" }, says: ["connectTimeout"] },
  "a stallTimeout that is negative": { options: { stallTimeout: -1 }, says: ["stallTimeout"] },
  "a stallTimeout that is infinite": {
    options: { stallTimeout: Infinity },
    says: ["whole number"],
  },
  "half a retry": { options: { retries: 0.5 }, says: ["retries", "0 to 100"] },
  "too many retries": { options: { retries: 101 }, says: ["retries", "0 to 100"] },
  "a memoryBudget of nothing": { options: { memoryBudget: 0 }, says: ["memoryBudget"] },
  "a memoryBudget in BigInt": { options: { memoryBudget: 1n }, says: ["memoryBudget"] },
  "no connections": { options: { connections: 0 }, says: ["connections", "1 to 256"] },
  "too many connections": { options: { connections: 257 }, says: ["connections", "1 to 256"] },
  "half a connection": { options: { connections: 1.5 }, says: ["whole number"] },
  "a partSize that is too small": { options: { partSize: 65535 }, says: ["partSize", "65536"] },
  "a partSize that is too large": { options: { partSize: 5 * 2 ** 30 + 1 }, says: ["partSize"] },
  "a partSize in text": { options: { partSize: "8MiB" }, says: ["partSize"] },
  "an unknown transport": {
    options: { transport: "http" },
    says: ["transport", '"direct"', '"sdk"'],
  },
  "a transport that is a flag": { options: { transport: true }, says: ["transport"] },
  "unknown checksums": {
    options: { checksums: "md5" },
    says: ["checksums", '"auto"', '"full"', '"off"'],
  },
  "checksums that are null": { options: { checksums: null }, says: ["checksums"] },
  "credentials that are a text": { options: { credentials: SECRET }, says: ["anonymous"] },
  "credentials that are null": { options: { credentials: null }, says: ["credentials"] },
  "credentials without a secret": {
    options: { credentials: { accessKeyId: SECRET } },
    says: ["incomplete", "secretAccessKey"],
  },
  "credentials without an id": {
    options: { credentials: { secretAccessKey: SECRET } },
    says: ["incomplete", "accessKeyId"],
  },
  "an empty secret": {
    options: { credentials: { accessKeyId: SECRET, secretAccessKey: "" } },
    says: ["incomplete"],
  },
  "a secret that is a number": {
    options: { credentials: { accessKeyId: SECRET, secretAccessKey: 7 } },
    says: ["incomplete"],
  },
  "a secret with a line's end": {
    options: { credentials: { accessKeyId: "id", secretAccessKey: `${SECRET}\n` } },
    says: ["control characters"],
  },
  "an empty token": {
    options: { credentials: { accessKeyId: "id", secretAccessKey: SECRET, sessionToken: "" } },
    says: ["incomplete"],
  },
};

describe("options that are refused", () => {
  for (const [name, { options, says }] of Object.entries(refused)) {
    it(`(${name}) make an InvalidInputError that names the remedy, and no secret`, () => {
      for (const make of [(o: object) => new S3Client(o), (o: object) => configure(o)]) {
        const error = assertThrows(() => make(options as object), InvalidInputError);
        assertEquals([error.name, error.code], ["InvalidInputError", "InvalidInput"]);
        assertEquals(error.retryable, false);
        for (const words of says) assertStringIncludes(error.message, words);
        assert(error.hint !== undefined && error.message.endsWith(error.hint), error.message);
        assert(!Deno.inspect(error, { depth: 10, showHidden: true }).includes(SECRET));
      }
    });
  }

  it("and are no object at all make an InvalidInputError too", () => {
    for (const options of [null, 7, "x", true]) {
      const error = thrownBy(() => new S3Client(options as unknown as S3ClientOptions));
      assert(error instanceof InvalidInputError, `${options}: ${error}`);
    }
  });

  it("only on the native side are refused at the first call", async () => {
    for (const caCertificates of ["not a certificate", "-----BEGIN CERTIFICATE-----\nx\n"]) {
      using client = new S3Client({
        endpoint: "https://127.0.0.1:1",
        credentials: "anonymous",
        retries: 0,
        caCertificates,
      });
      const error = await assertRejects(
        () => client.buckets(),
        InvalidInputError,
        "",
        caCertificates,
      );
      assertStringIncludes(error.message, "caCertificates");
    }
  });

  it("per call are refused with the call", async () => {
    await using server = await LocalS3.start();
    using client = server.client();
    await client.createBucket("bucket");
    const file = client.file("s3://bucket/key");
    await file.write("x");
    const error = await assertRejects(() => file.bytes({ ifMatch: "two\r\nlines" }), DipperError);
    assert(error instanceof InvalidInputError, `${error.name}: ${error.message}`);
    for (const option of ["contentType", "contentEncoding", "cacheControl"]) {
      const failed = await file.write("y", { [option]: "two\r\nlines" }).then(
        () => undefined,
        (reason) => reason,
      );
      assert(failed instanceof InvalidInputError, `${option}: ${failed}`);
    }
    assertEquals(await file.text(), "x");
  });
});

function thrownBy(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return undefined;
}

/** What a client with these options asks for when it reads an object. */
async function askedWith(options: S3ClientOptions): Promise<Asked> {
  await using server = await ScriptedServer.start((_, reply) =>
    reply.answer(200, { etag: '"x"', "x-amz-request-id": "SCRIPTED" }, "")
  );
  using client = new S3Client({ endpoint: server.endpoint, ...options });
  await client.file("s3://bucket/a key").bytes();
  // Beside it stands a HEAD for the checksum.
  const gets = server.asked.filter(({ method }) => method === "GET");
  assertEquals(gets.length, 1);
  return gets[0]!;
}

const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" };

describe("options that are taken", () => {
  it("sign with the region and the key id", async () => {
    const { headers, path } = await askedWith({ region: "eu-central-1", credentials });
    const signature = headers.get("authorization") ?? "";
    assertStringIncludes(signature, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/");
    assertStringIncludes(signature, "/eu-central-1/s3/aws4_request");
    assertEquals(headers.get("x-amz-security-token"), undefined);
    assertStringIncludes(path, "/bucket/a%20key");
  });

  it("sign for us-east-1 without a region", async () => {
    const { headers } = await askedWith({ credentials });
    assertStringIncludes(headers.get("authorization") ?? "", "/us-east-1/s3/aws4_request");
  });

  it("send the session token", async () => {
    const { headers } = await askedWith({ credentials: { ...credentials, sessionToken: "token" } });
    assertEquals(headers.get("x-amz-security-token"), "token");
  });

  it("sign nothing when anonymous", async () => {
    const { headers } = await askedWith({ credentials: "anonymous" });
    assertEquals(headers.get("authorization"), undefined);
  });

  it("put the bucket into the path or the host name", async () => {
    await using server = await ScriptedServer.start((_, reply) =>
      reply.answer(200, { etag: '"x"', "x-amz-request-id": "SCRIPTED" }, "")
    );
    const { port } = new URL(server.endpoint);
    const endpoint = `http://localhost:${port}`;
    for (const pathStyle of [undefined, true]) {
      const options = pathStyle === undefined ? {} : { pathStyle };
      using client = new S3Client({ endpoint, credentials, ...options });
      await client.file("s3://bucket/key").bytes();
      const { path, headers } = server.asked.at(-1)!;
      assert(path.startsWith("/bucket/key"), path);
      assertEquals(headers.get("host"), `localhost:${port}`);
    }
  });

  it("take an endpoint as a URL and with a path", async () => {
    await using server = await ScriptedServer.start((_, reply) =>
      reply.answer(200, { etag: '"x"', "x-amz-request-id": "SCRIPTED" }, "")
    );
    using client = new S3Client({ endpoint: new URL(`${server.endpoint}/s3/v1`), credentials });
    await client.file("s3://bucket/key").bytes();
    assert(server.asked[0]!.path.startsWith("/s3/v1/bucket/key"), server.asked[0]!.path);
  });

  for (
    const options of [
      { connections: 1 },
      { connections: 256 },
      { partSize: 64 * 1024 },
      { partSize: 5 * 2 ** 30 },
      { transport: "direct" },
      { transport: "sdk" },
      { checksums: "auto" },
      { checksums: "full" },
      { checksums: "off" },
    ] satisfies S3ClientOptions[]
  ) {
    it(`and say ${Deno.inspect(options)} read what is there`, async () => {
      await using server = await LocalS3.start();
      using client = server.client(options);
      await client.createBucket("bucket");
      const data = pattern(1_000_000);
      await client.file("s3://bucket/key").write(data);
      assertSameBytes(await client.file("s3://bucket/key").bytes(), data);
    });
  }

  it("that are undefined are as if left out", async () => {
    const { headers } = await askedWith({ region: undefined, credentials } as S3ClientOptions);
    assert(headers.has("authorization"));
  });
});

describe("credentials that a server refuses", () => {
  it("because of the secret are an AccessDeniedError that says to check it", async () => {
    await using server = await LocalS3.start();
    const { accessKeyId } = server.credentials;
    using client = server.client({ credentials: { accessKeyId, secretAccessKey: SECRET } });
    const file = client.file("s3://bucket/key");
    for (
      const call of [
        () => file.bytes(),
        () => file.write("x"),
        () => client.list("s3://bucket/").toArray(),
        () => client.buckets(),
        () => client.createBucket("bucket"),
      ]
    ) {
      const error = await assertRejects(call, AccessDeniedError, server.endpoint);
      assertEquals([error.code, error.status, error.retryable], ["WrongSignature", 403, false]);
      assertStringIncludes(error.message, "check secretAccessKey");
    }
    // The answer to a HEAD has no body to name the reason in.
    const error = await assertRejects(() => file.exists(), AccessDeniedError);
    assertEquals(error.status, 403);
  });

  it("because of the id are an AccessDeniedError that says to check that", async () => {
    await using server = await LocalS3.start();
    const { secretAccessKey } = server.credentials;
    using client = server.client({ credentials: { accessKeyId: "AKIAUNKNOWN", secretAccessKey } });
    const error = await assertRejects(() => client.file("s3://b-b/k").bytes(), AccessDeniedError);
    assertEquals([error.code, error.status], ["InvalidAccessKey", 403]);
    assertStringIncludes(error.message, "check accessKeyId");
  });

  it("because there are none are an AccessDeniedError", async () => {
    await using server = await LocalS3.start();
    using client = server.client({ credentials: "anonymous" });
    const error = await assertRejects(() => client.file("s3://b-b/k").bytes(), AccessDeniedError);
    assertEquals([error.code, error.status], ["AccessDenied", 403]);
  });

  it("are refused by versitygw in the same words", {
    ignore: !Deno.env.has("DIPPER_TEST_VERSITYGW_ENDPOINT"),
  }, async () => {
    const endpoint = Deno.env.get("DIPPER_TEST_VERSITYGW_ENDPOINT")!;
    const accessKeyId = Deno.env.get("DIPPER_TEST_VERSITYGW_ACCESS_KEY")!;
    const secretAccessKey = Deno.env.get("DIPPER_TEST_VERSITYGW_SECRET_KEY")!;
    for (
      const [given, code] of [
        [{ accessKeyId, secretAccessKey: SECRET }, "WrongSignature"],
        [{ accessKeyId: "AKIAUNKNOWN", secretAccessKey }, "InvalidAccessKey"],
      ] as const
    ) {
      using client = new S3Client({ endpoint, credentials: given });
      const error = await assertRejects(() => client.buckets(), AccessDeniedError);
      assertEquals(error.code, code);
    }
  });
});
