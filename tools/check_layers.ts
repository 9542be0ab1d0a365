/**
 * Checks who imports whom, and where unsafe code lives. ARCHITECTURE.md says why.
 *
 * TypeScript: `ffi ← client ← {bridges, table} ← storage ← {sql, cli, mod.ts}`, imports only
 * leftward and none between siblings, type imports included. `jupyter` imports nothing of ours and
 * all rooms may import it. Only `ffi` names `dlopen` and Deno's `Unsafe…` classes. In the graph of
 * `mod.ts` there are only relative, `node:` and inline `npm:` specifiers, and a package is named in
 * one file, so that `mod.ts` imports from any folder and a version is written once.
 *
 * Rust: `capi → {core, local_s3, table}`, `table → core`, `core → wire`, and what those may use in turn; the others use
 * nothing of ours, except in tests. Every crate takes the workspace's lints, which deny unsafe code;
 * a file with unsafe code says `#![allow(unsafe_code)]` itself, so a search for that finds them all.
 *
 * @module
 */
import { dirname, join, relative, resolve, sep } from "node:path";
import { root } from "./repository.ts";
import { imports, type Scanned, scanRust, scanTypeScript } from "./source_scan.ts";

/** A broken rule and where. */
export interface Violation {
  /** Relative to the repository, with slashes. */
  file: string;
  /** Counted from 1. */
  line: number;
  /** What is wrong and what the rule is. */
  message: string;
}

/** Rooms from left to right. Those of one row are siblings. */
const ROWS: readonly (readonly string[])[] = [
  ["ffi"],
  ["client"],
  ["bridges", "table"],
  ["storage"],
  ["sql", "cli", "mod.ts"],
];
const SHARED = "jupyter";
const ROOMS: readonly string[] = [...ROWS.flat(), SHARED];

/** What each crate may use, beside what those may use in turn. */
const CRATES: Readonly<Record<string, readonly string[]>> = {
  wire: [],
  core: ["wire"],
  local_s3: [],
  faults: [],
  table: ["core"],
  capi: ["core", "local_s3", "table"],
};

const UNSAFE_NAMES = /\b(dlopen|Unsafe(?:Callback|FnPointer|Pointer|PointerView|WindowSurface))\b/g;

/** All violations in the repository at `folder`, by file and line. */
export async function checkLayers(folder: string): Promise<Violation[]> {
  const violations = [
    ...await checkTypeScript(folder),
    ...await checkRust(folder),
  ];
  return violations.sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line);
}

// -- TypeScript -----------------------------------------------------------------------------------

async function checkTypeScript(folder: string): Promise<Violation[]> {
  const violations: Violation[] = [];
  const scanned = new Map<string, Scanned>();
  for (const room of ROOMS) {
    for await (const file of filesBelow(folder, room, /\.(ts|tsx|mts|js|mjs)$/)) {
      scanned.set(file, scanTypeScript(await Deno.readTextFile(join(folder, file))));
    }
  }
  for (const [file, source] of scanned) {
    const report = (line: number, message: string): void =>
      void violations.push({ file, line, message });
    const from = roomOf(file);
    for (const { specifier, line } of imports(source)) {
      if (!specifier.startsWith(".")) continue;
      const to = roomOf(resolveFrom(file, specifier));
      const broken = brokenRule(from, to);
      if (broken) report(line, `${from} imports "${specifier}": ${broken}`);
    }
    if (from !== "ffi") {
      for (const { name, line } of unsafeNames(source)) {
        report(line, `${name} is named outside ffi/: only ffi/ touches raw memory`);
      }
    }
  }
  violations.push(...checkGraph(scanned));
  return violations;
}

function roomOf(file: string): string {
  return file.split("/")[0] ?? "";
}

/** Why `from` may not import `to`, or undefined when it may. */
function brokenRule(from: string, to: string): string | undefined {
  if (from === to) return undefined;
  if (!ROOMS.includes(to)) return `${to} is no room of the library`;
  if (from === SHARED) return `${SHARED} imports nothing of ours; hand it what it needs`;
  if (to === SHARED) return undefined;
  const [left, right] = [to, from].map((room) => ROWS.findIndex((row) => row.includes(room)));
  if (left! < right!) return undefined;
  return left === right
    ? `${from} and ${to} are siblings`
    : `imports go leftward, ${ROWS.map((row) => row.join(" and ")).join(" ← ")}`;
}

function unsafeNames(source: Scanned): { name: string; line: number }[] {
  const inCode = [...source.code.matchAll(UNSAFE_NAMES)]
    .map((match) => ({ name: match[0], line: source.lineAt(match.index) }));
  // `Deno["dlopen"]`
  const asKeys = source.strings.filter(({ text }) => text.replace(UNSAFE_NAMES, "") === "" && text)
    .map(({ text, at }) => ({ name: text, line: source.lineAt(at) }));
  return [...inCode, ...asKeys];
}

/** What `mod.ts` reaches: its specifiers, and packages named in more than one file. */
function checkGraph(scanned: Map<string, Scanned>): Violation[] {
  const violations: Violation[] = [];
  const packages = new Map<string, { file: string; line: number }>();
  const reached = new Set<string>();
  const queue = ["mod.ts"];
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    const source = scanned.get(file);
    if (!source || reached.has(file)) continue;
    reached.add(file);
    for (const { specifier, line } of imports(source)) {
      if (specifier.startsWith(".")) {
        queue.push(resolveFrom(file, specifier));
      } else if (specifier.startsWith("npm:")) {
        const name = /^npm:\/?((?:@[^/@]+\/)?[^/@]+)/.exec(specifier)?.[1] ?? specifier;
        const first = packages.get(name);
        if (!first) packages.set(name, { file, line });
        else if (first.file !== file) {
          violations.push({
            file,
            line,
            message:
              `${name} is already named in ${first.file}:${first.line}; import it from there`,
          });
        }
      } else if (!specifier.startsWith("node:")) {
        violations.push({
          file,
          line,
          message: `"${specifier}" is reached from mod.ts and is neither relative, node: nor an ` +
            "inline npm: specifier, so mod.ts would not import from another folder",
        });
      }
    }
  }
  return violations;
}

function resolveFrom(file: string, specifier: string): string {
  const path = resolve("/", dirname(file), specifier.replace(/[?#].*$/, ""));
  return relative("/", path).split(sep).join("/");
}

// -- Rust -----------------------------------------------------------------------------------------

async function checkRust(folder: string): Promise<Violation[]> {
  const violations: Violation[] = [];
  const crates = new Map<string, { room: string; manifest: Manifest }>();
  for await (const file of filesBelow(folder, "native", /(^|\/)Cargo\.toml$/)) {
    const manifest = readManifest(await Deno.readTextFile(join(folder, file)), file);
    const room = file.split("/")[1] ?? "";
    if (manifest.name !== undefined) crates.set(manifest.name, { room, manifest });
    if (!manifest.takesLints) {
      violations.push({
        file,
        line: 1,
        message: "the crate does not take the workspace's lints: add [lints] workspace = true",
      });
    }
  }
  for (const { room, manifest } of crates.values()) {
    const allowed = reachable(room);
    for (const { name, line } of manifest.dependencies) {
      const used = crates.get(name)?.room;
      if (used === undefined || allowed.has(used)) continue;
      const rule = allowed.size === 0 ? "nothing of ours" : `only ${[...allowed].join(", ")}`;
      violations.push({
        file: manifest.file,
        line,
        message: `${room} uses ${used}; it may use ${rule}`,
      });
    }
  }
  for await (const file of filesBelow(folder, "native", /\.rs$/)) {
    violations.push(...checkUnsafe(file, scanRust(await Deno.readTextFile(join(folder, file)))));
  }
  return violations;
}

function reachable(room: string): Set<string> {
  const found = new Set<string>();
  const queue = [...CRATES[room] ?? []];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    found.add(next);
    queue.push(...CRATES[next] ?? []);
  }
  return found;
}

function checkUnsafe(file: string, source: Scanned): Violation[] {
  const violations: Violation[] = [];
  const allowsItself = /#!\[allow\([^)]*\bunsafe_code\b/.test(source.code);
  for (const match of source.code.matchAll(/#\[allow\([^)]*\bunsafe_code\b/g)) {
    violations.push({
      file,
      line: source.lineAt(match.index),
      message: "unsafe code is allowed for one item: allow it for a small file of its own with " +
        "#![allow(unsafe_code)]",
    });
  }
  const first = /\bunsafe\b/.exec(source.code);
  if (first && !allowsItself) {
    violations.push({
      file,
      line: source.lineAt(first.index),
      message: "unsafe code in a file that does not open with #![allow(unsafe_code)]",
    });
  }
  return violations;
}

interface Manifest {
  file: string;
  name: string | undefined;
  takesLints: boolean;
  /** Those that end up in the library: not the ones for tests only. */
  dependencies: { name: string; line: number }[];
}

/** Reads what is needed of a `Cargo.toml`, line by line as cargo's own formatting has it. */
function readManifest(text: string, file: string): Manifest {
  const manifest: Manifest = { file, name: undefined, takesLints: false, dependencies: [] };
  let section = "";
  for (const [i, line] of text.split("\n").entries()) {
    const header = /^\s*\[+\s*([^\]]+?)\s*\]+/.exec(line)?.[1];
    if (header !== undefined) {
      section = header;
      const table = /(?:^|\.)(?:build-)?dependencies\.([\w-]+)$/.exec(section)?.[1];
      if (table !== undefined) manifest.dependencies.push({ name: table, line: i + 1 });
      continue;
    }
    const [, key, value = ""] = /^\s*"?([\w-]+)"?[\w.-]*\s*=\s*(.*)$/.exec(line) ?? [];
    if (key === undefined) continue;
    if (section === "package" && key === "name") manifest.name = /"([^"]+)"/.exec(value)?.[1];
    if (section === "lints" && key === "workspace") manifest.takesLints = value.startsWith("true");
    const renamed = /\bpackage\s*=\s*"([^"]+)"/.exec(value)?.[1];
    if (/(^|\.)(build-)?dependencies$/.test(section)) {
      manifest.dependencies.push({ name: renamed ?? key, line: i + 1 });
    } else if (/(^|\.)(build-)?dependencies\.[\w-]+$/.test(section) && key === "package") {
      manifest.dependencies.push({ name: /"([^"]+)"/.exec(value)?.[1] ?? key, line: i + 1 });
    }
  }
  return manifest;
}

// -------------------------------------------------------------------------------------------------

/** Files below `room` (or `room` itself when it is a file), relative to `folder`, with slashes. */
async function* filesBelow(folder: string, room: string, wanted: RegExp): AsyncGenerator<string> {
  const info = await Deno.stat(join(folder, room)).catch((error: unknown) => {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  });
  if (info?.isFile && wanted.test(room)) yield room;
  if (!info?.isDirectory) return;
  for await (const entry of Deno.readDir(join(folder, room))) {
    const path = `${room}/${entry.name}`;
    if (entry.isDirectory && entry.name !== "target") yield* filesBelow(folder, path, wanted);
    else if (entry.isFile && wanted.test(entry.name)) yield path;
  }
}

if (import.meta.main) {
  const violations = await checkLayers(root);
  for (const { file, line, message } of violations) console.error(`${file}:${line}: ${message}`);
  if (violations.length > 0) {
    console.error(`${violations.length} broken layer rules.`);
    Deno.exit(1);
  }
}
