// Entries out of the pages that the native side lists.

import type { PageMessage } from "../ffi/symbols.ts";
import { JUPYTER_DISPLAY, type MediaBundle } from "../jupyter/media_bundle.ts";
import { isActive } from "../jupyter/plugin.ts";
import type { EntryFacts } from "../jupyter/show_entry.ts";
import type { Entry, ObjectEntry, Owner, UploadEntry } from "./entry.ts";

/** What `sizes` says of a group. */
export const GROUP = -1;
const LATEST = 1;
const DELETE_MARKER = 2;

/** Makes the entries of a page, each when it is wanted. */
export type EntryMaker<T> = (page: PageMessage, index: number) => T;

/** Makes objects and groups. */
export function objectMaker(bucket: string): EntryMaker<Entry> {
  const start = `s3://${bucket}/`;
  return (page, index) => {
    const key = page.names[index]!;
    const size = page.sizes[index]!;
    const uri = start + key;
    if (size === GROUP) return { uri, prefix: key };
    const lastModified = new Date(page.times[index]!);
    const etag = page.etags?.[index];
    const storageClass = classOf(page, index);
    // As nearly all are. Objects of one form are the quickest to make.
    if (etag && storageClass !== undefined && page.flags === undefined && !page.owners) {
      return { uri, key, size, lastModified, etag, storageClass };
    }
    const entry: { -readonly [K in keyof ObjectEntry]: ObjectEntry[K] } = {
      uri,
      key,
      size,
      lastModified,
    };
    if (etag) entry.etag = etag;
    if (storageClass !== undefined) entry.storageClass = storageClass;
    const owner = ownerOf(page, index);
    if (owner !== undefined) entry.owner = owner;
    return entry;
  };
}

/** Makes versions and groups. */
export function versionMaker(bucket: string): EntryMaker<Entry> {
  const object = objectMaker(bucket);
  return (page, index) => {
    const entry = object(page, index);
    if ("prefix" in entry) return entry;
    const flags = page.flags?.[index] ?? 0;
    return {
      ...entry,
      // What was written before versions were kept has this name.
      versionId: page.ids?.[index] || "null",
      isLatest: (flags & LATEST) !== 0,
      deleteMarker: (flags & DELETE_MARKER) !== 0,
    };
  };
}

/** Makes uploads. */
export function uploadMaker(bucket: string): EntryMaker<UploadEntry> {
  const start = `s3://${bucket}/`;
  return (page, index) => {
    const key = page.names[index]!;
    const storageClass = classOf(page, index);
    const owner = ownerOf(page, index);
    return {
      uri: start + key,
      key,
      uploadId: page.ids?.[index] ?? "",
      initiated: new Date(page.times[index]!),
      ...(storageClass === undefined ? {} : { storageClass }),
      ...(owner === undefined ? {} : { owner }),
    };
  };
}

/** The storage class of a line. */
export function classOf(page: PageMessage, index: number): string | undefined {
  return page.classOf === undefined ? page.classes?.[0] : page.classes?.[page.classOf[index]!];
}

function ownerOf(page: PageMessage, index: number): Owner | undefined {
  return page.ownerOf === undefined ? page.owners?.[0] : page.owners?.[page.ownerOf[index]!];
}

/** In a notebook, entries that show themselves; elsewhere they are plain, which is quicker. */
export function shownEntries<T>(make: EntryMaker<T>): EntryMaker<T> {
  if (!isActive()) return make;
  return (page, index) =>
    Object.defineProperty(make(page, index), JUPYTER_DISPLAY, { configurable: true, value: shown });
}

async function shown(this: EntryFacts): Promise<MediaBundle> {
  return (await import("../jupyter/show_entry.ts")).showEntry(this);
}
