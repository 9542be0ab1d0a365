// A file that native code is to open: whether Deno would, and where it lies.
//
// Deno's answer to a query is not all of its rule: what lies below /proc, /dev and /sys is refused
// even where reading is granted, also behind a symbolic link, because it reaches into this and other
// processes. So such paths are shown to Deno itself. The path that is handed down is absolute and
// holds no link, so that what was asked about is what is opened.

import { nodePath } from "./node.ts";
import { permissionError } from "./permissions.ts";

const SPECIAL = /^\/(?:proc|dev|sys)(?:\/|$)/;

/**
 * The path to open, once reading is granted.
 *
 * @throws {PermissionError} For a file that Deno does not let be read by that permission.
 */
export function readablePath(path: string, operation: string, uri: string): string {
  let real: string;
  try {
    real = Deno.realPathSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw special(operation, uri);
    // Missing, or not to be reached: opening it tells.
    return nodePath().resolve(path);
  }
  if (SPECIAL.test(real)) {
    try {
      Deno.statSync(real);
    } catch {
      throw special(operation, uri);
    }
  }
  return real;
}

function special(operation: string, uri: string): Error {
  return permissionError(operation, ["--allow-all"], uri);
}
