// One way through a listing, page by page: loaded when the listing is read.

import { type Connection, defined } from "../client/connection.ts";
import { type Watched, watching } from "../client/watched.ts";
import type { PageMessage } from "../ffi/symbols.ts";
import { type EntryMaker, GROUP, shownEntries } from "./entry_makers.ts";
import { isRepeated, ListedPages } from "./listed_pages.ts";
import type { ListingParts } from "./listing.ts";
import type { Position } from "./listing_token.ts";

/** One reader's way through a listing. */
export class Walk<T> implements AsyncIterableIterator<T, void, void> {
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
  #watching: Watched | undefined;
  #counted = 0;
  /** Readers that came while one waited. */
  #queue: Promise<unknown> | undefined;
  #turns = 0;

  constructor(connection: Connection, parts: ListingParts<T>) {
    const { plan, place, limit, wanted } = parts;
    const { signal } = parts;
    this.#parts = parts;
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
    // It is given as it is, with nothing hung onto it: so V8 finds the loop that awaits it, and errors
    // point to the user's line.
    return this.#queue = this.#slowly(this.#queue);
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

  async #slowly(before: Promise<unknown> | undefined): Promise<IteratorResult<T, void>> {
    const turn = ++this.#turns;
    if (before !== undefined) await before.catch(() => {});
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
    } finally {
      if (this.#turns === turn) this.#queue = undefined;
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
      this.#index = isRepeated(page, last) ? 1 : 0;
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
