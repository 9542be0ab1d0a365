/**
 * Test servers that are written in Go, compiled once by `go install` into the build cache.
 *
 * @module
 */
import { basename, join } from "node:path";
import { type CommandOptions, exists, run, say, Unavailable } from "./commands.ts";
import { buildCachePath } from "./repository.ts";

/**
 * The path of a Go program of exactly this version, compiled if it is not there yet.
 *
 * @throws {Unavailable} when Go is missing or does not compile it.
 */
export async function goTool(
  name: string,
  package_: string,
  version: string,
  { signal }: CommandOptions = {},
): Promise<string> {
  const folder = buildCachePath("go", `${name}-${version}`);
  const suffix = Deno.build.os === "windows" ? ".exe" : "";
  // `go install` names a program after its package's folder.
  const program = join(folder, basename(package_) + suffix);
  if (await isFile(program)) return program;
  if (!await exists("go", "version")) {
    throw new Unavailable(`${name} needs Go to be compiled; install it from https://go.dev/dl`);
  }
  say(`Compiling ${name} ${version}; this takes about two minutes, once.`);
  const { success } = await run("go", ["install", `${package_}@${version}`], {
    env: { GOBIN: folder },
    signal,
    yields: true,
  });
  if (!success) throw new Unavailable(`go install ${package_}@${version} failed; see above`);
  return program;
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch {
    return false;
  }
}
