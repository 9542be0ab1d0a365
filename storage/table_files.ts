// The files of a table of many: globs and folders become lists of files, and what their folders say
// (`year=2024/`) becomes values of columns.

import type { Connection, ReadSubject } from "../client/connection.ts";
import { parseLocation } from "../client/location.ts";
import { parseLocation as parseS3, uriOf } from "../client/s3_uri.ts";
import { invalidInput, NotFoundError } from "../ffi/errors.ts";
import { described, remedy } from "../ffi/lent.ts";
import { libraryNeeds } from "../ffi/library.ts";
import { ensure } from "../ffi/permissions.ts";
import { readablePath } from "../ffi/readable_path.ts";
import type { TableFile } from "../table/read_table.ts";
import { Glob } from "./glob.ts";
import { listingOf } from "./listing.ts";
import { localTree } from "./local_tree.ts";
import { ObjectFile } from "./object_file.ts";
import type { Source } from "./read_options.ts";
import { namedBy, type ObjectLocation } from "./source.ts";
import { wholeSubject } from "./whole_subject.ts";

/** What a table is read of: a URI, which may be a glob or a folder, or several sources. */
export type TableSources =
  | Source
  | ObjectLocation
  | Iterable<Source | ObjectLocation>
  | AsyncIterable<Source | ObjectLocation>;

/** What reading many files takes beside what reading one does. */
export interface ManyFilesOptions {
  /** Folders such as `year=2024/` are columns. Default: true. */
  hive?: boolean;
}

/** More files are refused: the schema of each is read before the first row. */
const MOST_FILES = 100_000;

/** The files of a table, in the order in which their rows come. */
export async function tableFiles(
  connection: Connection,
  sources: TableSources,
  operation: string,
  { hive = true, signal }: ManyFilesOptions & { signal?: AbortSignal | undefined },
): Promise<TableFile[]> {
  const files: TableFile[] = [];
  const add = (subject: ReadSubject): void => {
    if (files.length >= MOST_FILES) {
      throw invalidInput(
        operation,
        `there are more than ${MOST_FILES} files`,
        "read them in several calls",
      );
    }
    files.push({ subject, partitions: hive ? partitionsOf(subject) : [] });
  };
  for await (const source of each(sources, operation)) {
    signal?.throwIfAborted();
    const text = source instanceof URL ? undefined : source;
    if (typeof text === "string" && isPattern(text)) {
      await expand(connection, text, operation, signal, add);
    } else {
      add(subjectOf(source, operation));
    }
  }
  if (files.length === 0) {
    throw invalidInput(operation, "there are no files", "name at least one");
  }
  return files;
}

/** How the files are named where something is told about all of them. */
export function shownSources(sources: TableSources): string {
  if (typeof sources === "string") return sources;
  if (sources instanceof URL) return sources.href;
  if (sources instanceof ObjectFile) return sources.uri;
  return "several files";
}

async function* each(
  sources: TableSources,
  operation: string,
): AsyncGenerator<Source | ObjectLocation> {
  if (typeof sources !== "object" || sources === null) {
    yield sources as Source;
  } else if (sources instanceof URL || sources instanceof ObjectFile) {
    yield sources;
  } else if (Symbol.asyncIterator in sources || Symbol.iterator in sources) {
    yield* sources as Iterable<Source>;
  } else if ("uri" in sources || "bucket" in sources) {
    yield sources as Source;
  } else {
    throw invalidInput(
      operation,
      `${described(sources)} names no files`,
      remedy(
        sources,
        "pass a URI, a glob such as s3://bucket/data/*.parquet, a file, or a list of them",
      ),
    );
  }
}

/** Whether a text names more than one file. A web address never does: `?` begins its query. */
function isPattern(text: string): boolean {
  return !/^https?:/i.test(text) && (text.endsWith("/") || MAGIC.test(text));
}

/** What a glob has and a name most often has not. */
const MAGIC = /[*?[{]/;

/** Adds the files that a glob or a folder names. */
async function expand(
  connection: Connection,
  text: string,
  operation: string,
  signal: AbortSignal | undefined,
  add: (subject: ReadSubject) => void,
): Promise<void> {
  const folder = text.endsWith("/");
  const plain = !MAGIC.test(text);
  let found = 0;
  if (/^s3:/i.test(text)) {
    const { bucket, key } = parseS3(text, operation);
    const location = { bucket, key: plain ? key : "" };
    const glob = plain ? "**" : folder ? `${key}**` : key;
    for await (const entry of listingOf(connection, location, { glob, ...signalOf(signal) })) {
      if (!("key" in entry) || isHidden(entry.key.slice(location.key.length), folder)) continue;
      found++;
      const named = { scheme: "s3", bucket, key: entry.key } as const;
      add({ operation, uri: uriOf({ bucket, key: entry.key }), location: named, size: entry.size });
    }
  } else {
    // A folder is no location of a file; what is below it is.
    const { path } = parseLocation(folder ? `${text}**` : text, operation) as { path: string };
    const base = path.slice(0, baseEnd(path));
    const glob = new Glob(path.slice(base.length), operation, text);
    ensure(operation, [...libraryNeeds(), { name: "read", path: base }], text);
    const directory = readablePath(base, operation, text);
    const { entries, failures } = await localTree(directory, operation, { clean: false, signal });
    if (failures.length > 0) throw failures[0];
    const paths = [...entries].filter(([name, { kind }]) =>
      kind === "file" && glob.matches(name) && !isHidden(name, folder)
    ).map(([name]) => base + name).sort();
    for (const path of paths) {
      found++;
      add({ operation, uri: path, location: { scheme: "file", path } });
    }
  }
  if (found === 0) {
    throw new NotFoundError(`nothing matches ${text}`, {
      code: "NotFound",
      operation,
      uri: text,
      hint: folder
        ? "files whose names begin with _ or . do not count"
        : "`*` stays within a folder, `**/` stands for any number of folders",
    });
  }
}

function signalOf(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

/** The end of the folder that all that matches is in. */
function baseEnd(path: string): number {
  const magic = path.search(/[*?[{\\]/);
  return path.lastIndexOf("/", magic) + 1;
}

/** What writers of tables leave beside them: `_SUCCESS`, `.part.crc`; and the keys of folders. */
function isHidden(name: string, folder: boolean): boolean {
  if (name === "" || name.endsWith("/")) return true;
  return folder && name.split("/").some((part) => /^[_.]/.test(part) && !part.includes("="));
}

function subjectOf(source: Source | ObjectLocation, operation: string): ReadSubject {
  return wholeSubject(namedBy(source, operation), operation, "a table is read of whole files");
}

/** What stands for a missing value in the name of a folder. */
const NO_VALUE = "__HIVE_DEFAULT_PARTITION__";

/** What the folders of a file say: https://hive.apache.org/docs/latest/language/languagemanual-ddl/ */
function partitionsOf({ location }: ReadSubject): [string, string | null][] {
  const path = location.scheme === "s3"
    ? location.key
    : location.scheme === "file"
    ? location.path
    : new URL(location.url).pathname;
  const values = new Map<string, string | null>();
  for (const folder of path.split("/").slice(0, -1)) {
    const sign = folder.indexOf("=");
    if (sign <= 0) continue;
    const value = decoded(folder.slice(sign + 1));
    values.set(decoded(folder.slice(0, sign)), value === NO_VALUE ? null : value);
  }
  return [...values];
}

/** Writers encode what a folder's name cannot hold. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
