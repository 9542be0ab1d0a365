// The objects below a prefix, their versions, or the uploads that are not complete: fetched page by
// page while they are read.

import type { Connection } from "../client/connection.ts";
import { type Location, uriOf } from "../client/s3_uri.ts";
import { DipperError, invalidInput } from "../ffi/errors.ts";
import { shownValue } from "../ffi/lent.ts";
import { eitherSignal, stoppable } from "../ffi/stop.ts";
import type { PlaceMessage } from "../ffi/symbols.ts";
import { displayed, JUPYTER_DISPLAY, type MediaBundle } from "../jupyter/media_bundle.ts";
import type { ExtractionOptions, Table } from "../table/flechette.ts";
import { checkedLater } from "./call_options.ts";
import type { Entry } from "./entry.ts";
import { type EntryMaker, objectMaker, versionMaker } from "./entry_makers.ts";
import { Glob } from "./glob.ts";
import type { ListOptions } from "./list_options.ts";
import type { ListingPlan } from "./listed_pages.ts";
import { placeOf, tokenOf } from "./listing_token.ts";
import { LateIterator } from "../client/late_iterator.ts";
import type { Walk } from "./listing_walk.ts";

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
    // Only now it is known which Stop of a notebook is meant.
    const signal = this.#signal();
    this.#walk = undefined;
    return new LateIterator(async () => this.#walk = await this.#begin({ ...this.#parts, signal }));
  }

  /**
   * All entries, in memory.
   *
   * @throws {NotFoundError} When the bucket does not exist.
   * @throws {DipperError} For whatever else the server or the connection reports.
   */
  async toArray(): Promise<T[]> {
    const walk = await this.#begin({ ...this.#parts, signal: this.#signal() });
    const entries = await walk.all();
    // Before, nothing was handed out.
    this.#walk = walk;
    const { uri } = this;
    const { show } = this.#parts;
    return displayed(entries, () => show({ uri, entries, complete: true, isArray: true }));
  }

  /**
   * All entries as a table: a row of each, a column of each of their properties that any has. Times
   * are timestamps of milliseconds in UTC, sizes 64-bit integers.
   *
   * @param options How Flechette gives single values, such as `useDate: true`.
   * @throws {NotFoundError} When the bucket does not exist.
   * @throws {DipperError} For whatever else the server or the connection reports.
   *
   * @example
   * ```ts
   * import { LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("example");
   * await client.file("s3://example/a.txt").write("hello");
   * const table = await client.list("s3://example/").toTable();
   * console.log(table.select(["key", "size"]).toArray()); // [ { key: "a.txt", size: 5 } ]
   * ```
   */
  async toTable(options: ExtractionOptions = {}): Promise<Table> {
    const walk = await this.#begin({ ...this.#parts, signal: this.#signal() });
    const entries = await walk.all();
    this.#walk = walk;
    const { entriesTable } = await import("../table/entries_table.ts");
    return await entriesTable(entries as object[], options);
  }

  /** Shows the first page in a notebook. Nothing behind it is fetched. */
  async [JUPYTER_DISPLAY](): Promise<MediaBundle> {
    return this.#parts.show(await this.#shown());
  }

  async #shown(): Promise<ShownPage<T>> {
    const { limit, signal, wanted } = this.#parts;
    const { uri } = this;
    const patience = AbortSignal.timeout(SHOWN_PATIENCE);
    const walk = await this.#begin({
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

  async #begin(parts: ListingParts<T>): Promise<Walk<T>> {
    const { Walk } = await import("./listing_walk.ts");
    return new Walk(this.#connection, parts);
  }

  #signal(): AbortSignal | undefined {
    const { plan, signal, background } = this.#parts;
    return stoppable(plan.operation, signal, background);
  }

  /** Shows in a terminal what would be listed, without I/O. */
  [Symbol.for("Deno.customInspect")](): string {
    return `Listing of ${this.uri}: for await (const entry of \u2026), or await \u2026.toArray()`;
  }
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
    `limit is not a number of entries: ${shownValue(limit)}`,
    "pass a whole number, zero or more",
    uri,
  );
}
