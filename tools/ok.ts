/**
 * Everything that is checked without running the library: formatting, lint, types, documentation,
 * clippy and the layers. `deno task ok` runs all of it, `deno task ok types` what has that name.
 *
 * @module
 */
import { checkLayers } from "./check_layers.ts";
import { type CommandOptions, exists, run, say, Unavailable } from "./commands.ts";
import { checkHelpPages } from "./help_pages.ts";
import { stdImports } from "./import_map.ts";
import { cargoTarget, ci, deno, repository, root } from "./repository.ts";

/** One check. */
export interface Check {
  /** What `deno task ok NAME` calls it. */
  name: string;
  /** Runs it; its findings go to the terminal. Returns whether there are none. */
  run(options: CommandOptions): Promise<boolean>;
}

/** In the order of how soon they answer. */
export const checks: readonly Check[] = [
  {
    name: "layers",
    async run() {
      const violations = await checkLayers(root);
      for (const { file, line, message } of violations) say(`${file}:${line}: ${message}`);
      return violations.length === 0;
    },
  },
  { name: "format", run: (options) => succeeds(deno, ["fmt", "--check"], options) },
  {
    name: "format rust",
    async run(options) {
      await needsComponent("fmt", "rustfmt");
      return await succeeds("cargo", ["fmt", "--all", "--", "--check"], options);
    },
  },
  { name: "lint", run: (options) => succeeds(deno, ["lint"], options) },
  {
    name: "types",
    async run(options) {
      const flags = await moduleFlags();
      return await succeeds(deno, ["check", ...flags, "."], options);
    },
  },
  {
    name: "documentation",
    async run(options) {
      const { exports } = JSON.parse(await Deno.readTextFile(new URL("deno.json", repository)));
      const modules: string[] = typeof exports === "string" ? [exports] : Object.values(exports);
      return await succeeds(deno, ["doc", "--lint", ...modules], options);
    },
  },
  { name: "help", run: () => checkHelpPages({ write: !ci }) },
  {
    name: "clippy",
    async run(options) {
      await needsComponent("clippy", "clippy");
      return await succeeds("cargo", [
        "clippy",
        "--release",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
      ], { ...options, yields: true, env: { CARGO_TARGET_DIR: cargoTarget() } });
    },
  },
];

/**
 * The flags that resolve what the tests import. On CI the lock file must already hold it; elsewhere
 * it is brought up to date.
 */
export async function moduleFlags(): Promise<string[]> {
  const { flags, standIns } = await stdImports();
  // The lock file is kept where JSR does not resolve, so it never holds what JSR would add.
  if (!standIns) return ["--no-lock"];
  return ci ? [...flags, "--frozen"] : flags;
}

/** Not every Rust toolchain has these; none is needed to build or to run the tests. */
async function needsComponent(command: string, component: string): Promise<void> {
  if (await exists("cargo", command, "--version")) return;
  throw new Unavailable(
    `cargo ${command} is missing; to get it, run: rustup component add ${component}`,
  );
}

async function succeeds(
  program: string,
  args: string[],
  options: CommandOptions,
): Promise<boolean> {
  return (await run(program, args, options)).success;
}

if (import.meta.main) {
  const filter = Deno.args.join(" ");
  const chosen = checks.filter(({ name }) => name.includes(filter));
  if (chosen.length === 0) {
    console.error(
      `No check is named "${filter}". There are: ${checks.map(({ name }) => name).join(", ")}.`,
    );
    Deno.exit(2);
  }
  const failed: string[] = [];
  for (const check of chosen) {
    say(`-- ${check.name}`);
    try {
      if (!await check.run({})) failed.push(check.name);
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      say(error.message);
      failed.push(check.name);
    }
  }
  say(failed.length === 0 ? "ok" : `Not ok: ${failed.join(", ")}`);
  Deno.exit(failed.length === 0 ? 0 : 1);
}
