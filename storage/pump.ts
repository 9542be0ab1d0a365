// Pieces from a source into an upload, one after the other: the upload holds the source back.

import { DipperError } from "../ffi/errors.ts";
import { type Metrics, metricsFrom } from "../ffi/metrics.ts";
import type { NativeUpload } from "../ffi/native_upload.ts";
import type { Progress, SubmitOptions } from "../ffi/queue.ts";
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

const PROGRESS_INTERVAL = 100;
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
  const stopped = stopOf(signal);
  let upload: NativeUpload | undefined;
  try {
    upload = await open();
    while (true) {
      // A source may be silent for ever.
      const piece = await Promise.race([pieces.next(), stopped.promise]);
      if (piece === undefined) break;
      await upload.write(piece, { ...submitting, told: told.now });
    }
    await body.check?.();
    const written = await upload.finish(submitting);
    told.end(written.metrics);
    return written;
  } catch (error) {
    pieces.cancel(error);
    if (upload !== undefined) await leave(upload, signal);
    throw signal?.aborted ? signal.reason : reasonOf(error, options);
  } finally {
    stopped.forget();
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
  const limit = signal === undefined ? patience : AbortSignal.any([signal, patience]);
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

/** A promise that rejects when the signal does. */
function stopOf(signal: AbortSignal | undefined): { promise: Promise<never>; forget(): void } {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => {});
  const stop = () => reject(signal?.reason);
  if (signal?.aborted) stop();
  else signal?.addEventListener("abort", stop, { once: true });
  return { promise, forget: () => signal?.removeEventListener("abort", stop) };
}
