/**
 * Where things are: the repository, the cache, the Deno that runs us.
 *
 * @module
 */
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root, a `file:` URL that ends with a slash. */
export const repository: URL = new URL("../", import.meta.url);

/** The repository's root as a path, without a slash at its end. */
export const root: string = fileURLToPath(repository).replace(/[/\\]$/, "");

/** The Deno that runs this program; every Deno command is run with the same one. */
export const deno: string = Deno.execPath();

/** Whether this runs on a CI machine, where what is missing is a failure. */
export const ci: boolean = !["", "0", "false"].includes(Deno.env.get("CI") ?? "");

/**
 * A path in the folder for what is derived and can be thrown away (`.cache/`, not in git). The
 * folder exists when this returns.
 */
export function cachePath(...parts: string[]): string {
  const folder = join(root, ".cache");
  Deno.mkdirSync(folder, { recursive: true });
  return join(folder, ...parts);
}

/**
 * A path in the folder for what is costly to make and may be shared between clones: compiled tools,
 * the cargo target. `DIPPER_BUILD_CACHE` names one outside the clone; otherwise it is `.cache/`.
 */
export function buildCachePath(...parts: string[]): string {
  const outside = Deno.env.get("DIPPER_BUILD_CACHE");
  if (!outside) return cachePath(...parts);
  Deno.mkdirSync(outside, { recursive: true });
  return join(Deno.realPathSync(outside), ...parts);
}

/** Where cargo puts what it compiles: `CARGO_TARGET_DIR`, else below the build cache, else `target/`. */
export function cargoTarget(): string {
  const chosen = Deno.env.get("CARGO_TARGET_DIR");
  if (chosen) return resolve(root, chosen);
  return Deno.env.get("DIPPER_BUILD_CACHE") ? buildCachePath("target") : join(root, "target");
}

/** Flags for cargo that compile the engine for tests: unoptimised, in a third of the time. */
export const UNOPTIMISED: readonly string[] = ["dipper-core", "dipper-capi"].flatMap((crate) => [
  "--config",
  `profile.release.package.${crate}.opt-level=0`,
]);
