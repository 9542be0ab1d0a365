/**
 * Lets another folder `import … from "dipper"`: `deno task link DIR` adds one entry to the import map
 * in DIR's `deno.json` or `deno.jsonc`, or makes a `deno.json`.
 *
 * Comments and layout stay. The new text is parsed and compared before it replaces the old file as a
 * whole; what cannot be changed without losing something is refused.
 *
 * @module
 */
import {
  applyEdits,
  modify,
  parse,
  type ParseError,
  printParseErrorCode,
} from "npm:jsonc-parser@3.3.1";
import { isDeepStrictEqual } from "node:util";
import { join, resolve } from "node:path";
import { repository } from "./repository.ts";

const NAME = "dipper";

/** A folder or a file that cannot be linked, with what to do. */
export class LinkError extends Error {
  override name = "LinkError";
}

/** Adds the entry and returns what to tell the user. */
export async function link(folder: string): Promise<string> {
  const directory = await realDirectory(folder);
  const target = new URL("mod.ts", repository).href;
  const config = await findConfig(directory);
  if (config === undefined) {
    const path = join(directory, "deno.json");
    await replaceFile(path, JSON.stringify({ imports: { [NAME]: target } }, undefined, 2) + "\n");
    return `Made ${path}; "${NAME}" is ${target}.`;
  }
  const old = await Deno.readTextFile(config);
  const text = withEntry(old, config, target);
  if (text === old) return `${config} already names "${NAME}" as ${target}.`;
  await replaceFile(config, text);
  return `Changed ${config}; "${NAME}" is ${target}.`;
}

async function realDirectory(folder: string): Promise<string> {
  let info: Deno.FileInfo;
  try {
    info = await Deno.stat(folder);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new LinkError(`${folder} does not exist; make the folder first.`);
  }
  if (!info.isDirectory) throw new LinkError(`${folder} is a file; name the folder it is in.`);
  return await Deno.realPath(folder);
}

/** The config that Deno takes in this folder, behind symbolic links. */
async function findConfig(directory: string): Promise<string | undefined> {
  for (const name of ["deno.json", "deno.jsonc"]) {
    try {
      const path = await Deno.realPath(join(directory, name));
      if ((await Deno.stat(path)).isFile) return path;
      throw new LinkError(`${path} is not a file; nothing is changed.`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return undefined;
}

type Json = Record<string, unknown>;

/** The config's text with the entry in its import map. */
function withEntry(text: string, path: string, target: string): string {
  const before = parseObject(text, path);
  const imports = before["imports"];
  if (before["importMap"] !== undefined && imports === undefined) {
    throw new LinkError(
      `${path} takes its imports from ${JSON.stringify(before["importMap"])}, and an entry here ` +
        `would make Deno ignore that file. Add this line to its "imports" yourself: ` +
        `"${NAME}": "${target}"`,
    );
  }
  if (imports !== undefined && !isObject(imports)) {
    throw new LinkError(`"imports" in ${path} is not an object; nothing is changed.`);
  }
  const current = imports?.[NAME];
  if (current === target) return text;
  // A link to another clone, or to where this one was before.
  const replaces = typeof current === "string" && /^file:\/\/.*\/mod\.ts$/.test(current);
  if (current !== undefined && !replaces) {
    throw new LinkError(
      `${path} already maps "${NAME}" to ${JSON.stringify(current)}; remove that entry first.`,
    );
  }
  const edits = modify(text, ["imports", NAME], target, {
    formattingOptions: layoutOf(text),
    // Before the others: at the end it would come between an entry and its comment.
    ...(imports && { getInsertionIndex: () => 0 }),
  });
  const changed = applyEdits(text, edits);
  const expected = { ...before, imports: { ...imports, [NAME]: target } };
  if (!isDeepStrictEqual(parseObject(changed, path), expected)) {
    throw new LinkError(
      `${path} cannot be changed without losing something; nothing is changed. ` +
        `Add this line to its "imports" yourself: "${NAME}": "${target}"`,
    );
  }
  return changed;
}

function parseObject(text: string, path: string): Json {
  const errors: ParseError[] = [];
  const value: unknown = parse(text, errors, { allowTrailingComma: true });
  const [first] = errors;
  if (first) {
    const line = text.slice(0, first.offset).split("\n").length;
    throw new LinkError(
      `${path}:${line} is not valid JSON (${printParseErrorCode(first.error)}); ` +
        "nothing is changed. Correct it and run this again.",
    );
  }
  if (!isObject(value)) throw new LinkError(`${path} is not a JSON object; nothing is changed.`);
  return value;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

interface Layout {
  insertSpaces: boolean;
  tabSize: number;
  eol: string;
}

function layoutOf(text: string): Layout {
  const indent = /\n([ \t]+)\S/.exec(text)?.[1] ?? "  ";
  return {
    insertSpaces: !indent.startsWith("\t"),
    tabSize: indent.startsWith("\t") ? 1 : indent.length,
    eol: text.includes("\r\n") ? "\r\n" : "\n",
  };
}

/** Writes beside the file and renames, so that the file is whole at any moment. */
async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  try {
    await Deno.writeTextFile(temporary, text, { createNew: true });
    const mode = (await Deno.stat(path).catch(() => undefined))?.mode;
    if (mode !== undefined && mode !== null && Deno.build.os !== "windows") {
      await Deno.chmod(temporary, mode & 0o7777);
    }
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    throw new LinkError(`${path} cannot be written: ${error.message}; nothing is changed.`);
  }
}

if (import.meta.main) {
  const [folder, ...rest] = Deno.args;
  if (!folder || folder.startsWith("-") || rest.length > 0) {
    console.error("Which folder? Run: deno task link DIR");
    Deno.exit(2);
  }
  try {
    // A task runs in the repository; the user names the folder from where they are.
    console.log(await link(resolve(Deno.env.get("INIT_CWD") ?? Deno.cwd(), folder)));
    console.log(`Try there: deno eval 'import { memory } from "${NAME}"; console.log(memory())'`);
  } catch (error) {
    if (!(error instanceof LinkError)) throw error;
    console.error(error.message);
    Deno.exit(1);
  }
}
