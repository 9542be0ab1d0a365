// An upload that is a file of columns: batches are brought, and no bytes. What becomes of them goes
// into the upload on the native side.

import { library } from "./library.ts";
import { gone, type NativeUpload, type UploadOptions } from "./native_upload.ts";
import type { SubmitOptions } from "./queue.ts";
import { withRoom } from "./rust_buffer.ts";
import type { EncodingMessage, MetricsMessage, TableFormatMessage } from "./symbols.ts";

/** Makes an upload a file of columns. */
export async function encodeTable(
  upload: NativeUpload,
  format: TableFormatMessage,
  encoding: EncodingMessage,
  options: SubmitOptions,
): Promise<void> {
  await upload.ask((upload) => ({ operation: "encodeTable", upload, format, encoding }), options);
}

/**
 * Hands a table over, as the pieces of a stream of Arrow IPC: they are copied before this returns. It
 * settles when the next may come; what fails later is told then.
 *
 * @throws {InvalidInputError} When a piece is detached or shortened.
 */
export async function encodeBatch(
  upload: NativeUpload,
  pieces: readonly Uint8Array[],
  options: UploadOptions,
): Promise<void> {
  const { native } = library();
  const length = pieces.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const payload = await upload.ask((upload) => {
    const head = new Uint8Array(new Float64Array([length]).buffer);
    withRoom(length, () => native.uploadWrite(upload, head));
    let written = 0;
    for (const piece of pieces) {
      if (piece.byteLength > 0) written += native.uploadWrite(upload, lendable(piece));
    }
    if (written < length) throw gone(options.operation ?? "writeTable");
    return { operation: "encodeBatch", upload };
  }, options);
  if (payload !== undefined) options.told?.(payload as MetricsMessage);
}

/** Ends the file. */
export async function encodeEnd(upload: NativeUpload, options: SubmitOptions): Promise<void> {
  await upload.ask((upload) => ({ operation: "encodeEnd", upload }), options);
}

/** The native side reads it while the call lasts, and others might write to what is shared. */
function lendable(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer ? bytes as Uint8Array<ArrayBuffer> : bytes.slice();
}
