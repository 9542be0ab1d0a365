// How the memory report shows itself.

import type { MediaBundle } from "./media_bundle.ts";
import { type MemoryLike, memoryTable } from "./memory_facts.ts";
import { showTable } from "./table_view.ts";

/**
 * Displays the memory report: a bar for each kind of memory against the budget, and the counts of
 * buffers and operations. In a notebook, where buffers are held, also what keeps them most often.
 *
 * @example
 * ```ts
 * showMemory({ bytes: 0, buffers: 0, adopted: 0, operations: 0, pooled: 0, budget: 2 ** 30 });
 * ```
 */
export function showMemory(m: MemoryLike, inNotebook = false): MediaBundle {
  return showTable(memoryTable(m, inNotebook));
}
