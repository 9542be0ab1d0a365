// Where requests go and how they say so: AWS's hosts by the options, access points, directory buckets,
// and the requester who pays. A proxy stands in for AWS: it has a certificate for its hosts, and keeps
// what it was asked.

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { createServer, type Server } from "node:net";
import type { AddressInfo } from "node:net";
import {
  type DipperError,
  InvalidInputError,
  memory,
  S3Client,
  type S3ClientOptions,
  UnsupportedError,
} from "dipper";
import { runWell } from "../permissions/child.ts";
import { makeCertificates } from "../storage/certificates.ts";
import { objectAnswer, ScriptedServer, sendAll } from "../storage/scripted_server.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const credentials = { accessKeyId: "AKIAUSER", secretAccessKey: "secret" };
const POINT = "arn:aws:s3:eu-west-1:123456789012:accesspoint/point";

interface AwsAsked {
  method: string;
  host: string;
  path: string;
  authorization: string;
  token: string | null;
  payer: string | null;
}

interface Case {
  options: S3ClientOptions;
  bucket: string;
  host: string;
  path?: string;
  scope?: string;
}

const cases: Record<string, Case> = {
  "the bucket in the host's name": {
    options: { region: "eu-central-1" },
    bucket: "bucket",
    host: "bucket.s3.eu-central-1.amazonaws.com",
    scope: "/eu-central-1/s3/",
  },
  "the bucket in the path": {
    options: { region: "eu-central-1", pathStyle: true },
    bucket: "bucket",
    host: "s3.eu-central-1.amazonaws.com",
    path: "/bucket/key",
  },
  "a bucket with dots": {
    options: { region: "eu-central-1" },
    bucket: "dotted.bucket",
    host: "s3.eu-central-1.amazonaws.com",
    path: "/dotted.bucket/key",
  },
  "dual stack": {
    options: { region: "eu-central-1", dualStack: true },
    bucket: "bucket",
    host: "bucket.s3.dualstack.eu-central-1.amazonaws.com",
  },
  FIPS: {
    options: { region: "us-east-2", fips: true },
    bucket: "bucket",
    host: "bucket.s3-fips.us-east-2.amazonaws.com",
  },
  "FIPS and dual stack": {
    options: { region: "us-east-2", fips: true, dualStack: true },
    bucket: "bucket",
    host: "bucket.s3-fips.dualstack.us-east-2.amazonaws.com",
  },
  acceleration: {
    options: { region: "eu-central-1", accelerate: true },
    bucket: "bucket",
    host: "bucket.s3-accelerate.amazonaws.com",
  },
  "acceleration and dual stack": {
    options: { region: "eu-central-1", accelerate: true, dualStack: true },
    bucket: "bucket",
    host: "bucket.s3-accelerate.dualstack.amazonaws.com",
  },
  "an access point, in the region of its ARN": {
    options: { region: "us-east-1" },
    bucket: POINT,
    host: "point-123456789012.s3-accesspoint.eu-west-1.amazonaws.com",
    scope: "/eu-west-1/s3/",
  },
  "an access point written with a colon, and pathStyle": {
    options: { region: "us-east-1", pathStyle: true },
    bucket: POINT.replace("/", ":"),
    host: "point-123456789012.s3-accesspoint.eu-west-1.amazonaws.com",
  },
  "an access point of Object Lambda": {
    options: { region: "us-east-1" },
    bucket: "arn:aws:s3-object-lambda:eu-west-1:123456789012:accesspoint/point",
    host: "point-123456789012.s3-object-lambda.eu-west-1.amazonaws.com",
    scope: "/eu-west-1/s3-object-lambda/",
  },
};
const EXPRESS = "express--use1-az4--x-s3";
const EXPRESS_HOST = `${EXPRESS}.s3express-use1-az4.us-east-1.amazonaws.com`;

/** AWS, as far as these tests go. */
class StandIn implements AsyncDisposable {
  readonly asked: AwsAsked[] = [];
  readonly proxy: string;
  readonly authority: string;
  readonly #tunnel: Server;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  private constructor(tunnel: Server, server: Deno.HttpServer<Deno.NetAddr>, authority: string) {
    this.#tunnel = tunnel;
    this.#server = server;
    this.authority = authority;
    this.proxy = `http://127.0.0.1:${(tunnel.address() as AddressInfo).port}`;
  }

  static async start(names: readonly string[]): Promise<StandIn> {
    const { authority, certificate, key } = await makeCertificates({ names });
    let aws: StandIn;
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, cert: certificate, key, onListen() {} },
      (request) => aws.#answer(request),
    );
    const tunnel = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", (head: Uint8Array) => {
        if (!new TextDecoder().decode(head).startsWith("CONNECT ")) return void socket.destroy();
        socket.pause();
        Deno.connect({ hostname: "127.0.0.1", port: server.addr.port }).then(async (inner) => {
          socket.write("HTTP/1.1 200 OK\r\n\r\n");
          const out = inner.writable.getWriter();
          socket.on("data", (data: Uint8Array) => void out.write(data).catch(() => {}));
          socket.on("close", () => void out.close().catch(() => {}));
          socket.resume();
          for await (const piece of inner.readable) socket.write(piece);
          socket.end();
        }).catch(() => void socket.destroy());
      });
    });
    await new Promise<void>((resolve) => tunnel.listen(0, "127.0.0.1", resolve));
    return aws = new StandIn(tunnel, server, authority);
  }

  async #answer(request: Request): Promise<Response> {
    const url = new URL(request.url);
    await request.body?.cancel();
    this.asked.push({
      method: request.method,
      host: url.host,
      path: `${decodeURIComponent(url.pathname)}${url.search}`,
      authorization: request.headers.get("authorization") ?? "",
      token: request.headers.get("x-amz-s3session-token"),
      payer: request.headers.get("x-amz-request-payer"),
    });
    const headers = { etag: '"one"', "x-amz-request-id": "AWS" };
    if (url.search === "?session") {
      return new Response(
        `<CreateSessionResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Credentials>
          <AccessKeyId>ASIASESSION</AccessKeyId><SecretAccessKey>s</SecretAccessKey>
          <SessionToken>the-session</SessionToken>
          <Expiration>${new Date(Date.now() + 300_000).toISOString()}</Expiration>
        </Credentials></CreateSessionResult>`,
        { headers: { ...headers, "content-type": "application/xml" } },
      );
    }
    if (url.searchParams.has("list-type")) {
      return new Response(
        "<ListBucketResult><Name>bucket</Name><IsTruncated>false</IsTruncated></ListBucketResult>",
        { headers: { ...headers, "content-type": "application/xml" } },
      );
    }
    return new Response("content", { headers });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([
      this.#server.shutdown(),
      new Promise<void>((resolve) => this.#tunnel.close(() => resolve())),
    ]);
  }
}

describe("on AWS", () => {
  let aws: StandIn;
  beforeAll(async () => {
    aws = await StandIn.start([
      ...new Set(Object.values(cases).map(({ host }) => host)),
      EXPRESS_HOST,
    ]);
  });
  afterAll(() => aws[Symbol.asyncDispose]());

  /** Reads, writes and lists in a program of its own, whose only way out is the proxy. */
  async function asked(
    options: S3ClientOptions,
    bucket: string,
    flags = ["--allow-all"],
  ): Promise<AwsAsked[]> {
    const before = aws.asked.length;
    const told = await runWell(
      `const client = connect();
       const object = client.file({ bucket: input.bucket, key: "key" });
       await tell(() => object.text());
       await tell(async () => (await object.write("content")).etag);
       await tell(async () => (await client.list({ bucket: input.bucket, key: "" }).toArray()).length);`
        .replaceAll("connect()", "new dipper.S3Client(input.options)"),
      {
        flags,
        env: { HTTPS_PROXY: aws.proxy, AWS_EC2_METADATA_DISABLED: "true" },
        input: {
          options: { credentials, caCertificates: aws.authority, retries: 0, ...options },
          bucket,
        },
      },
    );
    assertEquals(told.map((each) => each.ok ?? each), ["content", '"one"', 0], bucket);
    return aws.asked.slice(before);
  }

  for (const [name, { options, bucket, host, path = "/key", scope }] of Object.entries(cases)) {
    it(`${name} reaches ${host}`, async () => {
      const all = await asked(options, bucket);
      assertEquals([...new Set(all.map((one) => one.host))], [host]);
      const get = all.find(({ method, path }) => method === "GET" && !path.includes("list-type"))!;
      assertEquals(get.path.replace(/\?.*/, ""), path);
      assert(all.some(({ method }) => method === "PUT"));
      if (scope !== undefined) {
        for (const one of all) assertStringIncludes(one.authorization, scope);
      }
      for (const one of all) assertEquals(one.payer, null);
    });
  }

  it("the requester pays, and says so with every request", async () => {
    const all = await asked({ region: "eu-central-1", requesterPays: true }, "bucket");
    assertEquals([...new Set(all.map(({ payer }) => payer))], ["requester"]);
    for (const one of all) assertStringIncludes(one.authorization, "x-amz-request-payer");
  });

  it("a directory bucket gets a session, and requests with its token", async () => {
    const all = await asked({ region: "us-east-1" }, EXPRESS);
    assertEquals([...new Set(all.map((one) => one.host))], [EXPRESS_HOST]);
    const sessions = all.filter(({ path }) => path.endsWith("?session"));
    assertEquals(sessions.length, 1);
    assertStringIncludes(sessions[0]!.authorization, "Credential=AKIAUSER/");
    for (const one of all.filter((one) => one !== sessions[0])) {
      assertStringIncludes(one.authorization, "Credential=ASIASESSION/");
      assertStringIncludes(one.authorization, "/us-east-1/s3express/");
      assertEquals(one.token, "the-session");
    }
  });
});

describe("a server of one's own", () => {
  it("is told that the requester pays, on both ways", async () => {
    await using server = await ScriptedServer.start((asked, reply) =>
      sendAll(reply, objectAnswer(asked, new Uint8Array(3)))
    );
    for (const transport of ["direct", "sdk"] as const) {
      for (const requesterPays of [true, false]) {
        const before = server.asked.length;
        using client = new S3Client({
          endpoint: server.endpoint,
          credentials,
          transport,
          requesterPays,
        });
        const object = client.file("s3://bucket/key");
        await object.bytes();
        await object.stat();
        await object.write("x");
        const all = server.asked.slice(before);
        assert(all.length >= 3);
        for (const { headers } of all) {
          const payer = headers.get("x-amz-request-payer");
          assertEquals(payer, requesterPays ? "requester" : undefined);
        }
      }
    }
  });
});

describe("options that contradict each other are refused", () => {
  const wrong: S3ClientOptions[] = [
    { endpoint: "http://127.0.0.1:9000", accelerate: true },
    { endpoint: "http://127.0.0.1:9000", fips: true },
    { endpoint: "http://127.0.0.1:9000", dualStack: true },
    { accelerate: true, pathStyle: true },
    { accelerate: true, fips: true },
    { requesterPays: "yes" as unknown as boolean },
  ];
  for (const options of wrong) {
    it(JSON.stringify(options), () => {
      assertThrows(() => new S3Client(options), InvalidInputError);
    });
  }
});

describe("an ARN", () => {
  it("of an access point is a bucket, in every spelling", () => {
    using client = new S3Client({ credentials, region: "eu-west-1" });
    for (
      const [uri, key] of [
        [`s3://${POINT}/a/b`, "a/b"],
        [`s3://${POINT}/`, ""],
        [`s3://${POINT.replace("/", ":")}/a/b`, "a/b"],
        ["s3://arn:aws-cn:s3:cn-north-1:123456789012:accesspoint/p/k?#", "k?#"],
      ] as const
    ) {
      if (key === "") assertThrows(() => client.file(uri as `s3://${string}`), InvalidInputError);
      else assertEquals(client.file(uri as `s3://${string}`).uri, uri);
    }
  });

  it("of anything else is refused", async () => {
    using client = new S3Client({ credentials, region: "eu-west-1" });
    const object = "arn:aws:s3:::bucket/key";
    for (
      const [arn, made] of [
        [object, InvalidInputError],
        ["arn:aws:iam::123456789012:role/x", InvalidInputError],
        ["arn:aws:s3:eu-west-1:123456789012:accesspoint/UPPER/key", InvalidInputError],
        ["arn:aws:s3:eu-west-1:12345:accesspoint/x/key", InvalidInputError],
        ["arn:", InvalidInputError],
        ["arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap/key", UnsupportedError],
      ] as const
    ) {
      const call = (): unknown => client.file(`s3://${arn}`);
      const error: DipperError = made === UnsupportedError
        ? assertThrows(call, UnsupportedError)
        : assertThrows(call, InvalidInputError);
      assert(error.message.length > 20);
    }
    await assertRejects(() => client.createBucket(POINT), InvalidInputError);
  });
});
