/**
 * AddressSanitizer over `native/wire`, where the unsafe memory code is.
 *
 * First its tests run under the sanitizer. Then a planted bug (`native/wire/tests/planted_bug.rs`)
 * runs and must be caught: a sanitizer that is off would pass every test as well.
 *
 * The sanitizer is an unstable flag of rustc. `RUSTC_BOOTSTRAP=1` unlocks it in the stable
 * toolchain that builds everything else, so no second toolchain is needed.
 *
 * @module
 */
import { join } from "node:path";
import { type CommandOptions, type Outcome, run, say, Unavailable } from "./commands.ts";
import { buildCachePath } from "./repository.ts";
import { add, cargoCounts, type Counts, none, one, settle } from "./test_counts.ts";

/** Runs both and counts them; the planted bug is one test. */
export async function runSanitizer({ signal }: CommandOptions = {}): Promise<Counts> {
  const target = await sanitizedTarget();
  const cargo = (tests: string, flags: string, quiet: boolean): Promise<Outcome> =>
    run("cargo", ["test", "--locked", "--package=dipper-wire", `--target=${target}`, tests], {
      env: {
        CARGO_TARGET_DIR: buildCachePath("sanitizer"),
        RUSTC_BOOTSTRAP: "1",
        RUSTFLAGS: `-Zsanitizer=address ${flags}`,
        // Leaks too: who frees what is the subject of this crate.
        ASAN_OPTIONS: "detect_leaks=1",
      },
      quiet,
      signal,
      yields: true,
    });

  const tests = await cargo("--tests", "", false);
  let counts = settle(cargoCounts(tests.output), tests.success);
  if (counts.passed === 0 && counts.failed === 0) {
    say("native/wire has no tests to run under the sanitizer.");
    counts = { ...none(), failed: 1 };
  }

  const planted = await cargo("--test=planted_bug", "--cfg dipper_planted_bug", true);
  const found = /^SUMMARY: AddressSanitizer: heap-use-after-free.*$/m.exec(planted.output)?.[0];
  const caught = !planted.success && found !== undefined;
  say(
    caught
      ? `The planted bug is caught: ${found}`
      : `${planted.output}\nThe planted bug is NOT caught, so the results above mean nothing.`,
  );
  return add(counts, caught ? one(true) : { ...one(false), failures: ["the planted bug"] });
}

/**
 * The host's target, when its toolchain has the sanitizer's runtime.
 *
 * @throws {Unavailable} when it does not.
 */
export async function sanitizedTarget(): Promise<string> {
  const version = await run("rustc", ["--version", "--verbose"], { quiet: true });
  const host = /^host: (\S+)$/m.exec(version.output)?.[1];
  const sysroot = (await run("rustc", ["--print=sysroot"], { quiet: true })).output.trim();
  if (!host) throw new Unavailable("rustc names no host target");
  const libraries = join(sysroot, "lib", "rustlib", host, "lib");
  try {
    for await (const entry of Deno.readDir(libraries)) {
      if (/^librustc.*_rt\.asan\./.test(entry.name)) return host;
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  throw new Unavailable(
    `Rust's AddressSanitizer for ${host} is not in ${libraries}; a toolchain from rustup has it on Linux and macOS`,
  );
}
