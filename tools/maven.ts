/**
 * Files that Maven fetches once into the build cache, where their sums are checked.
 *
 * @module
 */
import { join } from "node:path";
import { type CommandOptions, exists, run, say, Unavailable } from "./commands.ts";

const PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1";

/** What is fetched. */
export interface MavenFiles {
  /** What it is called. */
  title: string;
  /** What to say before it is fetched: how long it takes, or how large it is. */
  cost: string;
  /** The files' SHA-256 and names. */
  wanted: readonly (readonly [sum: string, name: string])[];
  /** The file that has those sums, for whoever changes them. */
  named: string;
  /** Where they lie once they are fetched. */
  folder: string;
  /** The goal of Maven's dependency plugin that copies them, and its arguments. */
  copy: readonly [goal: "copy" | "copy-dependencies", ...args: string[]];
}

/**
 * The files' paths. They are fetched if they are not there as they shall be.
 *
 * @throws {Unavailable} when Maven is missing, or cannot fetch them.
 */
export async function mavenFiles(files: MavenFiles, { signal }: CommandOptions): Promise<string[]> {
  const { title, cost, wanted, named, folder, copy: [goal, ...args] } = files;
  if (!await areWhole(folder, wanted)) {
    if (!await exists("mvn", "--version")) {
      throw new Unavailable(`${title}: fetched by Maven; install mvn`);
    }
    say(`Fetching ${title}; ${cost}, once.`);
    await using undo = new AsyncDisposableStack();
    const work = await Deno.makeTempDir({ prefix: "dipper-maven-" });
    undo.defer(() => Deno.remove(work, { recursive: true }));
    const fetched = join(work, "files");
    const { success } = await run("mvn", [
      "--quiet",
      "--batch-mode",
      // The user's own repository stays as it is.
      `-Dmaven.repo.local=${join(work, "repository")}`,
      `${PLUGIN}:${goal}`,
      ...args,
      `-DoutputDirectory=${fetched}`,
    ], { signal });
    if (!success) throw new Unavailable(`Maven cannot fetch ${title}; see above`);
    if (!await areWhole(fetched, wanted)) {
      throw new Error(`what Maven fetched is not what ${named} names`);
    }
    await Deno.mkdir(folder, { recursive: true });
    for (const [, name] of wanted) await Deno.copyFile(join(fetched, name), join(folder, name));
  }
  return wanted.map(([, name]) => join(folder, name));
}

/** Whether all files are there and are the right ones. */
async function areWhole(folder: string, wanted: MavenFiles["wanted"]): Promise<boolean> {
  for (const [sum, name] of wanted) {
    const bytes = await Deno.readFile(join(folder, name)).catch(() => undefined);
    if (bytes === undefined || await sha256(bytes) !== sum) return false;
  }
  return true;
}

/** The SHA-256 of bytes, in hexadecimal. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}
