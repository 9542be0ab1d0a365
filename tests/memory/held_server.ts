/**
 * An S3 server that stops in the middle, so that a test decides when an operation ends.
 *
 * A GET is answered with the head and the first half of the body, a PUT is not read: both wait for
 * `release()`. It checks nothing and keeps the bodies it was sent.
 */
import { S3Client, type S3ClientOptions, type S3File } from "dipper";
import { turn } from "./settled.ts";

export class HeldServer implements AsyncDisposable {
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #released = Promise.withResolvers<void>();
  #arrived = 0;
  /** The bodies of PUTs, by path. */
  readonly bodies = new Map<string, Uint8Array<ArrayBuffer>>();
  readonly client: S3Client;

  /** A server whose objects have so many bytes: the first half are 1, the second half 2. */
  constructor(size: number) {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {}, onError: () => new Response() },
      (request) => this.#answer(request, size),
    );
    this.client = new S3Client({ ...this.options, retries: 0 });
  }

  get options(): S3ClientOptions {
    return {
      endpoint: `http://127.0.0.1:${this.#server.addr.port}`,
      region: "us-east-1",
      credentials: { accessKeyId: "held", secretAccessKey: "held" },
    };
  }

  file(key: string): S3File {
    return this.client.file({ bucket: "bucket", key });
  }

  /** Waits until so many requests are being held. */
  async arrived(count: number): Promise<void> {
    const deadline = performance.now() + 10_000;
    while (this.#arrived < count) {
      if (performance.now() > deadline) throw new Error(`${this.#arrived} of ${count} arrived`);
      await turn(5);
    }
    // What was sent so far is on its way into the operation's memory.
    await turn(30);
  }

  /** Lets everything go on. */
  release(): void {
    this.#released.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
    this.client.dispose();
    await this.#server.shutdown();
  }

  async #answer(request: Request, size: number): Promise<Response> {
    const headers = { etag: '"held"', "last-modified": new Date(0).toUTCString() };
    this.#arrived++;
    if (request.method === "PUT") {
      await this.#released.promise;
      const body = await request.bytes();
      this.bodies.set(new URL(request.url).pathname, body);
      return new Response(null, { headers });
    }
    const released = this.#released.promise;
    const body = new ReadableStream<Uint8Array>({
      async start(controller) {
        controller.enqueue(new Uint8Array(size / 2).fill(1));
        await released;
        try {
          controller.enqueue(new Uint8Array(size / 2).fill(2));
          controller.close();
        } catch {
          // The reader gave up meanwhile.
        }
      },
    });
    return new Response(body, { headers: { ...headers, "content-length": String(size) } });
  }
}
