// Finding and loading the native library, once per isolate and not before it is needed.
//
// The same file is loaded twice: by `Deno.dlopen` for plain calls, and by `process.dlopen` as a
// Node-API module, which owns memory, wakes the event loop and notices the end of the isolate.
// A loaded library is never closed: buffers and threads of it may outlive whoever closes.

import { activateAtFirstCall } from "../jupyter/plugin.ts";
import { type DipperError, errorOf, InternalError, thrownFor, UnsupportedError } from "./errors.ts";
import { nodeModule, nodeProcess } from "./node.ts";
import { isGranted, type Need, permissionError, request } from "./permissions.ts";
import { ABI_HASH, bind, type ErrorDetails, type Native, symbols } from "./symbols.ts";

/** What the Node-API module exports. Negative numbers are errors. */
export interface NodeModule {
  /** Opens the isolate's queue; `wake` runs when completions are ready. */
  open(wake: () => void): number;
  /** Maps a buffer: the array buffer owns the memory from here on. */
  adopt(buffer: number): ArrayBuffer | number;
  /** Keeps the program running. */
  hold(): number;
  /** Lets the program end. */
  release(): number;
  /** Tells the collector that memory is short, or with 0 that it is not; see {@linkcode collect}. */
  nudge(hurry: number): number;
}

/** The loaded library. */
export interface Library {
  /** Where it was found. */
  readonly path: string;
  /** The C functions. */
  readonly native: Native;
  /** The Node-API functions. */
  readonly node: NodeModule;
  /** Throws the error behind a negative answer of either. */
  readonly checked: (answer: number) => number;
}

const FILE_NAME = {
  linux: "libdipper.so",
  darwin: "libdipper.dylib",
  windows: "dipper.dll",
}[Deno.build.os as string] ?? "libdipper.so";

const PLATFORM_PACKAGE = `@dipper/dipper-${Deno.build.os}-${Deno.build.arch}`;
const REMEDY = "run `deno task build` in dipper's folder, or set DIPPER_LIBRARY to the file";

/** A place where the library may be, or the reason why it cannot be there. */
type Place = { what: string; path: string } | { what: string; absent: string };

/** Each is looked for when those before it do not do: to ask Node for a package takes long. */
function* places(): Iterable<Place> {
  const named = fromVariable();
  if (named !== undefined) yield named;
  yield nextToModule();
  yield fromPackage();
}

function fromVariable(): Place | undefined {
  const variable = "DIPPER_LIBRARY";
  if (!isGranted({ name: "env", variable })) return undefined;
  const path = Deno.env.get(variable);
  return path === undefined || path === "" ? undefined : { what: variable, path };
}

function nextToModule(): Place {
  const what = "the build output";
  const place = new URL(`../build/${FILE_NAME}`, import.meta.url);
  if (place.protocol !== "file:") return { what, absent: "dipper was not imported from a folder" };
  const path = decodeURIComponent(place.pathname);
  return { what, path: Deno.build.os === "windows" ? path.slice(1) : path };
}

function fromPackage(): Place {
  const what = `the npm package ${PLATFORM_PACKAGE}`;
  try {
    return {
      what,
      path: nodeModule().createRequire(import.meta.url)
        .resolve(`${PLATFORM_PACKAGE}/${FILE_NAME}`),
    };
  } catch {
    return { what, absent: "not installed" };
  }
}

let loaded: Library | undefined;

/** What loading the library needs; nothing once it is loaded. */
export function libraryNeeds(): Need[] {
  if (loaded !== undefined) return [];
  for (const place of places()) {
    if ("path" in place) return [{ name: "ffi", path: place.path }];
  }
  return [];
}

/**
 * The library, loaded at the first call.
 *
 * @throws {PermissionError} When no place may be looked at.
 * @throws {UnsupportedError} When no place holds a library that fits; lists each and the remedy.
 */
export function library(): Library {
  if (loaded === undefined) {
    loaded = load();
    activateAtFirstCall();
  }
  return loaded;
}

function load(): Library {
  const failures: string[] = [];
  const flags: string[] = [];
  for (const place of places()) {
    if ("absent" in place) {
      failures.push(`${place.what}: ${place.absent}`);
      continue;
    }
    if (!request({ name: "ffi", path: place.path })) {
      flags.push(`--allow-ffi=${place.path}`);
      failures.push(`${place.what}: ${place.path} needs --allow-ffi=${place.path}`);
      continue;
    }
    try {
      return open(place.path);
    } catch (error) {
      if (error instanceof InternalError) throw error;
      const why = error instanceof Error ? error.message : String(error);
      failures.push(`${place.what}: ${place.path}: ${why}`);
    }
  }
  if (flags.length > 0) throw permissionError("loading the native library", flags.slice(0, 1));
  const list = failures.map((failure) => `\n  - ${failure}`).join("");
  throw new UnsupportedError(`dipper's native library cannot be loaded:${list}\n`, {
    code: "LibraryNotLoaded",
    operation: "load",
    hint: REMEDY,
  });
}

function open(path: string): Library {
  const hash = Deno.dlopen(path, { dipper_abi_hash: symbols.dipper_abi_hash }).symbols
    .dipper_abi_hash();
  if (hash !== ABI_HASH) {
    throw new Error(
      `it has boundary version ${hash.toString(16)}, this module needs ${ABI_HASH.toString(16)}; ` +
        "build the library again",
    );
  }
  const opened = Deno.dlopen(path, symbols);
  const native: Native = bind(opened.symbols, (answer) => checked(answer));
  function checked(answer: number): number {
    if (answer >= 0) return answer;
    throw lastError(native, -answer);
  }

  const module: { exports: Partial<NodeModule> } = { exports: {} };
  nodeProcess().dlopen(module, path);
  const { open, adopt, hold, release, nudge } = module.exports;
  if (!open || !adopt || !hold || !release || !nudge) {
    throw new Error("this Deno offers no Node-API; version 2.9.6 or later does");
  }
  return { path, native, checked, node: { open, adopt, hold, release, nudge } };
}

/**
 * Makes V8 look for dropped buffers now, in some milliseconds. It counts external memory but does
 * not hurry by itself, and when it is told to, it looks at the next chance that JavaScript gives it:
 * at the end of a loop's turn.
 */
export function collect(node: NodeModule): void {
  node.nudge(1);
  let turns = 0;
  for (let turn = 0; turn < 1000; turn++) turns += turn;
  node.nudge(turns === 0 ? 1 : 0);
}

/** The details of the error behind a negative answer. */
function lastError(native: Native, status: number): DipperError | DOMException {
  let room = new Uint8Array(4096);
  let length = native.lastError(room);
  if (length > room.length) {
    room = new Uint8Array(length);
    length = native.lastError(room);
  }
  if (length === 0) {
    return errorOf({
      status,
      message: "dipper failed without saying why",
      operation: "native",
      retryable: false,
    });
  }
  return thrownFor(JSON.parse(new TextDecoder().decode(room.subarray(0, length))) as ErrorDetails);
}
