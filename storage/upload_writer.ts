// A writable stream over an upload: every chunk is handed over when there is room for it, so who
// writes faster than the server or the disk takes is held back.

import type { Watched } from "../client/watched.ts";
import { metricsFrom, rememberMetrics } from "../ffi/metrics.ts";
import type { NativeUpload } from "../ffi/native_upload.ts";
import { shownAsHandle } from "../jupyter/handles.ts";
import { bytesOf } from "./pieces.ts";
import { leave, reasonOf, teller, type WriterOptions } from "./pump.ts";

/**
 * A stream that writes. It is opened at the first chunk, or when it is closed without one. Closing
 * it waits until all is there; aborting it, or a failure, leaves nothing.
 */
export function uploadWriter(
  open: (signal: AbortSignal) => Promise<NativeUpload>,
  uri: string,
  options: WriterOptions,
): WritableStream<Uint8Array> {
  const { signal, operation, onCancelled } = options;
  let watching: Watched | undefined;
  const told = teller((progress) => {
    watching?.reached(progress);
    options.onProgress?.(progress);
  }, undefined);
  const ending = new AbortController();
  let upload: NativeUpload | undefined;
  let forget = () => {};
  const fail = async (reason: unknown): Promise<void> => {
    forget();
    watching?.fail(reason);
    const open = upload;
    upload = undefined;
    if (open !== undefined) await leave(open, undefined);
    ending.abort(reason);
  };
  const submitting = () => ({ signal: ending.signal, operation, onCancelled });
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    try {
      if (upload === undefined) watching = options.watch();
      watching?.goOn();
      upload ??= await open(ending.signal);
      await work();
      watching?.rest();
    } catch (error) {
      const { aborted } = ending.signal;
      const reason = aborted ? ending.signal.reason : reasonOf(error, options);
      await fail(reason);
      throw reason;
    }
  };
  const stream = new WritableStream<Uint8Array>({
    start(controller) {
      const stop = (reason: unknown) => {
        ending.abort(reason);
        controller.error(reason);
        void fail(reason);
      };
      // An abort comes here at once; the stream would first wait for the chunk that is on its way.
      controller.signal.addEventListener("abort", () => ending.abort(controller.signal.reason));
      if (signal === undefined) return;
      if (signal.aborted) {
        stop(signal.reason);
        return;
      }
      const onAbort = () => stop(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      forget = () => signal.removeEventListener("abort", onAbort);
    },
    write: (chunk) =>
      attempt(async () => {
        await upload!.write(bytesOf(chunk, uri), { ...submitting(), told: told.now });
      }),
    close: () =>
      attempt(async () => {
        const { metrics } = await upload!.finish(submitting());
        forget();
        rememberMetrics(stream, metricsFrom(metrics));
        told.end(metrics);
        watching?.end("done");
      }),
    abort: fail,
  });
  const use = ["await readable.pipeTo(\u2026)", "await writer.getWriter().write(\u2026)"];
  return shownAsHandle(stream, { name: "writer", label: "To", of: uri, use });
}
