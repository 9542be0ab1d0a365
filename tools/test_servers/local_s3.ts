/**
 * The embedded S3 server as a process of its own, for clients that are not ours.
 *
 * @module
 */
import { join } from "node:path";
import { type CommandOptions, run } from "../commands.ts";
import { cargoTarget } from "../repository.ts";
import { startProgram, type TestServer } from "./test_server.ts";

/**
 * Starts the server over a temporary folder; cargo builds it if needed.
 *
 * @throws {Unavailable} when cargo is missing.
 */
export async function startLocalS3(options: CommandOptions = {}): Promise<TestServer> {
  // With the whole workspace selected, dependencies have the features they have in `cargo test`, and
  // nothing is compiled a second time. `cargo run` cannot select it.
  const build = ["build", "--release", "--locked", "--workspace", "--example=serve"];
  const env = { CARGO_TARGET_DIR: cargoTarget() };
  if (!(await run("cargo", build, { ...options, env, yields: true })).success) {
    throw new Error("the serve example does not compile; see above");
  }
  const suffix = Deno.build.os === "windows" ? ".exe" : "";
  const program = join(cargoTarget(), "release", "examples", `serve${suffix}`);
  const server = await startProgram(program, [], options);
  const { endpoint, region, accessKeyId, secretAccessKey } = server.ready;
  if (!endpoint || !region || !accessKeyId || !secretAccessKey) {
    await server[Symbol.asyncDispose]();
    throw new Error(`the serve example names only ${Object.keys(server.ready).join(", ")}`);
  }
  return {
    environment: {
      DIPPER_TEST_ENDPOINT: endpoint,
      DIPPER_TEST_REGION: region,
      DIPPER_TEST_ACCESS_KEY: accessKeyId,
      DIPPER_TEST_SECRET_KEY: secretAccessKey,
      DIPPER_TEST_LOCAL_S3_PROGRAM: program,
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
