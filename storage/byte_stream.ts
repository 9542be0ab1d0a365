// A readable byte stream over a native one: memory goes down, is filled, and is handed out.
//
// The memory of a chunk is JavaScript's own, and private until its read has completed: a chunk is
// enqueued after that, and the view of a BYOB request is out of everybody's reach meanwhile, as the
// standard has it (its buffer was transferred into the stream). So nobody sees memory that is being
// written, and nothing is freed under Rust: a read that is still on its way keeps its memory, also
// when the stream was cancelled or has failed in between. `autoAllocateChunkSize` is not used: the
// stream reads nothing that nobody asked for.

import type { Watched } from "../client/watched.ts";
import { countHandedOut } from "../ffi/memory.ts";
import type { NativeStream } from "../ffi/native_stream.ts";
import { type Metrics, metricsFrom, rememberMetrics } from "../ffi/metrics.ts";
import type { Completed, Progress } from "../ffi/queue.ts";
import type { MetricsMessage, ReadMessage } from "../ffi/symbols.ts";

/** The most bytes of a chunk. */
const LONGEST_CHUNK = 1024 * 1024;
/** Where the next read most likely only tells that the end is reached. */
const LAST_CHUNK = 4096;
const PROGRESS_INTERVAL = 100;

/** A native stream, and what came with it. */
export interface Opened {
  readonly stream: NativeStream;
  readonly opened: Completed;
}

/** How to stream. */
export interface ByteStreamOptions {
  /** Ends the stream: it fails with the signal's reason. */
  signal: AbortSignal | undefined;
  /** Told how far it is. */
  onProgress: ((progress: Progress) => void) | undefined;
  /** Begins to show how far it is. */
  watch(): Watched | undefined;
  /** Why nothing can be read any more, for streams that outlive their client. */
  gone(): unknown;
}

/** A byte stream. It is opened when the first chunk is asked for. */
export function byteStream(
  open: (signal: AbortSignal) => Promise<Opened>,
  options: ByteStreamOptions,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reading = new Reading(open, options);
  const stream = new ReadableStream({
    type: "bytes",
    start: (controller) => reading.start(controller),
    pull: (controller) => reading.pull(controller),
    cancel: (reason) => reading.cancel(reason),
  }, { highWaterMark: 0 });
  reading.account = weakAccount(stream);
  return stream as ReadableStream<Uint8Array<ArrayBuffer>>;
}

/** Tells the metrics of a stream without keeping it alive. */
function weakAccount(stream: ReadableStream): (metrics: Metrics) => void {
  const reference = new WeakRef(stream);
  return (metrics) => {
    const known = reference.deref();
    if (known !== undefined) rememberMetrics(known, metrics);
  };
}

class Reading {
  readonly #open: (signal: AbortSignal) => Promise<Opened>;
  readonly #options: ByteStreamOptions;
  /** Ends what is under way. */
  readonly #ending = new AbortController();
  #stream: NativeStream | undefined;
  /** Memory of a read that brought little: for the next one. */
  #spare: Uint8Array<ArrayBuffer> | undefined;
  #total: number | undefined;
  #bytes = 0;
  #copied = 0;
  #metrics: Metrics | undefined;
  #told = -Infinity;
  #controller: ReadableByteStreamController | undefined;
  #forget: (() => void) | undefined;
  #watching: Watched | undefined;
  account: (metrics: Metrics) => void = () => {};

  constructor(open: (signal: AbortSignal) => Promise<Opened>, options: ByteStreamOptions) {
    this.#open = open;
    this.#options = options;
  }

  start(controller: ReadableByteStreamController): void {
    const { signal } = this.#options;
    if (signal === undefined) return;
    this.#controller = controller;
    if (signal.aborted) this.fail(signal.reason);
    else this.#forget = listen(signal, new WeakRef(this));
  }

  /** Fails the stream at once. */
  fail(reason: unknown): void {
    this.end(reason);
    this.#watching?.fail(reason);
    this.#controller?.error(reason);
  }

  /** Whoever reads wants no more. */
  cancel(reason: unknown): void {
    this.end(reason);
    this.#watching?.end("stopped");
  }

  /** Ends the download and lets go of everything. Twice is harmless. */
  end(reason?: unknown): void {
    this.#ending.abort(reason);
    this.#stream?.release();
    this.#spare = undefined;
    this.#forget?.();
    this.#forget = undefined;
  }

  async pull(controller: ReadableByteStreamController): Promise<void> {
    try {
      this.#watching?.goOn();
      const stream = this.#stream ?? await this.#begin();
      const request = controller.byobRequest;
      const target = request === null ? this.#memory() : viewOf(request);
      const { signal } = this.#ending;
      const { filled, metrics } = await stream.read(target, { signal });
      signal.throwIfAborted();
      this.#count(filled, metrics);
      this.#watching?.rest();
      if (filled === 0) {
        this.end();
        this.#watching?.end("done");
        controller.close();
        // A reader with memory of its own waits for an answer, also one that came meanwhile.
        controller.byobRequest?.respond(0);
      } else if (request === null) {
        const chunk = this.#chunk(target, filled);
        countHandedOut(chunk.buffer.byteLength);
        controller.enqueue(chunk);
      } else {
        request.respond(filled);
      }
    } catch (reason) {
      const { aborted } = this.#ending.signal;
      this.end(reason);
      this.#watching?.fail(reason);
      throw aborted ? reason : this.#options.gone() ?? reason;
    }
  }

  async #begin(): Promise<NativeStream> {
    const { signal } = this.#ending;
    this.#watching = this.#options.watch();
    const { stream, opened } = await this.#open(signal);
    if (signal.aborted) {
      stream.release();
      throw signal.reason;
    }
    this.#stream = stream;
    // A server may not tell how much will come.
    this.#total = opened.extent >= 0 ? opened.extent : undefined;
    this.#metrics = metricsFrom((opened.payload as ReadMessage).metrics);
    this.account(this.#metrics);
    return stream;
  }

  /** Private memory for the next read. */
  #memory(): Uint8Array<ArrayBuffer> {
    const left = this.#total === undefined ? LONGEST_CHUNK : this.#total - this.#bytes;
    const wanted = left > 0 ? Math.min(LONGEST_CHUNK, left) : LAST_CHUNK;
    const spare = this.#spare;
    this.#spare = undefined;
    return spare !== undefined && spare.length >= wanted
      ? spare.subarray(0, wanted)
      : new Uint8Array(wanted);
  }

  /** What is handed out. Where little came, a small copy: trickles must not pin large memory. */
  #chunk(target: Uint8Array<ArrayBuffer>, filled: number): Uint8Array<ArrayBuffer> {
    if (2 * filled >= target.buffer.byteLength) return target.subarray(0, filled);
    this.#spare = new Uint8Array(target.buffer);
    this.#copied += filled;
    return target.slice(0, filled);
  }

  #count(filled: number, told: MetricsMessage | undefined): void {
    this.#bytes += filled;
    const last = told ?? this.#metrics;
    if (last === undefined) return;
    const copies = told === undefined ? last.copies : told.copies + this.#copied;
    this.#metrics = metricsFrom({ ...last, bytes: this.#bytes, copies });
    this.account(this.#metrics);
    const { onProgress } = this.#options;
    if (onProgress === undefined && this.#watching === undefined) return;
    const now = performance.now();
    if (filled > 0 && now - this.#told < PROGRESS_INTERVAL) return;
    this.#told = now;
    const total = filled === 0 ? this.#bytes : this.#total ?? 0;
    const progress = { bytes: this.#bytes, total, metrics: this.#metrics };
    this.#watching?.reached(progress);
    onProgress?.(progress);
  }
}

/**
 * Listens to a signal. It may live for long, and must not keep a forgotten stream alive: so the
 * listener knows the stream weakly, and nothing else of it.
 */
function listen(signal: AbortSignal, reading: WeakRef<Reading>): () => void {
  const onAbort = (): void => reading.deref()?.fail(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  return () => signal.removeEventListener("abort", onAbort);
}

/** The memory of a BYOB request, or its beginning: nobody else can reach it now. */
function viewOf({ view }: ReadableStreamBYOBRequest): Uint8Array<ArrayBuffer> {
  if (view === null) throw new TypeError("the request was answered already");
  const { buffer, byteOffset, byteLength } = view as ArrayBufferView<ArrayBuffer>;
  return new Uint8Array(buffer, byteOffset, Math.min(byteLength, LONGEST_CHUNK));
}
