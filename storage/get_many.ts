// `getMany`: what it takes and what it gives. `many_reads.ts` reads, and is loaded with the first loop.

import type { Connection } from "../client/connection.ts";
import { LateIterator } from "../client/late_iterator.ts";
import { type DipperError, invalidInput } from "../ffi/errors.ts";
import type { Progress } from "../ffi/queue.ts";
import { stoppable } from "../ffi/stop.ts";
import { shownHandle } from "../jupyter/handles.ts";
import { formatCount } from "../jupyter/quantities.ts";
import { checkedLater } from "./call_options.ts";
import type { CallOptions, Source } from "./read_options.ts";

/** What became of one source of `getMany`: its bytes, or why there are none. */
export type Fetched =
  | {
    /** The source's URI, as it was given. */
    readonly uri: string;
    /** The object's bytes. */
    readonly bytes: Uint8Array<ArrayBuffer>;
    /** Absent. */
    readonly error?: undefined;
  }
  | {
    /** The source's URI, as it was given. */
    readonly uri: string;
    /** Absent. */
    readonly bytes?: undefined;
    /** Why there are no bytes. */
    readonly error: DipperError;
  };

/** What `getMany` takes beside the sources. */
export interface GetManyOptions extends CallOptions {
  /** Results in the order of the sources. Default: in the order in which they come. */
  ordered?: boolean;
  /**
   * Told how many bytes came, at most ten times a second, and once at the end. The total is known
   * when the sources are an array whose entries all tell their size; else it is 0.
   */
  onProgress?: (progress: Progress) => void;
}

const OPERATION = "getMany";
const USE = "for await (const { uri, bytes, error } of \u2026)";

/** Many objects, to be read with `for await`. Each loop reads anew, as far as the sources allow. */
export function manyObjects(
  connection: Connection,
  sources: Iterable<Source> | AsyncIterable<Source>,
  options: GetManyOptions,
): AsyncIterable<Fetched> {
  const checked = checkedLater(options, OPERATION, undefined, ["ordered"]);
  const isSource = typeof sources === "object" && sources !== null &&
    (Symbol.asyncIterator in sources || Symbol.iterator in sources);
  if (!isSource) {
    throw invalidInput(OPERATION, "the sources are no list", "pass an array or another iterable");
  }
  const many = {
    [Symbol.asyncIterator]() {
      // Only now it is known which Stop of a notebook is meant.
      const signal = stoppable(OPERATION, checked.signal, checked.background);
      return new LateIterator(async () => {
        const { ManyReads } = await import("./many_reads.ts");
        return new ManyReads(connection, sources, checked, signal);
      });
    },
  };
  const facts = Array.isArray(sources)
    ? [{ label: "Sources", value: formatCount(sources.length) }]
    : [];
  return shownHandle(many, { name: "getMany", facts, use: [USE] });
}
