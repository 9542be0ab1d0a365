// Buckets as a list that shows itself.

import type { BucketMessage } from "../ffi/symbols.ts";
import { displayed } from "../jupyter/media_bundle.ts";
import { describeBuckets, showBuckets } from "../jupyter/show_buckets.ts";
import type { CallOptions } from "./read_options.ts";

/** What `createBucket` takes beside the name. */
export interface CreateBucketOptions extends CallOptions {
  /** Whether the bucket keeps the versions of its objects. Default: no. */
  versioning?: boolean;
}

/** A bucket of the caller. */
export interface Bucket {
  /** Its name. */
  readonly name: string;
  /** When it was made. */
  readonly createdAt?: Date;
  /** Where it lives, where the server says so. */
  readonly region?: string;
}

/** Buckets from what the native side tells: an array with displays. */
export function bucketsOf(messages: readonly BucketMessage[]): Bucket[] {
  const buckets: Bucket[] = messages.map(({ createdAt, ...rest }) =>
    createdAt === undefined ? rest : { ...rest, createdAt: new Date(createdAt) }
  );
  return displayed(buckets, () => showBuckets(buckets), () => describeBuckets(buckets));
}
