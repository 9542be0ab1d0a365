// What writing takes beside the data, checked before anything is sent.

import type { CallOptions } from "./read_options.ts";

/** What every writing call takes, whatever it writes to. */
export interface LocalWriteOptions extends CallOptions {
  /** `"*"`: write only if there is nothing yet; else a `PreconditionFailedError`. */
  ifNoneMatch?: string;
}

/** How a server encrypts what it stores. */
export type Encryption =
  | "AES256"
  | "aws:kms"
  | {
    /** The key in AWS KMS: an id, an ARN or an alias; AWS's own when unset. */
    kmsKeyId?: string;
    /** What the key's use is bound to, and logged with. */
    context?: Record<string, string>;
    /** Fewer calls of KMS, by a key of the bucket's own. */
    bucketKey?: boolean;
  }
  | {
    /** A key of one's own, 32 bytes or their base64. The server forgets it: so must not you. */
    customerKey: Uint8Array | string;
  };

/** What writing to S3 takes beside the data. */
export interface WriteOptions extends LocalWriteOptions {
  /**
   * The media type. Default: that of a `Blob` or `Response`, else what the name's extension
   * suggests, else the server's.
   */
  contentType?: string;
  /** How the data is encoded, such as `"gzip"`. */
  contentEncoding?: string;
  /** The language of the data, such as `"en"`. */
  contentLanguage?: string;
  /** How a browser presents it, such as `"attachment; filename=a.csv"`. */
  contentDisposition?: string;
  /** How the object may be cached. */
  cacheControl?: string;
  /** When caches should let go of it. */
  expires?: Date;
  /** The user's own metadata: names and values that HTTP headers can carry, 2 KB in all. */
  metadata?: Record<string, string>;
  /** At most ten tags. */
  tags?: Record<string, string>;
  /** The storage class, such as `"STANDARD_IA"`. Default: the server's. */
  storageClass?: string;
  /** Who else may use it: one of S3's canned lists. Most buckets refuse any. */
  acl?:
    | "private"
    | "public-read"
    | "public-read-write"
    | "authenticated-read"
    | "aws-exec-read"
    | "bucket-owner-read"
    | "bucket-owner-full-control";
  /** How the server encrypts it. Default: as the bucket says. */
  encryption?: Encryption;
  /** Write only over the object with this ETag; else a `PreconditionFailedError`. */
  ifMatch?: string;
  /** What the server verifies the bytes with. Default: `"crc64nvme"`, where the server takes it. */
  checksum?: "crc64nvme" | "crc32" | "crc32c" | "sha1" | "sha256" | "none";
  /**
   * Bytes of one part, from 5 MiB to 5 GiB. An object has at most 10,000 parts, and what is no
   * longer than one part is sent in one request. Parts of a stream that are larger than 48 MiB are
   * kept in files without a name, in `TMPDIR` or `/var/tmp`, until they are sent. Default: what
   * suits the size.
   */
  partSize?: number;
}
