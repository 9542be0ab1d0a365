// How bytes and buffers show themselves: what they hold, how many they are, where they lie and who
// owns them.

import { bytesFacts, type BytesLike } from "./bytes_facts.ts";
import { type ContentPreview, previewContent } from "./content_preview.ts";
import { type MediaBundle, mediaBundle } from "./media_bundle.ts";
import { below, type Fact, plainFacts, plainParts, plainTitle } from "./plain_view.ts";
import { factsTable, title, view } from "./view.ts";

/**
 * Displays bytes by their content: an image as an image, the columns of Parquet and Arrow, CSV and
 * NDJSON as a small table, JSON folded, the head of text, and otherwise the first 256 bytes in
 * hexadecimal; with size in bytes, address and ownership. Reads 64 KiB at most, of Parquet up to
 * 256 KiB of its footer, and the whole of an image up to 720 KiB.
 *
 * @example
 * ```ts
 * showBytes({ bytes: new Uint8Array([1, 2]), state: "adopted", className: "Uint8Array" });
 * ```
 */
export function showBytes(b: BytesLike): MediaBundle {
  const { name, tags, facts, preview } = parts(b);
  return mediaBundle(
    view(title(name, tags), factsTable(facts), preview?.html()),
    plainParts(plainTitle(name, tags), plainFacts(facts), preview && below(preview.text())),
  );
}

interface BytesParts {
  name: string;
  tags: string[];
  facts: Fact[];
  preview: ContentPreview | undefined;
}

function parts(b: BytesLike): BytesParts {
  const { name, facts, isGone } = bytesFacts(b);
  if (isGone) return { name, tags: [b.state], facts, preview: undefined };
  const preview = previewContent(b.bytes, b.bytes.length);
  return { name, tags: [preview.label], facts, preview };
}
