// What is below a directory of this machine.

import { type DipperError, errorOf, InternalError } from "../ffi/errors.ts";
import { adoptedBytes } from "../ffi/memory.ts";
import { submit } from "../ffi/queue.ts";
import type { TreeEntryMessage, TreeKindMessage } from "../ffi/symbols.ts";

/** An entry of a directory. */
export interface LocalEntry {
  readonly kind: TreeKindMessage;
  /** In bytes. */
  readonly size: number;
  /** When it was last changed, in milliseconds since 1970. */
  readonly modified: number;
}

/** What is below a directory, by paths with slashes. */
export interface LocalTree {
  readonly entries: ReadonlyMap<string, LocalEntry>;
  /** What could not be looked at. Then nobody knows all that is there. */
  readonly failures: readonly DipperError[];
}

/** Looks at all that is below a directory; links are not followed. */
export async function localTree(
  directory: string | undefined,
  operation: string,
  { clean, signal }: { clean: boolean; signal?: AbortSignal | undefined },
): Promise<LocalTree> {
  const entries = new Map<string, LocalEntry>();
  const failures: DipperError[] = [];
  signal?.throwIfAborted();
  if (directory === undefined) return { entries, failures };
  const decoder = new TextDecoder();
  await submit({ granted: [], request: { operation: "scanTree", directory, clean } }, {
    signal,
    operation,
    onItem: (_index, page, _length, failure) => {
      if (failure !== undefined) {
        failures.push(errorOf(failure, operation));
        return;
      }
      const found = JSON.parse(decoder.decode(adoptedBytes(page))) as TreeEntryMessage[];
      for (const [path, kind, size, modified] of found) entries.set(path, { kind, size, modified });
    },
  });
  return { entries, failures };
}

/** Removes files below a directory, and folders that are empty then. */
export async function removeFiles(
  directory: string,
  paths: readonly string[],
  operation: string,
  signal: AbortSignal | undefined,
  onRemoved: (path: string, error: DipperError | undefined) => void,
): Promise<void> {
  await submit(
    { granted: [], request: { operation: "removeFiles", directory, paths: [...paths] } },
    {
      signal,
      operation,
      onItem: (index, _value, _length, failure) => {
        const path = paths[index];
        if (path === undefined) {
          throw new InternalError(`there is no file ${index}`, { code: "Internal", operation });
        }
        onRemoved(path, failure === undefined ? undefined : errorOf(failure, operation));
      },
    },
  );
}
