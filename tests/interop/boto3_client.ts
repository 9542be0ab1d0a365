/** Talks to boto3, which runs as a program of its own: `boto3_client.py`. */

import type { LocalS3 } from "dipper";

/** What boto3 answers; which fields there are depends on the command. */
export interface Answer {
  error?: string;
  body?: string;
  etag?: string;
  metadata?: Record<string, string>;
  contentType?: string | null;
  contentEncoding?: string | null;
  cacheControl?: string | null;
  modified?: number;
  size?: number;
  keys?: string[];
  sizes?: number[];
  names?: string[];
}

const encoder = new TextEncoder();

/** A running boto3, connected to a server. */
export class Boto3 implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: AsyncIterator<string>;

  /** Starts it with the Python that `DIPPER_TEST_PYTHON` names. */
  constructor(server: LocalS3) {
    const { accessKeyId, secretAccessKey } = server.credentials;
    const program = decodeURIComponent(new URL("boto3_client.py", import.meta.url).pathname);
    this.#child = new Deno.Command(Deno.env.get("DIPPER_TEST_PYTHON") ?? "python3", {
      args: [program],
      env: {
        ENDPOINT: server.endpoint,
        REGION: server.region,
        ACCESS_KEY: accessKeyId,
        SECRET_KEY: secretAccessKey,
        // Nothing of this machine's own configuration.
        AWS_CONFIG_FILE: "/dev/null",
        AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
      },
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#lines = linesOf(this.#child.stdout);
  }

  /** Sends a command and waits for its answer. */
  async ask(command: string, options: Record<string, unknown> = {}): Promise<Answer> {
    await this.#input.write(encoder.encode(`${JSON.stringify({ command, ...options })}\n`));
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`boto3 ended at ${command}`);
    return JSON.parse(value) as Answer;
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close();
    await this.#lines.next();
    await this.#child.status;
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let held = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (held + text).split("\n");
    held = lines.pop() ?? "";
    yield* lines;
  }
}
