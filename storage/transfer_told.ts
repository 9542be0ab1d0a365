// Tells how many of many objects are done: for transfers that move no bytes of their own.

import type { Metrics } from "../ffi/metrics.ts";

/** How far a transfer of many files is. */
export interface TransferProgress {
  /** Bytes that are done. */
  bytes: number;
  /** Bytes of the files that are known to be transferred so far; 0 where none are moved. */
  total: number;
  /** Files or objects that are done, failed ones among them. */
  files: number;
  /** Files or objects that are known so far; more may be found, unless they came as an array. */
  totalFiles: number;
  /** What was done for them so far; absent where the server does it. */
  metrics?: Metrics;
}

const INTERVAL = 100;

/** What of many objects is done. */
export class TransferTold {
  readonly #onProgress: ((progress: TransferProgress) => void) | undefined;
  readonly #whole: number | undefined;
  #found = 0;
  #done = 0;
  #told = -Infinity;

  /** `whole` is how many there are, where that is known before they are read. */
  constructor(
    onProgress: ((progress: TransferProgress) => void) | undefined,
    whole: number | undefined,
  ) {
    this.#onProgress = onProgress;
    this.#whole = whole;
  }

  /** One more was found. */
  found(): void {
    this.#found++;
  }

  /** So many more are done. What the listener throws, this throws. */
  done(count: number = 1): void {
    this.#done += count;
    const now = performance.now();
    if (now - this.#told < INTERVAL) return;
    this.#told = now;
    this.#tell();
  }

  /** The last word. */
  end(): void {
    this.#tell();
  }

  #tell(): void {
    const totalFiles = Math.max(this.#whole ?? 0, this.#found);
    this.#onProgress?.({ bytes: 0, total: 0, files: this.#done, totalFiles });
  }
}

/** How many a source holds, where that can be known without reading it. */
export function countOf(sources: object): number | undefined {
  if (Array.isArray(sources)) return sources.length;
  return sources instanceof Set ? sources.size : undefined;
}
