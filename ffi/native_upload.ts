// Something that is written in order: a handle on the native side's window of memory that waits to
// be sent or written.
//
// Bytes are copied while the call lasts, so their owner may change them as soon as `write` settles,
// and detach them at any time: what is missing then is noticed. A forgotten upload is aborted by a
// `FinalizationRegistry`; the handle owns no memory that JavaScript sees.

import { DipperError, InvalidInputError } from "./errors.ts";
import { library } from "./library.ts";
import { submit, type SubmitOptions } from "./queue.ts";
import type { MetricsMessage, Request, UploadHandle, WrittenMessage } from "./symbols.ts";

const forgotten = new FinalizationRegistry<UploadHandle>(release);

/** How an upload speaks to whoever feeds it. */
export interface UploadOptions extends SubmitOptions {
  /** Told what was done so far, where progress was asked for. */
  told?: ((metrics: MetricsMessage) => void) | undefined;
}

/** An open upload, to S3 or to a file. */
export class NativeUpload {
  readonly #handle: UploadHandle;
  readonly #granted: readonly string[];
  #released = false;

  /** Takes over a handle, and the hosts that were granted for it. */
  constructor(handle: UploadHandle, granted: readonly string[]) {
    this.#handle = handle;
    this.#granted = granted;
    forgotten.register(this, handle, this);
  }

  /**
   * Hands bytes over, as fast as they are taken.
   *
   * @throws {InvalidInputError} When they are detached or shortened meanwhile.
   * @throws {DipperError} For whatever the upload failed with.
   */
  async write(bytes: Uint8Array, options: UploadOptions): Promise<void> {
    const { byteLength } = bytes;
    for (let at = 0; at < byteLength;) {
      if (bytes.byteLength !== byteLength) throw gone(options.operation ?? "write");
      // Shared memory was copied before.
      const left = bytes.subarray(at) as Uint8Array<ArrayBuffer>;
      at += this.#take(left, options.operation ?? "write");
      if (at < byteLength) await this.#room(options);
    }
  }

  /** Asks something of it, for who brings more than bytes. */
  async ask(about: (upload: UploadHandle) => Request, options: SubmitOptions): Promise<unknown> {
    const request = about(this.#handle);
    return (await submit({ granted: [...this.#granted], request }, options)).payload;
  }

  /** Sends what is left, and waits until all is there. */
  async finish(options: SubmitOptions): Promise<WrittenMessage> {
    const request = { operation: "finishUpload", upload: this.#handle } as const;
    const { payload } = await submit({ granted: [...this.#granted], request }, options);
    this.release();
    return payload as WrittenMessage;
  }

  /**
   * Waits until it takes no more bytes, for who has nothing to bring meanwhile.
   *
   * @throws {DipperError} For whatever it failed with.
   */
  async closed(options: SubmitOptions): Promise<void> {
    const request = { operation: "uploadClosed", upload: this.#handle } as const;
    await submit({ granted: [...this.#granted], request }, options);
  }

  /** Ends what is not finished, and waits until nothing of it is left. */
  async abort(options: SubmitOptions): Promise<void> {
    if (this.#released) return;
    const request = { operation: "abortUpload", upload: this.#handle } as const;
    try {
      await submit({ granted: [...this.#granted], request }, options);
    } finally {
      this.release();
    }
  }

  /** Ends what is not finished. Twice is harmless. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    forgotten.unregister(this);
    release(this.#handle);
  }

  /** How many bytes were taken. */
  #take(bytes: Uint8Array<ArrayBuffer>, operation: string): number {
    try {
      return library().native.uploadWrite(this.#handle, bytes);
    } catch (error) {
      // The native side names its function.
      throw error instanceof DipperError ? Object.assign(error, { operation }) : error;
    }
  }

  async #room(options: UploadOptions): Promise<void> {
    const request = { operation: "uploadRoom", upload: this.#handle } as const;
    const { payload } = await submit({ granted: [...this.#granted], request }, options);
    if (payload !== undefined) options.told?.(payload as MetricsMessage);
  }
}

/** The rejection for what is not there any more. */
export function gone(operation: string): InvalidInputError {
  return new InvalidInputError("the data was detached or shortened while it was written", {
    code: "InvalidInput",
    operation,
    hint: "leave it as it is until the write is done",
  });
}

function release(handle: UploadHandle): void {
  try {
    library().native.uploadRelease(handle);
  } catch {
    // It ended with its client.
  }
}
