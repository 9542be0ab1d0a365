// How a table of vectors shows itself.

import { type EmbeddingsLike, embeddingsTable } from "./embeddings_facts.ts";
import type { MediaBundle } from "./media_bundle.ts";
import { showTable } from "./table_view.ts";

/**
 * Displays a table of vectors: how many of which length, and the first and last with a line through
 * their numbers.
 *
 * @example
 * ```ts
 * showEmbeddings({ length: 1, dimension: 2, rows: [{ index: 0, vector: new Float32Array(2) }] });
 * ```
 */
export function showEmbeddings(table: EmbeddingsLike): MediaBundle {
  return showTable(embeddingsTable(table));
}
