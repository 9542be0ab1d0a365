// A file that is read as batches of columns: a handle on what decodes them.

import { errorOf } from "./errors.ts";
import { HeldStream } from "./held_stream.ts";
import { mapAdopted } from "./memory.ts";
import { submit, type SubmitOptions } from "./queue.ts";
import type { ColumnsMessage } from "./symbols.ts";

/** A batch: what its arrays are, and their memory, which the collector owns. */
export interface NativeBatch {
  readonly columns: ColumnsMessage;
  readonly buffers: readonly ArrayBuffer[];
}

/** An open file. */
export class NativeBatches extends HeldStream {
  /** The next batch, without rows at the end. One call at a time. */
  async next(options: SubmitOptions): Promise<NativeBatch> {
    const request = { operation: "nextBatch", stream: this.handle } as const;
    const buffers: ArrayBuffer[] = [];
    try {
      const { payload } = await submit({ granted: this.granted, request }, {
        ...options,
        onItem(index, buffer, _length, failure) {
          if (failure !== undefined) throw errorOf(failure, "table");
          // At once: what JavaScript owns no longer counts against the budget.
          buffers[index] = mapAdopted(buffer);
        },
      });
      return { columns: payload as ColumnsMessage, buffers };
    } catch (reason) {
      // Nobody has seen them: their memory is free at once.
      for (const buffer of buffers) buffer?.transfer(0);
      throw reason;
    }
  }
}
