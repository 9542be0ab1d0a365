/**
 * Makes `storage/help_pages.json`, what `help()` shows, from the doc comments: one page of Markdown
 * for each public symbol and each of its members. `deno task ok help` says whether it is what the
 * comments say, and writes it anew if it is not.
 *
 * @module
 */
import { say } from "./commands.ts";
import { deno, repository, root } from "./repository.ts";
import {
  type CallNode,
  callText,
  type MemberNode,
  memberText,
  parameterName,
  type ParamNode,
  type TypeNode,
  typeParametersText,
  type TypeParamNode,
  typeText,
} from "./type_text.ts";

/** What `help()` reads. */
export interface HelpPages {
  /** What there is, for `help()` without a name. */
  overview: string;
  /** What a class or an interface takes its other members from: names separated by spaces. */
  extends: Record<string, string>;
  /** Markdown by name, such as `file` and `ObjectFile.bytes`. */
  pages: Record<string, string>;
}

interface Tag {
  kind: string;
  name?: string;
  doc?: string;
  tsType?: TypeNode;
}

interface Comment {
  doc?: string;
  tags?: Tag[];
}

interface Declaration {
  kind: string;
  jsDoc?: Comment;
  def: Partial<CallNode> & {
    tsType?: TypeNode;
    extends?: TypeNode[] | string;
    typeParams?: TypeParamNode[];
    hasBody?: boolean;
    constructors?: (CallNode & { jsDoc?: Comment; hasBody?: boolean })[];
    methods?: (MemberNode & { jsDoc?: Comment; accessibility?: string })[];
    properties?: (MemberNode & { jsDoc?: Comment; accessibility?: string })[];
    callSignatures?: (CallNode & { jsDoc?: Comment })[];
  };
}

interface DocumentedSymbol {
  name: string;
  declarations: Declaration[];
}

interface Module {
  module_doc?: Comment;
  symbols: DocumentedSymbol[];
}

/** Where the pages lie. */
export const HELP_PAGES: URL = new URL("storage/help_pages.json", repository);

/** The two modules that users import, by the name that they import. */
const MODULES = [
  { name: "dipper", path: "mod.ts" },
  { name: "dipper/jupyter", path: "jupyter/plugin.ts" },
];

/** The pages, as the file holds them. */
export async function helpPagesText(): Promise<string> {
  const overviews: string[] = [];
  const writer = new Writer();
  for (const { name, path } of MODULES) {
    const module = await documented(path);
    overviews.push(overviewOf(name, module));
    writer.module(name, module.symbols);
  }
  const pages: HelpPages = { overview: overviews.join("\n"), ...writer.pages() };
  return JSON.stringify(pages, undefined, 2) + "\n";
}

/** Whether the file holds what the comments say. If not, it is written, except on CI. */
export async function checkHelpPages({ write }: { write: boolean }): Promise<boolean> {
  const text = await helpPagesText();
  const there = await Deno.readTextFile(HELP_PAGES).catch(() => "");
  if (there === text) return true;
  if (write) await Deno.writeTextFile(HELP_PAGES, text);
  say(
    "storage/help_pages.json is not what the doc comments say" +
      (write ? "; it is written anew: commit it" : "; run: deno task ok help"),
  );
  return false;
}

async function documented(path: string): Promise<Module> {
  const { success, stdout, stderr } = await new Deno.Command(deno, {
    args: ["doc", "--json", path],
    cwd: root,
    env: { NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const { nodes } = JSON.parse(new TextDecoder().decode(stdout)) as {
    nodes: Record<string, Module>;
  };
  const module = Object.entries(nodes).find(([name]) => name.endsWith(`/${path}`))?.[1];
  if (module === undefined) throw new Error(`deno doc tells nothing of ${path}`);
  // Not what a module imports only.
  return { ...module, symbols: module.symbols.filter((symbol) => !isInternal(symbol)) };
}

function isInternal({ declarations }: DocumentedSymbol): boolean {
  return declarations.every(({ jsDoc }) => jsDoc?.tags?.some(({ kind }) => kind === "internal"));
}

// -- the overview ---------------------------------------------------------------------------------

const GROUPS: { title: string; kinds: string[] }[] = [
  { title: "Functions", kinds: ["function", "variable"] },
  { title: "Classes", kinds: ["class"] },
  { title: "Types", kinds: ["interface", "typeAlias"] },
];

function overviewOf(name: string, { module_doc, symbols }: Module): string {
  const lines = [`# ${name}`, "", prose(module_doc?.doc ?? ""), ""];
  lines.push(...examplesOf(module_doc?.tags ?? []));
  for (const { title, kinds } of GROUPS) {
    const group = symbols.filter(({ declarations }) => kinds.includes(declarations[0]?.kind ?? ""));
    if (group.length === 0) continue;
    lines.push(`## ${title}`, "");
    if (title === "Types") {
      lines.push(group.map(({ name }) => `\`${name}\``).join(", "), "");
      continue;
    }
    for (const { name, declarations } of group) {
      lines.push(`- \`${name}\`: ${sentence(declarations[0]?.jsDoc?.doc)}`);
    }
    lines.push("");
  }
  lines.push('`help(x)` tells more of each: `help(file)`, `help("ObjectFile.bytes")`.', "");
  return lines.join("\n");
}

// -- pages ----------------------------------------------------------------------------------------

/** A page before it is known which names have one. */
interface Draft {
  lines: string[];
  /** Names that it mentions. */
  see: Set<string>;
  module: string;
}

class Writer {
  readonly #drafts = new Map<string, Draft>();
  readonly #extends: Record<string, string> = {};
  #module = "";

  module(name: string, symbols: DocumentedSymbol[]): void {
    this.#module = name;
    for (const symbol of symbols) this.#symbol(symbol);
  }

  /** All pages, with references to each other. */
  pages(): Omit<HelpPages, "overview"> {
    const known = (name: string): boolean => this.#drafts.has(name);
    const pages: Record<string, string> = {};
    for (const [name, { lines, see, module }] of this.#drafts) {
      const others = [...see].filter(known).map((one) => `\`${one}\``).join(", ");
      const text = [...lines, ...others === "" ? [] : [`See also: ${others}`, ""]];
      text.push(`From \`${module}\`.`);
      pages[name] = text.join("\n").replace(/\n{3,}/g, "\n\n") + "\n";
    }
    const bases = Object.entries(this.#extends).map(([name, from]) =>
      [name, from.split(" ").filter(known).join(" ")] as const
    );
    return { extends: Object.fromEntries(bases.filter(([, from]) => from !== "")), pages };
  }

  #symbol({ name, declarations }: DocumentedSymbol): void {
    const [first] = declarations;
    if (first === undefined) return;
    const see = new Set<string>();
    const lines = [`# ${name}`, ""];
    for (const one of withoutBodies(declarations, ({ def }) => def.hasBody)) {
      lines.push(...fence(this.#declaration(name, one, see)));
      lines.push(...comment(one.jsDoc, one.def.params));
    }
    if (first.kind !== "function") lines.push(...this.#members(name, first, see));
    for (const { def } of declarations) mentioned([def.params, def.returnType, def.tsType], see);
    this.#page(name, lines, see);
  }

  /** What stands at the head of a page. */
  #declaration(name: string, { kind, def }: Declaration, see: Set<string>): string {
    switch (kind) {
      case "function":
        return `function ${name}${callText(def as CallNode)}`;
      case "variable":
        return `const ${name}: ${typeText(def.tsType)}`;
      case "typeAlias":
        return `type ${name}${typeParametersText(def.typeParams)} = ${typeText(def.tsType)}`;
      default: {
        const parents = typeof def.extends === "string"
          ? [def.extends]
          : (def.extends ?? []).map(typeText);
        // What is left out of a base is not worth a page of its own.
        const bases = parents.map((parent) =>
          parent.replace(/^(?:Omit|Pick|Partial)</, "").replace(/[<,>].*$/s, "")
        );
        if (bases.length > 0) this.#extends[name] = bases.join(" ");
        for (const base of bases) see.add(base);
        const from = parents.length === 0 ? "" : ` extends ${parents.join(", ")}`;
        return `${kind} ${name}${typeParametersText(def.typeParams)}${from}`;
      }
    }
  }

  /** The list of what a class or interface has, and a page for each. */
  #members(name: string, { def }: Declaration, see: Set<string>): string[] {
    const lines: string[] = [];
    const list = (title: string, items: string[]) => {
      if (items.length > 0) lines.push(`## ${title}`, "", ...items, "");
    };
    const visible = (one: { accessibility?: string; jsDoc?: Comment }) =>
      (one.accessibility ?? "public") === "public" &&
      !one.jsDoc?.tags?.some(({ kind }) => kind === "internal");
    for (const call of withoutBodies(def.constructors ?? [], ({ hasBody }) => hasBody)) {
      if (!visible(call)) continue;
      lines.push(
        ...fence(`new ${name}${parameterList(call)}`),
        ...comment(call.jsDoc, call.params),
      );
      mentioned([call.params], see);
    }
    for (const call of def.callSignatures ?? []) {
      lines.push(...fence(callText(call)), ...comment(call.jsDoc, call.params));
    }
    const properties = [
      ...(def.properties ?? []),
      ...(def.methods ?? []).filter(({ kind }) => kind === "getter"),
    ].filter(visible);
    const methods = (def.methods ?? []).filter(({ kind }) => kind !== "getter" && kind !== "setter")
      .filter(visible);
    list("Properties", this.#memberPages(name, properties));
    list("Methods", this.#memberPages(name, methods));
    return lines;
  }

  #memberPages(owner: string, members: (MemberNode & { jsDoc?: Comment })[]): string[] {
    const items: string[] = [];
    for (const [name, all] of Map.groupBy(members, (member) => member.name)) {
      const overloads = withoutBodies(all, ({ functionDef }) => functionDef?.hasBody);
      const full = name.startsWith("[") ? owner + name : `${owner}.${name}`;
      const see = new Set([owner]);
      const lines = [`# ${full}`, "", ...fence(overloads.map(memberText).join("\n"))];
      for (const { jsDoc, functionDef, params, tsType } of overloads) {
        lines.push(...comment(jsDoc, functionDef?.params ?? params));
        mentioned([functionDef?.params ?? params, functionDef?.returnType, tsType], see);
      }
      this.#page(full, lines, see);
      const call = overloads[0]?.functionDef !== undefined || overloads[0]?.params !== undefined;
      const getter = overloads[0]?.kind === "getter";
      const shown = call && !getter ? `${name}()` : name;
      items.push(`- \`${shown}\`: ${sentence(overloads[0]?.jsDoc?.doc)}`);
    }
    return items;
  }

  #page(name: string, lines: string[], see: Set<string>): void {
    see.delete(name);
    if (this.#drafts.has(name)) throw new Error(`there are two public symbols named ${name}`);
    this.#drafts.set(name, { lines, see, module: this.#module });
  }
}

/** Overloads without the signature of their implementation, which no caller sees. */
function withoutBodies<One>(all: One[], hasBody: (one: One) => boolean | undefined): One[] {
  return all.length > 1 && all.some((one) => !hasBody(one))
    ? all.filter((one) => !hasBody(one))
    : all;
}

function parameterList(call: CallNode): string {
  return callText({ ...call, returnType: { kind: "keyword", value: "" } }).replace(/: $/, "");
}

/** What a comment says: prose, parameters, result, errors, examples. */
function comment(jsDoc: Comment | undefined, params: ParamNode[] = []): string[] {
  const tags = jsDoc?.tags ?? [];
  const lines = jsDoc?.doc ? [prose(jsDoc.doc), ""] : [];
  const told = tags.filter(({ kind, doc }) => kind === "param" && doc);
  if (told.length > 0) {
    const names = params.map(parameterName);
    told.sort((a, b) => names.indexOf(a.name ?? "") - names.indexOf(b.name ?? ""));
    lines.push("Parameters:", "");
    lines.push(...told.map(({ name, doc }) => `- \`${name}\`: ${item(doc)}`), "");
  }
  for (const { kind, doc } of tags) {
    if (kind === "return" && doc) lines.push(`Returns: ${item(doc)}`, "");
  }
  const throws = tags.filter(({ kind }) => kind === "throws");
  if (throws.length > 0) {
    lines.push("Throws:", "");
    for (const { tsType, doc } of throws) {
      const type = tsType === undefined ? "" : `\`${typeText(tsType)}\`: `;
      lines.push(`- ${type}${item(doc)}`);
    }
    lines.push("");
  }
  lines.push(...examplesOf(tags));
  for (const { kind, doc } of tags) if (kind === "see") lines.push(`See: ${item(doc)}`, "");
  return lines;
}

function examplesOf(tags: Tag[]): string[] {
  return tags.filter(({ kind }) => kind === "example")
    .flatMap(({ doc }) => ["Example:", "", (doc ?? "").trim(), ""]);
}

/** Markdown of a comment, its links as plain names. */
function prose(doc: string): string {
  return doc.trim()
    .replace(/\{@link(?:code|plain)?\s+(https?:[^\s|}]+)\s*(?:\|\s*([^}]*?)\s*)?\}/g, link)
    .replace(/\{@link(?:code|plain)?\s+([^\s|}]+)[^}]*\}/g, "`$1`");
}

function link(_: string, target: string, text: string | undefined): string {
  return text ? `[${text}](${target})` : `<${target}>`;
}

/** The same as one item of a list: no line breaks of the source. */
function item(doc = ""): string {
  return prose(doc).replace(/\s*\n\s*/g, " ");
}

function sentence(doc = ""): string {
  const paragraph = item(doc.trim().split(/\n\s*\n/)[0]);
  return (/^.*?\.(?=\s|$)/.exec(paragraph)?.[0] ?? paragraph).replace(/:$/, ".");
}

function fence(code: string): string[] {
  return ["```ts", code, "```", ""];
}

/** Collects the names of types that something mentions. */
function mentioned(node: unknown, into: Set<string>): void {
  if (typeof node !== "object" || node === null) return;
  if ("typeName" in node && "resolution" in node) {
    const { kind } = node.resolution as { kind: string };
    if (kind !== "typeParam") into.add(String(node.typeName));
  }
  for (const below of Object.values(node)) mentioned(below, into);
}

if (import.meta.main) {
  console.log(await checkHelpPages({ write: true }) ? "up to date" : "written");
}
