// A loop whose code is loaded when it begins.

/** An iterator that does the work, once it is loaded. */
type Worker<T> = AsyncIterator<T, void, void>;

/**
 * An iterator that is made, by code that is loaded then, when it is first asked for an item. Once it
 * is there, an item costs one call more and no promise.
 */
export class LateIterator<T> implements AsyncIterableIterator<T, void, void> {
  readonly #load: () => Promise<Worker<T>>;
  #loading: Promise<Worker<T>> | undefined;
  #loaded: Worker<T> | undefined;
  #ended = false;

  /** Takes what loads the code and makes the iterator. */
  constructor(load: () => Promise<Worker<T>>) {
    this.#load = load;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next item. */
  next(): Promise<IteratorResult<T, void>> {
    if (this.#loaded !== undefined) return this.#loaded.next();
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    this.#loading ??= this.#load();
    // Calls that came meanwhile are served in their order: these run one right after the other.
    return this.#loading.then((worker) => (this.#loaded = worker).next());
  }

  /** Leaves the loop. One that never began loads nothing. */
  async return(value?: void): Promise<IteratorResult<T, void>> {
    this.#ended = true;
    const worker = await this.#loading;
    return await worker?.return?.(value) ?? { done: true, value: value as void };
  }

  /** Leaves the loop with an error. */
  async throw(reason: unknown): Promise<IteratorResult<T, void>> {
    await this.return();
    throw reason;
  }
}
