/**
 * The servers that cases run against, each started when first asked for and stopped with the bench.
 *
 * @module
 */
import { join } from "node:path";
import { S3Client } from "dipper";
import { startFaults } from "../../tools/test_servers/faults.ts";
import { startVersitygw } from "../../tools/test_servers/versitygw.ts";
import type { Served, ServerName } from "../bench_case.ts";
import type { Job } from "../job.ts";
import { temporaryMemory } from "./memory_folder.ts";
import { type Nginx, startNginx } from "./nginx.ts";
import { BUCKET, LISTING, pathInTree, SINK, TREE, writeObjects, writeTree } from "./objects.ts";

/** What a job needs to find a server. */
export type ServerFields = Pick<Job, "endpoint" | "ca" | "accessKeyId" | "secretAccessKey">;

/** What those get that check no signature. */
const MADE_UP = { accessKeyId: "bench", secretAccessKey: "bench-secret" };

/** versitygw over a folder in memory. */
interface Gateway {
  fields: ServerFields;
  folder: string;
}

/** The fault server, which here fails nobody. */
interface Scripted {
  fields: ServerFields;
  control: string;
}

/** All servers of a bench; disposing them stops them. */
export class Servers implements AsyncDisposable {
  readonly #running = new AsyncDisposableStack();
  readonly #served = new Set<Served>();
  #nginx: Promise<Nginx> | undefined;
  #versitygw: Promise<Gateway> | undefined;
  #scripted: Promise<Scripted> | undefined;
  #tree: Promise<string> | undefined;

  /** A server that serves these objects. */
  async get(name: ServerName, served: readonly Served[]): Promise<ServerFields> {
    switch (name) {
      case "versitygw": {
        const { fields } = await this.#gateway();
        const wanted = this.#wanted(served);
        if (wanted.includes("tree")) await uploadTree(await this.tree(), fields);
        return fields;
      }
      case "scripted":
        return (await (this.#scripted ??= this.#startScripted())).fields;
      case "http":
      case "https": {
        const nginx = await (this.#nginx ??= this.#startNginx());
        await writeObjects(nginx.folder, this.#wanted(served));
        return name === "http"
          ? { endpoint: nginx.http, ...MADE_UP }
          : { endpoint: nginx.https, ca: nginx.ca, ...MADE_UP };
      }
    }
  }

  /** A local folder with the tree, in memory. */
  tree(): Promise<string> {
    return this.#tree ??= this.#writeTree();
  }

  /** Where versitygw keeps the objects of the bucket. */
  async versitygwFolder(): Promise<string> {
    return join((await this.#gateway()).folder, BUCKET);
  }

  /** How large the scripted server says that an object is which it took. */
  async takenSize(key: string): Promise<number | undefined> {
    const { control } = await (this.#scripted ??= this.#startScripted());
    const report = await (await fetch(`${control}/${SINK}`)).json();
    return report.written[key]?.size;
  }

  /** Such as `nginx/1.22.1`; empty when it did not run. */
  async nginxVersion(): Promise<string> {
    return (await this.#nginx)?.version ?? "";
  }

  #wanted(served: readonly Served[]): Served[] {
    const wanted = served.filter((one) => !this.#served.has(one));
    for (const one of wanted) this.#served.add(one);
    return wanted;
  }

  async #startNginx(): Promise<Nginx> {
    return this.#running.use(await startNginx());
  }

  #gateway(): Promise<Gateway> {
    return this.#versitygw ??= this.#startVersitygw();
  }

  async #startVersitygw(): Promise<Gateway> {
    const { dir } = await temporaryMemory();
    const server = this.#running.use(
      await startVersitygw({ quiet: true, ...(dir !== undefined && { parent: dir }) }),
    );
    const told = (name: string): string =>
      server.environment[`DIPPER_TEST_VERSITYGW_${name}`] ?? "";
    const fields = {
      endpoint: told("ENDPOINT"),
      accessKeyId: told("ACCESS_KEY"),
      secretAccessKey: told("SECRET_KEY"),
    };
    using client = connected(fields);
    await client.createBucket(BUCKET);
    return { fields, folder: server.folder };
  }

  async #startScripted(): Promise<Scripted> {
    const { environment } = this.#running.use(await startFaults({ quiet: true }));
    const control = environment["DIPPER_TEST_FAULTS_CONTROL"]!;
    const endpoint = environment["DIPPER_TEST_FAULTS_ENDPOINT"]!;
    const { name, keys: count, page: pageSize } = LISTING;
    const buckets = {
      [LISTING.bucket]: { listing: { name, count, pageSize }, log: 0 },
      [SINK]: { discard: true, log: 0 },
    };
    for (const [bucket, spec] of Object.entries(buckets)) {
      const answer = await fetch(`${control}/${bucket}`, {
        method: "PUT",
        body: JSON.stringify(spec),
      });
      if (!answer.ok) throw new Error(`the scripted server refuses: ${await answer.text()}`);
      await answer.body?.cancel();
    }
    // The pages are made when they are first asked for: clients write keys in either way.
    for (const encoding of ["", "&encoding-type=url"]) {
      for (let entry = 0; entry < count; entry += pageSize) {
        const token = entry > 0 ? `&continuation-token=entry-${entry}` : "";
        const page = await fetch(`${endpoint}/${LISTING.bucket}?list-type=2${token}${encoding}`);
        await page.bytes();
      }
    }
    return { fields: { endpoint, ...MADE_UP }, control };
  }

  async #writeTree(): Promise<string> {
    const folder = await Deno.makeTempDir({
      prefix: "dipper-bench-tree-",
      ...await temporaryMemory(),
    });
    this.#running.defer(() => Deno.remove(folder, { recursive: true }));
    await writeTree(folder);
    return folder;
  }

  /** Stops all. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running.disposeAsync();
  }
}

function connected({ endpoint, accessKeyId, secretAccessKey }: ServerFields): S3Client {
  return new S3Client({
    endpoint,
    region: "us-east-1",
    credentials: { accessKeyId, secretAccessKey },
  });
}

/** Puts the tree into the bucket, for those who download it. */
async function uploadTree(folder: string, fields: ServerFields): Promise<void> {
  using client = connected(fields);
  let next = 0;
  await Promise.all(Array.from({ length: 32 }, async () => {
    while (next < TREE.count) {
      const path = pathInTree(next++);
      const bytes = await Deno.readFile(join(folder, path));
      await client.file(`s3://${BUCKET}/${TREE.prefix}${path}`).write(bytes);
    }
  }));
}
