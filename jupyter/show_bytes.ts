// How bytes and buffers show themselves: what they hold, how many they are, where they lie and who
// owns them.

import { type ContentPreview, previewContent } from "./content_preview.ts";
import { type MediaBundle, mediaBundle } from "./media_bundle.ts";
import { formatExactBytes } from "./quantities.ts";
import { shownUri } from "./redaction.ts";
import {
  below,
  type Fact,
  factsTable,
  plainFacts,
  plainParts,
  plainTitle,
  title,
  view,
} from "./view.ts";
import { cutMiddle } from "./visible_text.ts";

/** Bytes in memory, as {@linkcode showBytes} takes them. */
export interface BytesLike {
  /** The content. It is not looked at when the memory is gone. */
  readonly bytes: Uint8Array;
  /** Who owns the memory. */
  readonly state: "borrowed" | "adopted" | "unsafe" | "disposed" | "moved" | "detached";
  /** Where the memory lies, such as `0x7f2a4c000000`. */
  readonly address?: string;
  /** The class of the value, such as `RustBuffer` or `Uint8Array`; of many objects, the URI. */
  readonly className: string;
}

const OWNERSHIP: Record<BytesLike["state"], string> = {
  borrowed: "Rust owns the memory; dispose() ends every view",
  adopted: "JavaScript owns the memory; freed with its last holder",
  unsafe: "nothing keeps the memory alive; it dangles after dispose()",
  disposed: "the memory is released",
  moved: "adopt() gave the memory to an ArrayBuffer; this buffer is empty",
  detached: "the memory was transferred elsewhere, or released",
};

/** Where there is no memory any more. */
const GONE: readonly BytesLike["state"][] = ["disposed", "moved", "detached"];

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
  const shown = parts(b);
  const { name, tags, facts, preview } = shown;
  return mediaBundle(
    view(title(name, tags), factsTable(facts), preview?.html()),
    plainText(shown),
  );
}

/** The plain-text twin of {@linkcode showBytes}. */
export function describeBytes(b: BytesLike): string {
  return plainText(parts(b));
}

interface BytesParts {
  name: string;
  tags: string[];
  facts: Fact[];
  preview: ContentPreview | undefined;
}

function plainText({ name, tags, facts, preview }: BytesParts): string {
  return plainParts(plainTitle(name, tags), plainFacts(facts), preview && below(preview.text()));
}

function parts(b: BytesLike): BytesParts {
  const state: Fact = { label: "State", value: b.state, note: `(${OWNERSHIP[b.state]})` };
  const name = cutMiddle(shownUri(b.className), 200);
  if (GONE.includes(b.state)) return { name, tags: [b.state], facts: [state], preview: undefined };
  const preview = previewContent(b.bytes, b.bytes.length);
  const facts: Fact[] = [{ label: "Size", value: formatExactBytes(b.bytes.length) }];
  if (b.address !== undefined) facts.push({ label: "Address", value: b.address, code: true });
  facts.push(state);
  return { name, tags: [preview.label], facts, preview };
}
