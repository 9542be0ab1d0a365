/**
 * versitygw: an S3 server that is not ours and checks signatures, on 127.0.0.1, a free port and
 * random credentials, over a folder that is removed with it.
 *
 * @module
 */
import { type CommandOptions, end, spawn } from "../commands.ts";
import { goTool } from "../go_tool.ts";
import type { TestServer } from "./test_server.ts";

const VERSION = "v1.8.0";
const REGION = "us-east-1";

/** How to run it. */
export interface VersitygwOptions extends CommandOptions {
  /** Where its folder is made; where temporary files are by default. */
  parent?: string;
}

/** The running server. */
export interface Versitygw extends TestServer {
  /** Its folder: `BUCKET/KEY`. */
  folder: string;
}

/**
 * Starts the server, compiled first if it is not there.
 *
 * @throws {Unavailable} when it cannot be compiled.
 */
export async function startVersitygw(options: VersitygwOptions = {}): Promise<Versitygw> {
  const program = await goTool(
    "versitygw",
    "github.com/versity/versitygw/cmd/versitygw",
    VERSION,
    options,
  );
  // Between asking for a free port and using it, another program may take it.
  for (let attempt = 1;; attempt++) {
    try {
      return await start(program, options.parent);
    } catch (error) {
      if (attempt === 3) throw error;
    }
  }
}

async function start(program: string, parent?: string): Promise<Versitygw> {
  await using undo = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({
    prefix: "dipper-versitygw-",
    ...(parent !== undefined && { dir: parent }),
  });
  undo.defer(() => Deno.remove(folder, { recursive: true }));
  // Apart from the buckets, or it would be one.
  const versions = await Deno.makeTempDir({
    prefix: "dipper-versitygw-versions-",
    ...(parent !== undefined && { dir: parent }),
  });
  undo.defer(() => Deno.remove(versions, { recursive: true }));
  const port = freePort();
  const access = `test${randomHex(8)}`;
  const secret = randomHex(20);
  const server = spawn(
    program,
    [
      "--port",
      `127.0.0.1:${port}`,
      "--keep-alive",
      "--quiet",
      "posix",
      "--versioning-dir",
      versions,
      folder,
    ],
    {
      // In the environment, not on the command line, where every user of the machine reads it.
      env: { ROOT_ACCESS_KEY_ID: access, ROOT_SECRET_ACCESS_KEY: secret, VGW_REGION: REGION },
    },
  );
  const output = Promise.all([
    new Response(server.stdout).text(),
    new Response(server.stderr).text(),
  ]);
  undo.defer(async () => {
    await end(server);
    await output;
  });

  const endpoint = `http://127.0.0.1:${port}`;
  let ended = false;
  server.status.then(() => ended = true);
  const deadline = Date.now() + 60_000;
  while (!await answers(endpoint)) {
    if (ended) throw new Error(`versitygw ended at once: ${(await output).join("").trim()}`);
    if (Date.now() > deadline) throw new Error("versitygw does not answer after 60 s");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }

  const running = undo.move();
  return {
    folder,
    environment: {
      DIPPER_TEST_VERSITYGW_ENDPOINT: endpoint,
      DIPPER_TEST_VERSITYGW_ACCESS_KEY: access,
      DIPPER_TEST_VERSITYGW_SECRET_KEY: secret,
      DIPPER_TEST_VERSITYGW_REGION: REGION,
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** Whether an S3 server answers: unsigned, so its answer is a refusal in S3's XML. */
async function answers(endpoint: string): Promise<boolean> {
  try {
    const response = await fetch(endpoint, { signal: AbortSignal.timeout(1_000) });
    return (await response.text()).includes("<Error>");
  } catch {
    return false;
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

function randomHex(bytes: number): string {
  return crypto.getRandomValues(new Uint8Array(bytes)).toHex();
}
