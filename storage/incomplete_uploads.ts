// Uploads in parts that were never completed: listing them, and ending one. Their parts are stored
// and paid for until somebody does.

import type { Connection } from "../client/connection.ts";
import { type Location, parseLocation, requireKey, uriOf } from "../client/s3_uri.ts";
import { invalidInput } from "../ffi/errors.ts";
import { checkedCall, checkedLater } from "./call_options.ts";
import { uploadMaker } from "./entry_makers.ts";
import type { UploadEntry } from "./entry.ts";
import type { ListingPlan } from "./listed_pages.ts";
import { checkLimit, Listing, startOf } from "./listing.ts";
import type { CallOptions } from "./read_options.ts";
import type { TransferOptions } from "./transfer_tally.ts";

/** What `incompleteUploads` takes beside the prefix. */
export interface UploadsOptions extends CallOptions {
  /** At most so many. */
  limit?: number;
  /** Goes on where another listing of the same URI was: what its `token` said. */
  token?: string;
}

/** What `abortIncompleteUploads` takes beside the prefix. */
export interface AbortUploadsOptions extends TransferOptions {
  /** Only what was begun before this moment: a `Date`, or milliseconds since 1970. */
  olderThan?: Date | number;
}

/** The uploads below a prefix that are not complete. */
export function uploadsOf(
  connection: Connection,
  location: Location,
  options: UploadsOptions,
  operation: string = "incompleteUploads",
): Listing<UploadEntry> {
  const uri = uriOf(location);
  options = checkedLater(options, operation, uri, ["limit", "token"]);
  checkLimit(options.limit, operation, uri);
  const { bucket, key: prefix } = location;
  const plan: ListingPlan = {
    operation,
    uri,
    what: "uploads",
    bucket,
    prefix,
    delimiter: undefined,
    owner: false,
  };
  return new Listing<UploadEntry>(connection, {
    plan,
    make: uploadMaker(bucket),
    place: startOf(plan, options),
    limit: options.limit ?? Infinity,
    token: options.token,
    progress: options.progress,
    signal: options.signal,
    background: options.background,
    show: async ({ entries, ...page }) => {
      const { showUploads } = await import("../jupyter/show_uploads.ts");
      return showUploads({ ...page, uploads: entries });
    },
  });
}

/** Ends one upload. */
export async function abortUpload(
  connection: Connection,
  upload: Pick<UploadEntry, "uri" | "uploadId">,
  options: CallOptions,
  operation: string = "abortUpload",
): Promise<void> {
  const { uri, uploadId } = typeof upload === "object" && upload !== null
    ? upload
    : { uri: undefined, uploadId: undefined };
  if (
    typeof uri !== "string" || typeof uploadId !== "string" || !/^[^\s\p{Cc}]+$/u.test(uploadId)
  ) {
    throw invalidInput(
      operation,
      "that is no upload",
      "pass an entry of incompleteUploads(), or { uri, uploadId }",
    );
  }
  const { bucket, key } = requireKey(parseLocation(uri, operation), operation);
  options = checkedCall(options, operation, uri, []);
  await connection.run(
    { operation, uri, bucket },
    (client) => ({ operation: "abortIncomplete", object: { client, bucket, key }, uploadId }),
    { signal: options.signal },
  );
}
