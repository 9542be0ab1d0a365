// Calls that show how far they are, unless their caller says `progress: false`.

import { isWatched, placeForProgress, type Reached, Watched } from "../jupyter/progress.ts";

export { isWatched, type Reached, type Watched };

/** What a call was given. */
interface Given<P> {
  onProgress?: ((progress: P) => void) | undefined;
  progress?: boolean | undefined;
}

/** Listeners of ours: what a call is made of shows nothing of its own. */
const ours = new WeakSet<(progress: never) => void>();

/**
 * Runs a call of which there may be tens of thousands a second: as {@linkcode watched} where anybody
 * watches, and otherwise as it is, because to be told how far it is costs a record for each.
 */
export async function watchedSmall<P extends Reached, T>(
  operation: string,
  subject: string,
  given: Given<P>,
  run: (onProgress: ((progress: P) => void) | undefined) => Promise<T>,
): Promise<T> {
  if (!isWatched()) return await run(given.onProgress);
  return await watched(operation, subject, given, run);
}

/** Runs a call, and shows how far it is when that takes long. */
export async function watched<P extends Reached, T>(
  operation: string,
  subject: string,
  given: Given<P>,
  run: (onProgress: ((progress: P) => void) | undefined) => Promise<T>,
): Promise<T> {
  const { onProgress } = given;
  const call = watching(operation, subject, given);
  if (call === undefined) return await run(onProgress);
  const listener = (reached: P): void => {
    call.reached(reached);
    onProgress?.(reached);
  };
  ours.add(listener);
  try {
    const result = await run(listener);
    call.end("done");
    return result;
  } catch (error) {
    call.fail(error);
    throw error;
  }
}

/**
 * Begins to watch what is no single promise, such as a stream or a loop. Its time of rest, while
 * whoever reads or writes does something else, is none in which it waits.
 *
 * @returns `undefined` when nothing is to be shown.
 */
export function watching<P extends Reached>(
  operation: string,
  subject: string,
  { onProgress, progress }: Given<P>,
): Watched | undefined {
  if (progress === false || (onProgress !== undefined && ours.has(onProgress))) return undefined;
  return new Watched(operation, subject, placeForProgress());
}
