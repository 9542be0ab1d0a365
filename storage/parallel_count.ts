// What is stored below a prefix, listed in parallel.
//
// A listing is one request after the other, and a large bucket needs millions of them. So what is
// more than a page is split, by its folders at first; and a listing that goes on for long is cut in
// two when somebody has nothing to do, at a key between where it is and where it ends. Each key lies
// in exactly one of the ranges that come of it, so it is counted once. The splits cost a bounded
// number of requests. What was counted is here from the first page on, and stays when the rest is
// stopped or fails.

import type { Connection } from "../client/connection.ts";
import { eitherSignal } from "../ffi/stop.ts";
import type { PageMessage } from "../ffi/symbols.ts";
import { GROUP } from "./entry_makers.ts";
import { ListedPages, type ListingPlan } from "./listed_pages.ts";
import type { UsageOptions } from "./usage.ts";
import type { UsageTally } from "./usage_tally.ts";

/** The keys below a prefix, behind one key and up to another. */
interface Range {
  readonly prefix: string;
  /** Not this one and none before it. */
  readonly after: string | undefined;
  /** This one is the last. It moves when a part of the range is given away. */
  until: string | undefined;
  /** The first key of the range that it was split from: how keys differ from it tells where to split. */
  first?: string | undefined;
  /** Whether it may be split by its folders. */
  readonly grouped: boolean;
}

const PROGRESS_EVERY = 500;

/** One count: the ranges that wait, and those that are listed. */
export class ParallelCount {
  readonly #connection: Connection;
  readonly #plan: ListingPlan;
  readonly #wanted: ((key: string) => boolean) | undefined;
  readonly #parallel: number;
  readonly #tally: UsageTally;
  readonly #options: UsageOptions;
  readonly #stop = new AbortController();
  readonly #waiting: Range[] = [];
  readonly #running = new Set<Promise<void>>();
  /** How many ranges may still be split by their folders: small folders cost a request each. */
  #groupings: number;
  /** The server always starts at the front. */
  #whole = false;
  #told = performance.now();
  #settle: { resolve(): void; reject(reason: unknown): void } | undefined;

  constructor(
    connection: Connection,
    plan: ListingPlan,
    wanted: ((key: string) => boolean) | undefined,
    parallel: number,
    tally: UsageTally,
    options: UsageOptions,
  ) {
    this.#connection = connection;
    this.#plan = plan;
    this.#wanted = wanted;
    this.#parallel = parallel;
    this.#tally = tally;
    this.#options = options;
    this.#groupings = parallel > 1 ? 2 * parallel : 0;
  }

  /** Counts all of it. */
  async run(): Promise<void> {
    this.#options.signal?.throwIfAborted();
    this.#waiting.push({
      prefix: this.#plan.prefix,
      after: undefined,
      until: undefined,
      grouped: false,
    });
    try {
      await new Promise<void>((resolve, reject) => {
        this.#settle = { resolve, reject };
        this.#start();
      });
      this.#options.signal?.throwIfAborted();
      this.#tally.end();
      this.#options.onProgress?.(this.#tally.report());
    } finally {
      // What still runs is not wanted any more.
      this.#stop.abort();
      await Promise.all(this.#running);
    }
  }

  /** Lists ranges that wait, as many as there may be at once. */
  #start(): void {
    while (this.#running.size < this.#parallel && !this.#stop.signal.aborted) {
      const range = this.#waiting.shift();
      if (range === undefined) break;
      const one = this.#list(range).catch((reason) => {
        this.#stop.abort();
        this.#settle?.reject(reason);
      }).finally(() => {
        this.#running.delete(one);
        this.#start();
      });
      this.#running.add(one);
    }
    if (this.#running.size === 0 && this.#waiting.length === 0) this.#settle?.resolve();
  }

  async #list(range: Range): Promise<void> {
    const busy = this.#waiting.length + this.#running.size >= 2 * this.#parallel;
    const grouped = range.grouped && !busy && this.#groupings > 0;
    if (grouped) this.#groupings--;
    const { prefix, after } = range;
    const { signal } = this.#options;
    const stop = this.#stop.signal;
    const pages = new ListedPages(
      this.#connection,
      { ...this.#plan, prefix, delimiter: grouped ? "/" : undefined },
      after === undefined ? {} : { after, seen: true },
      Infinity,
      eitherSignal(signal, stop),
      // The end of a range may move: what is ahead of it may be for nothing.
      1,
    );
    try {
      await (grouped ? this.#byFolders(range, pages) : this.#inOrder(range, pages));
    } finally {
      pages.close();
    }
  }

  /** Splits a range by what one look at its folders tells. */
  async #byFolders(range: Range, pages: ListedPages): Promise<void> {
    const page = await pages.next();
    if (page === undefined) return;
    this.#tally.page();
    const { prefix, after } = range;
    const folders = page.names.filter((name, index) =>
      page.sizes[index] === GROUP &&
      (after === undefined || after.startsWith(name) || isBehind(name, after))
    );
    if (!pages.more && folders.length <= this.#parallel) {
      this.#add(page, range);
      for (const folder of folders) {
        this.#waiting.push({
          prefix: folder,
          after: after?.startsWith(folder) ? after : undefined,
          until: undefined,
          grouped: true,
        });
      }
      return;
    }
    // Too many for a listing each: they are good for ends of ranges. These count the objects, too.
    const ends = folders.filter((folder) => after === undefined || isBehind(folder, after));
    const step = Math.ceil((ends.length + 1) / this.#parallel);
    let start = after;
    for (let at = step; at < ends.length; at += step) {
      this.#waiting.push({ prefix, after: start, until: ends[at], grouped: false });
      start = ends[at];
    }
    this.#waiting.push({ prefix, after: start, until: undefined, grouped: false });
  }

  /** Lists a range from front to back, and gives parts of it away when others have nothing to do. */
  async #inOrder(range: Range, pages: ListedPages): Promise<void> {
    let pagesBefore = 0;
    for (let page = await pages.next(); page !== undefined; page = await pages.next()) {
      this.#tally.page();
      const last = page.names.at(-1);
      const ended = last !== undefined && range.until !== undefined && isBehind(last, range.until);
      if (!ended) pages.ahead();
      this.#add(page, range);
      this.#tell();
      if (ended) return;
      if (!pages.more || last === undefined) continue;
      const isAll = range.prefix === this.#plan.prefix && range.after === undefined;
      if (isAll && range.until === undefined && pagesBefore++ === 0 && this.#groupings > 0) {
        // It is more than a page: worth a look at its folders.
        this.#waiting.push({ prefix: range.prefix, after: last, until: undefined, grouped: true });
        return;
      }
      range.first ??= page.names[0]!;
      this.#split(range, page.names[0]!, last);
    }
  }

  /** Gives a part of a long range to somebody who has nothing to do. */
  #split(range: Range, first: string, last: string): void {
    if (this.#running.size >= this.#parallel || this.#waiting.length > 0) return;
    if (range.after !== undefined && !isBehind(first, range.after)) {
      // The server does not start where it is told: each part would list all of it again.
      this.#whole = true;
    }
    if (this.#whole) return;
    const { prefix, until } = range;
    const middle = keyBetween(range.first ?? first, last, prefix.length, until);
    if (middle === undefined) return;
    range.until = middle;
    this.#waiting.push({ prefix, after: middle, until, first: range.first, grouped: false });
    this.#start();
  }

  #add(page: PageMessage, range: Range): void {
    const { names, sizes } = page;
    const { after, until } = range;
    const [first, last] = [names[0], names.at(-1)];
    // Whoever answers may begin before a range, and go on behind it.
    const early = after !== undefined && first !== undefined && !isBehind(first, after);
    const late = until !== undefined && last !== undefined && isBehind(last, until);
    for (let index = 0; index < names.length; index++) {
      if (sizes[index] === GROUP) continue;
      const name = names[index]!;
      if (late && isBehind(name, until)) break;
      if (early && !isBehind(name, after)) continue;
      if (this.#wanted === undefined || this.#wanted(name)) this.#tally.object(page, index);
    }
  }

  #tell(): void {
    const { onProgress } = this.#options;
    if (onProgress === undefined) return;
    const now = performance.now();
    if (now - this.#told < PROGRESS_EVERY) return;
    this.#told = now;
    onProgress(this.#tally.report());
  }
}

/** Whether a key comes behind another one, in the order of UTF-8's bytes. */
export function isBehind(key: string, other: string): boolean {
  const length = Math.min(key.length, other.length);
  for (let at = 0; at < length; at++) {
    const [one, two] = [key.charCodeAt(at), other.charCodeAt(at)];
    if (one !== two) return inOrder(one) > inOrder(two);
  }
  return key.length > other.length;
}

/** The halves of characters beyond U+FFFF come behind all below. */
function inOrder(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit >= 0xe000 ? unit - 0x800 : unit + 0x2000;
}

/** Where the kinds of characters end: keys are mostly made of one kind in one place. */
const KINDS = [0x39, 0x5a, 0x7a];

/**
 * A key between the last one that was listed and the end of a range, guessed from how the keys so far
 * differ: with keys from `part-0000` to `part-0999` the next are `part-1000`, so `part-5`. Behind the
 * digits come letters, as in hashes, where nothing better is found.
 */
export function keyBetween(
  first: string,
  last: string,
  prefixLength: number,
  until: string | undefined,
): string | undefined {
  let differs = 0;
  while (differs < first.length && first[differs] === last[differs]) differs++;
  for (const kinds of [1, KINDS.length]) {
    for (let at = Math.min(differs, last.length - 1); at >= prefixLength; at--) {
      const unit = last.charCodeAt(at);
      const kind = KINDS.findIndex((end) => unit <= end);
      if (kind === -1) continue;
      let end = KINDS[Math.min(kind + kinds, KINDS.length) - 1]!;
      const start = last.slice(0, at);
      if (until?.startsWith(start) && until.length > at) end = Math.min(end, until.charCodeAt(at));
      if (end <= unit) continue;
      const key = start + String.fromCharCode(unit + Math.ceil((end - unit) / 2));
      if (isBehind(key, last) && (until === undefined || isBehind(until, key))) return key;
    }
  }
  return undefined;
}
