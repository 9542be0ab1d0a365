/**
 * The servers that cases run against, each started when first asked for and stopped with the bench.
 *
 * @module
 */
import { join } from "node:path";
import { deno, root } from "../../tools/repository.ts";
import { startProgram } from "../../tools/test_servers/test_server.ts";
import type { Served, ServerName } from "../bench_case.ts";
import type { Job } from "../job.ts";
import { type Nginx, startNginx } from "./nginx.ts";
import { BUCKET, writeObjects } from "./objects.ts";

/** What a job needs to find a server. */
export type ServerFields = Pick<Job, "endpoint" | "ca" | "accessKeyId" | "secretAccessKey">;

/** All servers of a bench; disposing them stops them. */
export class Servers implements AsyncDisposable {
  readonly #running = new AsyncDisposableStack();
  readonly #served = new Set<Served>();
  #nginx: Promise<Nginx> | undefined;
  #localS3: Promise<ServerFields> | undefined;

  /** A server that serves these objects. */
  async get(name: ServerName, served: readonly Served[]): Promise<ServerFields> {
    if (name === "LocalS3") return await (this.#localS3 ??= this.#startLocalS3());
    const nginx = await (this.#nginx ??= this.#startNginx());
    const wanted = served.filter((one) => !this.#served.has(one));
    await writeObjects(nginx.folder, wanted);
    for (const one of wanted) this.#served.add(one);
    // It checks no signature.
    const made = { accessKeyId: "bench", secretAccessKey: "bench-secret" };
    return name === "http"
      ? { endpoint: nginx.http, ...made }
      : { endpoint: nginx.https, ca: nginx.ca, ...made };
  }

  /** Such as `nginx/1.22.1`; empty when it did not run. */
  async nginxVersion(): Promise<string> {
    return (await this.#nginx)?.version ?? "";
  }

  async #startNginx(): Promise<Nginx> {
    return this.#running.use(await startNginx());
  }

  async #startLocalS3(): Promise<ServerFields> {
    const program = join(root, "benches", "setup", "local_s3.ts");
    const server = this.#running.use(
      await startProgram(deno, ["run", "--allow-all", program, BUCKET]),
    );
    const { endpoint = "", accessKeyId = "", secretAccessKey = "" } = server.ready;
    return { endpoint, accessKeyId, secretAccessKey };
  }

  /** Stops all. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running.disposeAsync();
  }
}
