/**
 * Builds the native library and puts it where the loader looks: `build/`, next to `mod.ts`.
 *
 * When the library is newer than every source this returns at once and needs no cargo. Otherwise it
 * first checks for everything a build needs, so that a user learns of all that is missing before
 * a build of minutes and not one thing after the other.
 *
 * The library is copied to a temporary name and renamed: a running kernel may have the old file
 * mapped, and writing into a mapped library crashes its process.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { statfs } from "node:fs/promises";
import { cargoTarget, root } from "./repository.ts";

/** The library's file name on this system. */
export const libraryName: string = {
  darwin: "libdipper.dylib",
  windows: "dipper.dll",
}[Deno.build.os as string] ?? "libdipper.so";

/** Where the loader finds the library. */
export const libraryPath: string = join(root, "build", libraryName);

const DENO_AT_LEAST = "2.9.6";
const DENO_TESTED = "2.9.";
/** The release profile's dependencies and the library, with room to spare. */
const DISK_BYTES = 2e9;

/** A build that did not succeed, with a message for the user. */
export class BuildError extends Error {
  override name = "BuildError";
}

/**
 * Builds the library if a source is newer. Returns whether cargo ran.
 *
 * @throws {BuildError} when something a build needs is missing, or cargo fails.
 */
export async function buildLibrary(): Promise<boolean> {
  const newest = await newestSource();
  const built = await modified(libraryPath);
  if (built !== undefined && newest < built) return false;

  await checkWhatIsNeeded();
  const first = await modified(cargoTarget()) === undefined;
  console.error(
    `Building the native library${first ? "; the first build takes some minutes" : ""}.`,
  );
  const started = new Date();
  const artifact = await runCargo();
  await install(artifact, started);
  const seconds = (Date.now() - started.getTime()) / 1000;
  console.error(`Built ${libraryPath} in ${seconds.toFixed(1)} s.`);
  return true;
}

/** The time of the last change below `native/` or of the workspace's own files. */
async function newestSource(): Promise<number> {
  let newest = 0;
  const look = async (path: string): Promise<void> => {
    // A folder's own time tells of files that are gone.
    const time = await modified(path) ?? 0;
    newest = Math.max(newest, time);
  };
  const walk = async (folder: string): Promise<void> => {
    await look(folder);
    for await (const entry of Deno.readDir(folder)) {
      const path = join(folder, entry.name);
      if (entry.isDirectory) await walk(path);
      else await look(path);
    }
  };
  await Promise.all(["Cargo.toml", "Cargo.lock"].map((name) => look(join(root, name))));
  await walk(join(root, "native"));
  return newest;
}

async function modified(path: string): Promise<number | undefined> {
  try {
    return (await Deno.stat(path)).mtime?.getTime();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Throws one error that names everything that is missing, each with its remedy. */
async function checkWhatIsNeeded(): Promise<void> {
  const rust = await requiredRust();
  const missing = (await Promise.all([
    missingDeno(),
    missingRust("cargo", rust),
    missingRust("rustc", rust),
    missingCompiler(),
    missingDisk(),
  ])).filter((line) => line !== undefined);
  if (missing.length > 0) {
    throw new BuildError(
      `Building the native library needs what is missing here:\n${
        missing.map((line) => `  - ${line}`).join("\n")
      }`,
    );
  }
}

function missingDeno(): string | undefined {
  const found = Deno.version.deno;
  if (!isAtLeast(found, DENO_AT_LEAST)) {
    return `Deno ${DENO_AT_LEAST} or newer; this is ${found}. Run: npx -y deno@${DENO_AT_LEAST} task demo`;
  }
  if (!found.startsWith(DENO_TESTED)) {
    console.error(`dipper is tested with Deno ${DENO_TESTED}x; this is ${found}.`);
  }
  return undefined;
}

/** `rust-version` in `Cargo.toml`. */
async function requiredRust(): Promise<string> {
  const manifest = await Deno.readTextFile(join(root, "Cargo.toml"));
  const version = /^rust-version\s*=\s*"([^"]+)"/m.exec(manifest)?.[1];
  if (version === undefined) throw new BuildError("Cargo.toml names no rust-version.");
  return version;
}

async function missingRust(program: string, required: string): Promise<string | undefined> {
  const text = await output(program, ["--version"]);
  const found = text && /(\d+\.\d+\.\d+)/.exec(text)?.[1];
  const remedy = "install Rust with rustup, https://rustup.rs, or run: rustup update stable";
  if (!found) return `${program} ${required} or newer; none is on PATH. To get it, ${remedy}`;
  if (isAtLeast(found, required)) return undefined;
  return `${program} ${required} or newer; this is ${found}. To get it, ${remedy}`;
}

/** Tries the C compiler that the `cc` crate would take on a real program: ring's C needs headers. */
async function missingCompiler(): Promise<string | undefined> {
  // On Windows rustc and the cc crate find Visual Studio's tools without PATH.
  if (Deno.build.os === "windows") return undefined;
  const compiler = (Deno.env.get("CC") ?? "cc").split(" ");
  const remedy = Deno.build.os === "darwin"
    ? "run: xcode-select --install"
    : "on Debian or Ubuntu run: sudo apt-get install gcc libc6-dev; on Fedora: sudo dnf install gcc";
  const folder = await Deno.makeTempDir({ prefix: "dipper-cc-" });
  try {
    const source = join(folder, "probe.c");
    await Deno.writeTextFile(source, "#include <stdlib.h>\nint main(void) { return abs(0); }\n");
    const [program = "cc", ...flags] = compiler;
    const compiled = await output(program, [...flags, source, "-o", join(folder, "probe")]);
    if (compiled === undefined) {
      return `a C compiler with the system's headers; "${
        compiler.join(" ")
      }" compiles none. To get it, ${remedy}`;
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  return undefined;
}

async function missingDisk(): Promise<string | undefined> {
  const target = cargoTarget();
  if (await modified(join(target, "release")) !== undefined) return undefined;
  const { bavail, bsize } = await statfs(await nearestFolder(target));
  const free = bavail * bsize;
  if (free >= DISK_BYTES) return undefined;
  return `${gigabytes(DISK_BYTES)} of free disk for ${target}; ${gigabytes(free)} are free. ` +
    "Make room, or set CARGO_TARGET_DIR to a folder on another disk";
}

async function nearestFolder(path: string): Promise<string> {
  while (await modified(path) === undefined) path = dirname(path);
  return path;
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

/** What a program prints, or undefined when it cannot be run or fails. */
async function output(program: string, args: string[]): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command(program, {
      args,
      cwd: root,
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).output();
    return success ? new TextDecoder().decode(stdout) : undefined;
  } catch {
    return undefined;
  }
}

function isAtLeast(found: string, required: string): boolean {
  const parts = (version: string): number[] =>
    version.split(/[.+-]/).slice(0, 3).map((part) => Number.parseInt(part, 10));
  const [have, need] = [parts(found), parts(required)];
  for (let i = 0; i < need.length; i++) {
    const difference = (have[i] ?? 0) - (need[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/** Runs cargo with its progress on our standard error. Returns the path of the library it made. */
async function runCargo(): Promise<string> {
  const cargo = new Deno.Command("cargo", {
    args: [
      "build",
      "--release",
      "--locked",
      "--package=dipper-capi",
      "--message-format=json-render-diagnostics",
    ],
    cwd: root,
    env: { CARGO_TARGET_DIR: cargoTarget() },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const [messages, status] = await Promise.all([
    new Response(cargo.stdout).text(),
    cargo.status,
  ]);
  if (!status.success) {
    throw new BuildError(
      `cargo failed with code ${status.code}; its messages are above. ` +
        "If it could not download a crate, check the network or proxy and run the command again.",
    );
  }
  for (const line of messages.split("\n")) {
    if (!line.startsWith("{")) continue;
    const message: { reason?: string; filenames?: string[] } = JSON.parse(line);
    if (message.reason !== "compiler-artifact") continue;
    const library = message.filenames?.find((file) => file.endsWith(libraryName));
    if (library) return library;
  }
  throw new BuildError(`cargo succeeded but named no ${libraryName}; is native/capi a cdylib?`);
}

/** Puts the library in place whole, dated with the start of its build. */
async function install(artifact: string, started: Date): Promise<void> {
  const folder = dirname(libraryPath);
  await Deno.mkdir(folder, { recursive: true });
  const temporary = join(folder, `.${libraryName}.${crypto.randomUUID()}`);
  try {
    await Deno.copyFile(artifact, temporary);
    // A source that changed during the build is newer than this, so the next call builds again.
    await Deno.utime(temporary, started, started);
    await Deno.rename(temporary, libraryPath);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
}

if (import.meta.main) {
  try {
    await buildLibrary();
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    console.error(error.message);
    Deno.exit(1);
  }
}
