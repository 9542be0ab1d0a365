// A directory that native code is to read and write below: whether Deno would let all of it be
// reached, and where it lies.

import { invalidInput, PermissionError } from "./errors.ts";
import { nodePath } from "./node.ts";
import type { Need } from "./permissions.ts";
import { readablePath } from "./readable_path.ts";

/** What is done below a directory. */
export type DirectoryUse = "read" | "write";

/** What Deno has to permit for it. To write a tree, it is looked at first. */
export function directoryNeeds(path: string, use: DirectoryUse): Need[] {
  const read: Need = { name: "read", path };
  return use === "read" ? [read] : [read, { name: "write", path }];
}

/**
 * Where a directory lies: an absolute path without a link. `undefined` when it does not exist.
 *
 * @throws {InvalidInputError} When it is something else than a directory.
 * @throws {PermissionError} When Deno's permissions leave a part of it out.
 */
export function directoryPath(
  path: string,
  use: DirectoryUse,
  operation: string,
): string | undefined {
  for (const need of directoryNeeds(path, use)) refusePart(need, path, operation);
  let found: Deno.FileInfo;
  try {
    found = Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof Deno.errors.NotADirectory) throw notADirectory(operation, path);
    if (error instanceof Deno.errors.NotCapable) readablePath(path, operation, path);
    throw invalidInput(
      operation,
      `${path} cannot be opened: ${error instanceof Error ? error.message : String(error)}`,
      "check its name, its owner and its mode",
      path,
    );
  }
  if (!found.isDirectory) throw notADirectory(operation, path);
  return readablePath(path, operation, path);
}

/**
 * Makes a directory that is missing, and says where it lies.
 *
 * @throws {InvalidInputError} When it cannot be made.
 */
export function makeDirectory(path: string, operation: string): string {
  try {
    Deno.mkdirSync(path, { recursive: true });
  } catch (error) {
    throw invalidInput(
      operation,
      `${path} cannot be made: ${error instanceof Error ? error.message : String(error)}`,
      `choose another directory, or look at ${nodePath().dirname(nodePath().resolve(path))}`,
      path,
    );
  }
  return directoryPath(path, "write", operation) ?? nodePath().resolve(path);
}

function notADirectory(operation: string, path: string): Error {
  return invalidInput(
    operation,
    `${path} is no directory`,
    "pass a directory; a single file is read by file()",
    path,
  );
}

/** A directory may be granted and something below it denied. Native code could not tell. */
function refusePart(need: Need, path: string, operation: string): void {
  const status = Deno.permissions.querySync(need as Deno.PermissionDescriptor);
  if (status.state !== "granted" || status.partial !== true) return;
  throw new PermissionError(`Deno's permissions deny a part of ${path}`, {
    code: "PermissionDenied",
    operation,
    uri: path,
    hint: `leave --deny-${need.name} of paths in it out, or choose another directory`,
  });
}
