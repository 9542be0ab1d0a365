// A readable byte stream over a native one: it is there at once, and what reads is loaded when the
// first chunk is asked for. The stream reads nothing that nobody asked for.

import type { Watched } from "../client/watched.ts";
import { locate } from "../ffi/error_stack.ts";
import { DipperError } from "../ffi/errors.ts";
import { type Metrics, rememberMetrics } from "../ffi/metrics.ts";
import type { NativeStream } from "../ffi/native_stream.ts";
import type { Completed, Progress } from "../ffi/queue.ts";
import type { ByteReading } from "./byte_reading.ts";

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
  const source = new ByteSource(open, options);
  const stream = new ReadableStream({
    type: "bytes",
    start: (controller) => source.start(controller),
    pull: (controller) => source.pull(controller),
    cancel: (reason) => source.cancel(reason),
  }, { highWaterMark: 0 });
  source.account = weakAccount(stream);
  return located(stream as ReadableStream<Uint8Array<ArrayBuffer>>);
}

/** Has what loops over the stream, and readers of it, fail with point to the user's line. */
function located<S extends ReadableStream>(stream: S): S {
  const values = stream.values.bind(stream);
  const getReader = stream.getReader.bind(stream);
  const property = { configurable: true, writable: true };
  const iterate = {
    ...property,
    value: (options?: ReadableStreamIteratorOptions) => locating(values(options), "next"),
  };
  return Object.defineProperties(stream, {
    values: iterate,
    [Symbol.asyncIterator]: iterate,
    getReader: {
      ...property,
      value: (options: { mode: "byob" }) => locating(getReader(options), "read"),
    },
  });
}

/**
 * Has the errors of a method point to whoever awaits it. V8 finds him through functions that await
 * each other, and not through the runtime's streams, which stand between.
 */
function locating<T extends object>(object: T, method: keyof T): T {
  const work = (object[method] as (...given: unknown[]) => Promise<unknown>).bind(object);
  const value = async (...given: unknown[]): Promise<unknown> => {
    try {
      return await work(...given);
    } catch (error) {
      if (error instanceof DipperError) locate(error);
      throw error;
    }
  };
  return Object.defineProperty(object, method, { configurable: true, writable: true, value });
}

/** Tells the metrics of a stream without keeping it alive. */
function weakAccount(stream: ReadableStream): (metrics: Metrics) => void {
  const reference = new WeakRef(stream);
  return (metrics) => {
    const known = reference.deref();
    if (known !== undefined) rememberMetrics(known, metrics);
  };
}

class ByteSource {
  readonly #open: (signal: AbortSignal) => Promise<Opened>;
  readonly #options: ByteStreamOptions;
  /** Ends what is under way. */
  readonly #ending = new AbortController();
  #reading: ByteReading | undefined;
  #controller: ReadableByteStreamController | undefined;
  #forget: (() => void) | undefined;
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

  async pull(controller: ReadableByteStreamController): Promise<void> {
    try {
      this.#reading ??= await this.#load();
      if (await this.#reading.bring(controller)) return;
      this.#end();
      controller.close();
      // A reader with memory of its own waits for an answer, also one that came meanwhile.
      controller.byobRequest?.respond(0);
    } catch (reason) {
      const { aborted } = this.#ending.signal;
      this.#end(reason);
      this.#reading?.watching?.fail(reason);
      throw aborted ? reason : this.#options.gone() ?? reason;
    }
  }

  /** Fails the stream at once. */
  fail(reason: unknown): void {
    this.#end(reason);
    this.#reading?.watching?.fail(reason);
    this.#controller?.error(reason);
  }

  /** Whoever reads wants no more. */
  cancel(reason: unknown): void {
    this.#end(reason);
    this.#reading?.watching?.end("stopped");
  }

  async #load(): Promise<ByteReading> {
    const { ByteReading } = await import("./byte_reading.ts");
    const { signal } = this.#ending;
    signal.throwIfAborted();
    return new ByteReading(this.#open, this.#options, signal, this.account);
  }

  /** Ends the download and lets go of everything. Twice is harmless. */
  #end(reason?: unknown): void {
    this.#ending.abort(reason);
    this.#reading?.release();
    this.#forget?.();
    this.#forget = undefined;
  }
}

/**
 * Listens to a signal. It may live for long, and must not keep a forgotten stream alive: so the
 * listener knows the stream weakly, and nothing else of it.
 */
function listen(signal: AbortSignal, source: WeakRef<ByteSource>): () => void {
  const onAbort = (): void => source.deref()?.fail(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  return () => signal.removeEventListener("abort", onAbort);
}
