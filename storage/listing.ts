// The objects below a prefix, their versions, or the uploads that are not complete: fetched page by
// page while they are read.

import { type Connection, defined } from "../client/connection.ts";
import { type Location, uriOf } from "../client/s3_uri.ts";
import { type Watching, watching } from "../client/watched.ts";
import { DipperError, invalidInput } from "../ffi/errors.ts";
import { eitherSignal, stoppable } from "../ffi/stop.ts";
import type { PageMessage, PlaceMessage } from "../ffi/symbols.ts";
import { displayed, JUPYTER_DISPLAY, type MediaBundle } from "../jupyter/media_bundle.ts";
import { checkedLater } from "./call_options.ts";
import {
  type Entry,
  type EntryMaker,
  GROUP,
  objectMaker,
  shownEntries,
  versionMaker,
} from "./entry.ts";
import { Glob } from "./glob.ts";
import { ListedPages, type ListingPlan } from "./listed_pages.ts";
import { placeOf, type Position, tokenOf } from "./listing_token.ts";
import type { CallOptions } from "./read_options.ts";

/** What `list` takes beside the prefix. */
export interface ListOptions extends CallOptions {
  /** Groups keys up to this, such as `"/"`. Default: none, everything below the prefix is walked. */
  delimiter?: string;
  /** Only keys behind this one. */
  startAfter?: string;
  /** At most so many entries. */
  limit?: number;
  /**
   * Only keys of which the part behind the URI's prefix matches: `*` and `?` stay within a folder,
   * `**` as a whole folder's name stands for any number of folders, `[a-z]`, `[!a-z]` and `{a,b}`
   * choose, a backslash takes the meaning from what follows. What the pattern starts with narrows
   * what is listed. With a delimiter, a group matches with or without it. In the URI itself `*` is a
   * character of the key.
   */
  glob?: string;
  /** Every version of each object, the latest first, and delete markers. */
  versions?: boolean;
  /** Tell whose each object is. */
  owner?: boolean;
  /** Goes on where another listing of the same URI was: what its `token` said. */
  token?: string;
}

const OPTIONS: readonly (keyof ListOptions)[] = [
  "delimiter",
  "startAfter",
  "limit",
  "glob",
  "versions",
  "owner",
  "token",
];

/** As many as a display asks for: one page. */
const SHOWN_ENTRIES = 1000;
const SHOWN_PATIENCE = 10_000;

/** What a listing is made of. */
export interface ListingParts<T> {
  readonly plan: ListingPlan;
  readonly make: EntryMaker<T>;
  readonly place: PlaceMessage;
  readonly limit: number;
  /** Which names are wanted; all of them when unset. */
  readonly wanted?: ((name: string, isGroup: boolean) => boolean) | undefined;
  readonly token: string | undefined;
  readonly signal: AbortSignal | undefined;
  readonly background: boolean | undefined;
  readonly progress: boolean | undefined;
  show(shown: ShownPage<T>): Promise<MediaBundle>;
}

/** The first page of a listing, for its display. */
export let firstPageOf: <T>(listing: Listing<T>) => Promise<ShownPage<T>>;

/** The first page of a listing, or why there is none. */
export interface ShownPage<T> {
  readonly uri: string;
  readonly entries: readonly T[];
  /** Whether that is all. */
  readonly complete: boolean;
  /** How many names were looked at, where only those that match are entries. */
  readonly looked?: number;
  /** The user holds all of them. */
  readonly isArray?: boolean;
  /** Why there are no entries. */
  readonly note?: string;
}

/**
 * What is below a prefix, in the order of the keys. Each `for await` lists anew; pages are fetched
 * while those before are read.
 *
 * A listing that broke off goes on with its {@linkcode token}, in another process too.
 *
 * @example
 * ```ts
 * import { LocalS3 } from "dipper";
 * await using s3 = await LocalS3.start();
 * const client = s3.client();
 * await client.createBucket("example");
 * await client.file("s3://example/a.txt").write("hello");
 * for await (const entry of client.list("s3://example/")) console.log(entry.uri);
 * ```
 */
export class Listing<T = Entry> implements AsyncIterable<T> {
  static {
    firstPageOf = (listing) => listing.#shown();
  }

  readonly #connection: Connection;
  readonly #parts: ListingParts<T>;
  /** How far the last reader came. */
  #walk: Walk<T> | undefined;

  /** @internal */
  constructor(connection: Connection, parts: ListingParts<T>) {
    this.#connection = connection;
    this.#parts = parts;
  }

  /** What is listed. */
  get uri(): string {
    return this.#parts.plan.uri;
  }

  /**
   * Where to go on: behind the entry that was handed out last. Given as the option `token` of a
   * listing of the same URI, with the same delimiter, it brings what comes after that entry, today or
   * in another process; it does not expire. `undefined` before the first entry and at the end, so
   * that a program may list page by page until there is none.
   *
   * @example
   * ```ts
   * import { LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("example");
   * for (const key of ["a", "b", "c"]) await client.file(`s3://example/${key}`).write(key);
   * const first = client.list("s3://example/", { limit: 2 });
   * await first.toArray();
   * const rest = client.list("s3://example/", { token: first.token! });
   * console.log((await rest.toArray()).length); // 1
   * ```
   */
  get token(): string | undefined {
    const { plan, token } = this.#parts;
    if (this.#walk === undefined) return token;
    if (this.#walk.ended) return undefined;
    const position = this.#walk.position;
    return position === undefined ? token : tokenOf(plan, position);
  }

  /** Lists page by page. */
  [Symbol.asyncIterator](): AsyncIterableIterator<T, void, void> {
    return this.#walk = new Walk(this.#connection, this.#parts);
  }

  /**
   * All entries, in memory.
   *
   * @throws {NotFoundError} When the bucket does not exist.
   * @throws {DipperError} For whatever else the server or the connection reports.
   */
  async toArray(): Promise<T[]> {
    const walk = new Walk(this.#connection, this.#parts);
    const entries = await walk.all();
    // Before, nothing was handed out.
    this.#walk = walk;
    const { uri } = this;
    const { show } = this.#parts;
    return displayed(entries, () => show({ uri, entries, complete: true, isArray: true }));
  }

  /** Shows the first page in a notebook. Nothing behind it is fetched. */
  async [JUPYTER_DISPLAY](): Promise<MediaBundle> {
    return this.#parts.show(await this.#shown());
  }

  async #shown(): Promise<ShownPage<T>> {
    const { limit, signal, wanted } = this.#parts;
    const { uri } = this;
    const patience = AbortSignal.timeout(SHOWN_PATIENCE);
    const walk = new Walk(this.#connection, {
      ...this.#parts,
      limit: Math.min(SHOWN_ENTRIES, limit),
      signal: eitherSignal(signal, patience),
    });
    try {
      const { entries, looked } = await walk.firstPage();
      const complete = walk.ended || entries.length === limit;
      return { uri, entries, complete, ...(wanted === undefined ? {} : { looked }) };
    } catch (error) {
      if (!(error instanceof DipperError) && error !== patience.reason) throw error;
      const note = error instanceof DipperError
        ? error.message
        : `The first page was not there within ${SHOWN_PATIENCE / 1000} s.`;
      return { uri, entries: [], complete: false, note };
    }
  }

  /** Shows in a terminal what would be listed, without I/O. */
  [Symbol.for("Deno.customInspect")](): string {
    return `Listing of ${this.uri}: for await (const entry of …), or await ….toArray()`;
  }
}

/** One reader's way through a listing. */
class Walk<T> implements AsyncIterableIterator<T, void, void> {
  readonly #parts: ListingParts<T>;
  readonly #pages: ListedPages;
  #page: PageMessage | undefined;
  /** The next line of the page. */
  #index = 0;
  #make: EntryMaker<T>;
  /** The page that was handed out before this one, for its last line. */
  #before: PageMessage | undefined;
  #left: number;
  #closed = false;
  readonly #listener = (): void => {};
  #watching: Watching | undefined;
  #counted = 0;
  /** Readers that came while one waited. */
  #queue: Promise<unknown> | undefined;

  constructor(connection: Connection, parts: ListingParts<T>) {
    const { plan, place, limit, wanted } = parts;
    const signal = stoppable(plan.operation, parts.signal, parts.background);
    this.#parts = { ...parts, signal };
    // Between two pages nothing else listens, and a walk that is stopped there was stopped too.
    signal?.addEventListener("abort", this.#listener);
    this.#left = limit;
    this.#make = parts.make;
    // How many lines there are to so many that match, nobody knows.
    const lines = wanted === undefined || limit === 0 ? limit : Infinity;
    this.#pages = new ListedPages(connection, plan, place, lines, signal);
  }

  /** Whether there is nothing more in the listing. */
  get ended(): boolean {
    return this.#page !== undefined && this.#index >= this.#page.names.length && !this.#pages.more;
  }

  /** The last line that was looked at. */
  get position(): Position | undefined {
    const [page, index] = this.#index > 0
      ? [this.#page, this.#index - 1]
      : [this.#before, (this.#before?.names.length ?? 0) - 1];
    const name = page?.names[index];
    if (page === undefined || name === undefined) return undefined;
    return { name, id: page.ids?.[index], isGroup: page.sizes[index] === GROUP };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T, void>> {
    const { signal } = this.#parts;
    if (this.#queue === undefined && !signal?.aborted) {
      const entry = this.#take();
      if (entry !== undefined) return Promise.resolve({ value: entry, done: false });
    }
    const slow = (this.#queue ?? Promise.resolve()).then(() => this.#slowly());
    const queue = slow.then(() => {}, () => {}).then(() => {
      if (this.#queue === queue) this.#queue = undefined;
    });
    this.#queue = queue;
    return slow;
  }

  /** Ends the walk, and what is on its way for it. */
  return(): Promise<IteratorResult<T, void>> {
    this.#close();
    return Promise.resolve({ value: undefined, done: true });
  }

  /** What is left, as one array. */
  async all(): Promise<T[]> {
    const entries: T[] = [];
    while (await this.#fill()) {
      this.#pages.ahead();
      for (let entry = this.#take(); entry !== undefined; entry = this.#take()) entries.push(entry);
    }
    return entries;
  }

  /** What the first page holds, with one request for it and none for what follows. */
  async firstPage(): Promise<{ entries: T[]; looked: number }> {
    const entries: T[] = [];
    const page = this.#left > 0 ? await this.#pages.next() : undefined;
    this.#page = page;
    const names = page?.names ?? [];
    const { wanted, make } = this.#parts;
    for (; this.#index < names.length && this.#left > 0; this.#index++) {
      const isGroup = page!.sizes[this.#index] === GROUP;
      if (wanted !== undefined && !wanted(names[this.#index]!, isGroup)) continue;
      entries.push(make(page!, this.#index));
      this.#left--;
    }
    this.#close();
    return { entries, looked: names.length };
  }

  async #slowly(): Promise<IteratorResult<T, void>> {
    try {
      this.#parts.signal?.throwIfAborted();
      while (await this.#fill()) {
        const entry = this.#take();
        if (entry !== undefined) return { value: entry, done: false };
      }
    } catch (error) {
      // As a generator does: what threw is over.
      this.#close();
      throw error;
    }
    return { value: undefined, done: true };
  }

  /** Sees to it that there is a line to look at. False at the end. */
  async #fill(): Promise<boolean> {
    while (!this.#closed && this.#left > 0) {
      if (this.#page !== undefined && this.#index < this.#page.names.length) return true;
      const page = await this.#next();
      if (this.#closed || page === undefined) {
        this.#forget();
        break;
      }
      const last = this.#page?.names.length ? this.#page : this.#before;
      this.#before = last;
      this.#page = page;
      this.#make = shownEntries(this.#parts.make);
      // Some servers start a page with the line that the last one ended with.
      this.#index = last !== undefined && startsWithEndOf(page, last) ? 1 : 0;
    }
    this.#watching?.end("done");
    return false;
  }

  /** The next page, shown as progress when that takes long. */
  async #next(): Promise<PageMessage | undefined> {
    const { plan: { operation, uri }, progress, wanted } = this.#parts;
    this.#watching ??= watching(operation, uri, defined({ progress }));
    const call = this.#watching;
    call?.goOn();
    try {
      const page = await this.#pages.next();
      this.#counted += page?.names.length ?? 0;
      // How many of them match is known later.
      const noun = wanted === undefined ? "entry" : "name";
      call?.reached({ bytes: 0, total: 0, files: this.#counted, noun });
      return page;
    } catch (error) {
      call?.fail(error);
      throw error;
    } finally {
      call?.rest();
    }
  }

  /** The next entry of the page, if it has one. */
  #take(): T | undefined {
    const page = this.#page;
    if (page === undefined || this.#closed || this.#left <= 0) return undefined;
    const { wanted } = this.#parts;
    const count = page.names.length;
    while (this.#index < count) {
      const index = this.#index++;
      // Who takes a second entry goes on reading.
      if (index === 1) this.#pages.ahead();
      if (wanted !== undefined && !wanted(page.names[index]!, page.sizes[index] === GROUP)) {
        continue;
      }
      this.#left--;
      return this.#make(page, index);
    }
    if (count < 2) this.#pages.ahead();
    return undefined;
  }

  #forget(): void {
    this.#parts.signal?.removeEventListener("abort", this.#listener);
  }

  #close(): void {
    this.#closed = true;
    this.#watching?.end("done");
    this.#forget();
    this.#pages.close();
  }
}

function startsWithEndOf(page: PageMessage, before: PageMessage): boolean {
  const end = before.names.length - 1;
  return before.names[end] === page.names[0] && before.ids?.[end] === page.ids?.[0] &&
    before.sizes[end] === page.sizes[0] && before.times[end] === page.times[0] &&
    before.etags?.[end] === page.etags?.[0];
}

/** The listing of a bucket's objects or versions. */
export function listingOf(
  connection: Connection,
  location: Location,
  options: ListOptions,
): Listing<Entry> {
  const uri = uriOf(location);
  options = checkedLater(options, "list", uri, OPTIONS);
  const { limit, glob: pattern, delimiter, versions = false } = options;
  checkLimit(limit, "list", uri);
  const { bucket, key: prefix } = location;
  const glob = pattern === undefined ? undefined : new Glob(pattern, "list", uri);
  const plan: ListingPlan = {
    operation: "list",
    uri,
    what: versions ? "versions" : "objects",
    bucket,
    prefix: prefix + (glob?.literalPrefix ?? ""),
    delimiter: delimiter === "" ? undefined : delimiter,
    owner: options.owner ?? false,
  };
  return new Listing<Entry>(connection, {
    plan,
    make: versions ? versionMaker(bucket) : objectMaker(bucket),
    place: startOf(plan, options),
    limit: limit ?? Infinity,
    wanted: glob && ((name, isGroup) => {
      const rest = name.slice(prefix.length);
      if (glob.matches(rest)) return true;
      return isGroup && delimiter !== undefined && glob.matches(rest.slice(0, -delimiter.length));
    }),
    token: options.token,
    progress: options.progress,
    signal: options.signal,
    background: options.background,
    show: async (page) => {
      const { showListing } = await import("../jupyter/show_listing.ts");
      return showListing({ ...page, options: shownOptions(options) });
    },
  });
}

/** The options that say what is listed, as they were given. */
function shownOptions(options: ListOptions): Record<string, string | number | boolean> {
  const shown: Record<string, string | number | boolean> = {};
  for (const name of OPTIONS) {
    const value = options[name];
    if (["string", "number", "boolean"].includes(typeof value)) {
      shown[name] = value as string | number | boolean;
    }
  }
  return shown;
}

/** Where a listing starts. */
export function startOf(
  plan: ListingPlan,
  { token, startAfter }: { token?: string; startAfter?: string },
): PlaceMessage {
  // It is behind `startAfter`, should both be given: a listing that went on gave it.
  if (token !== undefined) return placeOf(plan, token);
  return startAfter ? { after: startAfter, seen: true } : {};
}

/** @throws {InvalidInputError} When a limit is none. */
export function checkLimit(limit: unknown, operation: string, uri: string): void {
  if (limit === undefined || (Number.isSafeInteger(limit) && limit as number >= 0)) return;
  throw invalidInput(
    operation,
    `limit is not a number of entries: ${String(limit)}`,
    "pass a whole number, zero or more",
    uri,
  );
}
