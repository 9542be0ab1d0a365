// The objects below a prefix, fetched page by page while they are read.

import { type Connection, defined, type Subject } from "../client/connection.ts";
import { type Location, uriOf } from "../client/s3_uri.ts";
import { invalidInput } from "../ffi/errors.ts";
import type { PageMessage } from "../ffi/symbols.ts";
import { JUPYTER_DISPLAY, type MediaBundle } from "../jupyter/media_bundle.ts";
import { showListing } from "../jupyter/show_listing.ts";
import { checkedCall } from "./call_options.ts";
import { type Entry, entryOf } from "./entry.ts";
import type { CallOptions } from "./read_options.ts";

/** What `list` takes beside the prefix. */
export interface ListOptions extends CallOptions {
  /** Groups keys up to this, such as `"/"`. Default: none, everything below the prefix is walked. */
  delimiter?: string;
  /** Only keys behind this one. */
  startAfter?: string;
  /** At most so many entries. */
  limit?: number;
}

const LARGEST_PAGE = 1000;
/** As many as a display looks at. */
const SHOWN_ENTRIES = 1000;
const SHOWN_PATIENCE = 10_000;

/**
 * The objects below a prefix, in the order of their keys. Each `for await` lists anew; pages are
 * fetched as they are needed.
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
export class Listing implements AsyncIterable<Entry> {
  readonly #connection: Connection;
  readonly #location: Location;
  readonly #options: ListOptions;

  /** @internal */
  constructor(connection: Connection, location: Location, options: ListOptions) {
    options = checkedCall(options, "list", uriOf(location));
    const { limit } = options;
    if (limit !== undefined && !(Number.isSafeInteger(limit) && limit >= 0)) {
      throw invalidInput(
        "list",
        `limit is not a number of entries: ${String(limit)}`,
        "pass a whole number, zero or more",
        uriOf(location),
      );
    }
    this.#connection = connection;
    this.#location = location;
    this.#options = { ...options };
  }

  /** What is listed. */
  get uri(): string {
    return uriOf(this.#location);
  }

  /** Lists page by page. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Entry, void, void> {
    for await (const page of this.#pages(this.#options)) yield* page.entries;
  }

  /**
   * All entries, in memory.
   *
   * @throws {NotFoundError} When the bucket does not exist.
   * @throws {DipperError} For whatever else the server or the connection reports.
   */
  async toArray(): Promise<Entry[]> {
    const entries: Entry[] = [];
    for await (const page of this.#pages(this.#options)) entries.push(...page.entries);
    return entries;
  }

  /** Shows the first page in a notebook. */
  async [JUPYTER_DISPLAY](): Promise<MediaBundle> {
    const limit = Math.min(SHOWN_ENTRIES, this.#options.limit ?? Infinity);
    const patience = AbortSignal.timeout(SHOWN_PATIENCE);
    const signal = this.#options.signal === undefined
      ? patience
      : AbortSignal.any([patience, this.#options.signal]);
    for await (const page of this.#pages({ ...this.#options, signal, limit })) {
      const complete = !page.more || page.entries.length === this.#options.limit;
      return showListing({ uri: this.uri, entries: page.entries, complete });
    }
    return showListing({ uri: this.uri, entries: [], complete: true });
  }

  /** Shows in a terminal what would be listed, without I/O. */
  [Symbol.for("Deno.customInspect")](): string {
    return `Listing of ${this.uri}: for await (const entry of …), or await ….toArray()`;
  }

  async *#pages(options: ListOptions): AsyncGenerator<{ entries: Entry[]; more: boolean }> {
    const { bucket, key: prefix } = this.#location;
    const subject: Subject = { operation: "list", uri: this.uri, bucket };
    let left = options.limit ?? Infinity;
    let token: string | undefined;
    while (left > 0) {
      const pageSize = Math.min(LARGEST_PAGE, left);
      const { payload } = await this.#connection.run(
        subject,
        (client) => ({
          operation: "list",
          client,
          bucket,
          prefix,
          pageSize,
          ...defined({
            delimiter: options.delimiter,
            startAfter: token === undefined ? options.startAfter : undefined,
            token,
          }),
        }),
        { signal: options.signal },
      );
      const page = payload as PageMessage;
      const entries = page.entries.slice(0, left).map((entry) => entryOf(bucket, entry));
      left -= entries.length;
      yield { entries, more: page.next !== undefined };
      if (page.next === undefined) return;
      token = page.next;
    }
  }
}
