/**
 * Fuzzing: every target of `fuzz/` runs for some seconds and is one test.
 *
 * The targets have the layout of cargo-fuzz, which is compiled once, in a fixed version, into the
 * build cache. Like the sanitizer it needs unstable flags of rustc, which `RUSTC_BOOTSTRAP=1` unlocks
 * in the stable toolchain. Of the library only `native/wire` is compiled for it; the target `abi`
 * loads the library that is built.
 *
 * By hand: `deno run -A tools/fuzz.ts [SECONDS [TARGET…]]`.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { BuildError, buildLibrary, libraryPath } from "./build.ts";
import { type CommandOptions, exists, run, say, Unavailable } from "./commands.ts";
import { buildCachePath, cachePath, ci, root } from "./repository.ts";
import { sanitizedTarget } from "./sanitizer.ts";
import { add, type Counts, none, one } from "./test_counts.ts";

const CARGO_FUZZ = "0.13.2";
const fuzz = join(root, "fuzz");

/** How long, and what. */
export interface FuzzOptions extends CommandOptions {
  /** How many seconds each target runs. */
  seconds: number;
  /** Which targets; all by default. */
  targets?: string[];
  /**
   * Start with what earlier runs found worth keeping, and keep what is found. Otherwise only the
   * committed seeds are there at the start, so that every run is as long as the next.
   */
  keep?: boolean;
}

/** Runs the targets, some at a time. */
export async function runFuzz(
  { seconds, targets, keep = false, signal }: FuzzOptions,
): Promise<Counts> {
  const host = await sanitizedTarget();
  for (const program of ["cargo", "c++"]) {
    // libFuzzer is written in C++.
    if (!await exists(program, "--version")) throw new Unavailable(`${program} is not on PATH`);
  }
  const waiting = targets ?? await targetNames();
  const loaded = waiting.includes("abi") ? await library() : libraryPath;
  const programs = await build(host, signal);
  if (programs === undefined) return { ...one(false), failures: ["the targets do not build"] };

  if (waiting.length === 0) return { ...one(false), failures: ["there are no targets"] };
  const work = cachePath("fuzz", `run-${crypto.randomUUID()}`);
  await Deno.mkdir(work, { recursive: true });
  let counts = none();
  const worker = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const program = join(programs, name);
      const corpus = keep ? cachePath("fuzz", "corpus", name) : join(work, "corpus", name);
      const target = { name, program, corpus, work, loaded, seconds, signal };
      const outcome = await runTarget(target);
      // Not in one expression: another worker adds while this one waits.
      counts = add(counts, outcome);
    }
  };
  try {
    const workers = Math.max(1, Math.min(4, navigator.hardwareConcurrency));
    await Promise.all(Array.from({ length: workers }, worker));
  } finally {
    await Deno.remove(work, { recursive: true });
  }
  return counts;
}

/** The target `abi` loads it and refuses one that is not of these sources. */
async function library(): Promise<string> {
  const chosen = Deno.env.get("DIPPER_LIBRARY");
  if (chosen) return chosen;
  try {
    await buildLibrary();
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    throw new Unavailable(error.message);
  }
  return libraryPath;
}

/** Compiles all targets; returns the folder they are in. */
async function build(host: string, signal?: AbortSignal): Promise<string | undefined> {
  const cargoFuzz = await cargoFuzzProgram(signal);
  const target = buildCachePath("fuzz", "target");
  // cargo-fuzz cannot be told to keep to the lock file.
  const fetched = await run(
    "cargo",
    ["fetch", "--manifest-path", join(fuzz, "Cargo.toml"), ...(ci ? ["--locked"] : [])],
    { signal, quiet: true },
  );
  if (!fetched.success) {
    say(fetched.output);
    return undefined;
  }
  const built = await run(
    cargoFuzz,
    ["build", "--fuzz-dir", fuzz, "--target", host, "--target-dir", target],
    { signal, yields: true, env: { RUSTC_BOOTSTRAP: "1" } },
  );
  return built.success ? join(target, host, "release") : undefined;
}

async function cargoFuzzProgram(signal?: AbortSignal): Promise<string> {
  const folder = buildCachePath(`cargo-fuzz-${CARGO_FUZZ}`);
  const suffix = Deno.build.os === "windows" ? ".exe" : "";
  const program = join(folder, "bin", `cargo-fuzz${suffix}`);
  if (await exists(program, "--version")) return program;
  say(`Compiling cargo-fuzz ${CARGO_FUZZ}; this takes some seconds, once.`);
  const { success } = await run(
    "cargo",
    // It only starts cargo: optimising it takes longer than it runs.
    ["install", "cargo-fuzz", `--version=${CARGO_FUZZ}`, "--locked", "--debug", "--root", folder],
    { signal, yields: true, env: { CARGO_TARGET_DIR: buildCachePath("fuzz", "cargo-fuzz") } },
  );
  if (!success) throw new Unavailable(`cargo install cargo-fuzz ${CARGO_FUZZ} failed; see above`);
  return program;
}

async function targetNames(): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(join(fuzz, "fuzz_targets"))) {
    if (name.endsWith(".rs")) names.push(name.slice(0, -".rs".length));
  }
  return names.sort();
}

interface TargetRun {
  name: string;
  program: string;
  /** What is found worth keeping goes here. */
  corpus: string;
  /** For what lives as long as the run. */
  work: string;
  /** The library that `abi` loads. */
  loaded: string;
  seconds: number;
  signal: AbortSignal | undefined;
}

async function runTarget(
  { name, program, corpus, work, loaded, seconds, signal }: TargetRun,
): Promise<Counts> {
  const temporary = join(work, "tmp", name);
  const artifacts = cachePath("fuzz", "artifacts", name) + "/";
  for (const folder of [corpus, temporary, dirname(artifacts + "x")]) {
    await Deno.mkdir(folder, { recursive: true });
  }
  const dictionary = join(fuzz, "dictionaries", `${name}.dict`);
  const { success, output } = await run(program, [
    corpus,
    ...await present(join(fuzz, "seeds", name)),
    ...(await present(dictionary)).map((path) => `-dict=${path}`),
    `-max_total_time=${seconds}`,
    `-artifact_prefix=${artifacts}`,
    "-timeout=60",
    ...(OPTIONS[name]?.flags ?? []),
  ], {
    signal,
    quiet: true,
    env: {
      // As cargo-fuzz sets it.
      ASAN_OPTIONS: `detect_odr_violation=0:detect_leaks=${OPTIONS[name]?.leaks ?? 1}`,
      DIPPER_LIBRARY: loaded,
      TMPDIR: temporary,
    },
  });
  const [, runs = "0", took = "0"] = /^Done (\d+) runs in (\d+) second/m.exec(output) ?? [];
  const passed = success && Number(runs) >= FEWEST;
  if (passed) {
    say(`${name}: ${Number(runs).toLocaleString("en")} runs in ${took} s`);
    return one(true);
  }
  say(output.split("\n").filter((line) => !line.startsWith("#")).join("\n"));
  const found = /Test unit written to (\S+)/.exec(output)?.[1];
  say(
    found
      ? `${name} fails on ${found}. Again, by hand: ${program} ${found}\n` +
        `Once it is mended, keep the input in fuzz/seeds/${name}/.`
      : `${name} did not run ${FEWEST} times.`,
  );
  return { ...one(false), failures: [name] };
}

/** Fewer runs in some seconds mean that something is wrong. */
const FEWEST = 100;

/** What libFuzzer must know about a target. */
const OPTIONS: Readonly<Record<string, { flags: string[]; leaks?: 0 | 1 }>> = {
  // The library is never unloaded; the target itself asks whether anything is still held.
  abi: { flags: ["-detect_leaks=0", "-max_len=4096", "-len_control=0"], leaks: 0 },
  // Longer than the longest head.
  head: { flags: ["-max_len=70000"] },
};

async function present(path: string): Promise<string[]> {
  try {
    await Deno.stat(path);
    return [path];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

if (import.meta.main) {
  const [seconds = "10", ...targets] = Deno.args;
  const counts = await runFuzz({
    seconds: Number(seconds),
    keep: true,
    ...(targets.length > 0 ? { targets } : {}),
  });
  say(`${counts.passed} passed, ${counts.failed} failed`);
  Deno.exit(counts.failed === 0 ? 0 : 1);
}
