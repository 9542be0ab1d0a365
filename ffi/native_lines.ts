// A source that is read as batches of lines or messages: a handle on what cuts them.

import { HeldStream } from "./held_stream.ts";
import { library } from "./library.ts";
import { adoptedBytes, mapBuffer } from "./memory.ts";
import { queueHandle, submit, type SubmitOptions } from "./queue.ts";
import type { BatchMessage, BufferHandle, StreamHandle } from "./symbols.ts";

/** Where the native side tells of a batch that was taken. */
const told = new Float64Array(4);
const toldBytes = new Uint8Array(told.buffer);

/** An open source of lines or messages. */
export class NativeLines extends HeldStream {
  readonly #operation: string;
  /** Whether batches are cut before they are asked for, and all have memory of their own. */
  ahead: boolean;

  /** Takes over a handle, and the hosts that were granted for it. Errors name the operation. */
  constructor(
    handle: StreamHandle,
    granted: readonly string[],
    operation: string,
    ahead: boolean,
  ) {
    super(handle, granted);
    this.#operation = operation;
    this.ahead = ahead;
  }

  /** The next elements, as {@linkcode NativeLines.next} brings them, if they are there. */
  take(): { bytes: Uint8Array<ArrayBuffer>; batch: BatchMessage } | undefined {
    if (library().native.linesTake(queueHandle(), this.handle, toldBytes) === 0) return undefined;
    const [buffer = 0, , elements = 0, taken = 0] = told;
    const bytes = buffer === 0
      ? new Uint8Array(0)
      : new Uint8Array(mapBuffer(buffer as BufferHandle));
    return { bytes, batch: { elements, ended: false, taken, ahead: true } };
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
