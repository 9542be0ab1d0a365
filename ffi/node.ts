// Node's own modules, at first use. A static import of `node:path` or `node:module` makes Deno start
// its whole Node side, which took a third of the time of importing dipper; only calls that reach a
// path or the library need them.

/** The part of Node's `process` that dipper uses. */
interface NodeProcess {
  dlopen(module: { exports: object }, path: string): void;
  getBuiltinModule(name: "node:module"): typeof import("node:module");
  getBuiltinModule(name: "node:path"): typeof import("node:path");
  getBuiltinModule(name: "node:url"): typeof import("node:url");
}

/** Node's `process`. */
export function nodeProcess(): NodeProcess {
  // deno-lint-ignore no-process-global -- the import is what costs the time
  return process as unknown as NodeProcess;
}

/** Node's `node:path`. */
export function nodePath(): typeof import("node:path") {
  return nodeProcess().getBuiltinModule("node:path");
}

/** Node's `node:url`. */
export function nodeUrl(): typeof import("node:url") {
  return nodeProcess().getBuiltinModule("node:url");
}

/** Node's `node:module`. */
export function nodeModule(): typeof import("node:module") {
  return nodeProcess().getBuiltinModule("node:module");
}
