/**
 * toxiproxy: a TCP proxy that slows, cuts and resets what passes it, as tests tell it over HTTP.
 *
 * @module
 */
import { type CommandOptions, end, spawn } from "../commands.ts";
import { goTool } from "../go_tool.ts";
import type { TestServer } from "./test_server.ts";

const VERSION = "v2.5.0";

/**
 * Starts the proxy on 127.0.0.1 and a free port, compiled first if it is not there. It proxies
 * nothing until a test tells it to.
 *
 * @throws {Unavailable} when it cannot be compiled.
 */
export async function startToxiproxy(options: CommandOptions = {}): Promise<TestServer> {
  const program = await goTool(
    "toxiproxy",
    "github.com/Shopify/toxiproxy/v2/cmd/server",
    VERSION,
    options,
  );
  // Between asking for a free port and using it, another program may take it.
  for (let attempt = 1;; attempt++) {
    try {
      return await start(program);
    } catch (error) {
      if (attempt === 3) throw error;
    }
  }
}

async function start(program: string): Promise<TestServer> {
  await using undo = new AsyncDisposableStack();
  const port = freePort();
  const server = spawn(program, ["-host", "127.0.0.1", "-port", String(port)], {
    env: { LOG_LEVEL: "error" },
  });
  const output = Promise.all([
    new Response(server.stdout).text(),
    new Response(server.stderr).text(),
  ]);
  undo.defer(async () => {
    await end(server);
    await output;
  });

  const api = `http://127.0.0.1:${port}`;
  let ended = false;
  server.status.then(() => ended = true);
  const deadline = Date.now() + 60_000;
  while (!await answers(api)) {
    if (ended) throw new Error(`toxiproxy ended at once: ${(await output).join("").trim()}`);
    if (Date.now() > deadline) throw new Error("toxiproxy does not answer after 60 s");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }

  const running = undo.move();
  return {
    environment: { DIPPER_TEST_TOXIPROXY_API: api },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** Whether it is there. What `go install` makes does not know its own version. */
async function answers(api: string): Promise<boolean> {
  try {
    const response = await fetch(`${api}/proxies`, { signal: AbortSignal.timeout(1_000) });
    return (await response.text()).trim() === "{}";
  } catch {
    return false;
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
