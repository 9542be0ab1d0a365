// A writable stream over an upload: every chunk is handed over when there is room for it, so who
// writes faster than the server or the disk takes is held back. It is there at once; what writes is
// loaded with the first chunk.

import type { NativeUpload } from "../ffi/native_upload.ts";
import { rememberMetrics } from "../ffi/metrics.ts";
import { shownAsHandle } from "../jupyter/handles.ts";
import type { WriterOptions } from "./pump.ts";
import type { UploadSink } from "./upload_sink.ts";

/**
 * A stream that writes. It is opened at the first chunk, or when it is closed without one. Closing
 * it waits until all is there; aborting it, or a failure, leaves nothing.
 */
export function uploadWriter(
  open: (signal: AbortSignal) => Promise<NativeUpload>,
  uri: string,
  options: WriterOptions,
): WritableStream<Uint8Array> {
  const { signal } = options;
  const ending = new AbortController();
  let sink: UploadSink | undefined;
  let forget = () => {};
  const fail = async (reason: unknown): Promise<void> => {
    forget();
    await sink?.fail(reason);
    ending.abort(reason);
  };
  const attempt = async (work: (sink: UploadSink) => Promise<void>): Promise<void> => {
    try {
      if (sink === undefined) {
        const { UploadSink } = await import("./upload_sink.ts");
        ending.signal.throwIfAborted();
        sink = new UploadSink(open, uri, options, ending.signal);
      }
      await work(sink);
    } catch (error) {
      const reason = ending.signal.aborted ? ending.signal.reason : error;
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
    write: (chunk) => attempt((sink) => sink.write(chunk)),
    close: () =>
      attempt(async (sink) => {
        const finished = await sink.finish();
        forget();
        rememberMetrics(stream, finished.metrics);
        finished.tell();
      }),
    abort: fail,
  });
  const use = ["await readable.pipeTo(\u2026)", "await writer.getWriter().write(\u2026)"];
  return shownAsHandle(stream, { name: "writer", label: "To", of: uri, use });
}
