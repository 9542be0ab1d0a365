/**
 * Ends in one of several ways. Arguments: how, and the endpoint of a server that never answers (or,
 * for the busy transfer, after how many milliseconds to end).
 */
import { LocalS3, memory, RustBuffer, S3Client } from "../../../mod.ts";

const [how = "", endpoint = ""] = Deno.args;
const turn = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** A client of the silent server, and four operations that never end by themselves. */
function pending(signal?: AbortSignal): { client: S3Client; all: Promise<unknown>[] } {
  const client = new S3Client({
    endpoint,
    region: "us-east-1",
    credentials: { accessKeyId: "a", secretAccessKey: "b" },
  });
  const file = client.file("s3://bucket/object");
  const options = signal === undefined ? {} : { signal };
  const all = [
    file.bytes(options),
    file.buffer(options),
    file.into(new Uint8Array(1 << 20), options),
    file.write(new RustBuffer(1 << 20), options),
  ];
  return { client, all };
}

async function namesOf(all: Promise<unknown>[]): Promise<string[]> {
  const outcomes = await Promise.allSettled(all);
  return outcomes.map((outcome) =>
    outcome.status === "rejected" ? (outcome.reason as Error).name : "fulfilled"
  );
}

function report(facts: Record<string, unknown>): void {
  console.log(JSON.stringify({ ...facts, operations: memory().operations }));
}

async function object(content: Uint8Array<ArrayBuffer>) {
  const server = await LocalS3.start();
  const client = server.client();
  await client.createBucket("bucket");
  const file = client.file("s3://bucket/object");
  await file.write(content);
  return { server, client, file };
}

const WAYS: Record<string, () => unknown> = {
  async "exit with operations"() {
    void namesOf(pending().all);
    await turn(200);
    report({});
    Deno.exit(0);
  },
  "exit in a Worker with operations"() {
    const worker = new Worker(new URL("./pending_worker.ts", import.meta.url), { type: "module" });
    worker.onmessage = () => {
      report({});
      Deno.exit(0);
    };
    worker.postMessage(endpoint);
  },
  async "abort and fall off the end"() {
    const controller = new AbortController();
    const reasons = namesOf(pending(controller.signal).all);
    await turn(200);
    controller.abort();
    report({ reasons: await reasons });
  },
  async "dispose and fall off the end"() {
    const { client, all } = pending();
    const reasons = namesOf(all);
    await turn(200);
    client.dispose();
    report({ reasons: await reasons });
  },
  async "throw with operations"() {
    void namesOf(pending().all);
    await turn(200);
    throw new RangeError("as asked");
  },
  async "await nothing"() {
    const { file, server } = await object(new Uint8Array(4));
    file.bytes().then(async (bytes) => {
      console.log(`Uint8Array(${bytes.length})`);
      await server.stop();
    });
  },
  async "idle"() {
    const { server, file } = await object(new Uint8Array(4));
    await file.bytes();
    await server.stop();
    memory();
  },
  async "idle after a Worker"() {
    const { server, file } = await object(new Uint8Array(4));
    await file.bytes();
    const worker = new Worker(new URL("./pending_worker.ts", import.meta.url), { type: "module" });
    worker.postMessage("");
    await new Promise((resolve) => worker.onmessage = resolve);
    worker.terminate();
    await server.stop();
  },
  async "with buffers"() {
    const { server, file } = await object(new Uint8Array(1 << 20));
    const kept = await Promise.all([file.bytes(), file.buffer(), file.arrayBuffer()]);
    Object.assign(globalThis, { kept, more: [new RustBuffer(100), new RustBuffer(100).adopt()] });
    new RustBuffer(1 << 20);
    await server.stop();
  },
  async "with a server"() {
    const { file } = await object(new Uint8Array(4));
    await file.bytes();
  },
  async "exit in a busy transfer"() {
    const { file, client } = await object(new Uint8Array(8 << 20));
    const all: Promise<unknown>[] = [];
    for (let at = 0; at < 8; at++) {
      all.push(file.bytes(), file.into(new Uint8Array(8 << 20)));
      all.push(client.file(`s3://bucket/${at}`).write(new RustBuffer(8 << 20)));
    }
    void Promise.allSettled(all);
    await turn(Number(endpoint));
    Deno.exit(0);
  },
};

const way = WAYS[how];
if (way === undefined) throw new Error(`there is no way ${how}`);
await way();
