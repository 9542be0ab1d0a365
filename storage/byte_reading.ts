// What fills the chunks of a byte stream: memory goes down, is filled, and is handed out.
//
// The memory of a chunk is JavaScript's own, and private until its read has completed: a chunk is
// enqueued after that, and the view of a BYOB request is out of everybody's reach meanwhile, as the
// standard has it (its buffer was transferred into the stream). So nobody sees memory that is being
// written, and nothing is freed under Rust: a read that is still on its way keeps its memory, also
// when the stream was cancelled or has failed in between. `autoAllocateChunkSize` is not used: the
// stream reads nothing that nobody asked for.

import type { Watched } from "../client/watched.ts";
import { countHandedOut } from "../ffi/memory.ts";
import { type Metrics, metricsFrom } from "../ffi/metrics.ts";
import type { NativeStream } from "../ffi/native_stream.ts";
import type { MetricsMessage, ReadMessage } from "../ffi/symbols.ts";
import type { ByteStreamOptions, Opened } from "./byte_stream.ts";

/** The most bytes of a chunk. */
const LONGEST_CHUNK = 1024 * 1024;
/** Where the next read most likely only tells that the end is reached. */
const LAST_CHUNK = 4096;
const PROGRESS_INTERVAL = 100;

/** Reads a native stream, chunk after chunk. */
export class ByteReading {
  readonly #open: (signal: AbortSignal) => Promise<Opened>;
  readonly #options: ByteStreamOptions;
  /** Ends what is under way. */
  readonly #ending: AbortSignal;
  readonly #account: (metrics: Metrics) => void;
  #stream: NativeStream | undefined;
  /** Memory of a read that brought little: for the next one. */
  #spare: Uint8Array<ArrayBuffer> | undefined;
  #total: number | undefined;
  #bytes = 0;
  #copied = 0;
  #metrics: Metrics | undefined;
  #told = -Infinity;
  /** Shows how far it is, from the first chunk on. */
  watching: Watched | undefined;

  constructor(
    open: (signal: AbortSignal) => Promise<Opened>,
    options: ByteStreamOptions,
    ending: AbortSignal,
    account: (metrics: Metrics) => void,
  ) {
    this.#open = open;
    this.#options = options;
    this.#ending = ending;
    this.#account = account;
  }

  /** Brings the next chunk; returns whether there was one. */
  async bring(controller: ReadableByteStreamController): Promise<boolean> {
    this.watching?.goOn();
    const stream = this.#stream ?? await this.#begin();
    const request = controller.byobRequest;
    const target = request === null ? this.#memory() : viewOf(request);
    const signal = this.#ending;
    const { filled, metrics } = await stream.read(target, { signal });
    signal.throwIfAborted();
    this.#count(filled, metrics);
    this.watching?.rest();
    if (filled === 0) {
      this.watching?.end("done");
      return false;
    }
    if (request === null) {
      const chunk = this.#chunk(target, filled);
      countHandedOut(chunk.buffer.byteLength);
      controller.enqueue(chunk);
    } else {
      request.respond(filled);
    }
    return true;
  }

  /** Lets go of the stream. Twice is harmless. */
  release(): void {
    this.#stream?.release();
    this.#spare = undefined;
  }

  async #begin(): Promise<NativeStream> {
    const signal = this.#ending;
    this.watching = this.#options.watch();
    const { stream, opened } = await this.#open(signal);
    if (signal.aborted) {
      stream.release();
      throw signal.reason;
    }
    this.#stream = stream;
    // A server may not tell how much will come.
    this.#total = opened.extent >= 0 ? opened.extent : undefined;
    this.#metrics = metricsFrom((opened.payload as ReadMessage).metrics);
    this.#account(this.#metrics);
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
    this.#account(this.#metrics);
    const { onProgress } = this.#options;
    if (onProgress === undefined && this.watching === undefined) return;
    const now = performance.now();
    if (filled > 0 && now - this.#told < PROGRESS_INTERVAL) return;
    this.#told = now;
    const total = filled === 0 ? this.#bytes : this.#total ?? 0;
    const progress = { bytes: this.#bytes, total, metrics: this.#metrics };
    this.watching?.reached(progress);
    onProgress?.(progress);
  }
}

/** The memory of a BYOB request, or its beginning: nobody else can reach it now. */
function viewOf({ view }: ReadableStreamBYOBRequest): Uint8Array<ArrayBuffer> {
  if (view === null) throw new TypeError("the request was answered already");
  const { buffer, byteOffset, byteLength } = view as ArrayBufferView<ArrayBuffer>;
  return new Uint8Array(buffer, byteOffset, Math.min(byteLength, LONGEST_CHUNK));
}
