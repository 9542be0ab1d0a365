/**
 * A server that tests need, and how a program of ours runs as one: it writes one line of JSON when it
 * is ready and serves until its standard input closes, so that it also ends when the runner is
 * killed and can end nothing any more.
 *
 * @module
 */
import { type CommandOptions, end, spawn } from "../commands.ts";

/** A running server; disposing it ends it. */
export interface TestServer extends AsyncDisposable {
  /** What the tests find it by. */
  environment: Record<string, string>;
}

/** A program that is ready, with what it wrote. */
export interface ReadyProgram extends AsyncDisposable {
  /** Its line of JSON. */
  ready: Record<string, string>;
}

/**
 * Starts a program and waits for its line. Its standard error goes to ours.
 *
 * @throws {Unavailable} when the program does not exist.
 */
export async function startProgram(
  program: string,
  args: string[],
  options: CommandOptions = {},
): Promise<ReadyProgram> {
  const child = spawn(program, args, { ...options, stdin: "piped" });
  const stop = (): void => void end(child);
  options.signal?.addEventListener("abort", stop, { once: true });
  const errors = child.stderr.pipeTo(
    new WritableStream({ write: (chunk) => void Deno.stderr.writeSync(chunk) }),
  );
  // What it writes later is read too: a full pipe would stop it.
  const { promise: line, resolve, reject } = Promise.withResolvers<string>();
  const output = (async () => {
    let text = "";
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const length = text.indexOf("\n");
      if (length !== -1) resolve(text.slice(0, length));
    }
    reject(new Error(`${program} ended before it was ready`));
  })();
  const stopped = async (): Promise<void> => {
    options.signal?.removeEventListener("abort", stop);
    await child.stdin.close().catch(() => {});
    const insist = setTimeout(stop, 5_000);
    await child.status;
    clearTimeout(insist);
    await end(child);
    await Promise.all([errors, output]);
  };
  try {
    return { ready: JSON.parse(await line), [Symbol.asyncDispose]: stopped };
  } catch (error) {
    await end(child);
    await stopped();
    throw error;
  }
}
