/**
 * Where files are memory, on systems that have such a place.
 *
 * @module
 */

/** The folder for temporary files, as an option of `Deno.makeTempDir`; none where there is none. */
export async function temporaryMemory(): Promise<{ dir?: string }> {
  try {
    return (await Deno.stat("/dev/shm")).isDirectory ? { dir: "/dev/shm" } : {};
  } catch {
    return {};
  }
}
