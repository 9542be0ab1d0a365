// A handle on something native that is read in order, and its end.
//
// The handle owns no memory that JavaScript sees, so a forgotten one may be released by a
// `FinalizationRegistry`: nothing dangles, the native side only stops reading ahead.

import { library } from "./library.ts";
import type { StreamHandle } from "./symbols.ts";

const forgotten = new FinalizationRegistry<StreamHandle>(release);

/** Holds a handle until it is released, or forgotten. */
export class HeldStream {
  /** What is held. */
  readonly handle: StreamHandle;
  /** The hosts that were granted for it, as each read names them. */
  readonly #granted: readonly string[];
  #released = false;

  /** Takes over a handle, and the hosts that were granted for it. */
  constructor(handle: StreamHandle, granted: readonly string[]) {
    this.handle = handle;
    this.#granted = granted;
    forgotten.register(this, handle, this);
  }

  /** A list of its own, for one call. */
  get granted(): string[] {
    return [...this.#granted];
  }

  /** Ends what is read ahead. Twice is harmless. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    forgotten.unregister(this);
    release(this.handle);
  }
}

function release(handle: StreamHandle): void {
  try {
    library().native.streamRelease(handle);
  } catch {
    // It ended with its client.
  }
}
