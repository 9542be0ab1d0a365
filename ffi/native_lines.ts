// A source that is read as batches of lines or messages: a handle on what cuts them.
//
// The handle owns no memory that JavaScript sees, so a forgotten one may be released by a
// `FinalizationRegistry`: nothing dangles, the source only ends.

import { library } from "./library.ts";
import { submit, type SubmitOptions } from "./queue.ts";
import type { BatchMessage, StreamHandle } from "./symbols.ts";

const forgotten = new FinalizationRegistry<StreamHandle>(release);

/** An open source of lines or messages. */
export class NativeLines {
  readonly #handle: StreamHandle;
  readonly #granted: readonly string[];
  readonly #operation: string;
  #released = false;

  /** Takes over a handle, and the hosts that were granted for it. Errors name the operation. */
  constructor(handle: StreamHandle, granted: readonly string[], operation: string) {
    this.#handle = handle;
    this.#granted = granted;
    this.#operation = operation;
    forgotten.register(this, handle, this);
  }

  /**
   * Fills memory with the next elements. Nobody else may reach the memory until the promise
   * settles. One read at a time.
   */
  async read(
    target: Uint8Array<ArrayBuffer>,
    options: SubmitOptions,
  ): Promise<{ filled: number; batch: BatchMessage }> {
    const request = { operation: "readLines", stream: this.#handle } as const;
    const { extent, payload } = await submit({ granted: [...this.#granted], request }, {
      ...options,
      operation: this.#operation,
      target,
    });
    return { filled: extent, batch: payload as BatchMessage };
  }

  /** Where the elements of the last read end, behind a zero. Only before the next read. */
  offsets(elements: number): Uint32Array<ArrayBuffer> {
    const offsets = new Uint32Array(elements + 1);
    library().native.linesOffsets(this.#handle, new Uint8Array(offsets.buffer));
    return offsets;
  }

  /** Ends the source. Twice is harmless. */
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
