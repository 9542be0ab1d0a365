// One element after the other out of batches: what `for await` runs over.
//
// An element that is there costs one settled promise and no more: there is no generator in between,
// whose queue costs several turns for each. Only the next batch is waited for.

import type { BatchOptions, BatchReader, RawBatch } from "./batches.ts";

/** Elements in order. An array is one. */
export interface Elements<T> {
  readonly length: number;
  at(index: number): T | undefined;
}

const NONE: Elements<never> = [];

/** An iterator over the elements of batches. */
export class ElementIterator<T> implements AsyncIterableIterator<T> {
  readonly #reader: BatchReader;
  readonly #elementsOf: (batch: RawBatch) => Elements<T>;
  #elements: Elements<T> = NONE;
  #at = 0;
  /** The call that waits for a batch, behind which others stand. */
  #waiting: Promise<IteratorResult<T>> | undefined;
  #turns = 0;
  #failed: { reason: unknown } | undefined;
  #returned = false;
  #forget: (() => void) | undefined;

  constructor(
    reader: BatchReader,
    elementsOf: (batch: RawBatch) => Elements<T>,
    { signal }: BatchOptions,
  ) {
    this.#reader = reader;
    this.#elementsOf = elementsOf;
    if (signal === undefined) return;
    if (signal.aborted) this.#fail(signal.reason);
    else this.#forget = listen(signal, new WeakRef(this as ElementIterator<unknown>));
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T>> {
    if (this.#at < this.#elements.length && this.#waiting === undefined) {
      try {
        const value = this.#elements.at(this.#at++) as T;
        return Promise.resolve({ value, done: false });
      } catch (reason) {
        return this.#broken(reason);
      }
    }
    // It is given as it is, with nothing hung onto it: so V8 finds the loop that awaits it, and errors
    // point to the user's line.
    return this.#waiting = this.#turn(this.#waiting);
  }

  /** Ends the source. Elements that were read ahead are dropped. */
  return(value?: unknown): Promise<IteratorResult<T>> {
    this.#returned = true;
    this.#end();
    return this.#reader.settled().then(() => ({ value, done: true }));
  }

  /** Ends the source, as {@linkcode ElementIterator.return} does. */
  throw(reason?: unknown): Promise<IteratorResult<T>> {
    this.#end();
    return Promise.reject(reason);
  }

  /** @internal Fails what is asked for next, once, with the signal's reason. */
  abort(reason: unknown): void {
    this.#fail(reason);
  }

  /** A loop does not end what fails by itself. */
  async #broken(reason: unknown): Promise<never> {
    this.#end();
    await this.#reader.settled();
    throw reason;
  }

  async #turn(before: Promise<unknown> | undefined): Promise<IteratorResult<T>> {
    const turn = ++this.#turns;
    try {
      return await this.#take(before);
    } finally {
      if (this.#turns === turn) this.#waiting = undefined;
    }
  }

  async #take(before: Promise<unknown> | undefined): Promise<IteratorResult<T>> {
    // Whether it failed is told to who asked first.
    if (before !== undefined) await before.catch(() => {});
    while (this.#at >= this.#elements.length) {
      if (this.#failed !== undefined) {
        const { reason } = this.#failed;
        this.#failed = undefined;
        await this.#reader.settled();
        throw reason;
      }
      // What was taken out of it is all that is left of the last batch.
      this.#elements = NONE;
      this.#at = 0;
      const batch = await this.#next();
      if (batch === undefined) {
        if (this.#failed !== undefined) continue;
        this.#end();
        return { value: undefined, done: true };
      }
      try {
        this.#elements = this.#elementsOf(batch);
      } catch (reason) {
        return await this.#broken(reason);
      }
      this.#at = 0;
    }
    try {
      return { value: this.#elements.at(this.#at++) as T, done: false };
    } catch (reason) {
      return await this.#broken(reason);
    }
  }

  async #next(): Promise<RawBatch | undefined> {
    try {
      return await this.#reader.next();
    } catch (reason) {
      this.#failed = undefined;
      this.#end();
      if (this.#returned) return undefined;
      throw reason;
    }
  }

  #fail(reason: unknown): void {
    this.#failed = { reason };
    this.#elements = NONE;
    this.#at = 0;
    this.#reader.end(reason);
    this.#unlisten();
  }

  #end(): void {
    this.#elements = NONE;
    this.#at = 0;
    this.#reader.end();
    this.#unlisten();
  }

  #unlisten(): void {
    this.#forget?.();
    this.#forget = undefined;
  }
}

/**
 * Listens to a signal. It may live for long, and must not keep a forgotten iterator alive: so the
 * listener knows the iterator weakly, and nothing else of it.
 */
function listen(signal: AbortSignal, iterator: WeakRef<ElementIterator<unknown>>): () => void {
  const onAbort = (): void => iterator.deref()?.abort(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  return () => signal.removeEventListener("abort", onAbort);
}
