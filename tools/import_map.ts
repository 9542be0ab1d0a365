/**
 * The import map that tests and checks run with.
 *
 * `deno.json` maps `@std/…` to JSR. Where JSR does not resolve, this writes
 * `.cache/import_map.json`: the same imports with `tests/std_standins/std.ts` behind every `@std/…`
 * name. It asks once, for a few seconds at most. `DIPPER_STD_STANDINS=1` takes the stand-ins
 * without asking, `0` insists on JSR.
 *
 * Run as a program, it prints the flag to add to a Deno command.
 *
 * @module
 */
import { cachePath, deno, repository } from "./repository.ts";

/** The flags that make `@std/…` resolve, and what they stand for. */
export interface StdImports {
  /** Flags for `deno test`, `deno check`, `deno doc`. */
  flags: string[];
  /** Whether the stand-ins are in use. */
  standIns: boolean;
}

interface Config {
  imports: Record<string, string>;
}

/** Decides between std and the stand-ins, and writes the import map if it is needed. */
export async function stdImports(): Promise<StdImports> {
  const config: Config = JSON.parse(await Deno.readTextFile(new URL("deno.json", repository)));
  const choice = Deno.env.get("DIPPER_STD_STANDINS");
  const std = Object.entries(config.imports).filter(([, target]) => target.startsWith("jsr:"));
  if (choice === "0" || (choice !== "1" && await resolves(std.map(([, target]) => target)))) {
    return { flags: [], standIns: false };
  }
  const path = await writeStandInMap(config);
  return { flags: ["--import-map", path], standIns: true };
}

async function writeStandInMap(config: Config): Promise<string> {
  const path = cachePath("import_map.json");
  const fromCache = (target: string): string =>
    target.startsWith("./") ? new URL(target, repository).href : target;
  const imports = Object.fromEntries(
    Object.entries(config.imports).map(([name, target]) => [
      name,
      fromCache(target.startsWith("jsr:@std/") ? "./tests/std_standins/std.ts" : target),
    ]),
  );
  const text = JSON.stringify({ imports }, undefined, 2) + "\n";
  // Several commands may write it at once, and one may be reading it.
  const temporary = `${path}.${crypto.randomUUID()}`;
  await Deno.writeTextFile(temporary, text);
  await Deno.rename(temporary, path);
  return path;
}

/** Whether Deno can load these modules, within ten seconds. */
async function resolves(specifiers: string[]): Promise<boolean> {
  const lock = await Deno.makeTempFile({ prefix: "dipper-lock-" });
  await Deno.remove(lock);
  try {
    const status = new Deno.Command(deno, {
      args: ["cache", "--no-config", "--lock", lock, ...specifiers],
      stdin: "null",
      stdout: "null",
      stderr: "null",
      signal: AbortSignal.timeout(10_000),
    }).spawn();
    return (await status.status).success;
  } finally {
    await Deno.remove(lock).catch(() => {});
  }
}

if (import.meta.main) {
  const { flags, standIns } = await stdImports();
  console.error(
    standIns
      ? "JSR does not resolve: the stand-ins in tests/std_standins/ take the place of @std."
      : "JSR resolves: no flag is needed.",
  );
  console.log(flags.join(" "));
}
