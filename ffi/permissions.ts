// Deno's permissions, asked on behalf of native code.
//
// Native code escapes Deno's sandbox, so dipper asks before it reaches a host, a path or a
// variable. Nothing is cached: a query takes microseconds, and a permission may be revoked. What
// the user names is requested, with Deno's prompt where Deno would prompt; a step of the
// credential chain is only looked up, and skipped when it is not granted.

import { locate } from "./error_stack.ts";
import { PermissionError } from "./errors.ts";

/** Something that native code needs, as Deno's permission system names it. */
export type Need =
  | { name: "ffi"; path?: string }
  | { name: "net"; host: string }
  | { name: "read" | "write"; path: string }
  | { name: "env"; variable: string }
  | { name: "run"; command: string };

/** The command-line flag that grants a need. */
export function flagFor(need: Need): string {
  switch (need.name) {
    case "ffi":
      return need.path === undefined ? "--allow-ffi" : `--allow-ffi=${need.path}`;
    case "net":
      return `--allow-net=${need.host}`;
    case "read":
    case "write":
      return `--allow-${need.name}=${need.path}`;
    case "env":
      return `--allow-env=${need.variable}`;
    case "run":
      return `--allow-run=${need.command}`;
  }
}

/** Whether a need is granted already. Never prompts. */
export function isGranted(need: Need): boolean {
  try {
    return Deno.permissions.querySync(need).state === "granted";
  } catch {
    // A host or path that Deno cannot parse is one that nobody granted.
    return false;
  }
}

/** Whether a need is granted, asking the user where Deno would prompt. */
export function request(need: Need): boolean {
  if (isGranted(need)) return true;
  try {
    return Deno.permissions.requestSync(need).state === "granted";
  } catch {
    return false;
  }
}

/**
 * Sees to it that all of an operation's needs are granted.
 *
 * @throws {PermissionError} Naming every flag that is missing.
 */
export function ensure(operation: string, needs: readonly Need[], uri?: string): void {
  const missing = missingFlags(needs);
  if (missing.length > 0) throw permissionError(operation, missing, uri);
}

/** The flags of those needs that are not granted, also when the user was asked. */
export function missingFlags(needs: readonly Need[]): string[] {
  return needs.filter((need) => !request(need)).map(flagFor);
}

/** The error that names missing flags. */
export function permissionError(
  operation: string,
  flags: readonly string[],
  uri?: string,
): PermissionError {
  const subject = uri === undefined ? operation : `${operation} of ${uri}`;
  const list = flags.join(" ");
  const error = new PermissionError(`Deno's permissions do not allow ${subject}`, {
    code: "PermissionDenied",
    operation,
    uri,
    hint: `run with ${list}`,
  });
  locate(error);
  return error;
}
