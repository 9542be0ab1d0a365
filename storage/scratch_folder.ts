// Where parts of an upload lie that are too large for memory, until the server has them: files
// without a name, in the folder that the system has for what is large and passing.

import { isGranted } from "../ffi/permissions.ts";
import { readablePath } from "../ffi/readable_path.ts";

/** What an upload has in memory at once; the native side holds to it. */
const WINDOW = 48 * 1024 ** 2;
const MOST_PARTS = 10_000;

/**
 * The folder, for an upload that may need it: where Deno's permissions allow to read and write it.
 * Never prompts. Without one, such parts lie in memory.
 */
export function scratchFolder(
  { size, partSize }: { size?: number | undefined; partSize?: number | undefined },
): string | undefined {
  const largest = partSize ?? (size === undefined ? Infinity : size / MOST_PARTS);
  if (largest <= WINDOW) return undefined;
  return candidates().find((path) =>
    isGranted({ name: "write", path }) && isGranted({ name: "read", path }) && isOpen(path)
  );
}

/** As SQLite and systemd have it: what is large is for the disk, and `/tmp` is often memory. */
function candidates(): string[] {
  const variable = "TMPDIR";
  const named = isGranted({ name: "env", variable }) ? Deno.env.get(variable) : undefined;
  return named ? [named] : ["/var/tmp", "/tmp"];
}

/** Whether it is a folder, and none that Deno keeps to itself. */
function isOpen(path: string): boolean {
  try {
    return Deno.statSync(readablePath(path, "write", path)).isDirectory;
  } catch {
    return false;
  }
}
