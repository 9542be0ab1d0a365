// The options of single calls, checked before anything is read or sent.

import { invalidInput, unknownOption } from "../ffi/errors.ts";
import { stoppable } from "../ffi/stop.ts";
import type { CallOptions } from "./read_options.ts";

type Kind = "text" | "signal" | "function" | "texts" | "flag";

/** What an option must be. Names not listed here are checked where they are used. */
const KINDS: Readonly<Record<string, Kind>> = {
  signal: "signal",
  onProgress: "function",
  ifMatch: "text",
  ifNoneMatch: "text",
  versionId: "text",
  contentType: "text",
  contentEncoding: "text",
  contentLanguage: "text",
  contentDisposition: "text",
  cacheControl: "text",
  storageClass: "text",
  metadata: "texts",
  delimiter: "text",
  startAfter: "text",
  glob: "text",
  token: "text",
  versions: "flag",
  owner: "flag",
  background: "flag",
  progress: "flag",
  map: "flag",
  ordered: "flag",
  where: "text",
  hive: "flag",
  versioning: "flag",
};

/** Parts of keys, and what may have several lines. */
const MAY_HAVE_CONTROLS: readonly string[] = ["delimiter", "startAfter", "glob", "where"];

/** What is not there, and what to pass. */
const WANTED: Readonly<Record<Kind, readonly [is: string, pass: string]>> = {
  text: ["a string without lone surrogates or control characters", "a text"],
  signal: ["an AbortSignal", "a controller's signal"],
  function: ["a function", "one"],
  texts: ["an object whose values are strings", 'such as { author: "me" }'],
  flag: ["true or false", "a boolean"],
};

/** What every call takes. */
const EVERYWHERE: readonly string[] = ["signal", "onProgress", "progress", "background"];

/**
 * Checks a call's options. `null` counts as unset, as for `fetch()`.
 *
 * @param also What the call takes beside what every call takes. Names that are not among them are
 * refused: an option that is misspelt, or that this call does not know, would else be ignored in
 * silence. When it is left out, the caller looks at the names.
 * @throws {InvalidInputError} Naming the option that cannot be meant.
 */
export function checkedCall<T extends object>(
  options: T,
  operation: string,
  uri?: string,
  also?: readonly string[],
): T {
  const checked = checkedLater(options as T & CallOptions, operation, uri, also);
  const { background, signal } = checked;
  delete checked.background;
  const followed = stoppable(operation, signal, background);
  if (followed !== undefined) checked.signal = followed;
  return checked;
}

/**
 * Checks the options of what starts later, such as a listing: only then it is known which Stop is
 * meant. Whatever starts asks {@linkcode stoppable}.
 *
 * @throws {InvalidInputError} Naming the option that cannot be meant.
 */
export function checkedLater<T extends object>(
  options: T,
  operation: string,
  uri?: string,
  also?: readonly string[],
): T {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw invalidInput(operation, "the options are no object", "pass { signal, \u2026 }", uri);
  }
  const checked: Record<string, unknown> = { ...options as Record<string, unknown> };
  for (const [name, value] of Object.entries(checked)) {
    if (value === undefined) continue;
    if (also !== undefined && !EVERYWHERE.includes(name) && !also.includes(name)) {
      throw unknownOption(operation, name, [...also, ...EVERYWHERE], uri);
    }
    const kind = KINDS[name];
    if (kind === undefined) continue;
    if (value === null) delete checked[name];
    else if (!fits(kind, name, value)) {
      const [is, pass] = WANTED[kind];
      const what = kind === "text" && typeof value !== "string" ? "a string" : is;
      throw invalidInput(operation, `${name} is not ${what}`, `pass ${pass}`, uri);
    }
  }
  return checked as T;
}

function fits(kind: Kind, name: string, value: unknown): boolean {
  switch (kind) {
    case "signal":
      return value instanceof AbortSignal;
    case "function":
      return typeof value === "function";
    case "texts":
      // What brings its pairs by an iterator, such as a Map, has no properties of its own to send.
      return typeof value === "object" && value !== null && !(Symbol.iterator in value);
    case "flag":
      return typeof value === "boolean";
    case "text":
      if (typeof value !== "string" || !value.isWellFormed()) return false;
      // A key may hold any character; the others become HTTP headers.
      if (MAY_HAVE_CONTROLS.includes(name)) return true;
      // deno-lint-ignore no-control-regex -- control characters are what is looked for
      return !/[\x00-\x1f\x7f]/.test(value);
  }
}
