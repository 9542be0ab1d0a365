/**
 * Programs of Debian's packages, unpacked below the cache without being installed.
 *
 * @module
 */
import { join } from "node:path";
import { exists, run, Unavailable } from "../../tools/commands.ts";
import { cachePath } from "../../tools/repository.ts";

/**
 * The path of a package's program; one that the system has already does as well.
 *
 * @throws {Unavailable} when the package cannot be downloaded or its program does not run.
 */
export async function debianProgram(
  name: string,
  path: string,
  ...check: string[]
): Promise<string> {
  const folder = cachePath("bench", name);
  const unpacked = join(folder, path);
  if (await exists(unpacked, ...check)) return unpacked;
  const download = join(folder, "download");
  await Deno.mkdir(download, { recursive: true });
  const fetched = async (): Promise<boolean> =>
    (await run("apt-get", ["download", name], { cwd: download, quiet: true })).success;
  try {
    // A new machine has no list of packages yet.
    if (!await fetched() && (await run("apt-get", ["update"], { quiet: true })).success) {
      await fetched();
    }
    for await (const { name } of Deno.readDir(download)) {
      if (name.endsWith(".deb")) await run("dpkg", ["-x", join(download, name), folder]);
    }
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
  }
  for (const program of [unpacked, name, `/${path}`]) {
    if (await exists(program, ...check)) return program;
  }
  throw new Unavailable(
    `${name} is not there and Debian's package cannot be downloaded or run; install ${name}`,
  );
}
