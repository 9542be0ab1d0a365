// One line of a listing.

import type { EntryMessage } from "../ffi/symbols.ts";

/** An object in a listing. */
export interface ObjectEntry {
  /** The object's URI. */
  readonly uri: string;
  /** Its key. */
  readonly key: string;
  /** Its size in bytes. */
  readonly size: number;
  /** When it was last written. */
  readonly lastModified: Date;
  /** Its entity tag, with its quotes. */
  readonly etag?: string;
  /** Its storage class. */
  readonly storageClass?: string;
}

/** A group of keys that share what stands before the delimiter. */
export interface PrefixEntry {
  /** The URI that lists the group. */
  readonly uri: string;
  /** What the keys share, with the delimiter. */
  readonly prefix: string;
}

/** One line of a listing: an object, or a group of keys. */
export type Entry = ObjectEntry | PrefixEntry;

/** An entry from what the native side tells. */
export function entryOf(bucket: string, message: EntryMessage): Entry {
  if ("prefix" in message) {
    return { uri: `s3://${bucket}/${message.prefix}`, prefix: message.prefix };
  }
  const { key, lastModified, ...rest } = message;
  return { uri: `s3://${bucket}/${key}`, key, ...rest, lastModified: new Date(lastModified) };
}
