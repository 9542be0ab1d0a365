// How an object shows itself: what a user would otherwise ask the console of the provider for, and
// the beginning of the content where it was fetched.

import { type ContentPreview, previewContent } from "./content_preview.ts";
import { type MediaBundle, mediaBundle } from "./media_bundle.ts";
import { below, type Fact, plainFacts, plainParts, plainTitle } from "./plain_view.ts";
import { countOf, formatCount } from "./quantities.ts";
import { withoutSecrets } from "./redaction.ts";
import {
  addressFacts,
  type AddressLike,
  properties,
  shownName,
  type StatLike,
} from "./stat_facts.ts";
import { factsTable, noteLine, title, view } from "./view.ts";
import { cutEnd, visibleText } from "./visible_text.ts";

/** An object, as {@linkcode showFile} takes it. */
export interface FileLike extends AddressLike {
  /** Its properties, where they are known. */
  readonly stat?: StatLike;
  /** The beginning of the content, or all of it. */
  readonly preview?: Uint8Array;
  /** The end of the content, where `preview` is only the beginning: Parquet keeps its schema there. */
  readonly tail?: Uint8Array;
  /** Which bytes of the object the file is, where it is a part; `preview` and `tail` are of these. */
  readonly slice?: { readonly start: number; readonly end: number };
  /** Why something is missing, such as `the preview took too long`. */
  readonly note?: string;
}

const MAX_NOTE = 500;

/**
 * Displays an object: address, size, type, date, ETag, storage class, metadata, and the head of
 * its content. The address is shown without credentials and without a signed query.
 *
 * @example
 * ```ts
 * showFile({ uri: "s3://bucket/a.txt", name: "a.txt", stat: { size: 4, metadata: {} } });
 * ```
 */
export function showFile(f: FileLike): MediaBundle {
  const parts = fileParts(f);
  const { name, tags, facts, preview, note } = parts;
  return mediaBundle(
    view(
      title(name, tags),
      factsTable(facts),
      preview?.html(),
      note === undefined ? undefined : noteLine(note),
    ),
    plainFile(parts),
  );
}

interface FileParts {
  name: string;
  tags: string[];
  facts: Fact[];
  preview: ContentPreview | undefined;
  note: string | undefined;
}

function plainFile({ name, tags, facts, preview, note }: FileParts): string {
  return plainParts(
    plainTitle(name, tags),
    plainFacts(facts),
    preview && below(preview.text()),
    note === undefined ? undefined : `  ${visibleText(note)}`,
  );
}

function fileParts(f: FileLike): FileParts {
  const { slice } = f;
  const size = slice === undefined ? f.stat?.size : slice.end - slice.start;
  const preview = f.preview === undefined
    ? undefined
    : previewContent(f.preview, size ?? f.preview.length, f.tail);
  return {
    name: shownName(f),
    tags: preview === undefined ? [] : [preview.label],
    facts: [
      ...addressFacts(f),
      ...(slice === undefined ? [] : [{ label: "Slice", value: rangeOf(slice) }]),
      ...(f.stat === undefined ? [] : properties(f.stat)),
    ],
    preview,
    note: f.note === undefined ? undefined : cutEnd(withoutSecrets(f.note), MAX_NOTE),
  };
}

function rangeOf({ start, end }: { start: number; end: number }): string {
  return end > start
    ? `${countOf(end - start, "byte")}, from ${formatCount(start)} to ${formatCount(end)}`
    : "no bytes";
}
