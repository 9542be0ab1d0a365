// A local file that native code is to change: whether Deno would let it, and where it lies.
//
// Deno's answer to a query is not all of its rule: below /proc, /dev and /sys it refuses writing even
// where it is granted, also through a folder that is a link. So the path is shown to Deno itself, by
// opening a file that cannot exist below it: that changes nothing, and fails in one way or another.

import { nodePath } from "./node.ts";
import { permissionError } from "./permissions.ts";

/** The part of a path that no file has. */
const NOWHERE = ".dipper-is-not-here";

/**
 * The absolute path to change, once writing is granted. A symbolic link at its end stays one.
 *
 * @throws {PermissionError} For a file that Deno does not let be written by that permission.
 */
export function writablePath(path: string, operation: string, uri: string): string {
  const absolute = absolutePath(path, operation, uri);
  try {
    Deno.openSync(`${absolute}/${NOWHERE}`, { write: true }).close();
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) {
      throw permissionError(operation, ["--allow-all"], uri);
    }
  }
  return absolute;
}

function absolutePath(path: string, operation: string, uri: string): string {
  try {
    return nodePath().resolve(path);
  } catch {
    // Only the working directory may be unreadable.
    throw permissionError(operation, ["--allow-read=."], uri);
  }
}
