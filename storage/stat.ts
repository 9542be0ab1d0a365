// What a server tells about an object.

import type { StatMessage } from "../ffi/symbols.ts";
import { JUPYTER_DISPLAY, type MediaBundle } from "../jupyter/media_bundle.ts";
import { describeStat } from "../jupyter/stat_facts.ts";

/** What a server tells about an object. */
export interface Stat {
  /** The object's URI. */
  readonly uri: string;
  /** The size of the whole object in bytes. */
  readonly size: number;
  /** When it was last written. */
  readonly lastModified?: Date;
  /** The entity tag, with its quotes. */
  readonly etag?: string;
  /** The media type. */
  readonly contentType?: string;
  /** How the stored bytes are encoded, such as `"gzip"`. */
  readonly contentEncoding?: string;
  /** The language of the content, such as `"en"`. */
  readonly contentLanguage?: string;
  /** How a browser presents it, such as `"attachment; filename=a.csv"`. */
  readonly contentDisposition?: string;
  /** How it may be cached. */
  readonly cacheControl?: string;
  /** When caches should let go of it. */
  readonly expires?: Date;
  /** The version, in a bucket that keeps versions. */
  readonly versionId?: string;
  /** The storage class, where it is not the standard one. */
  readonly storageClass?: string;
  /** The user's own metadata. */
  readonly metadata: Record<string, string>;
}

/** A stat with its displays, which are no properties of its own. */
class ShownStat {
  declare readonly uri: string;
  declare readonly size: number;
  declare readonly metadata: Record<string, string>;

  constructor(stat: Stat) {
    Object.assign(this, stat);
  }

  async [JUPYTER_DISPLAY](): Promise<MediaBundle> {
    return (await import("../jupyter/show_stat.ts")).showStat(this);
  }

  [Symbol.for("Deno.customInspect")](): string {
    return describeStat(this);
  }
}

/** A stat from what the native side tells. */
export function statOf(uri: string, message: StatMessage): Stat {
  const { lastModified, expires, ...rest } = message;
  return new ShownStat({
    uri,
    ...rest,
    ...(lastModified === undefined ? {} : { lastModified: new Date(lastModified) }),
    ...(expires === undefined ? {} : { expires: new Date(expires) }),
  });
}
