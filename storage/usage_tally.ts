// What is stored, added up by folder, extension, storage class and age. The memory it takes does not
// grow with what it counts: there is a bound to the groups that are told apart.

import type { PageMessage } from "../ffi/symbols.ts";
import { JUPYTER_DISPLAY, type MediaBundle } from "../jupyter/media_bundle.ts";
import { describeUsage } from "../jupyter/usage_facts.ts";
import { classOf } from "./entry_makers.ts";
import type {
  AgeUsage,
  ExtensionUsage,
  FolderUsage,
  StorageClassUsage,
  UsageCount,
  UsageReport,
} from "./usage_report.ts";

/** Folders and extensions beyond so many are counted together. */
const MOST_GROUPS = 10_000;
const DAY = 24 * 3600 * 1000;
const AGES = [0, 1, 7, 30, 90, 365];
/** Behind these stands what the compressed file is. */
const COMPRESSIONS = new Set(["gz", "zst", "bz2", "xz", "lz4", "br", "snappy", "Z", "z"]);

class Count {
  objects = 0;
  bytes = 0;
}

/** Groups by name, at most so many; the rest is one group. */
class Groups {
  readonly #named = new Map<string, Count>();
  readonly #rest = new Count();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  of(name: string): Count {
    let count = this.#named.get(name);
    if (count === undefined) {
      if (this.#named.size >= this.#most) return this.#rest;
      count = new Count();
      this.#named.set(name, count);
    }
    return count;
  }

  /** The largest first. */
  list<T>(make: (name: string | undefined, count: UsageCount) => T): T[] {
    const all: [string | undefined, Count][] = [...this.#named];
    if (this.#rest.objects > 0) all.push([undefined, this.#rest]);
    return all
      .sort(([, one], [, other]) => other.bytes - one.bytes || other.objects - one.objects)
      .map(([name, { objects, bytes }]) => make(name, { objects, bytes }));
  }
}

/** A report with its displays, which are no properties of its own. */
class ShownUsage implements UsageReport {
  constructor(
    readonly uri: string,
    readonly complete: boolean,
    readonly objects: number,
    readonly bytes: number,
    readonly folders: readonly FolderUsage[],
    readonly extensions: readonly ExtensionUsage[],
    readonly storageClasses: readonly StorageClassUsage[],
    readonly ages: readonly AgeUsage[],
    readonly pages: number,
    readonly milliseconds: number,
  ) {}

  async [JUPYTER_DISPLAY](): Promise<MediaBundle> {
    return (await import("../jupyter/show_usage.ts")).showUsage(this);
  }

  [Symbol.for("Deno.customInspect")](): string {
    return describeUsage(this);
  }
}

/** Adds up pages of a listing. */
export class UsageTally {
  readonly #uri: string;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #depth: number;
  readonly #started = performance.now();
  readonly #now = Date.now();
  readonly #all = new Count();
  readonly #folders = new Groups(MOST_GROUPS);
  readonly #extensions = new Groups(MOST_GROUPS);
  readonly #classes = new Groups(MOST_GROUPS);
  readonly #ages = AGES.map(() => new Count());
  #ended: number | undefined;
  #pages = 0;

  constructor(uri: string, bucket: string, prefix: string, depth: number) {
    this.#uri = uri;
    this.#bucket = bucket;
    this.#prefix = prefix;
    this.#depth = depth;
  }

  /** One more page was listed. */
  page(): void {
    this.#pages++;
  }

  /** One more object. */
  object(page: PageMessage, index: number): void {
    const key = page.names[index]!;
    const bytes = page.sizes[index]!;
    const age = (this.#now - page.times[index]!) / DAY;
    let bin = AGES.length - 1;
    while (bin > 0 && age < AGES[bin]!) bin--;
    for (
      const count of [
        this.#all,
        this.#extensions.of(extensionOf(key)),
        this.#classes.of(classOf(page, index) ?? ""),
        this.#ages[bin]!,
      ]
    ) {
      count.objects++;
      count.bytes += bytes;
    }
    if (this.#depth === 0) return;
    const folder = this.#folders.of(this.#folderOf(key));
    folder.objects++;
    folder.bytes += bytes;
  }

  /** All was counted. */
  end(): void {
    this.#ended = performance.now();
  }

  /** What was counted so far. */
  report(): UsageReport {
    const { objects, bytes } = this.#all;
    return new ShownUsage(
      this.#uri,
      this.#ended !== undefined,
      objects,
      bytes,
      this.#folders.list((folder, count) =>
        folder === undefined ? count : { uri: `s3://${this.#bucket}/${folder}`, ...count }
      ),
      this.#extensions.list((extension, count) =>
        extension === undefined ? count : { extension, ...count }
      ),
      this.#classes.list((storageClass, count) => ({ storageClass: storageClass ?? "", ...count })),
      this.#ages.map(({ objects, bytes }, index) => {
        const [fromDays, toDays] = [AGES[index]!, AGES[index + 1]];
        return { fromDays, ...(toDays === undefined ? {} : { toDays }), objects, bytes };
      }),
      this.#pages,
      (this.#ended ?? performance.now()) - this.#started,
    );
  }

  /** The folder that a key counts for: so many levels below the last slash of the prefix. */
  #folderOf(key: string): string {
    let end = this.#prefix.lastIndexOf("/") + 1;
    for (let level = 0; level < this.#depth; level++) {
      const slash = key.indexOf("/", end);
      if (slash === -1) break;
      end = slash + 1;
    }
    return key.slice(0, end);
  }
}

/** The extension of a key's last part, in small letters; that of a compressed file with both. */
export function extensionOf(key: string): string {
  const start = key.lastIndexOf("/") + 1;
  const dot = key.lastIndexOf(".");
  // What starts with a dot has a name and no extension.
  if (dot <= start || key.length - dot > 17) return "";
  const extension = key.slice(dot + 1).toLowerCase();
  if (!/^[a-z0-9_+-]+$/.test(extension)) return "";
  if (!COMPRESSIONS.has(extension)) return extension;
  const inner = extensionOf(key.slice(0, dot));
  return inner === "" || inner.includes(".") ? extension : `${inner}.${extension}`;
}
