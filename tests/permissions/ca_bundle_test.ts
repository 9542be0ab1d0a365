// The certificates that `AWS_CA_BUNDLE` or a profile's `ca_bundle` names: read where Deno allows it,
// asked for where TLS is spoken, and behind what the options say.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { memory } from "dipper";
import { type Certificates, makeCertificates } from "../storage/certificates.ts";
import { FFI, flagsIn, runOne, type Told } from "./child.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const CREDENTIALS = { accessKeyId: "id", secretAccessKey: "secret" };

describe("a file of certificates", () => {
  let own: Certificates;
  let server: Deno.HttpServer<Deno.NetAddr>;
  let folder: string;
  let net: string;
  let bundle: string;
  const connecting: Record<string, unknown> = { region: "us-east-1", retries: 0 };
  beforeAll(async () => {
    own = await makeCertificates();
    server = Deno.serve(
      {
        hostname: "127.0.0.1",
        port: 0,
        cert: own.certificate,
        key: own.key,
        onListen() {},
      },
      () => new Response("hello", { headers: { etag: '"one"' } }),
    );
    net = `--allow-net=127.0.0.1:${server.addr.port}`;
    folder = await Deno.realPath(await Deno.makeTempDir());
    bundle = `${folder}/bundle.pem`;
    const { authority: another } = await makeCertificates();
    const odd = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    await Deno.writeTextFile(bundle, `# Some authority\n${another}\n${odd}${own.authority}`);
    Object.assign(connecting, {
      endpoint: `https://127.0.0.1:${server.addr.port}`,
      credentials: CREDENTIALS,
    });
  });
  afterAll(async () => {
    await server.shutdown();
    await Deno.remove(folder, { recursive: true });
  });

  const TEXT = `await tell(() => connect().file("s3://bucket/key").text());`;

  /** What a program comes to. */
  function told(
    flags: string[],
    { source = TEXT, env = {}, options = {} }: {
      source?: string;
      env?: Record<string, string>;
      options?: Record<string, unknown>;
    } = {},
  ): Promise<Told> {
    const input = { ...connecting, ...options };
    return runOne(source, { flags: [FFI, ...flags], env, input });
  }
  const named = () => ({ AWS_CA_BUNDLE: bundle });
  const see = "--allow-env=AWS_CA_BUNDLE";

  it("that AWS_CA_BUNDLE names is trusted, whatever else it holds", async () => {
    const read = `--allow-read=${bundle}`;
    assertEquals(await told([net, see, read], { env: named() }), { ok: "hello" });
    const unnamed = await told([net, see, read]);
    assertEquals([unnamed.name, unnamed.code], ["NetworkError", "TlsFailed"]);
    assertStringIncludes(unnamed.message!, "AWS_CA_BUNDLE");
    // What may not be seen is as if it were not there.
    assertEquals((await told([net, read], { env: named() })).code, "TlsFailed");
    // For web addresses, too.
    const source = `await tell(() =>
      dipper.file(${JSON.stringify(`https://127.0.0.1:${server.addr.port}/x`)}).text());`;
    assertEquals(await told([net, see, read], { env: named(), source }), { ok: "hello" });
  });

  it("is asked for in one error with the host, where TLS is spoken", async () => {
    const read = `--allow-read=${bundle}`;
    const refused = await told([see], { env: named() });
    assertEquals(refused.name, "PermissionError");
    assertEquals(flagsIn(refused), [net, read]);
    assertEquals(flagsIn(await told([see, net], { env: named() })), [read]);
    // A file of this machine needs none, and a client that read one trusts what is needed later.
    const source = `
      const path = ${JSON.stringify(`${folder}/plain`)};
      const client = connect();
      await tell(async () => {
        const plain = await client.file(path).text();
        const { name } = await client.file("s3://bucket/key").text().catch((error) => error);
        return [plain, name];
      });`;
    await Deno.writeTextFile(`${folder}/plain`, "plain");
    assertEquals(
      await told([see, net, `--allow-read=${folder}/plain`], { env: named(), source }),
      { ok: ["plain", "PermissionError"] },
    );
  });

  it("that appears after a client read without it is trusted then", async () => {
    const late = `${folder}/late.pem`;
    const source = `
      const client = connect();
      await tell(async () => {
        const plain = await client.file(${JSON.stringify(`${folder}/plain`)}).text();
        const { code, message } = await client.file("s3://bucket/key").text().catch((e) => e);
        Deno.copyFileSync(${JSON.stringify(bundle)}, ${JSON.stringify(late)});
        const text = await client.file("s3://bucket/key").text();
        client.dispose();
        return [plain, code, message.includes("AWS_CA_BUNDLE names"), text, dipper.memory().bytes];
      });`;
    await Deno.writeTextFile(`${folder}/plain`, "plain");
    const flags = [net, see, `--allow-read=${folder}`, `--allow-write=${folder}`];
    assertEquals(await told(flags, { env: { AWS_CA_BUNDLE: late }, source }), {
      ok: ["plain", "InvalidInput", true, "hello", 0],
    });
  });

  it("that a profile names is trusted, behind that of the environment", async () => {
    const config = `${folder}/config`;
    const credentials = `${folder}/credentials`;
    await Deno.writeTextFile(
      config,
      `[default]
ca_bundle = /nowhere
[profile other]
region = us-east-1
ca_bundle = ${bundle} ; ours
s3 =
  ca_bundle = /nested
[profile third]
region = us-east-1
`,
    );
    await Deno.writeTextFile(credentials, `[third]\nca_bundle=${bundle}\n`);
    const files = { AWS_CONFIG_FILE: config, AWS_SHARED_CREDENTIALS_FILE: credentials };
    const flags = [net, `--allow-read=${folder}`, "--allow-env"];
    const options = { profile: "other" };
    assertEquals(await told(flags, { env: files, options }), { ok: "hello" });
    assertEquals(await told(flags, { env: { ...files, AWS_PROFILE: "third" } }), { ok: "hello" });
    assertEquals(await told(flags, { env: { ...files, ...named() } }), { ok: "hello" });
    const wrong = await told([net, "--allow-read", "--allow-env"], { env: files });
    assertEquals(wrong.name, "InvalidInputError");
    assertStringIncludes(wrong.message!, "ca_bundle of the profile default names /nowhere");
  });

  it("stands behind caCertificates, which need no file", async () => {
    const { authority: another } = await makeCertificates();
    const env = { AWS_CA_BUNDLE: "/nowhere" };
    const options = { caCertificates: own.authority };
    assertEquals(await told([net, see], { env, options }), { ok: "hello" });
    const refused = await told([net, see, `--allow-read=${bundle}`], {
      env: named(),
      options: { caCertificates: another },
    });
    assertEquals(refused.code, "TlsFailed");
  });

  it("that is missing or holds no certificate is an error that names it", async () => {
    const missing = await told([net, see, "--allow-read=/nowhere"], {
      env: { AWS_CA_BUNDLE: "/nowhere" },
    });
    assertEquals([missing.name, missing.code], ["InvalidInputError", "InvalidInput"]);
    assertStringIncludes(missing.message!, "AWS_CA_BUNDLE names /nowhere, which cannot be read");
    const empty = `${folder}/empty.pem`;
    await Deno.writeTextFile(empty, "nothing");
    const none = await told([net, see, `--allow-read=${empty}`], { env: { AWS_CA_BUNDLE: empty } });
    assertEquals(none.name, "InvalidInputError");
    assertStringIncludes(none.message!, `AWS_CA_BUNDLE names ${empty}, which holds no PEM`);
  });

  it("is not looked at where no TLS is spoken", async () => {
    await using plain = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      () => new Response("plain", { headers: { etag: '"one"' } }),
    );
    const { port } = plain.addr;
    const endpoint = `http://127.0.0.1:${port}`;
    const env = { AWS_CA_BUNDLE: "/nowhere" };
    for (const more of [[], ["--allow-read"]]) {
      assertEquals(
        await told([`--allow-net=127.0.0.1:${port}`, see, ...more], { env, options: { endpoint } }),
        { ok: "plain" },
      );
    }
  });
});
