// Every service of the credential chain, as a server of the test's own: what is asked of it, what
// comes of it, and what an error says when it refuses. After an error the same client works as soon
// as its cause is gone.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { memory } from "dipper";
import { ScriptedServer } from "../storage/scripted_server.ts";
import { type ChildOptions, run, runOne, runWell, type Told } from "./child.ts";
import {
  end,
  form,
  json,
  keys,
  metadataService,
  portal,
  SECRET,
  signer,
  storeFor,
  TOKEN,
  tokenFile,
  tokenService,
} from "./credential_services.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const READ = `await tell(() => connect().file("s3://bucket/key").text());`;
/** Two reads of one client; between them the program does what stands there. */
const TWICE = (between: string): string => `
  const client = connect();
  const read = () => client.file("s3://bucket/key").text();
  await tell(read);
  ${between}
  await tell(read);`;
const CONTENT: Told = { ok: "content" };

describe("the services of the credential chain", () => {
  let home: string;
  beforeAll(async () => {
    home = await Deno.makeTempDir({ prefix: "dipper-home-" });
    await Deno.mkdir(`${home}/.aws/sso/cache`, { recursive: true });
  });
  afterAll(() => Deno.remove(home, { recursive: true }));

  /** Everything granted; nothing in the environment but what is given. */
  function options(
    store: ScriptedServer | undefined,
    env: Record<string, string>,
    input: Record<string, unknown> = {},
  ): ChildOptions {
    return {
      flags: ["--allow-all"],
      env: { HOME: home, AWS_EC2_METADATA_DISABLED: "true", AWS_REGION: "eu-central-1", ...env },
      input: { ...(store === undefined ? {} : { endpoint: store.endpoint }), ...input },
    };
  }

  async function configured(config: string, credentials = ""): Promise<void> {
    await Deno.writeTextFile(`${home}/.aws/config`, config);
    await Deno.writeTextFile(`${home}/.aws/credentials`, credentials);
  }

  function assertSilent(text: string): void {
    for (const secret of [SECRET, TOKEN, "canary"]) assert(!text.includes(secret), text);
  }

  it("an instance's metadata, by its second version", async () => {
    await configured("");
    await using metadata = await metadataService("ASIAINSTANCE");
    await using store = await storeFor("ASIAINSTANCE");
    const env = {
      AWS_EC2_METADATA_DISABLED: "false",
      AWS_EC2_METADATA_SERVICE_ENDPOINT: metadata.endpoint,
    };
    assertEquals(await runOne(READ, options(store, env)), CONTENT);
    assertEquals(store.asked[0]!.headers.get("x-amz-security-token"), TOKEN);
    const [first] = metadata.asked;
    assertEquals([first!.method, first!.path], ["PUT", "/latest/api/token"]);
  });

  it("a metadata service that is silent costs a moment", async () => {
    await configured("");
    await using silent = await ScriptedServer.start((_, reply) => reply.silence());
    await using store = await storeFor("nobody");
    const env = {
      AWS_EC2_METADATA_DISABLED: "false",
      AWS_EC2_METADATA_SERVICE_ENDPOINT: silent.endpoint,
    };
    const source = `const begun = performance.now(); ${READ}
      await tell(() => Math.round(performance.now() - begun));`;
    const [told, took] = await runWell(source, options(store, env));
    assertEquals([told!.name, told!.code], ["CredentialsError", "NoCredentials"]);
    assert(Number(took!.ok) < 15_000, `${took!.ok} ms`);
  });

  it("the address of a container's own service is asked for", async () => {
    await configured("");
    await using store = await storeFor("nobody");
    const told = await runOne(READ, {
      ...options(store, { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: "/v2/credentials/x" }),
      flags: ["--allow-env", "--allow-read", "--allow-ffi", `--allow-net=127.0.0.1`],
    });
    assertEquals(told.name, "CredentialsError", JSON.stringify(told));
    assertStringIncludes(told.message!, "--allow-net=169.254.170.2:80");
    assertStringIncludes(told.message!, "the container's credentials service");
  });

  it("a container's endpoint, with the token in a file that is replaced", async () => {
    await configured("");
    const tokens = ["canary-token-one", "canary-token-two"];
    let wanted = tokens[0];
    await using container = await ScriptedServer.start(async (asked, reply) => {
      if (asked.headers.get("authorization") === wanted) {
        await json(reply, keys("ASIACONTAINER", end(60_000)));
      } else {
        await json(reply, { code: "Denied", message: "who are you?" }, 403);
      }
    });
    await using store = await storeFor("ASIACONTAINER");
    const file = `${home}/container-token`;
    await Deno.writeTextFile(file, `${wanted}\n`);
    const env = {
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${container.endpoint}/get`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file,
    };
    assertEquals(await runOne(READ, options(store, env)), CONTENT);
    wanted = tokens[1];
    const replace = `Deno.writeTextFileSync(${JSON.stringify(file)}, "${wanted}");`;
    const [failed, works] = await runWell(TWICE(replace), options(store, env));
    assertEquals([failed!.name, failed!.code], ["CredentialsError", "CredentialsFailed"]);
    assertStringIncludes(failed!.message!, "the container's credentials service");
    assertSilent(failed!.message!);
    assertEquals(works, CONTENT);
  });

  it("a web identity token, exchanged for a role's keys", async () => {
    await configured("");
    await using sts = await tokenService("ASIAWEB");
    await using store = await storeFor("ASIAWEB0");
    const file = `${home}/web-token`;
    await Deno.writeTextFile(file, "canary-web-identity");
    const role = "arn:aws:iam::123456789012:role/web";
    const env = {
      AWS_WEB_IDENTITY_TOKEN_FILE: file,
      AWS_ROLE_ARN: role,
      AWS_ROLE_SESSION_NAME: "session",
      AWS_ENDPOINT_URL_STS: sts.endpoint,
    };
    assertEquals(await runOne(READ, options(store, env)), CONTENT);
    const asked = form(sts.asked[0]!);
    assertEquals(
      ["Action", "RoleArn", "RoleSessionName", "WebIdentityToken"].map((name) => asked.get(name)),
      ["AssumeRoleWithWebIdentity", role, "session", "canary-web-identity"],
    );
    // The same from a profile, with the token service's address in its section.
    await configured(
      `[profile web]\nrole_arn = ${role}\nweb_identity_token_file = ${file}\nservices = own\n` +
        `[services own]\nsts =\n  endpoint_url = ${sts.endpoint}\n`,
    );
    await using second = await storeFor("ASIAWEB1");
    assertEquals(await runOne(READ, options(second, {}, { profile: "web" })), CONTENT);
  });

  it("a web identity token that is refused names file, role and reason", async () => {
    await configured("");
    let refuse = true;
    await using sts = await tokenService(
      "ASIAWEB",
      () =>
        refuse ? { code: "ExpiredTokenException", message: "Token expired at noon" } : undefined,
    );
    await using store = await storeFor("ASIAWEB0");
    const file = `${home}/web-token`;
    await Deno.writeTextFile(file, "canary-web-identity");
    const env = {
      AWS_WEB_IDENTITY_TOKEN_FILE: file,
      AWS_ROLE_ARN: "arn:aws:iam::123456789012:role/web",
      AWS_ENDPOINT_URL_STS: sts.endpoint,
    };
    const told = await runOne(READ, options(store, env));
    assertEquals([told.name, told.code], ["CredentialsError", "CredentialsFailed"]);
    for (const part of [file, "role/web", "Token expired at noon"]) {
      assertStringIncludes(told.message!, part);
    }
    assertSilent(told.message!);
    refuse = false;
    assertEquals(await runOne(READ, options(store, env)), CONTENT);
  });

  it("roles of profiles, one behind the other", async () => {
    await using sts = await tokenService("ASIAROLE");
    await configured(
      `[profile outer]\nrole_arn = arn:aws:iam::123456789012:role/outer\nsource_profile = inner\n` +
        `external_id = canary-external\n` +
        `[profile inner]\nrole_arn = arn:aws:iam::123456789012:role/inner\nsource_profile = base\n`,
      `[base]\naws_access_key_id = AKIABASE\naws_secret_access_key = ${SECRET}\n`,
    );
    await using store = await storeFor("ASIAROLE1");
    const env = { AWS_ENDPOINT_URL_STS: sts.endpoint };
    assertEquals(await runOne(READ, options(store, env, { profile: "outer" })), CONTENT);
    const [inner, outer] = sts.asked;
    assertEquals([signer(inner!), signer(outer!)], ["AKIABASE", "ASIAROLE0"]);
    assertEquals(form(inner!).get("RoleArn"), "arn:aws:iam::123456789012:role/inner");
    assertEquals(form(outer!).get("ExternalId"), "canary-external");
  });

  it("a role of a profile that may not be assumed names both and the command", async () => {
    await using sts = await tokenService("ASIAROLE", () => ({
      code: "AccessDenied",
      message: "User: arn:aws:iam::123456789012:user/me is not authorized",
    }));
    await configured(
      `[profile outer]\nrole_arn = arn:aws:iam::123456789012:role/outer\nsource_profile = base\n`,
      `[base]\naws_access_key_id = AKIABASE\naws_secret_access_key = ${SECRET}\n`,
    );
    await using store = await storeFor("nobody");
    const env = { AWS_ENDPOINT_URL_STS: sts.endpoint };
    const told = await runOne(READ, options(store, env, { profile: "outer" }));
    assertEquals([told.name, told.code], ["CredentialsError", "CredentialsFailed"]);
    const parts = ['"outer"', "role/outer", "is not authorized", "--profile base"];
    for (const part of parts) assertStringIncludes(told.message!, part);
    assertSilent(told.message!);
  });

  it("a role of the options, with the keys of the chain or given ones", async () => {
    await configured("");
    await using sts = await tokenService("ASIAOPTION");
    const roleArn = "arn:aws:iam::123456789012:role/reader";
    const env = {
      AWS_ENDPOINT_URL_STS: sts.endpoint,
      AWS_ACCESS_KEY_ID: "AKIACHAIN",
      AWS_SECRET_ACCESS_KEY: SECRET,
    };
    const role = { roleArn, externalId: "canary-id", sessionName: "me", duration: 900 };
    {
      await using store = await storeFor("ASIAOPTION0");
      assertEquals(await runOne(READ, options(store, env, { credentials: role })), CONTENT);
      const asked = form(sts.asked[0]!);
      assertEquals(
        ["RoleArn", "ExternalId", "RoleSessionName", "DurationSeconds"].map((n) => asked.get(n)),
        [roleArn, "canary-id", "me", "900"],
      );
      assertEquals(signer(sts.asked[0]!), "AKIACHAIN");
    }
    await using store = await storeFor("ASIAOPTION2");
    const source = { accessKeyId: "AKIAGIVEN", secretAccessKey: SECRET };
    const inner = { roleArn: `${roleArn}-inner`, source };
    const credentials = { roleArn, source: inner };
    assertEquals(await runOne(READ, options(store, env, { credentials })), CONTENT);
    assertEquals(sts.asked.slice(1).map(signer), ["AKIAGIVEN", "ASIAOPTION1"]);
  });

  it("a role of the options that is refused says why, and works once it is allowed", async () => {
    await configured("");
    let refusals = 1;
    await using sts = await tokenService(
      "ASIAOPTION",
      () => refusals-- > 0 ? { code: "AccessDenied", message: "not today" } : undefined,
    );
    await using store = await storeFor("ASIAOPTION0");
    const env = {
      AWS_ENDPOINT_URL_STS: sts.endpoint,
      AWS_ACCESS_KEY_ID: "AKIACHAIN",
      AWS_SECRET_ACCESS_KEY: SECRET,
    };
    const credentials = { roleArn: "arn:aws:iam::123456789012:role/reader" };
    const [failed, works] = await runWell(TWICE(""), options(store, env, { credentials }));
    assertEquals([failed!.name, failed!.code], ["CredentialsError", "CredentialsFailed"]);
    for (const part of ["role/reader", "not today", "trust policy"]) {
      assertStringIncludes(failed!.message!, part);
    }
    assertSilent(failed!.message!);
    assertEquals(works, CONTENT);
  });

  const signOn = (region = "eu-central-1"): string =>
    `[profile dev]\nsso_session = main\nsso_account_id = 123456789012\nsso_role_name = reader\n` +
    `[sso-session main]\nsso_region = ${region}\nsso_start_url = https://example.awsapps.com/start\n`;
  const cached = (token: string, expires: Date, more: object = {}): string =>
    JSON.stringify({
      startUrl: "https://example.awsapps.com/start",
      region: "eu-central-1",
      accessToken: token,
      expiresAt: expires.toISOString().replace(/\.\d+/, ""),
      ...more,
    });

  it("single sign-on, with the token that signing on left", async () => {
    await configured(signOn());
    const file = `${home}/.aws/sso/cache/${await tokenFile("main")}`;
    await Deno.writeTextFile(file, cached("canary-sso-token", end()));
    await using sso = await portal("ASIASSO", () => "canary-sso-token");
    await using store = await storeFor("ASIASSO");
    const env = { AWS_ENDPOINT_URL_SSO: sso.endpoint };
    assertEquals(await runOne(READ, options(store, env, { profile: "dev" })), CONTENT);
    const query = new URL(`http://h${sso.asked[0]!.path}`).searchParams;
    assertEquals([query.get("role_name"), query.get("account_id")], ["reader", "123456789012"]);
  });

  it("single sign-on that has ended names the command; signing on mends the same client", async () => {
    await configured(signOn());
    const file = `${home}/.aws/sso/cache/${await tokenFile("main")}`;
    await using sso = await portal("ASIASSO", () => "canary-new");
    await using store = await storeFor("ASIASSO");
    const env = { AWS_ENDPOINT_URL_SSO: sso.endpoint };
    const states: [() => Promise<void>, string][] = [
      [() => Deno.writeTextFile(file, cached("canary-old", end(-1000))), "has expired"],
      // Ended by the portal, before its time.
      [() => Deno.writeTextFile(file, cached("canary-old", end())), "has expired"],
      [() => Deno.remove(file), "nobody has signed on"],
    ];
    for (const [make, words] of states) {
      await make();
      const login = `Deno.writeTextFileSync(${JSON.stringify(file)}, ${
        JSON.stringify(cached("canary-new", end()))
      });`;
      const told = options(store, env, { profile: "dev" });
      const [failed, works] = await runWell(TWICE(login), told);
      assertEquals([failed!.name, failed!.code], ["CredentialsError", "CredentialsFailed"]);
      assertStringIncludes(failed!.message!, words);
      assertStringIncludes(failed!.message!, '"dev"');
      assertEquals(failed!.hint, "run: aws sso login --profile dev");
      assertSilent(failed!.message!);
      assertEquals(works, CONTENT, words);
    }
  });

  it("single sign-on renews its token, and keeps it where that is allowed", async () => {
    await configured(signOn());
    const file = `${home}/.aws/sso/cache/${await tokenFile("main")}`;
    const old = cached("canary-old", end(60_000), {
      clientId: "client",
      clientSecret: "canary-client-secret",
      refreshToken: "canary-refresh",
      registrationExpiresAt: end(86_400_000).toISOString().replace(/\.\d+/, ""),
    });
    await using oidc = await ScriptedServer.start((_, reply) =>
      json(reply, {
        accessToken: "canary-renewed",
        refreshToken: "canary-refresh-two",
        tokenType: "Bearer",
        expiresIn: 3600,
      })
    );
    await using sso = await portal("ASIASSO", () => "canary-renewed");
    await using store = await storeFor("ASIASSO");
    const env = { AWS_ENDPOINT_URL_SSO: sso.endpoint, AWS_ENDPOINT_URL_SSO_OIDC: oidc.endpoint };
    const child = options(store, env, { profile: "dev" });
    const readOnly = ["--allow-ffi", "--allow-net", "--allow-env", "--allow-read"];
    for (const [flags, kept] of [[readOnly, false], [["--allow-all"], true]] as const) {
      await Deno.writeTextFile(file, old);
      assertEquals(await runOne(READ, { ...child, flags: [...flags] }), CONTENT);
      const text = await Deno.readTextFile(file);
      assertEquals(text.includes("canary-renewed"), kept);
      if (kept) assertStringIncludes(text, "canary-refresh-two");
      else assertEquals(text, old);
    }
    const asked = JSON.parse(new TextDecoder().decode(oidc.asked[0]!.body));
    assertEquals([asked.grantType, asked.refreshToken], ["refresh_token", "canary-refresh"]);
  });

  it("a program that fails is named with its profile and what it said", async () => {
    const program = `${home}/program`;
    const keysOf = JSON.stringify({
      Version: 1,
      AccessKeyId: "ASIAPROGRAM",
      SecretAccessKey: SECRET,
      SessionToken: TOKEN,
      Expiration: end().toISOString(),
    });
    await Deno.writeTextFile(program, `#!/bin/sh\necho "the vault is sealed" >&2\nexit 3\n`);
    await Deno.chmod(program, 0o755);
    await configured(`[profile vault]\ncredential_process = ${program} canary-argument\n`);
    await using store = await storeFor("ASIAPROGRAM");
    const works = `Deno.writeTextFileSync(${JSON.stringify(program)}, ${
      JSON.stringify(`#!/bin/sh\necho '${keysOf}'\n`)
    });`;
    const [failed, read] = await runWell(TWICE(works), options(store, {}, { profile: "vault" }));
    assertEquals([failed!.name, failed!.code], ["CredentialsError", "CredentialsFailed"]);
    for (const part of ["credential_process", '"vault"', "the vault is sealed"]) {
      assertStringIncludes(failed!.message!, part);
    }
    assertSilent(failed!.message!);
    assertEquals(read, CONTENT);
  });

  it("a profile that an option names comes before the environment's keys", async () => {
    await configured("", `[other]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = x\n`);
    const env = { AWS_ACCESS_KEY_ID: "AKIAENV", AWS_SECRET_ACCESS_KEY: "x" };
    await using other = await storeFor("AKIAOTHER");
    assertEquals(await runOne(READ, options(other, env, { profile: "other" })), CONTENT);
    await using environment = await storeFor("AKIAENV");
    const variable = options(environment, { ...env, AWS_PROFILE: "other" });
    assertEquals(await runOne(READ, variable), CONTENT);
  });

  it("a profile that is not there is an error that names those that are", async () => {
    await configured("[profile a]\nregion = x\n[profile b]\nregion = y\n");
    await using store = await storeFor("nobody");
    for (const [env, input] of [[{}, { profile: "c" }], [{ AWS_PROFILE: "c" }, {}]] as const) {
      const told = await runOne(READ, options(store, { ...env }, input));
      assertEquals([told.name, told.code], ["CredentialsError", "CredentialsFailed"]);
      assertStringIncludes(told.message!, '"c"');
      assertStringIncludes(told.message!, "a, b");
    }
  });

  it("shared files that cannot be understood are an error that shows none of their secrets", async () => {
    await configured(`[broken\naws_secret_access_key = ${SECRET}\n`);
    await using store = await storeFor("nobody");
    const { output, told } = await run(READ, options(store, {}));
    assertEquals(told[0]!.name, "CredentialsError", JSON.stringify(told));
    assertStringIncludes(told[0]!.message!, "shared files");
    assertSilent(output);
  });
});
