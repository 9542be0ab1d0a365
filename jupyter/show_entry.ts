// How one line of a listing shows itself: an object or a version of it, a folder, or an upload that is
// not complete.

import { markup } from "./html.ts";
import { type MediaBundle, mediaBundle } from "./media_bundle.ts";
import { type Fact, plainFacts, plainParts, plainTitle } from "./plain_view.ts";
import { formatDate, formatExactBytes } from "./quantities.ts";
import { shownUri } from "./redaction.ts";
import { factsTable, noteLine, title, view } from "./view.ts";
import { cutMiddle, visibleText } from "./visible_text.ts";

/** A line of a listing, as {@linkcode showEntry} takes it. */
export interface EntryFacts {
  /** Its URI. */
  readonly uri: string;
  /** Of an object or an upload: its key. */
  readonly key?: string;
  /** Of a folder: what its keys begin with. */
  readonly prefix?: string;
  /** Bytes. */
  readonly size?: number;
  /** When it was written. */
  readonly lastModified?: Date;
  /** The entity tag. */
  readonly etag?: string;
  /** The storage class. */
  readonly storageClass?: string;
  /** Whose it is. */
  readonly owner?: { readonly id: string; readonly displayName?: string };
  /** Of a version: which. */
  readonly versionId?: string;
  /** Of a version: whether it is the latest. */
  readonly isLatest?: boolean;
  /** Of a version: whether it says that the object was deleted. */
  readonly deleteMarker?: boolean;
  /** Of an upload: the server's name for it. */
  readonly uploadId?: string;
  /** Of an upload: when it was begun. */
  readonly initiated?: Date;
}

const MAX_NAME = 200;

/**
 * Displays a line of a listing.
 *
 * @example
 * ```ts
 * showEntry({ uri: "s3://bucket/2024/", prefix: "2024/" });
 * ```
 */
export function showEntry(entry: EntryFacts): MediaBundle {
  const { name, tags, facts, use } = parts(entry);
  return mediaBundle(
    view(
      title(name, tags),
      factsTable(facts),
      noteLine(markup`<code class="dipper-code">${use}</code>`),
    ),
    describeEntry(entry),
  );
}

/** The plain-text twin of {@linkcode showEntry}. */
export function describeEntry(entry: EntryFacts): string {
  const { name, tags, facts, use } = parts(entry);
  return plainParts(plainTitle(name, tags), plainFacts(facts), `  ${visibleText(use)}`);
}

function parts(entry: EntryFacts): { name: string; tags: string[]; facts: Fact[]; use: string } {
  const { key, prefix, size, lastModified, etag, storageClass, owner, versionId } = entry;
  const { uploadId, initiated, deleteMarker, isLatest } = entry;
  const kind = prefix !== undefined
    ? "folder"
    : uploadId !== undefined
    ? "incomplete upload"
    : deleteMarker
    ? "delete marker"
    : versionId !== undefined
    ? "version"
    : "object";
  const facts: Fact[] = [{ label: "URI", value: shownUri(entry.uri), code: true }];
  if (size !== undefined) facts.push({ label: "Size", value: formatExactBytes(size) });
  if (lastModified !== undefined) {
    facts.push({ label: "Modified", value: formatDate(lastModified) });
  }
  if (initiated !== undefined) facts.push({ label: "Begun", value: formatDate(initiated) });
  if (etag !== undefined) facts.push({ label: "ETag", value: etag, code: true });
  if (versionId !== undefined) facts.push({ label: "Version", value: versionId, code: true });
  if (uploadId !== undefined) facts.push({ label: "Upload", value: uploadId, code: true });
  if (storageClass !== undefined) facts.push({ label: "Class", value: storageClass });
  if (owner !== undefined) facts.push({ label: "Owner", value: owner.displayName ?? owner.id });
  return {
    name: cutMiddle(shownUri(prefix ?? key ?? ""), MAX_NAME) || "(no name)",
    tags: [kind, ...(isLatest ? ["latest"] : [])],
    facts,
    use: prefix !== undefined
      ? "list(entry.uri)"
      : uploadId !== undefined
      ? "await abortUpload(entry)"
      : "file(entry)",
  };
}
