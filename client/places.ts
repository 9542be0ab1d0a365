// Where bytes come from and go to, for rooms that know neither files nor clients.
//
// What users name (a URI, an entry of a listing, a handle, an `S3Client`) is the business of
// `storage/`, which stands to the right of `bridges/`. So storage says here how a name becomes a
// place, as it is loaded, and the bridges ask here.

import type { Progress } from "../ffi/queue.ts";
import type { WriteMessage } from "../ffi/symbols.ts";
import type { Connection, ReadSubject } from "./connection.ts";

/** What names an object: a URI, a path, a `URL`, an entry of a listing, or a file's handle. */
export type Named = string | URL | { readonly uri: string };

/** A client, as far as other rooms need to know it. */
export interface ClientLike {
  /** A lazy handle on an object. */
  file(at: `s3://${string}`): object;
}

/** What calls take that read or write one object. */
export interface PlaceOptions {
  /** Ends the call early: it rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Told how far it is, at most ten times a second, and once at the end. */
  onProgress?: (progress: Progress) => void;
  /** `false` shows nothing of it in a notebook or a terminal. */
  progress?: boolean;
  /** In a notebook: Stop does not end it. */
  background?: boolean;
  /** The client that it goes through. Default: the one that `configure` set, or the file's own. */
  client?: ClientLike;
}

/** An object to read. */
export interface ReadPlace {
  readonly connection: Connection;
  readonly subject: ReadSubject;
  /** Whether all of the object is meant, and not a slice of it. */
  readonly whole: boolean;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: Progress) => void) | undefined;
  readonly progress: boolean | undefined;
}

/** An object to write. */
export type WritePlace =
  & {
    readonly connection: Connection;
    /** As it may be shown. */
    readonly uri: string;
    readonly signal: AbortSignal | undefined;
    readonly onProgress: ((progress: Progress) => void) | undefined;
    readonly progress: boolean | undefined;
  }
  & (
    | {
      readonly scheme: "s3";
      readonly bucket: string;
      readonly key: string;
      readonly write: WriteMessage;
    }
    | { readonly scheme: "file"; readonly path: string; readonly exclusive: boolean }
  );

/** How names become places. */
export interface Places {
  /**
   * What to read.
   *
   * @throws {InvalidInputError} For what names no object, and options that cannot be meant.
   */
  toRead(source: Named, options: PlaceOptions, operation: string): ReadPlace;
  /**
   * What to write to.
   *
   * @throws {InvalidInputError} For what names no object, and options that cannot be meant.
   * @throws {UnsupportedError} For a web address.
   */
  toWrite(destination: Named, options: PlaceOptions, operation: string): WritePlace;
}
