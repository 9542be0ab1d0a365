// The reads of `getMany`: many objects, up to a thousand for each call of the boundary.
//
// Sources are read as there is room: what was asked for and not yet taken by the consumer is
// bounded, so neither a slow consumer nor an endless source piles anything up. What was gathered
// is sent at the end of the event loop's turn, so a slow source delays nothing that it has named
// already. A result is a handle until the consumer takes it; only then is it mapped, and its ticket
// of the native side's memory budget ends. The path of one object is short on purpose: there may
// be tens of thousands a second.

import { type Connection, defined, Grants, type ReadSubject } from "../client/connection.ts";
import { quoted } from "../client/s3_uri.ts";
import { isWatched, type Watched, watching } from "../client/watched.ts";
import { displayed } from "../jupyter/media_bundle.ts";
import { isActive } from "../jupyter/plugin.ts";
import { DipperError, errorOf, InternalError, invalidInput } from "../ffi/errors.ts";
import { adoptedBytes, releaseBuffer } from "../ffi/memory.ts";
import { type Metrics, metricsFrom, metricsOfAll } from "../ffi/metrics.ts";
import type { Progress } from "../ffi/queue.ts";
import { shownInNotebook } from "../ffi/shown_bytes.ts";
import type { BufferHandle, ErrorDetails, MetricsMessage, SourceMessage } from "../ffi/symbols.ts";
import type { Fetched, GetManyOptions } from "./get_many.ts";
import type { Source } from "./read_options.ts";
import { countOf } from "./transfer_told.ts";
import { namedBy } from "./source.ts";
import { wholeSubject } from "./whole_subject.ts";

/** Sources of one call of the boundary. */
const BATCH = 1000;
/** Sources that were read and whose results were not taken. */
const WINDOW = 2048;
/** So much of the window is free before more sources are read: small batches cost more. */
const REFILL = 512;
const PROGRESS_INTERVAL = 100;
const OPERATION = "getMany";

/** Gives a result displays, where somebody looks at them. */
function shownFetched(fetched: Fetched): Fetched {
  if (!isActive()) return fetched;
  const { uri, bytes, error } = fetched;
  return displayed(fetched, async () => {
    if (error !== undefined) {
      return (await import("../jupyter/show_error.ts")).showError(error);
    }
    const { showBytes } = await import("../jupyter/show_bytes.ts");
    const state = bytes.buffer.detached ? "detached" : "adopted";
    return showBytes({ bytes, state, className: uri });
  });
}

/** One source, from when it was read to when its result is taken. */
class Read {
  buffer: BufferHandle | undefined;
  failure: ErrorDetails | undefined;
  error: DipperError | undefined;

  constructor(
    readonly place: number,
    readonly uri: string,
    readonly source: SourceMessage | undefined,
  ) {}
}

/** Sources that were sent together. */
interface Batch {
  readonly reads: readonly Read[];
  arrived: number;
  bytes: number;
  metrics: Metrics | undefined;
}

interface Waiter {
  resolve(result: IteratorResult<Fetched, void>): void;
  reject(reason: unknown): void;
}

/** One loop over the results. */
export class ManyReads implements AsyncIterator<Fetched, void, void> {
  readonly #connection: Connection;
  readonly #sources: Iterable<Source> | AsyncIterable<Source>;
  readonly #signal: AbortSignal | undefined;
  readonly #onProgress: GetManyOptions["onProgress"];
  readonly #ordered: boolean;
  readonly #ending = new AbortController();

  #source: Iterator<Source> | AsyncIterator<Source> | undefined;
  /** Whether the source was asked and has not answered. */
  #asking = false;
  #sourceEnded = false;
  /** Read and not yet sent. */
  #gathered: Read[] = [];
  #grants = new Grants();
  #flushing: ReturnType<typeof setTimeout> | undefined;
  #running = 0;
  /** How many sources were read in all. */
  #places = 0;
  /** How many of them wait to be taken, sent or not. */
  #held = 0;
  #roomMade: (() => void) | undefined;

  /** Arrived, in the order in which they are to be taken, from `#first` on. */
  #ready: (Read | undefined)[] = [];
  #first = 0;
  /** Arrived before their turn, when results are ordered. */
  readonly #early = new Map<number, Read>();
  #turn = 0;
  #waiters: Waiter[] = [];
  /** What the consumer gets at last. */
  #failure: { reason: unknown } | undefined;
  #state: "new" | "open" | "closed" = "new";

  readonly #batches: Batch[] = [];
  #total = 0;
  #told = -Infinity;
  readonly #watching: Watched | undefined;
  #taken = 0;

  constructor(
    connection: Connection,
    sources: Iterable<Source> | AsyncIterable<Source>,
    { onProgress, progress, ordered }: GetManyOptions,
    signal: AbortSignal | undefined,
  ) {
    this.#connection = connection;
    this.#sources = sources;
    this.#signal = signal;
    // To be told how far it is costs little, but is for nothing where nobody watches.
    this.#watching = isWatched() ? watching(OPERATION, "", defined({ progress })) : undefined;
    this.#onProgress = this.#watching === undefined ? onProgress : (told) => {
      const whole = countOf(sources);
      const counted = { files: this.#taken, ...defined({ totalFiles: whole }) };
      this.#watching?.reached({ ...told, ...counted });
      onProgress?.(told);
    };
    this.#ordered = ordered === true;
  }

  next(): Promise<IteratorResult<Fetched, void>> {
    if (this.#state === "new") this.#open();
    this.#watching?.goOn();
    if (this.#first < this.#ready.length) {
      try {
        return Promise.resolve({ done: false, value: this.#take() });
      } catch (reason) {
        return Promise.reject(reason);
      }
    }
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#settle();
    });
  }

  async return(): Promise<IteratorResult<Fetched, void>> {
    const source = this.#source;
    const leaves = this.#state === "open" && !this.#sourceEnded;
    this.#close(undefined);
    this.#watching?.end("done");
    for (const waiter of this.#waiters.splice(0)) waiter.resolve({ done: true, value: undefined });
    this.#failure = undefined;
    if (leaves) {
      const closed = source?.return?.();
      // A source that is about to answer closes after that. Nobody waits for it.
      if (this.#asking) Promise.resolve(closed).catch(() => {});
      else await closed;
    }
    return { done: true, value: undefined };
  }

  #open(): void {
    this.#state = "open";
    if (this.#signal?.aborted) {
      this.#fail(this.#signal.reason);
      return;
    }
    this.#signal?.addEventListener("abort", this.#onAbort, { once: true });
    if (this.#onProgress !== undefined) this.#total = totalOf(this.#sources);
    this.#gather().catch((reason) => {
      if (this.#state === "closed") return;
      // The consumer gets what came before, then the source's error.
      this.#sourceEnded = true;
      this.#failure ??= { reason };
      this.#flush();
      this.#settle();
    });
  }

  readonly #onAbort = (): void => this.#fail(this.#signal?.reason);

  /** Ends everything at once: what has come is released, the consumer gets the reason. */
  #fail(reason: unknown): void {
    if (this.#state === "closed") return;
    this.#watching?.fail(reason);
    const leaves = !this.#sourceEnded;
    this.#close(reason);
    this.#failure = { reason };
    try {
      if (leaves) Promise.resolve(this.#source?.return?.()).catch(() => {});
    } catch {
      // The source's own troubles come second.
    }
    this.#settle();
  }

  #close(reason: unknown): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#signal?.removeEventListener("abort", this.#onAbort);
    clearTimeout(this.#flushing);
    this.#ending.abort(reason);
    for (const read of this.#ready.slice(this.#first)) release(read);
    for (const read of this.#early.values()) release(read);
    this.#ready = [];
    this.#first = 0;
    this.#early.clear();
    this.#gathered = [];
    this.#roomMade?.();
  }

  // -- from the source to the native side ----------------------------------------------------------

  async #gather(): Promise<void> {
    const sources = this.#sources;
    if (Symbol.asyncIterator in sources) {
      const source = sources[Symbol.asyncIterator]();
      this.#source = source;
      while (await this.#room()) {
        this.#asking = true;
        const step = await source.next();
        this.#asking = false;
        if (step.done || this.#state === "closed") break;
        this.#add(step.value);
        if (this.#gathered.length >= BATCH) this.#flush();
        else this.#flushing ??= setTimeout(() => this.#flush(), 0);
      }
    } else {
      const source = sources[Symbol.iterator]();
      this.#source = source;
      let step: IteratorResult<Source> | undefined;
      while (!step?.done && await this.#room()) {
        const least = Math.min(BATCH, WINDOW - this.#held);
        for (let count = 0; count < least; count++) {
          step = source.next();
          if (step.done) break;
          this.#add(step.value);
        }
        this.#flush();
      }
    }
    this.#sourceEnded = true;
    this.#flush();
    this.#settle();
  }

  /** Waits until more sources may be read; false when none are wanted any more. */
  async #room(): Promise<boolean> {
    if (this.#held >= WINDOW) await new Promise<void>((resolve) => this.#roomMade = resolve);
    return this.#state === "open";
  }

  #add(given: Source): void {
    const place = this.#places++;
    this.#held++;
    try {
      const { subject, uri } = subjectOf(given);
      const source = this.#connection.admit(subject, this.#grants);
      this.#gathered.push(new Read(place, uri, source));
    } catch (error) {
      const read = new Read(place, written(given), undefined);
      read.error = error instanceof DipperError ? error : unreadable(error);
      this.#arrive(read);
    }
  }

  #flush(): void {
    clearTimeout(this.#flushing);
    this.#flushing = undefined;
    // In order, results wait for earlier ones. What waits holds memory of the budget, so nothing
    // later is asked for before the earlier has all come: it might wait for that memory.
    while (this.#gathered.length > 0 && !(this.#ordered && this.#running > 0)) {
      const reads = this.#gathered.splice(0, BATCH);
      const grants = this.#grants;
      if (this.#gathered.length === 0) this.#grants = new Grants();
      this.#send({ reads, arrived: 0, bytes: 0, metrics: undefined }, grants);
    }
  }

  #send(batch: Batch, grants: Grants): void {
    const { reads } = batch;
    const progress = this.#onProgress !== undefined;
    if (progress) this.#batches.push(batch);
    this.#running++;
    this.#connection.readMany(OPERATION, grants, (client) => ({
      operation: "getMany",
      client,
      sources: reads.map(({ source }) => source!),
      ordered: this.#ordered,
      progress,
    }), {
      signal: this.#ending.signal,
      onItem: (index, buffer, _length, failure) => {
        const read = reads[index];
        if (read === undefined) throw defect(`there is no source ${index}`);
        read.buffer = buffer;
        read.failure = failure;
        batch.arrived++;
        this.#arrive(read);
      },
      onProgress: progress ? (told) => this.#report(batch, told) : undefined,
    }).then(({ payload }) => {
      this.#running--;
      if (this.#state === "closed") return;
      if (batch.arrived !== reads.length) throw defect(`${batch.arrived} of ${reads.length} came`);
      if (progress) {
        const metrics = metricsFrom(payload as MetricsMessage);
        this.#report(batch, { bytes: metrics.bytes, total: 0, metrics });
      }
      this.#flush();
      this.#settle();
    }).catch((reason) => this.#fail(reason));
  }

  // -- from the native side to the consumer --------------------------------------------------------

  #arrive(read: Read): void {
    if (!this.#ordered) this.#ready.push(read);
    else if (read.place !== this.#turn) this.#early.set(read.place, read);
    else {
      for (let next: Read | undefined = read; next !== undefined;) {
        this.#ready.push(next);
        this.#early.delete(next.place);
        next = this.#early.get(++this.#turn);
      }
    }
    if (this.#waiters.length > 0) this.#settle();
  }

  /** Gives waiting consumers what there is for them. */
  #settle(): void {
    while (this.#waiters.length > 0) {
      if (this.#first < this.#ready.length) {
        const waiter = this.#waiters.shift()!;
        try {
          waiter.resolve({ done: false, value: this.#take() });
        } catch (reason) {
          waiter.reject(reason);
        }
        continue;
      }
      const ended = this.#sourceEnded && this.#held === 0 && this.#running === 0;
      if (this.#state !== "closed" && !ended) return;
      const waiter = this.#waiters.shift()!;
      const failure = this.#failure ?? this.#tellLast();
      this.#close(undefined);
      this.#failure = undefined;
      if (failure === undefined) this.#watching?.end("done");
      else this.#watching?.fail(failure.reason);
      if (failure === undefined) waiter.resolve({ done: true, value: undefined });
      else waiter.reject(failure.reason);
    }
  }

  /** The next result; its memory is the collector's from here on. */
  #take(): Fetched {
    const read = this.#ready[this.#first]!;
    this.#ready[this.#first++] = undefined;
    if (this.#first === this.#ready.length || this.#first >= WINDOW) {
      this.#ready.splice(0, this.#first);
      this.#first = 0;
    }
    this.#held--;
    this.#taken++;
    this.#watching?.rest();
    if (this.#roomMade !== undefined && this.#held <= WINDOW - REFILL) {
      this.#roomMade();
      this.#roomMade = undefined;
    }
    const { uri, buffer, failure, error } = read;
    if (error !== undefined) return shownFetched({ uri, error });
    if (failure !== undefined) return shownFetched({ uri, error: errorOf(failure, OPERATION) });
    return shownFetched({ uri, bytes: shownInNotebook(adoptedBytes(buffer!)) });
  }

  // -- progress ------------------------------------------------------------------------------------

  #report(batch: Batch, { bytes, metrics }: Progress): void {
    batch.bytes = bytes;
    batch.metrics = metrics;
    const now = performance.now();
    if (now - this.#told >= PROGRESS_INTERVAL) {
      this.#told = now;
      this.#tell();
    }
  }

  /** The whole account, once. What the listener throws is the end of the loop. */
  #tellLast(): { reason: unknown } | undefined {
    if (this.#state === "closed") return undefined;
    try {
      this.#tell();
      return undefined;
    } catch (reason) {
      return { reason };
    }
  }

  #tell(): void {
    const metrics = this.#batches.map(({ metrics }) => metrics).filter((one) => one !== undefined);
    const [first, ...others] = metrics;
    if (first === undefined) return;
    this.#onProgress?.({
      bytes: this.#batches.reduce((sum, { bytes }) => sum + bytes, 0),
      total: this.#total,
      metrics: others.reduce(metricsOfAll, first),
    });
  }
}

/** What to read, as the native side wants it. */
function subjectOf(given: Source): { subject: ReadSubject; uri: string } {
  if (typeof given === "object" && given !== null && "prefix" in given && !("key" in given)) {
    throw invalidInput(
      OPERATION,
      `${given.uri} names a group of keys, not an object`,
      "list() it, without a delimiter for all that is below it",
      given.uri,
    );
  }
  const named = namedBy(given, OPERATION);
  const hint = "getMany reads whole objects: use ranges(), or bytes() of the slice";
  const subject = wholeSubject(named, OPERATION, hint);
  if (named.map === true) {
    throw invalidInput(
      OPERATION,
      `${subject.uri} is given as a mapped file`,
      "getMany reads: use bytes() of the file, or give it without { map: true }",
      subject.uri,
    );
  }
  return { subject, uri: named.uri };
}

/** What was given, as a text: for sources that are none. */
function written(given: unknown): string {
  if (typeof given === "object" && given !== null && "uri" in given) return String(given.uri);
  const text = String(given);
  // Not the password of an address that was refused for holding one.
  return /\/\/[^/]*@/.test(text) ? quoted(text).slice(1, -1) : text;
}

function unreadable(error: unknown): DipperError {
  const why = error instanceof Error ? error.message : String(error);
  return invalidInput(OPERATION, `a source cannot be read: ${why}`, "pass URIs, entries or files");
}

function defect(what: string): DipperError {
  return new InternalError(`getMany: ${what}`, {
    code: "Internal",
    operation: OPERATION,
    hint: "please report this with the code that led here",
  });
}

function release(read: Read | undefined): void {
  if (read?.buffer) releaseBuffer(read.buffer);
}

/** The bytes of all sources, where they are at hand and all tell their size; else 0. */
function totalOf(sources: Iterable<Source> | AsyncIterable<Source>): number {
  if (!Array.isArray(sources)) return 0;
  let total = 0;
  for (const source of sources as unknown[]) {
    const size = (Object(source) as { size?: unknown }).size;
    if (typeof size !== "number" || !Number.isSafeInteger(size)) return 0;
    total += size;
  }
  return total;
}
