/** Runs a program of `programs/` in a process of its own, and tells how it ended. */
import { fileURLToPath as fromFileUrl } from "node:url";

export interface Ended {
  readonly code: number;
  readonly signal: Deno.Signal | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly milliseconds: number;
}

/** How to run it. */
export interface ProgramOptions {
  /** Flags of Deno, before the program. */
  flags?: string[];
  /** Arguments of the program. */
  args?: string[];
  /** More environment variables. */
  env?: Record<string, string>;
  /** After this many milliseconds it is killed, which shows as its signal. */
  patience?: number;
}

/** Runs a program to its end. */
export async function runProgram(program: URL, options: ProgramOptions = {}): Promise<Ended> {
  const { flags = [], args = [], env = {}, patience = 120_000 } = options;
  const start = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--allow-all",
      "--no-lock",
      "--v8-flags=--expose-gc",
      ...flags,
      fromFileUrl(program),
      ...args,
    ],
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), patience);
  const { code, signal, stdout, stderr } = await child.output();
  clearTimeout(timer);
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return {
    code,
    signal,
    stdout: text(stdout),
    stderr: text(stderr),
    milliseconds: performance.now() - start,
  };
}

/** A program's path, beside the test that names it. */
export function programAt(name: string): URL {
  return new URL(`./programs/${name}`, import.meta.url);
}
