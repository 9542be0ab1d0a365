/**
 * The S3 server that fails as tests tell it (`native/faults`), as a process of its own.
 *
 * @module
 */
import { join } from "node:path";
import { type CommandOptions, run } from "../commands.ts";
import { cargoTarget } from "../repository.ts";
import { startProgram, type TestServer } from "./test_server.ts";

/**
 * Starts the server; cargo builds it if needed.
 *
 * @throws {Unavailable} when cargo is missing.
 */
export async function startFaults(options: CommandOptions = {}): Promise<TestServer> {
  // With the whole workspace selected, dependencies have the features they have in `cargo test`, and
  // nothing is compiled a second time.
  const build = ["build", "--release", "--locked", "--workspace", "--bin=dipper-faults"];
  const env = { CARGO_TARGET_DIR: cargoTarget() };
  if (!(await run("cargo", build, { ...options, env, yields: true })).success) {
    throw new Error("native/faults does not compile; see above");
  }
  const suffix = Deno.build.os === "windows" ? ".exe" : "";
  const program = join(cargoTarget(), "release", `dipper-faults${suffix}`);
  const server = await startProgram(program, [], options);
  const { control, endpoint, endpoint6 } = server.ready;
  if (!control || !endpoint) {
    await server[Symbol.asyncDispose]();
    throw new Error(`dipper-faults names only ${Object.keys(server.ready).join(", ")}`);
  }
  return {
    environment: {
      DIPPER_TEST_FAULTS_CONTROL: control,
      DIPPER_TEST_FAULTS_ENDPOINT: endpoint,
      // A machine without IPv6 has none.
      ...(endpoint6 ? { DIPPER_TEST_FAULTS_ENDPOINT6: endpoint6 } : {}),
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
