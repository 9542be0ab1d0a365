// An object that is read in order: a handle on the native side's window of parts ahead of the
// reader.

import { HeldStream } from "./held_stream.ts";
import { submit, type SubmitOptions } from "./queue.ts";
import type { MetricsMessage } from "./symbols.ts";

/** An open stream. */
export class NativeStream extends HeldStream {
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
    const request = { operation: "readStream", stream: this.handle } as const;
    const { extent, payload } = await submit({ granted: this.granted, request }, {
      ...options,
      target,
    });
    return { filled: extent, metrics: payload as MetricsMessage | undefined };
  }
}
