// `help`: the documentation of what it is given. The pages are made from the doc comments by
// `deno task ok help`; here is only how something becomes the name of a page.

import { checksumBytes } from "../bridges/checksum.ts";
import { contiguous } from "../bridges/contiguous.ts";
import { EmbeddingTable } from "../bridges/embedding_table.ts";
import { logInplace } from "../bridges/log.ts";
import { normalizeInplace } from "../bridges/normalize.ts";
import { Figure, plot } from "../bridges/plot.ts";
import { scaleBuffer, scaleInplace } from "../bridges/scale.ts";
import * as errors from "../ffi/errors.ts";
import { described } from "../ffi/lent.ts";
import { memory } from "../ffi/memory.ts";
import { metricsOf } from "../ffi/metrics.ts";
import { nodeUrl } from "../ffi/node.ts";
import { ensure } from "../ffi/permissions.ts";
import { RustBuffer } from "../ffi/rust_buffer.ts";
import { JUPYTER_DISPLAY, type MediaBundle } from "../jupyter/media_bundle.ts";
import * as plugin from "../jupyter/plugin.ts";
import * as calls from "./default_client.ts";
import { Diagnosis } from "./diagnosis.ts";
import { HttpFile } from "./http_file.ts";
import { Listing } from "./listing.ts";
import { LocalFile } from "./local_file.ts";
import { LocalS3 } from "./local_s3.ts";
import { ObjectFile } from "./object_file.ts";
import { S3Client } from "./s3_client.ts";
import { S3File } from "./s3_file.ts";
import { UsageCounting } from "./usage.ts";

/** What `help_pages.json` holds. */
interface Written {
  readonly overview: string;
  /** What a class or an interface inherits from: names separated by spaces. */
  readonly extends: ReadonlyMap<string, string>;
  readonly pages: ReadonlyMap<string, string>;
}

let read: Written | undefined;

/** The pages, read at the first call: importing them would take a tenth of what importing takes. */
function written(): Written {
  if (read !== undefined) return read;
  const place = new URL("./help_pages.json", import.meta.url);
  if (place.protocol !== "file:") {
    throw new errors.UnsupportedError("help reads its pages from dipper's folder", {
      code: "Unsupported",
      operation: "help",
      hint: "import dipper from a folder of this machine",
    });
  }
  const path = nodeUrl().fileURLToPath(place);
  ensure("help", [{ name: "read", path }]);
  const { overview, extends: bases, pages } = JSON.parse(Deno.readTextFileSync(path));
  read = {
    overview,
    extends: new Map(Object.entries(bases)),
    pages: new Map(Object.entries(pages)),
  };
  return read;
}

/**
 * Shows the documentation of a public symbol: its signature, what it does, parameters, errors and
 * an example. In a notebook it is shown as Markdown, in a terminal as text.
 *
 * @param about A function, a class, a method, something made by dipper, or a name such as
 * `"ObjectFile.ranges"`. Without it: what there is.
 * @throws {InvalidInputError} For what has no documentation; the message names what is spelt nearly
 * so.
 * @throws {PermissionError} When the pages, a file in dipper's folder, may not be read.
 *
 * @example
 * ```ts
 * import { file, help, memory } from "dipper";
 * console.log(help()); // what there is
 * console.log(help(memory)); // # memory ...
 * console.log(help("ObjectFile.ranges").name); // ObjectFile.ranges
 * const f = file("s3://example/data");
 * console.log(help(f).name, help(f.ranges).name); // S3File ObjectFile.ranges
 * ```
 */
export function help(...about: [about?: unknown]): HelpPage {
  if (about.length === 0 || isModule(about[0])) return new HelpPage("dipper", written().overview);
  const [x] = about;
  const name = typeof x === "string" ? nameSpelt(x) : nameOf(x);
  return new HelpPage(name, written().pages.get(name) ?? written().overview);
}

/** A page of documentation, made by {@linkcode help}. It shows itself. */
export class HelpPage {
  /** What it is about, such as `ObjectFile.ranges`. */
  readonly name: string;
  /** The page, in Markdown. */
  readonly markdown: string;

  /** Pages are made by {@linkcode help}. */
  constructor(name: string, markdown: string) {
    this.name = name;
    this.markdown = markdown;
  }

  /** The page, in Markdown. */
  toString(): string {
    return this.markdown;
  }

  /** Shows the page when it is the value of a notebook cell. */
  [JUPYTER_DISPLAY](): MediaBundle {
    return { "text/markdown": this.markdown, "text/plain": this.markdown };
  }

  /** Shows the page in a terminal. */
  [Symbol.for("Deno.customInspect")](): string {
    return this.markdown;
  }
}

// -- what something is called ---------------------------------------------------------------------

/** The public functions and classes. A test compares with what `mod.ts` exports. */
const VALUES: Readonly<Record<string, unknown>> = {
  ...errors,
  ...calls,
  ...plugin,
  checksumBytes,
  contiguous,
  Diagnosis,
  EmbeddingTable,
  Figure,
  help,
  HelpPage,
  HttpFile,
  Listing,
  LocalFile,
  LocalS3,
  logInplace,
  memory,
  metricsOf,
  normalizeInplace,
  ObjectFile,
  plot,
  RustBuffer,
  S3Client,
  S3File,
  scaleBuffer,
  scaleInplace,
  UsageCounting,
};

let names: Map<unknown, string> | undefined;

/** Functions, classes and methods by what they are. */
function namesOfValues(): Map<unknown, string> {
  if (names !== undefined) return names;
  names = new Map();
  for (const [name, value] of Object.entries(VALUES)) {
    if (!written().pages.has(name)) continue;
    names.set(value, name);
    const { prototype } = value as { prototype?: object };
    for (const member of membersOf(name)) {
      for (const owner of [prototype, value as object]) {
        const method = owner && Object.getOwnPropertyDescriptor(owner, member)?.value;
        if (typeof method === "function") names.set(method, `${name}.${member}`);
      }
    }
  }
  for (const member of membersOf("Plotting")) {
    names.set(plot[member as keyof typeof plot], `Plotting.${member}`);
  }
  return names;
}

/** The members that have a page, without those of its bases. */
function membersOf(name: string): string[] {
  return [...written().pages.keys()].filter((page) => page.startsWith(`${name}.`))
    .map((page) => page.slice(name.length + 1));
}

/** The name of what was handed over. */
function nameOf(x: unknown): string {
  const known = namesOfValues();
  if (typeof x === "function") {
    const name = known.get(x);
    if (name !== undefined) return name;
    throw unknown(`this function${x.name ? ` (${shown(x.name)})` : ""} is none of dipper's`);
  }
  if (typeof x !== "object" || x === null) {
    throw unknown(`this is ${described(x)}${x === undefined ? " (is the name misspelt?)" : ""}`);
  }
  const own = known.get(x);
  if (own !== undefined) return own;
  for (let at: object | null = Object.getPrototypeOf(x); at; at = Object.getPrototypeOf(at)) {
    const maker = Object.getOwnPropertyDescriptor(at, "constructor")?.value;
    const name = known.get(maker);
    if (name !== undefined) return name;
  }
  const name = nameByProperties(Object.keys(x));
  if (name !== undefined) return name;
  throw unknown(`this is ${described(x)}, and none of dipper's`);
}

/** Results without a class are known by their properties: the type that has all and fewest others. */
function nameByProperties(keys: readonly string[]): string | undefined {
  if (keys.length < 2) return undefined;
  let found: string | undefined;
  let fewest = Infinity;
  for (const name of written().pages.keys()) {
    if (/[.[]/.test(name) || VALUES[name] !== undefined) continue;
    const members = new Set([name, ...basesOf(name)].flatMap(membersOf));
    if (members.size < fewest && keys.every((key) => members.has(key))) {
      [found, fewest] = [name, members.size];
    }
  }
  return found;
}

/** What a class or an interface inherits from, the nearest first. */
function basesOf(name: string): string[] {
  const direct = written().extends.get(name)?.split(" ") ?? [];
  return direct.flatMap((base) => [base, ...basesOf(base)]);
}

// -- what a name means ----------------------------------------------------------------------------

/** The page that a name leads to; empty for the overview. */
function nameSpelt(given: string): string {
  const wanted = given.trim().replace(/\(.*\)$/s, "").replace(".prototype.", ".")
    .replace(/^plot\./, "Plotting.");
  if (wanted === "dipper" || wanted === "dipper/jupyter") return "dipper";
  const exact = find(wanted) ?? find(sameLetters(wanted));
  if (exact !== undefined) return exact;
  const near = nearTo(wanted);
  const hint = near.length === 0
    ? "help() tells what there is"
    : `did you mean ${near.join(", ")}? help() tells what there is`;
  throw errors.invalidInput("help", `there is no help for ${shown(given)}`, hint);
}

/** The page of this name, or of the inherited member that it names. */
function find(name: string | undefined): string | undefined {
  if (name === undefined || written().pages.has(name)) return name;
  const [owner = "", ...member] = name.split(".");
  return basesOf(owner).map((base) => [base, ...member].join("."))
    .find((inherited) => written().pages.has(inherited));
}

function sameLetters(name: string): string | undefined {
  const small = name.toLowerCase();
  return everyName().find((one) => one.toLowerCase() === small);
}

/** All pages, and inherited members under the names of those who inherit. */
function everyName(): string[] {
  const inherited = [...written().extends.keys()].flatMap((name) =>
    basesOf(name).flatMap(membersOf).map((member) => `${name}.${member}`)
  );
  return [...new Set([...written().pages.keys(), ...inherited])];
}

const MOST_SUGGESTIONS = 5;

/** Names that are spelt nearly so, the nearest first; a member's own name counts like its full one. */
function nearTo(given: string): string[] {
  const wanted = given.slice(0, 100).toLowerCase();
  const farthest = Math.max(wanted.length > 3 ? 2 : 1, Math.floor(wanted.length / 3));
  const ranked: { name: string; distance: number }[] = [];
  for (const name of everyName()) {
    const spelt = name.toLowerCase();
    const member = spelt.slice(spelt.indexOf(".") + 1);
    const full = wanted.includes(".");
    // An inherited member is suggested for a full name only.
    if (!full && !written().pages.has(name)) continue;
    const ways = full ? [spelt] : [spelt, member];
    const distance = Math.min(...ways.map((way) => editDistance(wanted, way)));
    if (distance <= farthest) ranked.push({ name, distance });
    else if (wanted.length > 2 && ways.some((way) => way.includes(wanted))) {
      ranked.push({ name, distance: farthest + 1 });
    }
  }
  if (ranked.length === 0) {
    // The members of a class that is named rightly.
    const owner = sameLetters(wanted.split(".")[0] ?? "");
    if (owner !== undefined && wanted.includes(".")) {
      const members = new Set([owner, ...basesOf(owner)].flatMap(membersOf));
      return [...members].map((one) => `${owner}.${one}`);
    }
  }
  return ranked
    .sort((a, b) => a.distance - b.distance || a.name.length - b.name.length)
    .slice(0, MOST_SUGGESTIONS)
    .map(({ name }) => name);
}

/** How many letters must be changed, added or left out (Levenshtein). */
function editDistance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++) {
      const changed = row[j - 1]! + (one[i - 1] === other[j - 1] ? 0 : 1);
      next.push(Math.min(changed, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[other.length]!;
}

function isModule(x: unknown): boolean {
  return typeof x === "object" && x !== null && Reflect.get(x, Symbol.toStringTag) === "Module";
}

function unknown(what: string): Error {
  return errors.invalidInput(
    "help",
    `there is no help for it: ${what}`,
    'pass a function, a class or an object of dipper\'s, or a name, as in help("ObjectFile.bytes")',
  );
}

/** What a user typed, as it stands in a message. */
function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}\u2026` : text);
}
