// A table of vectors: a handle on what Rust owns and locks.
//
// No memory of the table is ever seen by JavaScript: queries go down, copies come up. So a
// forgotten table may be released by a `FinalizationRegistry`: nothing dangles.

import { BudgetExceededError, DipperError, invalidInput } from "./errors.ts";
import { collect, library } from "./library.ts";
import { queueHandle } from "./queue.ts";
import type { TableHandle } from "./symbols.ts";

const forgotten = new FinalizationRegistry<TableHandle>(release);

/** What nearness means, by the number that crosses. */
export const METRICS: readonly ["dot", "cosine", "euclidean"] = ["dot", "cosine", "euclidean"];

/** How long to wait for V8 to free what it collected, in milliseconds, try by try. */
const PATIENCE = [0, 1, 2, 4, 8, 16, 32];

/** An open table. */
export class NativeTable {
  readonly #handle: TableHandle;
  readonly dimension: number;
  #released = false;

  /** Takes over a handle. */
  constructor(handle: TableHandle) {
    this.#handle = handle;
    this.dimension = library().native.tableDimension(handle);
    forgotten.register(this, handle, this);
  }

  /** Makes an empty table. */
  static make(dimension: number): NativeTable {
    return new NativeTable(library().native.tableNew(queueHandle(), dimension));
  }

  /** Finds the table of a token. */
  static find(token: number): NativeTable {
    return new NativeTable(library().native.tableFind(queueHandle(), token));
  }

  /** Whether it was released. */
  get released(): boolean {
    return this.#released;
  }

  /** How many vectors there are. */
  get count(): number {
    return library().native.tableCount(this.#handle);
  }

  /** A number that other isolates find the table by. */
  share(): number {
    return library().native.tableShare(this.#handle);
  }

  /** A second handle, which keeps the table for an operation. */
  hold(): TableHandle {
    return library().native.tableHold(queueHandle(), this.#handle);
  }

  /** Adds rows; returns the number of the first. */
  append(rows: Float32Array<ArrayBuffer>): number {
    const { native, node } = library();
    const bytes = bytesOf(rows);
    for (const patience of PATIENCE) {
      try {
        return native.tableAppend(this.#handle, bytes);
      } catch (error) {
        if (!(error instanceof BudgetExceededError)) throw error;
        // The budget may be full of garbage. V8 frees what it finds on another thread.
        collect(node);
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, patience);
      }
    }
    return native.tableAppend(this.#handle, bytes);
  }

  /** Copies a row out. */
  row(index: number): Float32Array<ArrayBuffer> {
    const row = new Float32Array(this.dimension);
    library().native.tableRow(this.#handle, index, bytesOf(row));
    return row;
  }

  /** The dot product of a row and a query. */
  dot(index: number, query: Float32Array<ArrayBuffer>): number {
    const score = new Float32Array(1);
    library().native.tableDot(this.#handle, index, bytesOf(query), bytesOf(score));
    return score[0]!;
  }

  /** The dot products of all rows with a query. */
  scores(query: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
    const scores = new Float32Array(this.count);
    library().native.tableScores(this.#handle, bytesOf(query), bytesOf(scores));
    return scores;
  }

  /** The nearest rows to each of several queries, `k` for each or as many as there are. */
  nearest(
    metric: (typeof METRICS)[number],
    queries: Float32Array<ArrayBuffer>,
    k: number,
  ): { indices: Uint32Array<ArrayBuffer>; scores: Float32Array<ArrayBuffer> } {
    // Rows that others add meanwhile are not looked at.
    const { count } = this;
    const room = Math.min(k, count) * (queries.length / this.dimension);
    let indices: Uint32Array<ArrayBuffer>;
    let scores: Float32Array<ArrayBuffer>;
    try {
      [indices, scores] = [new Uint32Array(room), new Float32Array(room)];
    } catch {
      throw invalidInput(
        "topK",
        `${Math.min(k, count)} results for each of ${
          queries.length / this.dimension
        } queries are ` +
          "more than fit into memory at once",
        "pass fewer queries, or a smaller k",
      );
    }
    library().native.tableNearest(
      this.#handle,
      METRICS.indexOf(metric),
      count,
      bytesOf(queries),
      bytesOf(indices),
      bytesOf(scores),
    );
    return { indices, scores };
  }

  /** Lets go of the table. Twice is harmless. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    forgotten.unregister(this);
    release(this.#handle);
  }
}

function bytesOf(
  numbers: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
}

/** Releases a handle that an operation held. */
export function releaseTable(handle: TableHandle): void {
  release(handle);
}

function release(handle: TableHandle): void {
  try {
    library().native.tableRelease(handle);
  } catch (error) {
    // It ended with its isolate.
    if (!(error instanceof DipperError)) throw error;
  }
}
