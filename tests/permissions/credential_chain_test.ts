// The credential chain goes as far as Deno's permissions: environment, shared files, a program, a
// container's endpoint, the instance's metadata. What is not granted is skipped and named.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { LocalS3, memory } from "dipper";
import { ScriptedServer } from "../storage/scripted_server.ts";
import { FFI, flagsIn, run, runOne, runWell, type Told } from "./child.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const READ = `await tell(() => connect().file("s3://bucket/key").text());`;
const NET = "--allow-net=127.0.0.1";
const CONTENT: Told = { ok: "content" };
const METADATA = "--allow-net=169.254.169.254:80";
const KEYS = "--allow-env=AWS_ACCESS_KEY_ID,AWS_SECRET_ACCESS_KEY";

describe("the credential chain", () => {
  let server: LocalS3;
  let home: string;
  let input: { endpoint: string };
  let key: { AWS_ACCESS_KEY_ID: string; AWS_SECRET_ACCESS_KEY: string };
  beforeAll(async () => {
    server = await LocalS3.start();
    home = await Deno.makeTempDir({ prefix: "dipper-home-" });
    await Deno.mkdir(`${home}/.aws`);
    input = { endpoint: server.endpoint };
    const { accessKeyId, secretAccessKey } = server.credentials;
    key = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
    using client = server.client();
    await client.createBucket("bucket");
    await client.file("s3://bucket/key").write("content");
  });
  afterAll(async () => {
    await server.stop();
    await Deno.remove(home, { recursive: true });
  });

  /** Writes the shared files; what is not given is removed. */
  async function configured(files: { config?: string; credentials?: string }): Promise<void> {
    for (const name of ["config", "credentials"] as const) {
      const path = `${home}/.aws/${name}`;
      const text = files[name];
      if (text === undefined) await Deno.remove(path).catch(() => {});
      else await Deno.writeTextFile(path, text);
    }
  }

  const keyLines = (): string =>
    `aws_access_key_id = ${key.AWS_ACCESS_KEY_ID}\naws_secret_access_key = ${key.AWS_SECRET_ACCESS_KEY}\n`;

  it("takes the environment where it is granted", async () => {
    assertEquals(await runOne(READ, { flags: [FFI, NET, KEYS], env: key, input }), CONTENT);
    assertEquals(
      await runOne(READ, { flags: [FFI, NET, "--allow-env"], env: key, input }),
      CONTENT,
    );
  });

  it("skips the environment where it is not granted, and says what to grant", async () => {
    for (
      const flags of [[], ["--allow-env=AWS_ACCESS_KEY_ID"], ["--allow-env=HOME"], [
        "--allow-env",
        "--deny-env=AWS_SECRET_ACCESS_KEY",
      ]]
    ) {
      const told = await runOne(READ, { flags: [FFI, NET, ...flags], env: key, input });
      assertEquals([told.name, told.code], ["CredentialsError", "NoCredentials"], flags.join(" "));
      assertStringIncludes(told.message!, KEYS);
      assertStringIncludes(told.message!, "pass credentials");
      assert(!told.message!.includes(key.AWS_SECRET_ACCESS_KEY));
    }
  });

  it("without anything granted lists every step that was skipped, and is quick", async () => {
    const begun = performance.now();
    const told = await runOne(READ, { flags: [FFI, NET], input });
    assert(performance.now() - begun < 20_000, `took ${performance.now() - begun} ms`);
    assertEquals(told.name, "CredentialsError");
    for (const flag of [KEYS, "--allow-env=HOME", METADATA]) {
      assert(flagsIn(told).includes(flag), `${flag} is not in: ${told.message}`);
    }
  });

  it("with everything granted and nothing there ends soon with a CredentialsError", async () => {
    const begun = performance.now();
    await configured({});
    const told = await runOne(READ, {
      flags: ["--allow-all"],
      env: { HOME: home, AWS_EC2_METADATA_DISABLED: "true" },
      input,
    });
    assert(performance.now() - begun < 30_000, `took ${performance.now() - begun} ms`);
    assertEquals([told.name, told.code], ["CredentialsError", "NoCredentials"]);
    assert(!told.message!.includes("not allowed to look"), told.message);
  });

  it("is not looked at when credentials are given", async () => {
    const wrong = { AWS_ACCESS_KEY_ID: "AKIAWRONG", AWS_SECRET_ACCESS_KEY: "wrong" };
    const given = { ...input, credentials: server.credentials };
    assertEquals(
      await runOne(READ, { flags: [FFI, NET, "--allow-env"], env: wrong, input: given }),
      CONTENT,
    );
  });

  it("takes the session token", async () => {
    await using echo = await ScriptedServer.start((_, reply) =>
      reply.answer(200, { etag: '"x"', "x-amz-request-id": "SCRIPTED" }, "")
    );
    const env = { ...key, AWS_SESSION_TOKEN: "the-token" };
    for (
      const [flag, token] of [[KEYS, undefined], [
        `${KEYS},AWS_SESSION_TOKEN`,
        "the-token",
      ]] as const
    ) {
      await runOne(READ, { flags: [FFI, NET, flag], env, input: { endpoint: echo.endpoint } });
      assertEquals(echo.asked.at(-1)!.headers.get("x-amz-security-token"), token);
    }
  });

  it("takes the shared files where reading them is granted", async () => {
    await configured({ credentials: `[default]\n${keyLines()}` });
    const env = { HOME: home };
    const flags = [FFI, NET, "--allow-env=HOME"];
    const folder = `--allow-read=${home}/.aws`;
    assertEquals(await runOne(READ, { flags: [...flags, folder], env, input }), CONTENT);

    const told = await runOne(READ, { flags, env, input });
    assertEquals(told.name, "CredentialsError");
    for (const name of ["config", "credentials"]) {
      assertStringIncludes(told.message!, `--allow-read=${home}/.aws/${name}`);
    }
    const denied = await runOne(READ, {
      flags: [...flags, folder, `--deny-read=${home}/.aws/credentials`],
      env,
      input,
    });
    assertEquals(denied.name, "CredentialsError");
    assertStringIncludes(denied.message!, `--allow-read=${home}/.aws/credentials`);
  });

  it("takes files from where the variables say", async () => {
    await configured({});
    const path = `${home}/elsewhere`;
    await Deno.writeTextFile(path, `[default]\n${keyLines()}`);
    const env = { HOME: home, AWS_SHARED_CREDENTIALS_FILE: path };
    const flags = [FFI, NET, "--allow-env", `--allow-read=${home}`];
    assertEquals(await runOne(READ, { flags, env, input }), CONTENT);
  });

  it("takes the profile that the option or the variable names", async () => {
    await configured({
      config: "[profile other]\nregion = eu-west-3\n",
      credentials: `[default]\naws_access_key_id = AKIAWRONG\naws_secret_access_key = wrong\n` +
        `[other]\n${keyLines()}`,
    });
    const flags = [FFI, NET, "--allow-env", `--allow-read=${home}`];
    const byDefault = await runOne(READ, { flags, env: { HOME: home }, input });
    assertEquals([byDefault.name, byDefault.code], ["AccessDeniedError", "InvalidAccessKey"]);
    const env = { HOME: home, AWS_PROFILE: "other" };
    assertEquals(await runOne(READ, { flags, env, input }), CONTENT);
    const named = { ...input, profile: "other" };
    assertEquals(await runOne(READ, { flags, env: { HOME: home }, input: named }), CONTENT);
    const missing = await runOne(READ, {
      flags,
      env: { HOME: home },
      input: { ...input, profile: "no-such-profile" },
    });
    assertEquals(missing.name, "CredentialsError", JSON.stringify(missing));
    assertStringIncludes(missing.message!, "no-such-profile");
  });

  it("takes endpoint and region from the environment", async () => {
    await configured({});
    await using echo = await ScriptedServer.start((_, reply) =>
      reply.answer(200, { etag: '"x"', "x-amz-request-id": "SCRIPTED" }, "content")
    );
    const flags = [FFI, NET, "--allow-env"];
    const base = { ...key, HOME: home, AWS_REGION: "eu-north-1" };
    const endpoints: Record<string, string>[] = [
      { AWS_ENDPOINT_URL: echo.endpoint },
      { AWS_ENDPOINT_URL: "http://127.0.0.1:1", AWS_ENDPOINT_URL_S3: echo.endpoint },
    ];
    for (const env of endpoints) {
      assertEquals(await runOne(READ, { flags, env: { ...base, ...env }, input: {} }), CONTENT);
      const { headers, path } = echo.asked.at(-1)!;
      assertStringIncludes(headers.get("authorization")!, "/eu-north-1/s3/aws4_request");
      assert(path.startsWith("/bucket/key"), path);
    }
    const env = { ...base, AWS_ENDPOINT_URL: echo.endpoint };
    // An option wins over the environment.
    await runOne(READ, { flags, env, input: { region: "us-west-1" } });
    assertStringIncludes(echo.asked.at(-1)!.headers.get("authorization")!, "/us-west-1/s3/");
    const told = await runOne(READ, { flags: [FFI, "--allow-env"], env, input: {} });
    assertEquals([told.name, flagsIn(told)], [
      "PermissionError",
      [`--allow-net=${new URL(echo.endpoint).host}`],
    ]);
  });

  it("takes endpoint and region from the profile, and asks for its host", async () => {
    await using echo = await ScriptedServer.start((_, reply) =>
      reply.answer(200, { etag: '"x"', "x-amz-request-id": "SCRIPTED" }, "content")
    );
    const { host } = new URL(echo.endpoint);
    await configured({
      config: `[profile lab]\nregion = eu-south-2\nendpoint_url = ${echo.endpoint}\n`,
      credentials: `[lab]\n${keyLines()}`,
    });
    const flags = [FFI, "--allow-env", `--allow-read=${home}`];
    const env = { HOME: home };
    const named = { profile: "lab" };
    const granted = [...flags, `--allow-net=${host}`];
    assertEquals(await runOne(READ, { flags: granted, env, input: named }), CONTENT);
    assertStringIncludes(echo.asked.at(-1)!.headers.get("authorization")!, "/eu-south-2/s3/");
    const before = echo.connections;
    const told = await runOne(READ, { flags, env, input: named });
    assertEquals([told.name, told.code], ["PermissionError", "PermissionDenied"], told.message);
    assert(flagsIn(told).includes(`--allow-net=${host}`), told.message);
    assertEquals(echo.connections, before);
  });

  it("runs a profile's program only where sh is granted, however the profile spells it", async () => {
    const canary = `${home}/canary`;
    const program = `${home}/program`;
    await Deno.writeTextFile(
      program,
      `#!/bin/sh
touch ${canary}
echo '{"Version": 1, "AccessKeyId": "${key.AWS_ACCESS_KEY_ID}", "SecretAccessKey": "${key.AWS_SECRET_ACCESS_KEY}"}'
`,
    );
    await Deno.chmod(program, 0o755);
    const ran = async (): Promise<boolean> => {
      const found = await Deno.stat(canary).then(() => true, () => false);
      if (found) await Deno.remove(canary);
      return found;
    };
    const env = { HOME: home };
    const flags = [FFI, NET, "--allow-env", `--allow-read=${home}`];
    const spellings = [
      `[default]\ncredential_process = ${program}\n`,
      `[default]\ncredential_process=${program}`,
      `[default]\r\ncredential_process\t=\t${program}\r\n`,
      `[default]\nCredential_Process = ${program}\n`,
      `[default]\nCREDENTIAL_PROCESS=${program}\n`,
      `[default]\nregion = eu-west-1\n\n# comment\ncredential_process = ${program} # comment\n`,
      `[default]\nsource_profile = other\nrole_arn = arn:aws:iam::1:role/x\n` +
      `[profile other]\ncredential_process = ${program}\n`,
    ];
    for (const config of spellings) {
      await configured({ config });
      for (const more of [[], [`--allow-run=${program}`]]) {
        const told = await runOne(READ, { flags: [...flags, ...more], env, input });
        assertEquals(await ran(), false, `the program ran with ${more} in ${config}`);
        assertEquals(told.name, "CredentialsError", JSON.stringify(told));
      }
    }
    for (const name of ["config", "credentials"] as const) {
      await configured({ [name]: spellings[0] });
      const skipped = await runOne(READ, { flags, env, input });
      assertStringIncludes(skipped.message!, "--allow-run=sh");
      const told = await runOne(READ, { flags: [...flags, "--allow-run=sh"], env, input });
      assertEquals(told, CONTENT);
      assertEquals(await ran(), true);
    }
  });

  it("asks a container's endpoint only where the network is granted", async () => {
    await configured({});
    await using container = await ScriptedServer.start((_, reply) =>
      reply.answer(
        200,
        { "content-type": "application/json" },
        JSON.stringify({
          AccessKeyId: key.AWS_ACCESS_KEY_ID,
          SecretAccessKey: key.AWS_SECRET_ACCESS_KEY,
          Token: "",
          Expiration: "2099-01-01T00:00:00Z",
        }),
      )
    );
    const { host } = new URL(container.endpoint);
    const env = {
      HOME: home,
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${container.endpoint}/credentials`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN: "container-token",
    };
    const s3 = `--allow-net=${new URL(server.endpoint).host}`;
    const flags = [FFI, "--allow-env", `--allow-read=${home}`];
    const told = await runOne(READ, { flags: [...flags, s3], env, input });
    assertEquals(container.connections, 0);
    assert(["CredentialsError", "PermissionError"].includes(told.name!), JSON.stringify(told));
    assertStringIncludes(told.message!, `--allow-net=${host}`);
    assert(!told.message!.includes("container-token"));

    const net = `${s3},${host}`;
    assertEquals(await runOne(READ, { flags: [...flags, net], env, input }), CONTENT);
    assertEquals(container.asked.at(-1)!.path, "/credentials");
    assertEquals(container.asked.at(-1)!.headers.get("authorization"), "container-token");
  });

  it("does not ask the token service for a role where the network is not granted", async () => {
    await configured({});
    const token = `${home}/token`;
    await Deno.writeTextFile(token, "canary-web-identity-token");
    const env = {
      HOME: home,
      AWS_WEB_IDENTITY_TOKEN_FILE: token,
      AWS_ROLE_ARN: "arn:aws:iam::123456789012:role/test",
      AWS_REGION: "eu-central-1",
    };
    const told = await runOne(READ, {
      flags: [FFI, NET, "--allow-env", `--allow-read=${home}`],
      env,
      input,
    });
    assert(["CredentialsError", "PermissionError"].includes(told.name!), JSON.stringify(told));
    assertStringIncludes(told.message!, "--allow-net=sts.eu-central-1.amazonaws.com:443");
    assert(!told.message!.includes("canary"));
  });

  it("never shows what it found", async () => {
    const canaries = ["AKIACANARYENV123456", "canary-secret-of-env", "canary-token-of-env"];
    const fromFile = ["AKIACANARYFILE12345", "canary-secret-of-file", "canary-token-of-file"];
    const [id, secret, token] = canaries;
    await configured({
      credentials: `[default]\naws_access_key_id = ${fromFile[0]}\n` +
        `aws_secret_access_key = ${fromFile[1]}\naws_session_token = ${fromFile[2]}\n` +
        `[broken\ncanary-secret-of-file`,
    });
    const inEnvironment = {
      AWS_ACCESS_KEY_ID: id!,
      AWS_SECRET_ACCESS_KEY: secret!,
      AWS_SESSION_TOKEN: token!,
    };
    const source = `
      const client = connect();
      const shown = (value) => Deno.inspect(value, { showHidden: true, depth: 10 });
      for (const call of [
        () => client.file("s3://bucket/key").bytes(), () => client.buckets(),
        () => client.list("s3://bucket/").toArray(), () => client.file("s3://bucket/key").write("x"),
        () => client.file("s3://bucket/key").exists(),
      ]) {
        try { await call(); console.log("a success"); } catch (error) {
          console.log(shown(error), error.stack, JSON.stringify(error));
          console.log(JSON.stringify(await error[Symbol.for("Jupyter.display")]()));
        }
      }
      console.log(shown(client), shown(client.file("s3://bucket/key")));
      await client.buckets();`;
    for (const endpoint of [server.endpoint, "http://127.0.0.1:1"]) {
      for (const env of [{ ...inEnvironment, HOME: home }, { HOME: home }]) {
        const { output, code } = await run(source, {
          flags: [FFI, NET, "--allow-env", `--allow-read=${home}`],
          env,
          input: { endpoint, retries: 0 },
        });
        assertEquals(code, 1);
        assert(!output.includes("a success") && output.includes("Error"), output);
        for (const canary of [...canaries, ...fromFile]) {
          assert(!output.includes(canary), `shows ${canary}:\n${output}`);
        }
      }
    }
  });

  it("never shows what a profile's endpoint holds, and calls it what it is", async () => {
    const canary = "canary-in-endpoint";
    const wrong = [
      `endpoint_url = http://user:${canary}@127.0.0.1:1`,
      `endpoint_url = http://127.0.0.1:1/?token=${canary}`,
      `endpoint_url = ${canary} is no address`,
      `region = ${canary}.example/#`,
    ];
    for (const line of wrong) {
      await configured({
        config: `[profile lab]\nregion = eu-west-1\n${line}\n`,
        credentials: `[lab]\n${keyLines()}`,
      });
      const told = await runOne(READ, {
        flags: [FFI, "--allow-net", "--allow-env", `--allow-read=${home}`],
        env: { HOME: home },
        input: { profile: "lab", retries: 0 },
      });
      assert(!JSON.stringify(told).includes(canary), JSON.stringify(told));
      assertEquals(told.name, "InvalidInputError", JSON.stringify(told));
      assertStringIncludes(told.message!, line.split(" ")[0]!.replace("_url", ""));
    }
  });

  it("is looked at anew by each client, and by none that has what it needs", async () => {
    const told = await runWell(
      `const early = connect();
      await tell(() => early.file("s3://bucket/key").text());
      Deno.env.set("AWS_ACCESS_KEY_ID", input.key[0]);
      Deno.env.set("AWS_SECRET_ACCESS_KEY", input.key[1]);
      const { key: _, ...options } = input;
      await tell(() => new dipper.S3Client(options).file("s3://bucket/key").text());`
        .replace("connect()", "new dipper.S3Client({ endpoint: input.endpoint })"),
      {
        flags: [FFI, NET, "--allow-env"],
        env: { AWS_EC2_METADATA_DISABLED: "true" },
        input: { ...input, key: Object.values(key) },
      },
    );
    assertEquals(told[0]?.name, "CredentialsError");
    assertEquals(told[1], CONTENT);
  });
});
