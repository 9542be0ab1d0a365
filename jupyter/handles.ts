// What is to be read in a loop, with the displays of a handle: the iterable or the stream itself has
// none of its own.

import { displayed } from "./media_bundle.ts";
import { describeHandle, type HandleLike, showHandle } from "./show_handle.ts";

/**
 * Gives a value the displays of a handle.
 *
 * @example
 * ```ts
 * shownHandle({ async *[Symbol.asyncIterator]() {} }, { name: "lines", use: ["for await (…)"] });
 * ```
 */
export function shownHandle<T extends object>(value: T, handle: HandleLike): T {
  return displayed(value, () => showHandle(handle), () => describeHandle(handle));
}
