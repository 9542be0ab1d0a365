/**
 * Small programs under exactly the permissions that a test gives them. Each is a `deno run` of its
 * own, in a temporary folder that has no configuration, with nothing in its environment but what
 * the test puts there, and with no terminal to ask.
 */

import { fail } from "@std/assert";

const repository = new URL("../../", import.meta.url);

/** The address that programs import dipper from. */
export const MODULE: string = new URL("mod.ts", repository).href;

const LIBRARY_NAMES: Record<string, string> = { darwin: "libdipper.dylib", windows: "dipper.dll" };

/** The native library's path, as `--allow-ffi` takes it. */
export const LIBRARY: string = decodeURIComponent(
  new URL(`build/${LIBRARY_NAMES[Deno.build.os] ?? "libdipper.so"}`, repository).pathname,
);

/** Enough to load the library. */
export const FFI: string = `--allow-ffi=${LIBRARY}`;

/** What a call came to: its value, or what there is to say about its error. */
export interface Told {
  ok?: unknown;
  name?: string;
  code?: string;
  message?: string;
  hint?: string;
  uri?: string;
}

/** How a program ended. */
export interface Ended {
  code: number;
  /** What it told, in order. */
  told: Told[];
  /** Everything it wrote. */
  output: string;
}

/** How to run a program. */
export interface ChildOptions {
  /** Flags of `deno run`. */
  flags: string[];
  /** Handed to the program as `input`. */
  input?: unknown;
  /** All of its environment. */
  env?: Record<string, string>;
  /** Further files in its folder, by name. */
  files?: Record<string, string>;
}

const PATIENCE = 120_000;
let denoDirectory: Promise<string> | undefined;

/** Where Deno keeps what it compiled; without it each program would start from nothing. */
function cacheDirectory(): Promise<string> {
  return denoDirectory ??= (async () => {
    const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] })
      .output();
    return (JSON.parse(new TextDecoder().decode(stdout)) as { denoDir: string }).denoDir;
  })();
}

/**
 * Runs a program. It sees `dipper`, the module; `input`; `tell(call)`, which reports what a call
 * comes to; and `connect(options)`, a client with the options in `input`.
 */
export async function run(source: string, options: ChildOptions): Promise<Ended> {
  const folder = await Deno.makeTempDir({ prefix: "dipper-permissions-" });
  try {
    const program = `${folder}/program.ts`;
    await Deno.writeTextFile(program, prelude(source));
    for (const [name, text] of Object.entries(options.files ?? {})) {
      await Deno.writeTextFile(`${folder}/${name}`, text);
    }
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--quiet",
        ...options.flags,
        program,
        JSON.stringify(options.input ?? null),
      ],
      cwd: folder,
      clearEnv: true,
      env: {
        DENO_DIR: await cacheDirectory(),
        NO_COLOR: "1",
        DENO_NO_UPDATE_CHECK: "1",
        PATH: Deno.env.get("PATH") ?? "",
        ...options.env,
      },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      signal: AbortSignal.timeout(PATIENCE),
    });
    const { code, signal, stdout, stderr } = await child.output();
    const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    const output = `${out}${err}`;
    if (signal !== null) fail(`the program was ended after ${PATIENCE} ms:\n${output}`);
    if (/Allow\?|┏|Deno requests/.test(output)) fail(`the program was asked:\n${output}`);
    const told = out!.split("\n").filter((line) => line.startsWith("TOLD "))
      .map((line) => JSON.parse(line.slice(5)) as Told);
    return { code, told, output };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Runs a program that must end well. */
export async function runWell(source: string, options: ChildOptions): Promise<Told[]> {
  const { code, told, output } = await run(source, options);
  if (code !== 0 || told.length === 0) fail(`the program ended with ${code}:\n${output}`);
  return told;
}

/** Runs a program that tells of one call. */
export async function runOne(source: string, options: ChildOptions): Promise<Told> {
  const told = await runWell(source, options);
  if (told.length !== 1) fail(`the program told of ${told.length} calls: ${JSON.stringify(told)}`);
  return told[0]!;
}

function prelude(source: string): string {
  return `
import * as dipper from ${JSON.stringify(MODULE)};
const input = JSON.parse(Deno.args[0] ?? "null");
async function tell(call: () => unknown): Promise<void> {
  let told: Record<string, unknown>;
  try {
    told = { ok: await call() ?? null };
  } catch (error) {
    const { name, code, message, hint, uri } = error as dipper.DipperError;
    told = { name, code, message, hint, uri };
  }
  console.log("TOLD " + JSON.stringify(told));
}
const connect = (more: dipper.S3ClientOptions = {}): dipper.S3Client =>
  new dipper.S3Client({ ...input, ...more });
${source}
`;
}

/** The flags that an error's message names, in its order. */
export function flagsIn(told: Told): string[] {
  return [...(told.message ?? "").matchAll(/--allow-[a-z]+(?:=[^\s;)]+)?/g)].map(([flag]) => flag);
}
