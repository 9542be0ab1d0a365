// A source that is read as batches of lines or messages: a handle on what cuts them.

import { HeldStream } from "./held_stream.ts";
import { library } from "./library.ts";
import { adoptedBytes } from "./memory.ts";
import { submit, type SubmitOptions } from "./queue.ts";
import type { BatchMessage, BufferHandle, StreamHandle } from "./symbols.ts";

/** An open source of lines or messages. */
export class NativeLines extends HeldStream {
  readonly #operation: string;

  /** Takes over a handle, and the hosts that were granted for it. Errors name the operation. */
  constructor(handle: StreamHandle, granted: readonly string[], operation: string) {
    super(handle, granted);
    this.#operation = operation;
  }

  /**
   * Fills memory with the next elements. Nobody else may reach the memory until the promise
   * settles. One read at a time.
   */
  async read(
    target: Uint8Array<ArrayBuffer>,
    options: SubmitOptions,
  ): Promise<{ filled: number; batch: BatchMessage }> {
    const request = { operation: "readLines", stream: this.handle } as const;
    const { extent, payload } = await submit({ granted: this.granted, request }, {
      ...options,
      operation: this.#operation,
      target,
    });
    return { filled: extent, batch: payload as BatchMessage };
  }

  /**
   * The next elements in memory of their own, which the collector gives back. No bytes where the
   * batch needs more memory than is usual.
   */
  async next(
    options: SubmitOptions,
  ): Promise<{ bytes: Uint8Array<ArrayBuffer>; batch: BatchMessage }> {
    const request = { operation: "readLines", stream: this.handle } as const;
    const { value, payload } = await submit({ granted: this.granted, request }, {
      ...options,
      operation: this.#operation,
    });
    return { bytes: adoptedBytes(value as BufferHandle), batch: payload as BatchMessage };
  }

  /** Where the elements of the last read end, behind a zero. Only before the next read. */
  offsets(elements: number): Uint32Array<ArrayBuffer> {
    const offsets = new Uint32Array(elements + 1);
    library().native.linesOffsets(this.handle, new Uint8Array(offsets.buffer));
    return offsets;
  }
}
