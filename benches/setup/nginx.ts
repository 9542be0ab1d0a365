/**
 * nginx on 127.0.0.1 and free ports, over HTTP and HTTPS, serving a folder in memory. It is Debian's
 * package.
 *
 * It is not S3: it serves files with ranges and ETags whatever the signature says. That is what a
 * bench of clients needs: a server that costs as little as can be.
 *
 * @module
 */
import { join } from "node:path";
import { makeCertificates } from "../../tests/storage/certificates.ts";
import { end, run, spawn } from "../../tools/commands.ts";
import { debianProgram } from "./debian_package.ts";
import { temporaryMemory } from "./memory_folder.ts";

/** A running nginx; disposing it stops it and removes its folder. */
export interface Nginx extends AsyncDisposable {
  /** The folder that it serves: `BUCKET/KEY`. In memory. */
  readonly folder: string;
  /** `http://127.0.0.1:PORT`. */
  readonly http: string;
  /** `https://127.0.0.1:PORT`. */
  readonly https: string;
  /** The certificate of the authority behind `https`, a file in PEM. */
  readonly ca: string;
  /** Such as `nginx/1.22.1`. */
  readonly version: string;
}

/**
 * Gets nginx if it is not there, and starts it.
 *
 * @throws {Unavailable} when it cannot be had.
 */
export async function startNginx(): Promise<Nginx> {
  const program = await debianProgram("nginx", "usr/sbin/nginx", "-v");
  const version = (await run(program, ["-v"], { quiet: true })).output.trim().split(" ").at(-1)!;
  // Between asking for free ports and using them, another program may take one.
  for (let attempt = 1;; attempt++) {
    try {
      return await start(program, version);
    } catch (error) {
      if (attempt === 3) throw error;
    }
  }
}

async function start(program: string, version: string): Promise<Nginx> {
  await using undo = new AsyncDisposableStack();
  const own = await Deno.makeTempDir({ prefix: "dipper-bench-", ...await temporaryMemory() });
  undo.defer(() => Deno.remove(own, { recursive: true }).catch(() => {}));
  const folder = join(own, "served");
  await Deno.mkdir(folder);
  const { authority, certificate, key } = await makeCertificates();
  const file = (name: string): string => join(own, name);
  await Deno.writeTextFile(file("ca.pem"), authority);
  await Deno.writeTextFile(file("certificate.pem"), certificate);
  await Deno.writeTextFile(file("key.pem"), key, { mode: 0o600 });
  const [plain, secure] = [freePort(), freePort()];
  await Deno.writeTextFile(file("nginx.conf"), configuration(own, plain, secure));

  // The shell outlives nobody: its standard input ends with us, even when we are killed, and then it
  // stops nginx and removes the folder.
  const script = `"$0" -p "$1" -c nginx.conf -e stderr & server=$!
trap : TERM
cat > "$1/input"
kill -QUIT $server; wait $server; rm -rf "$1"`;
  const shell = spawn("sh", ["-c", script, program, own], { stdin: "piped" });
  const output = Promise.all([
    new Response(shell.stdout).text(),
    new Response(shell.stderr).text(),
  ]);
  undo.defer(async () => {
    await shell.stdin.close().catch(() => {});
    const insist = setTimeout(() => void end(shell), 5_000);
    await shell.status;
    clearTimeout(insist);
    await end(shell);
    await output;
  });

  const http = `http://127.0.0.1:${plain}`;
  const deadline = Date.now() + 10_000;
  while (!await answers(http)) {
    if (Date.now() > deadline) {
      await end(shell);
      throw new Error(`nginx does not answer: ${(await output).join("").trim()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const running = undo.move();
  return {
    folder,
    http,
    https: `https://127.0.0.1:${secure}`,
    ca: file("ca.pem"),
    version,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function configuration(own: string, plain: number, secure: number): string {
  // As many workers as cores: clients that open several connections meet a server that can use
  // them. A connection is never closed for having been used often, which would cost some clients
  // more than others. A file is opened once.
  return `
${Deno.uid() === 0 ? "user root;" : ""}
daemon off;
worker_processes auto;
pid ${own}/nginx.pid;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path ${own}/body;
  proxy_temp_path ${own}/proxy;
  fastcgi_temp_path ${own}/fastcgi;
  uwsgi_temp_path ${own}/uwsgi;
  scgi_temp_path ${own}/scgi;
  default_type application/octet-stream;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  open_file_cache max=20000 inactive=1h;
  open_file_cache_valid 1h;
  server {
    listen 127.0.0.1:${plain};
    listen 127.0.0.1:${secure} ssl;
    ssl_certificate ${own}/certificate.pem;
    ssl_certificate_key ${own}/key.pem;
    root ${own}/served;
  }
}
`;
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function answers(endpoint: string): Promise<boolean> {
  try {
    await (await fetch(endpoint)).body?.cancel();
    return true;
  } catch {
    return false;
  }
}
