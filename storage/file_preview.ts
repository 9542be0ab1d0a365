// What a file shows of itself in a notebook: its properties and the beginning of its content, with two
// requests of 64 KiB at most. A display never fails: what goes wrong becomes a note.

import type { StatMessage } from "../ffi/symbols.ts";
import type { FileLike } from "../jupyter/show_file.ts";
import { PREVIEW_PART_BYTES, secondPart } from "../jupyter/preview_parts.ts";
import { formatBytes } from "../jupyter/quantities.ts";
import { rangeIn, type Slice } from "./byte_range.ts";
import { statOf } from "./stat.ts";

const PATIENCE = 3000;

/** A file, as its preview needs it. */
export interface Previewed {
  readonly name: string;
  /** As it may be shown. */
  readonly uri: string;
  /** Which part of the object the file is. */
  readonly slices: readonly Slice[];
  /** Reads a part of the file, in memory that nobody else holds. */
  read(
    start: number,
    end: number,
    options: { signal: AbortSignal; ifMatch?: string },
  ): Promise<{ memory: ArrayBuffer; stat: StatMessage }>;
}

/** Shows a file: calls `show` with what was found, and frees the memory of it afterwards. */
export async function withPreview<T>(of: Previewed, show: (file: FileLike) => T): Promise<T> {
  const { uri, name, slices } = of;
  const held: ArrayBuffer[] = [];
  const signal = AbortSignal.timeout(PATIENCE);
  try {
    let found: FileLike = { uri, name };
    try {
      const { memory, stat: told } = await of.read(0, PREVIEW_PART_BYTES, { signal });
      held.push(memory);
      const stat = statOf(uri, told);
      const slice = slices.length > 0 ? rangeIn(slices, stat.size) : undefined;
      const size = slice === undefined ? stat.size : slice.end - slice.start;
      const preview = new Uint8Array(memory);
      found = { uri, name, stat, preview, ...(slice === undefined ? {} : { slice }) };
      const second = secondPart(preview, size);
      if (second !== undefined) {
        const { memory } = await of.read(second.start, second.end, { signal, ...sameAs(told) });
        held.push(memory);
        const tail = new Uint8Array(memory);
        found = second.start > preview.length
          ? { ...found, tail }
          : { ...found, preview: joined(preview, tail) };
      }
    } catch (error) {
      found = { ...found, note: reasonOf(error, signal) };
    }
    return show(found);
  } finally {
    // Nobody else has seen them: their memory is free at once.
    for (const memory of held) if (!memory.detached) memory.transfer(0);
  }
}

/** Both parts are of one version. A weak tag does not tell bytes apart. */
function sameAs({ etag }: StatMessage): { ifMatch?: string } {
  return etag === undefined || etag.startsWith("W/") ? {} : { ifMatch: etag };
}

function joined(head: Uint8Array, tail: Uint8Array): Uint8Array {
  const all = new Uint8Array(head.length + tail.length);
  all.set(head);
  all.set(tail, head.length);
  return all;
}

function reasonOf(error: unknown, signal: AbortSignal): string {
  if (signal.aborted && error === signal.reason) {
    return `The preview was not there within ${PATIENCE / 1000} s. It would be ${
      formatBytes(PREVIEW_PART_BYTES)
    } of the content; a call such as stat() waits longer.`;
  }
  return error instanceof Error ? error.message : String(error);
}
