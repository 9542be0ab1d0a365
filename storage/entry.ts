// One line of a listing.

/** Whose an object or an upload is. */
export interface Owner {
  /** The account's id. */
  readonly id: string;
  /** Its name, where the server tells it. */
  readonly displayName?: string;
}

/** An object in a listing, or with `versions: true` one version of it. */
export interface ObjectEntry {
  /** The object's URI. */
  readonly uri: string;
  /** Its key. */
  readonly key: string;
  /** Its size in bytes. 0 for a delete marker. */
  readonly size: number;
  /** When it was last written. */
  readonly lastModified: Date;
  /** Its entity tag, with its quotes. */
  readonly etag?: string;
  /** Its storage class. */
  readonly storageClass?: string;
  /** Whose it is: with `owner: true`, and with versions where the server tells it. */
  readonly owner?: Owner;
  /** Which version it is, with `versions: true`. `file(entry)` is on that version. */
  readonly versionId?: string;
  /** Whether it is the latest version, with `versions: true`. */
  readonly isLatest?: boolean;
  /** Whether the version says that the object was deleted, with `versions: true`. */
  readonly deleteMarker?: boolean;
}

/** A group of keys that share what stands before the delimiter. */
export interface PrefixEntry {
  /** The URI that lists the group. */
  readonly uri: string;
  /** What the keys share, with the delimiter. */
  readonly prefix: string;
}

/** An upload in parts that is not complete. Its parts are stored, and paid for. */
export interface UploadEntry {
  /** The URI of the object that it will be. */
  readonly uri: string;
  /** Its key. */
  readonly key: string;
  /** The server's name for the upload. */
  readonly uploadId: string;
  /** When it was begun. */
  readonly initiated: Date;
  /** The storage class that the object will have. */
  readonly storageClass?: string;
  /** Whose it is, where the server tells it. */
  readonly owner?: Owner;
}

/** One line of a listing: an object, or a group of keys. */
export type Entry = ObjectEntry | PrefixEntry;
