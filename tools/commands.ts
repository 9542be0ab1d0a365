/**
 * Runs the programs that the tests are made of: output is shown as it comes and kept for counting,
 * and whatever a program started ends with it. {@linkcode redirected} leads what is shown elsewhere.
 *
 * Each program leads a process group of its own, so a timeout or Ctrl-C also ends the programs that
 * it started. Windows has no such groups; there only the program itself is ended.
 *
 * @module
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { setPriority } from "node:os";
import { root } from "./repository.ts";

/** How to run a program. */
export interface CommandOptions {
  /** Added to this program's environment. */
  env?: Record<string, string>;
  /** The folder to run it in; the repository's root by default. */
  cwd?: string;
  /** Ends the program. */
  signal?: AbortSignal;
  /** Do not show the output. */
  quiet?: boolean;
  /** It gives way to other programs, which wait for it no longer than they must. */
  yields?: boolean;
}

/** How a program ended. */
export interface Outcome {
  /** It ended by itself with code 0. */
  success: boolean;
  /** Its exit code. */
  code: number;
  /** All that it wrote, without colours: standard output, then standard error. */
  output: string;
}

/** Something that a step needs and that is not there; skipped for users, a failure on CI. */
export class Unavailable extends Error {
  override name = "Unavailable";
}

const grouped = Deno.build.os !== "windows";
const alive = new Set<Deno.ChildProcess>();

/**
 * Runs a program to its end.
 *
 * @throws {Unavailable} when the program does not exist.
 */
export async function run(
  program: string,
  args: string[],
  options: CommandOptions = {},
): Promise<Outcome> {
  options.signal?.throwIfAborted();
  const child = spawn(program, args, options);
  const stop = (): void => void end(child);
  options.signal?.addEventListener("abort", stop, { once: true });
  const keep = async (from: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> => {
    const kept: Uint8Array<ArrayBuffer>[] = [];
    for await (const chunk of from) {
      kept.push(chunk);
      if (!options.quiet) write(chunk);
    }
    return await new Blob(kept).text();
  };
  // Kept apart: where they meet, a line of one may stand in the middle of a line of the other.
  const reading = Promise.all([keep(child.stdout), keep(child.stderr)]);
  const status = await child.status;
  options.signal?.removeEventListener("abort", stop);
  // A program that it left running would also hold its outputs open.
  signalGroup(child, "SIGKILL");
  return {
    success: status.success && !options.signal?.aborted,
    code: status.code,
    output: withoutColours((await reading).join("\n")),
  };
}

/** Whether a program can be started. */
export async function exists(program: string, ...args: string[]): Promise<boolean> {
  try {
    return (await run(program, args, { quiet: true })).success;
  } catch (error) {
    if (error instanceof Unavailable) return false;
    throw error;
  }
}

/**
 * Starts a program that runs on, its outputs piped; end it with {@linkcode end}.
 *
 * @throws {Unavailable} when the program does not exist.
 */
export function spawn(
  program: string,
  args: string[],
  options: CommandOptions & { stdin?: "piped" } = {},
): Deno.ChildProcess {
  try {
    const child = new Deno.Command(program, {
      args,
      cwd: options.cwd ?? root,
      env: { ...colours(), ...options.env },
      stdin: options.stdin ?? "null",
      stdout: "piped",
      stderr: "piped",
      detached: grouped,
    }).spawn();
    if (options.yields) giveWay(child);
    alive.add(child);
    child.status.finally(() => alive.delete(child));
    return child;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new Unavailable(`${program} is not on PATH`);
    throw error;
  }
}

/** What it starts later inherits it. */
function giveWay(child: Deno.ChildProcess): void {
  try {
    setPriority(child.pid, 10);
  } catch {
    // It has ended already, or this system does not let us.
  }
}

/** Ends a program and all that it started: asks first, insists after three seconds. */
export async function end(child: Deno.ChildProcess): Promise<void> {
  signalGroup(child, "SIGTERM");
  const insist = setTimeout(() => signalGroup(child, "SIGKILL"), 3_000);
  try {
    await child.status;
  } finally {
    clearTimeout(insist);
    signalGroup(child, "SIGKILL");
  }
}

/** Ends everything that runs, at once: for a runner that ends without waiting. */
export function killAll(): void {
  for (const child of alive) signalGroup(child, "SIGKILL");
}

function signalGroup(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    if (grouped) Deno.kill(-child.pid, signal);
    else child.kill(signal);
  } catch (error) {
    // Nothing of it is left; Windows says so with a TypeError.
    if (!(error instanceof Deno.errors.NotFound || error instanceof TypeError)) throw error;
  }
}

/** The programs write to a pipe; ours may be a terminal. Deno's own colours need no word. */
function colours(): Record<string, string> {
  return Deno.stdout.isTerminal() ? { CARGO_TERM_COLOR: "always" } : { NO_COLOR: "1" };
}

/** The text without terminal colours. */
export function withoutColours(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/\x1b\[[0-9;]*[A-Za-z]/g, "");
}

type Write = (bytes: Uint8Array<ArrayBuffer>) => void;

const writer = new AsyncLocalStorage<Write>();

/** Calls `work`; what it and all that it calls would show goes to `to` instead. */
export function redirected<T>(to: Write, work: () => T): T {
  return writer.run(to, work);
}

/** Shows bytes. */
export function write(bytes: Uint8Array<ArrayBuffer>): void {
  (writer.getStore() ?? toTerminal)(bytes);
}

/** Shows a line. */
export function say(line: string): void {
  write(new TextEncoder().encode(`${line}\n`));
}

/** Writes to our standard output, wherever {@linkcode redirected} leads. */
export function toTerminal(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) {
    try {
      at += Deno.stdout.writeSync(bytes.subarray(at));
    } catch (error) {
      if (error instanceof Deno.errors.WouldBlock) {
        // Whoever started us made it so, and reads slowly.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
        continue;
      }
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
      // Whoever read our output is gone, as after `| head`.
      killAll();
      Deno.exit(1);
    }
  }
}
