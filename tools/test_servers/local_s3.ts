/**
 * The embedded S3 server as a process of its own, for clients that are not ours.
 *
 * @module
 */
import type { CommandOptions } from "../commands.ts";
import { cargoTarget } from "../repository.ts";
import { startProgram, type TestServer } from "./test_server.ts";

/** Starts the server over a temporary folder; cargo builds it if needed. */
export async function startLocalS3(options: CommandOptions = {}): Promise<TestServer> {
  const server = await startProgram(
    "cargo",
    ["run", "--quiet", "--release", "--locked", "--package=dipper-local-s3", "--example=serve"],
    { ...options, env: { CARGO_TARGET_DIR: cargoTarget() } },
  );
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
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
