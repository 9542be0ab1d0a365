// An object that is read in order: a handle on the native side's window of parts ahead of the
// reader.
//
// The handle owns no memory that JavaScript sees, so a forgotten stream may be released by a
// `FinalizationRegistry`: nothing dangles, the native side only stops reading ahead.

import { library } from "./library.ts";
import { submit, type SubmitOptions } from "./queue.ts";
import type { MetricsMessage, StreamHandle } from "./symbols.ts";

const forgotten = new FinalizationRegistry<StreamHandle>(release);

/** An open stream. */
export class NativeStream {
  readonly #handle: StreamHandle;
  readonly #granted: readonly string[];
  #released = false;

  /** Takes over a handle, and the hosts that were granted for it. */
  constructor(handle: StreamHandle, granted: readonly string[]) {
    this.#handle = handle;
    this.#granted = granted;
    forgotten.register(this, handle, this);
  }

  /**
   * Fills memory with the next bytes, perhaps not all of it. Nobody else may reach the memory until
   * the promise settles.
   *
   * @returns How many bytes; 0 at the end. Metrics come at the end.
   */
  async read(
    target: Uint8Array<ArrayBuffer>,
    options: SubmitOptions,
  ): Promise<{ filled: number; metrics: MetricsMessage | undefined }> {
    const request = { operation: "readStream", stream: this.#handle } as const;
    const { extent, payload } = await submit({ granted: [...this.#granted], request }, {
      ...options,
      target,
    });
    return { filled: extent, metrics: payload as MetricsMessage | undefined };
  }

  /** Ends what is read ahead. Twice is harmless. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    forgotten.unregister(this);
    release(this.#handle);
  }
}

function release(handle: StreamHandle): void {
  try {
    library().native.streamRelease(handle);
  } catch {
    // It ended with its client.
  }
}
