// Which file a key becomes, and which keys cannot become one.
//
// A key is any text; a path is names between slashes. A key whose path could leave the directory,
// that no file can have, or whose place another key takes, is reported and never written.

import { uriOf } from "../client/s3_uri.ts";
import { type DipperError, invalidInput } from "../ffi/errors.ts";

/** The longest name that common file systems take, in bytes. */
const LONGEST_NAME = 255;
/** Names of files that are being written. A later run may remove them. */
const TEMPORARY = /^\.dipper-[0-9a-f]{16}(?:\.part)?$/;
const SLASH = 0x2f;

const encoder = new TextEncoder();

/** Why no file can have this path, if none can. A path that ends with a slash is a folder. */
export function problemOf(path: string): string | undefined {
  if (path.includes("\0")) return "it holds a NUL character";
  const names = path.split("/");
  if (names.length > 1 && names.at(-1) === "") names.pop();
  for (const name of names) {
    if (name === "") return "it holds an empty name: two slashes in a row, or one at its start";
    if (name === "." || name === "..") return `a file cannot be called ${name}`;
    if (name.length * 3 > LONGEST_NAME && encoder.encode(name).length > LONGEST_NAME) {
      return `the name ${JSON.stringify(`${name.slice(0, 40)}…`)} has more than 255 bytes`;
    }
    if (name.startsWith(".dipper-") && TEMPORARY.test(name)) {
      return "its name is kept for files that are being written";
    }
  }
  return undefined;
}

/** The error for a key that cannot be a file. */
export function noFile(operation: string, bucket: string, key: string, why: string): DipperError {
  const uri = uriOf({ bucket, key });
  return invalidInput(
    operation,
    `${uri} cannot be a file: ${why}`,
    "read it with file(), or copy it to another key",
    uri,
  );
}

/**
 * Finds the keys that are both a file and a folder, such as `a` beside `a/b`, while keys come in
 * the order of their bytes. Between the two others may come (`a-`), so a key waits until none can.
 */
export class FoldersAhead<T> {
  readonly #waiting: { path: string; value: T }[] = [];

  /** Takes the next path; tells those before it that are decided: folders of other keys or not. */
  next(path: string, value: T, settle: (value: T, isFolder: boolean) => void): void {
    this.#decide(path, settle);
    this.#waiting.push({ path, value });
  }

  /** Tells the rest. */
  end(settle: (value: T, isFolder: boolean) => void): void {
    for (const { value } of this.#waiting.splice(0)) settle(value, false);
  }

  #decide(path: string, settle: (value: T, isFolder: boolean) => void): void {
    const waiting = this.#waiting;
    let left = 0;
    for (const one of waiting) {
      const goesOn = path.startsWith(one.path);
      // The character behind it; none where a key comes twice.
      const next = goesOn ? path.charCodeAt(one.path.length) : Infinity;
      // Only a path that goes on from this one, with a character before the slash, leaves it open.
      if (goesOn && !(next >= SLASH)) waiting[left++] = one;
      else settle(one.value, next === SLASH);
    }
    waiting.length = left;
  }
}
