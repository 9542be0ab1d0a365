// Pieces from a source into an upload, one after the other: the upload holds the source back.

import type { Watched } from "../client/watched.ts";
import { DipperError } from "../ffi/errors.ts";
import { type Metrics, metricsFrom } from "../ffi/metrics.ts";
import type { NativeUpload } from "../ffi/native_upload.ts";
import type { Progress, SubmitOptions } from "../ffi/queue.ts";
import { eitherSignal } from "../ffi/stop.ts";
import type { MetricsMessage, WrittenMessage } from "../ffi/symbols.ts";
import type { PiecesBody } from "./body.ts";

/** How to write. */
export interface PumpOptions {
  readonly operation: string;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: Progress) => void) | undefined;
  /** The rejection for a client that was disposed. */
  readonly onCancelled?: (() => unknown) | undefined;
}

/** The same for a stream that writes, which begins to show how far it is with its first chunk. */
export interface WriterOptions extends PumpOptions {
  watch(): Watched | undefined;
}

const PROGRESS_INTERVAL = 100;
/** An upload is asked for its failure when its write lasts longer than this, in milliseconds. */
const ASKED_AFTER = 100;
/** How long a failed write waits until what is there of it is gone. */
const ABORT_PATIENCE = 5000;

/**
 * Writes all of a body. Whatever fails, nothing is left of it, and the source is told.
 *
 * @throws Whatever the source or the upload failed with; the signal's reason.
 */
export async function pump(
  body: PiecesBody,
  open: () => Promise<NativeUpload>,
  options: PumpOptions,
): Promise<WrittenMessage> {
  const { signal } = options;
  const { pieces, size } = body;
  const told = teller(options.onProgress, size);
  const submitting: SubmitOptions = {
    signal,
    operation: options.operation,
    onCancelled: options.onCancelled,
  };
  const watch = new Watch(submitting);
  let upload: NativeUpload | undefined;
  try {
    upload = await open();
    watch.start(upload);
    while (true) {
      // A source may be silent for ever.
      const piece = await watch.during(pieces.next());
      if (piece === undefined) break;
      const bringing = { ...submitting, told: told.now };
      if (piece instanceof Uint8Array) await upload.write(piece, bringing);
      else await piece.bring(upload, bringing);
    }
    await body.check?.();
    await watch.end();
    const written = await upload.finish(submitting);
    told.end(written.metrics);
    return written;
  } catch (error) {
    const reason = signal?.aborted ? signal.reason : reasonOf(error, options);
    pieces.cancel(reason);
    await watch.end();
    const isGone = options.onCancelled?.() !== undefined;
    if (isGone) upload?.release();
    else if (upload !== undefined) await leave(upload, signal);
    throw reason;
  }
}

/** Why it failed: an upload that ends with its client only knows that it ended. */
export function reasonOf(error: unknown, options: PumpOptions): unknown {
  const ended = error instanceof DipperError && ["Cancelled", "StaleHandle"].includes(error.code);
  return ended ? options.onCancelled?.() ?? error : error;
}

/** Lets go of an upload that failed. Who ended it himself does not wait for it. */
export async function leave(upload: NativeUpload, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted) {
    upload.release();
    return;
  }
  const patience = AbortSignal.timeout(ABORT_PATIENCE);
  const limit = eitherSignal(signal, patience);
  // What it failed with is known already.
  await upload.abort({ signal: limit }).catch(() => {});
}

/** Tells progress, not too often, and once at the end. */
export function teller(
  onProgress: ((progress: Progress) => void) | undefined,
  size: number | undefined,
): { now: (metrics: MetricsMessage) => void; end: (metrics: MetricsMessage) => void } {
  let last = -Infinity;
  const tell = (metrics: Metrics, total: number) =>
    onProgress?.({
      bytes: metrics.bytes,
      total,
      metrics,
    });
  return {
    now(message) {
      const time = performance.now();
      if (time - last < PROGRESS_INTERVAL) return;
      last = time;
      tell(metricsFrom(message), size ?? 0);
    },
    end: (message) => tell(metricsFrom(message), message.bytes),
  };
}

/**
 * Ends the wait for a silent source: when the signal says so, and when the upload has failed or its
 * client is gone. Short writes do not pay for that: the upload is asked only after a moment.
 */
class Watch {
  readonly #options: SubmitOptions;
  readonly #ending = new AbortController();
  readonly #onAbort = (): void => this.#fail(this.#options.signal?.reason);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asking: Promise<void> | undefined;
  #failed: { reason: unknown } | undefined;
  /** Ends the present wait. One at a time, so that nothing adds up over many pieces. */
  #leave: ((reason: unknown) => void) | undefined;

  constructor(options: SubmitOptions) {
    this.#options = options;
    const { signal } = options;
    if (signal?.aborted) this.#onAbort();
    else signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Begins to look at an upload. */
  start(upload: NativeUpload): void {
    this.#timer = setTimeout(() => {
      const asked = upload.closed({ ...this.#options, signal: this.#ending.signal });
      this.#asking = asked.catch((error) => this.#fail(error));
    }, ASKED_AFTER);
  }

  /** Waits for a piece, or rejects with what ends the write. */
  async during<T>(piece: Promise<T>): Promise<T> {
    try {
      return await new Promise<T>((resolve, reject) => {
        this.#leave = reject;
        piece.then(resolve, reject);
        if (this.#failed !== undefined) reject(this.#failed.reason);
      });
    } finally {
      this.#leave = undefined;
    }
  }

  /** Looks no more. */
  async end(): Promise<void> {
    clearTimeout(this.#timer);
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#ending.abort();
    await this.#asking;
  }

  #fail(reason: unknown): void {
    this.#failed ??= { reason };
    this.#leave?.(reason);
  }
}
