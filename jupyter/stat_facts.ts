// What is said of an object without its content: its properties, and its address.

import { type Fact, plainFacts, plainParts, plainTitle } from "./plain_view.ts";
import { formatDate, formatExactBytes } from "./quantities.ts";
import { shownUri, withoutSecrets } from "./redaction.ts";
import { cutMiddle } from "./visible_text.ts";

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

/** The address of an object, or of a part of it. */
export interface AddressLike {
  /** The URI; credentials and signed queries are not shown. */
  readonly uri: string;
  /** The last part of the key. */
  readonly name: string;
  /** The slices that the file is of the object, where its size is not known: `.slice(2, 5)`. */
  readonly slices?: string;
}

const MAX_NAME = 200;
const MAX_METADATA = 32;

/** An object in a terminal, of which nothing was asked yet. */
export function describeAddress(a: AddressLike): string {
  return plainParts(plainTitle(shownName(a), []), plainFacts(addressFacts(a)));
}

/** A name that is empty (a key ending in "/") or an address in disguise is redacted like one. */
export function shownName({ name }: AddressLike): string {
  return cutMiddle(shownUri(name), MAX_NAME) || "(no name)";
}

/** Where an object lies. */
export function addressFacts({ uri, slices }: AddressLike): Fact[] {
  return [
    { label: "URI", value: shownUri(uri), code: true },
    ...(slices ? [{ label: "Slice", value: slices, code: true }] : []),
  ];
}

/** The plain-text twin of {@linkcode showStat}. */
export function describeStat(s: StatLike & { uri: string }): string {
  return plainParts(plainTitle("Stat", []), plainFacts(statFacts(s)));
}

/** The address and the properties of an object. */
export function statFacts(s: StatLike & { uri: string }): Fact[] {
  return [{ label: "URI", value: shownUri(s.uri), code: true }, ...properties(s)];
}

/** The properties of an object as facts. */
export function properties(s: StatLike): Fact[] {
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
    facts.push({
      label: "\u2026",
      value: `${metadata.length - MAX_METADATA} more metadata entries`,
    });
  }
  return facts;
}
