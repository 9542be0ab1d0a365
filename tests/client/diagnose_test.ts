// A diagnosis: who gave the credentials, who the caller is, what the server says, and the remedy. What
// goes wrong is a finding and never a rejection; no secret is in it.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type Diagnosis, InvalidInputError, LocalS3, memory, S3Client } from "dipper";
import { objectAnswer, ScriptedServer, sendAll, within } from "../storage/scripted_server.ts";
import { run, runOne } from "../permissions/child.ts";
import { SECRET, storeFor, tokenService } from "../permissions/credential_services.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const PATIENCE = 90_000;

function words(diagnosis: Diagnosis): string[] {
  return diagnosis.verdicts.map(({ request, verdict, error }) =>
    `${request} ${error?.code ?? verdict}`
  );
}

/** A server with one object, or the failure that it is told. */
function scripted(
  fails?: (path: string) => { status: number; code: string; headers?: Record<string, string> },
): Promise<ScriptedServer> {
  return ScriptedServer.start(async (asked, reply) => {
    const headers = { "x-amz-request-id": "R1", date: new Date().toUTCString() };
    if (fails !== undefined) {
      const { status, code, headers: more } = fails(asked.path);
      const body = `<Error><Code>${code}</Code><Message>no</Message></Error>`;
      await reply.answer(status, { ...headers, ...more }, body);
    } else if (asked.path.includes("list-type=2")) {
      const list = "<ListBucketResult><Name>bucket</Name><IsTruncated>false</IsTruncated>" +
        "<Contents><Key>key</Key><Size>3</Size></Contents></ListBucketResult>";
      await reply.answer(200, { ...headers, "content-type": "application/xml" }, list);
    } else if (/^\/bucket\/?(\?.*)?$/.test(asked.path)) {
      await reply.answer(200, { ...headers, "x-amz-bucket-region": "eu-west-3" }, "");
    } else await sendAll(reply, objectAnswer(asked, new Uint8Array([1, 2, 3]), headers));
  });
}

const credentials = { accessKeyId: "AKIACANARY0000000", secretAccessKey: "canary-secret" };

describe("a diagnosis", () => {
  it("of what works, on LocalS3", async () => {
    await using s3 = await LocalS3.start();
    using client = s3.client();
    await client.createBucket("bucket");
    const empty = await client.diagnose("s3://bucket/");
    assertEquals(words(empty), ["LIST allowed", "HEAD allowed", "GET not tried"]);
    assert(empty.healthy, Deno.inspect(empty));
    await client.file("s3://bucket/folder/key").write("content");
    for (
      const uri of [
        "s3://bucket/",
        "s3://bucket/folder/",
        "s3://bucket/folder/key",
        { bucket: "bucket", key: "folder/key" },
      ]
    ) {
      const diagnosis = await client.diagnose(uri);
      assertEquals(words(diagnosis), ["LIST allowed", "HEAD allowed", "GET allowed"]);
      assert(diagnosis.healthy && diagnosis.remedy === undefined, Deno.inspect(diagnosis));
      assertEquals([diagnosis.place, diagnosis.provider], [`${s3.endpoint}/`, "the options"]);
      assertEquals([diagnosis.caller, diagnosis.expiration], [undefined, undefined]);
      assert(Math.abs(diagnosis.clockSkew ?? 0) < 5000);
    }
  });

  it("of what is missing says so, and what to do", async () => {
    await using s3 = await LocalS3.start();
    using client = s3.client();
    const bucket = await client.diagnose("s3://missing/key");
    assertEquals(words(bucket)[0], "LIST NoSuchBucket");
    assert(!bucket.healthy);
    assertStringIncludes(bucket.remedy!, "buckets()");
    await client.createBucket("bucket");
    const key = await client.diagnose("s3://bucket/missing");
    assertEquals(words(key), ["LIST allowed", "HEAD NotFound", "GET NoSuchKey"]);
    assertEquals(key.verdicts[0]!.note, "no key begins so");
  });

  it("of wrong keys, of none, and of a function that fails", async () => {
    await using s3 = await LocalS3.start();
    using wrong = s3.client({ credentials });
    const unknown = await wrong.diagnose("s3://bucket/key");
    assertEquals(words(unknown)[0], "LIST InvalidAccessKey");
    assertStringIncludes(unknown.remedy!, "accessKeyId");
    using anonymous = s3.client({ credentials: "anonymous" });
    const unsigned = await anonymous.diagnose("s3://bucket/key");
    assertEquals([words(unsigned)[2], unsigned.provider], ["GET AccessDenied", undefined]);
    assertStringIncludes(unsigned.remedy!, "unsigned");
    let calls = 0;
    using failing = s3.client({
      credentials: () => {
        if (calls++ === 0) throw new Error("the vault is sealed");
        return { ...s3.credentials, expiration: new Date(Date.now() + 3_600_000) };
      },
    });
    const sealed = await failing.diagnose("s3://bucket/");
    assertEquals(words(sealed), ["LIST not tried", "HEAD not tried", "GET not tried"]);
    assertEquals(sealed.provider, "the credentials function");
    assertEquals(sealed.errors.map(({ code }) => code), ["CredentialsFailed"]);
    assertStringIncludes(sealed.errors[0]!.message, "the vault is sealed");
    // And the same client works after that.
    const open = await failing.diagnose("s3://bucket/");
    assertEquals(words(open)[0], "LIST NoSuchBucket");
    const left = open.expiration!.getTime() - Date.now();
    assert(left > 3_500_000 && left <= 3_600_000);
  });

  it("of refused access names each action and the reminders", async () => {
    await using server = await scripted(() => ({ status: 403, code: "AccessDenied" }));
    using client = new S3Client({ endpoint: server.endpoint, credentials });
    const diagnosis = await client.diagnose("s3://bucket/a/key");
    const [list, head, get] = diagnosis.verdicts.map(({ error }) => error!.message);
    assertStringIncludes(list!, "s3:ListBucket on arn:aws:s3:::bucket");
    for (const message of [head!, get!]) {
      for (const part of ["s3:GetObject on arn:aws:s3:::bucket/a/key", "kms:Decrypt"]) {
        assertStringIncludes(message, part);
      }
      for (const part of ["requesterPays", "archived"]) assertStringIncludes(message, part);
    }
    assertEquals(diagnosis.remedy, diagnosis.verdicts[0]!.error!.hint);
  });

  it("tells by how much the clocks differ, and the bucket's region", async () => {
    for (const [minutes, remedy] of [[-3, false], [42, true], [-42, true]] as const) {
      const date = new Date(Date.now() - minutes * 60_000).toUTCString();
      await using server = await scripted(() => ({
        status: 403,
        code: "RequestTimeTooSkewed",
        headers: { date, "x-amz-bucket-region": "ap-south-1" },
      }));
      using client = new S3Client({ endpoint: server.endpoint, credentials });
      const diagnosis = await client.diagnose("s3://bucket/key");
      const skew = diagnosis.clockSkew! / 60_000;
      assert(Math.abs(skew - minutes) < 0.2, `${skew}`);
      assertEquals(diagnosis.bucketRegion, "ap-south-1");
      assertEquals(diagnosis.remedy!.includes("15 minutes"), remedy);
      const message = diagnosis.verdicts[2]!.error!.message;
      assertStringIncludes(message, minutes > 0 ? "ahead of the server's" : "behind the server's");
    }
  });

  it("finds a bucket that lives elsewhere", async () => {
    await using server = await scripted();
    using client = new S3Client({ endpoint: server.endpoint, credentials, region: "us-east-1" });
    const diagnosis = await client.diagnose("s3://bucket/");
    assertEquals(words(diagnosis), ["LIST allowed", "HEAD allowed", "GET allowed"]);
    assertEquals([diagnosis.region, diagnosis.bucketRegion], ["us-east-1", "eu-west-3"]);
  });

  it("of a server that nobody reaches, or that is silent, ends soon", async () => {
    await using silent = await ScriptedServer.start((_, reply) => reply.silence());
    for (const endpoint of ["http://127.0.0.1:1", "http://no-such-host.invalid", silent.endpoint]) {
      using client = new S3Client({ endpoint, credentials, retries: 0 });
      const diagnosis = await within(PATIENCE, client.diagnose("s3://bucket/key"));
      assertEquals(diagnosis.verdicts.map(({ verdict }) => verdict), [
        "failed",
        "failed",
        "failed",
      ]);
      assert(diagnosis.remedy !== undefined && !diagnosis.healthy);
    }
  });

  it("can be cancelled, refuses what is no bucket, and a client that is gone", async () => {
    await using silent = await ScriptedServer.start((_, reply) => reply.silence());
    const client = new S3Client({ endpoint: silent.endpoint, credentials });
    const signal = AbortSignal.timeout(100);
    const reason = await within(
      PATIENCE,
      client.diagnose("s3://bucket/key", { signal }).catch((reason) => reason),
    );
    assertEquals(reason, signal.reason);
    for (const wrong of ["https://host/x", "bucket", "s3://", 7 as unknown as string]) {
      await assertRejects(() => client.diagnose(wrong), InvalidInputError);
    }
    client.dispose();
    await assertRejects(() => client.diagnose("s3://bucket/key"), InvalidInputError, "disposed");
  });

  it("asks AWS who the caller is, where it says where AWS is", async () => {
    await using sts = await tokenService("UNUSED");
    await using store = await storeFor("AKIACALLER");
    const env = {
      AWS_ACCESS_KEY_ID: "AKIACALLER",
      AWS_SECRET_ACCESS_KEY: SECRET,
      AWS_ENDPOINT_URL_STS: sts.endpoint,
      AWS_REGION: "eu-central-1",
    };
    const source = `
      const diagnosis = await connect().diagnose("s3://bucket/key");
      const { provider, caller, errors } = diagnosis;
      console.log(Deno.inspect(diagnosis), JSON.stringify(diagnosis));
      await tell(() => ({ provider, caller, errors: errors.map((error) => error.message) }));`;
    const child = { flags: ["--allow-all"], env, input: { endpoint: store.endpoint } };
    const { told: [told], output } = await run(source, child);
    assertEquals(told!.ok, {
      provider: "the environment variables",
      caller: {
        account: "123456789012",
        arn: "arn:aws:sts::123456789012:assumed-role/reader/test",
        userId: "AROAEXAMPLE:test",
      },
      errors: [],
    });
    assert(!output.includes(SECRET) && !output.includes("AKIACALLER"), output);
    assertEquals(sts.asked.length, 1);
    // Not allowed to ask: that is a finding, too.
    const net = `--allow-net=${new URL(store.endpoint).host}`;
    const flags = ["--allow-env", "--allow-ffi", "--allow-read", net];
    const { told: [denied] } = await run(source, { ...child, flags });
    const { errors } = denied!.ok as { errors: string[] };
    assertStringIncludes(errors.join(), `--allow-net=${new URL(sts.endpoint).host}`);
  });

  it("names missing permissions instead of failing", async () => {
    const told = await runOne(
      `await tell(async () => {
        const { errors, remedy, healthy } = await connect().diagnose("s3://bucket/key");
        return { codes: errors.map((error) => error.code), remedy, healthy };
      });`,
      { flags: ["--allow-ffi", "--allow-read"], input: { endpoint: "http://127.0.0.1:9" } },
    );
    assertEquals(told.ok, {
      codes: ["PermissionDenied"],
      remedy: "run with --allow-net=127.0.0.1:9",
      healthy: false,
    });
  });

  it("shows itself, and no secret", async () => {
    const echo = `${credentials.accessKeyId} ${credentials.secretAccessKey}`;
    await using server = await scripted(() => ({ status: 400, code: `Odd ${echo}` }));
    using client = new S3Client({ endpoint: server.endpoint, credentials });
    const diagnosis = await client.diagnose("s3://bucket/key");
    const display = Reflect.get(diagnosis, Symbol.for("Jupyter.display")) as () => unknown;
    const shown = [
      JSON.stringify(await display.call(diagnosis)),
      Deno.inspect(diagnosis),
      Deno.inspect(diagnosis, { depth: 20, showHidden: true }),
      JSON.stringify(diagnosis),
      JSON.stringify(structuredClone({ ...diagnosis, errors: [], verdicts: [] })),
    ];
    for (const text of shown) {
      for (const secret of Object.values(credentials)) assert(!text.includes(secret), text);
    }
    assertStringIncludes(Deno.inspect(diagnosis), "something is wrong");
    assertStringIncludes(shown[0]!, "text/html");
  });
});
