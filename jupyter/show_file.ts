// How an object and its properties show themselves: what a user would otherwise ask the console of
// the provider for, and the beginning of the content where it was fetched.

import { type ContentPreview, previewContent } from "./content_preview.ts";
import { type MediaBundle, mediaBundle } from "./media_bundle.ts";
import { countOf, formatCount, formatDate, formatExactBytes } from "./quantities.ts";
import { shownUri, withoutSecrets } from "./redaction.ts";
import {
  below,
  type Fact,
  factsTable,
  noteLine,
  plainFacts,
  plainParts,
  plainTitle,
  title,
  view,
} from "./view.ts";
import { cutEnd, cutMiddle, visibleText } from "./visible_text.ts";

/** The properties of an object, as {@linkcode showStat} takes them. */
export interface StatLike {
  /** Bytes. */
  readonly size: number;
  /** When it was written. */
  readonly lastModified?: Date;
  /** The entity tag, as the server sends it. */
  readonly etag?: string;
  /** The media type that the writer declared. */
  readonly contentType?: string;
  /** The storage class, such as `STANDARD`. */
  readonly storageClass?: string;
  /** How the stored bytes are encoded, such as `gzip`. */
  readonly contentEncoding?: string;
  /** The version, in a bucket that keeps versions. */
  readonly versionId?: string;
  /** What the writer attached, by name. */
  readonly metadata: Record<string, string>;
}

/** An object, as {@linkcode showFile} takes it. */
export interface FileLike {
  /** Its address; credentials and signed queries are not shown. */
  readonly uri: string;
  /** The last part of the key. */
  readonly name: string;
  /** Its properties, where they are known. */
  readonly stat?: StatLike;
  /** The beginning of the content, or all of it. */
  readonly preview?: Uint8Array;
  /** The end of the content, where `preview` is only the beginning: Parquet keeps its schema there. */
  readonly tail?: Uint8Array;
  /** Which bytes of the object the file is, where it is a part; `preview` and `tail` are of these. */
  readonly slice?: { readonly start: number; readonly end: number };
  /** The slices that the file is of the object, where its size is not known: `.slice(2, 5)`. */
  readonly slices?: string;
  /** Why something is missing, such as `the preview took too long`. */
  readonly note?: string;
}

const MAX_NAME = 200;
const MAX_NOTE = 500;
const MAX_METADATA = 32;

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

/** The plain-text twin of {@linkcode showFile}. */
export function describeFile(f: FileLike): string {
  return plainFile(fileParts(f));
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

/**
 * Displays the properties of an object, without its content.
 *
 * @example
 * ```ts
 * showStat({ uri: "s3://bucket/a.txt", size: 4, metadata: {} });
 * ```
 */
export function showStat(s: StatLike & { uri: string }): MediaBundle {
  return mediaBundle(view(title("Stat", []), factsTable(statFacts(s))), describeStat(s));
}

/** The plain-text twin of {@linkcode showStat}. */
export function describeStat(s: StatLike & { uri: string }): string {
  return plainParts(plainTitle("Stat", []), plainFacts(statFacts(s)));
}

function statFacts(s: StatLike & { uri: string }): Fact[] {
  return [{ label: "URI", value: shownUri(s.uri), code: true }, ...properties(s)];
}

function fileParts(f: FileLike): FileParts {
  const { slice } = f;
  const size = slice === undefined ? f.stat?.size : slice.end - slice.start;
  const preview = f.preview === undefined
    ? undefined
    : previewContent(f.preview, size ?? f.preview.length, f.tail);
  return {
    // A name that is empty (a key ending in "/") or an address in disguise is redacted like one.
    name: cutMiddle(shownUri(f.name), MAX_NAME) || "(no name)",
    tags: preview === undefined ? [] : [preview.label],
    facts: [
      { label: "URI", value: shownUri(f.uri), code: true },
      ...(f.slices ? [{ label: "Slice", value: f.slices, code: true }] : []),
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

function properties(s: StatLike): Fact[] {
  const facts: Fact[] = [{ label: "Size", value: formatExactBytes(s.size) }];
  if (s.contentType !== undefined) facts.push({ label: "Type", value: s.contentType });
  if (s.contentEncoding !== undefined) {
    facts.push({ label: "Encoding", value: s.contentEncoding });
  }
  if (s.lastModified !== undefined) {
    facts.push({ label: "Modified", value: formatDate(s.lastModified) });
  }
  if (s.etag !== undefined) facts.push({ label: "ETag", value: s.etag, code: true });
  if (s.versionId !== undefined) facts.push({ label: "Version", value: s.versionId, code: true });
  if (s.storageClass !== undefined) facts.push({ label: "Class", value: s.storageClass });
  const metadata = Object.entries(s.metadata);
  for (const [name, value] of metadata.slice(0, MAX_METADATA)) {
    facts.push({ label: cutMiddle(name, 60), value: withoutSecrets(value), note: "(metadata)" });
  }
  if (metadata.length > MAX_METADATA) {
    facts.push({ label: "…", value: `${metadata.length - MAX_METADATA} more metadata entries` });
  }
  return facts;
}
