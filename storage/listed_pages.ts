// The pages of a listing, some with one call: while JavaScript reads what came, the native side
// fetches what follows.

import { type Connection, defined, type Subject } from "../client/connection.ts";
import { NetworkError } from "../ffi/errors.ts";
import { eitherSignal } from "../ffi/stop.ts";
import type { ListableMessage, PageMessage, PlaceMessage } from "../ffi/symbols.ts";

/** What is listed. */
export interface ListingPlan {
  /** What the user called. */
  readonly operation: string;
  /** As it may be shown. */
  readonly uri: string;
  readonly what: ListableMessage;
  readonly bucket: string;
  readonly prefix: string;
  readonly delimiter: string | undefined;
  readonly owner: boolean;
}

const LARGEST_PAGE = 1000;
/** One page at first, then twice as many with each call: a short look costs one request. */
const MOST_PAGES = 8;

/** Fetches the pages of a listing, one batch ahead of the reader. */
export class ListedPages {
  readonly #connection: Connection;
  readonly #plan: ListingPlan;
  readonly #signal: AbortSignal | undefined;
  readonly #mostPages: number;
  readonly #closing = new AbortController();
  /** Where the next batch starts; `undefined` behind the last. */
  #place: PlaceMessage | undefined;
  /** How many lines are wanted at most. */
  #wanted: number;
  #pages = 1;
  #ahead: Promise<PageMessage> | undefined;
  #failure: NetworkError | undefined;
  /** A place that was asked for, and how many batches may come before another is kept. */
  #kept: { place: string; until: number; count: number } = { place: "", until: 1, count: 0 };

  constructor(
    connection: Connection,
    plan: ListingPlan,
    place: PlaceMessage,
    wanted: number,
    signal: AbortSignal | undefined,
    mostPages: number = MOST_PAGES,
  ) {
    this.#connection = connection;
    this.#plan = plan;
    this.#place = place;
    this.#wanted = wanted;
    this.#signal = signal;
    this.#mostPages = mostPages;
  }

  /** Whether there is more than was fetched, wanted or not. */
  get more(): boolean {
    return this.#place !== undefined;
  }

  /** The next batch; `undefined` at the end. A batch that failed is asked for again. */
  async next(): Promise<PageMessage | undefined> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#begin();
    if (this.#ahead === undefined) return undefined;
    try {
      const page = await this.#ahead;
      this.#place = page.next;
      if (page.next !== undefined) this.#check(page.next);
      return page;
    } finally {
      this.#ahead = undefined;
    }
  }

  /** Starts to fetch the next batch, if there is one and nobody has. */
  ahead(): void {
    // Whoever reads on meets the failure.
    if (this.#begin()) this.#ahead?.catch(() => {});
  }

  /** The same for who awaits it at once: nothing else hangs on it, so its error points to them. */
  #begin(): boolean {
    if (this.#ahead !== undefined || this.#place === undefined || this.#wanted <= 0) return false;
    if (this.#closing.signal.aborted) return false;
    this.#ahead = this.#fetch(this.#place);
    return true;
  }

  /** Ends what is on its way. */
  close(): void {
    this.#closing.abort();
  }

  async #fetch(place: PlaceMessage): Promise<PageMessage> {
    const { operation, uri, what, bucket, prefix, delimiter, owner } = this.#plan;
    const subject: Subject = { operation, uri, bucket };
    const pageSize = Math.min(LARGEST_PAGE, this.#wanted);
    const pages = Math.min(this.#pages, Math.ceil(this.#wanted / pageSize));
    const closing = this.#closing.signal;
    const { payload } = await this.#connection.run(
      subject,
      (client) => ({
        operation: "list",
        client,
        bucket,
        prefix,
        what,
        owner,
        place,
        pageSize,
        pages,
        ...defined({ delimiter }),
      }),
      { signal: eitherSignal(this.#signal, closing) },
    );
    const page = payload as PageMessage;
    this.#wanted -= page.names.length;
    this.#pages = Math.min(2 * this.#pages, this.#mostPages);
    return page;
  }

  /** A server that leads in a circle is found out (Brent's way) before it is followed for ever. */
  #check(next: PlaceMessage): void {
    const kept = this.#kept;
    const place = JSON.stringify(next);
    if (place === kept.place) {
      const { operation, uri } = this.#plan;
      const what = `the listing of ${uri} does not go on: the server leads in a circle`;
      const hint = "list by startAfter, or ask whoever runs the server";
      // For the next time: what came is good.
      this.#failure = new NetworkError(what, { code: "NotS3", operation, uri, hint });
    }
    if (++kept.count === kept.until) this.#kept = { place, until: 2 * kept.until, count: 0 };
  }
}

/** Some servers start a page with the line that the last one with lines ended with. */
export function isRepeated(page: PageMessage, before: PageMessage | undefined): boolean {
  if (before === undefined) return false;
  const end = before.names.length - 1;
  return before.names[end] === page.names[0] && before.ids?.[end] === page.ids?.[0] &&
    before.sizes[end] === page.sizes[0] && before.times[end] === page.times[0] &&
    before.etags?.[end] === page.etags?.[0];
}
