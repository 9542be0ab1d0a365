// What is to be read in a loop, with the displays of a handle: the iterable or the stream itself has
// none of its own.

import { describeHandle, type HandleLike } from "./handle_facts.ts";
import { displayed, type MediaBundle } from "./media_bundle.ts";

/**
 * Gives a value the displays of a handle.
 *
 * @example
 * ```ts
 * shownHandle({ async *[Symbol.asyncIterator]() {} }, { name: "lines", use: ["for await (...)"] });
 * ```
 */
export function shownHandle<T extends object>(value: T, handle: HandleLike): T {
  return displayed(value, () => shown(handle), () => describeHandle(handle));
}

/** The same in a notebook only, for what a terminal shows well by itself. */
export function shownAsHandle<T extends object>(value: T, handle: HandleLike): T {
  return displayed(value, () => shown(handle));
}

async function shown(handle: HandleLike): Promise<MediaBundle> {
  return (await import("./show_handle.ts")).showHandle(handle);
}
