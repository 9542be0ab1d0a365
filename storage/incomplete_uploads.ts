// Uploads in parts that were never completed: listing them, and ending them. Their parts are stored
// and paid for until somebody does.

import type { Connection } from "../client/connection.ts";
import { type Location, parseLocation, requireKey, uriOf } from "../client/s3_uri.ts";
import { DipperError, invalidInput } from "../ffi/errors.ts";
import type { TransferReport } from "../ffi/transfer_report.ts";
import { showUploads } from "../jupyter/show_uploads.ts";
import { checkedCall, checkedLater } from "./call_options.ts";
import { type UploadEntry, uploadMaker } from "./entry.ts";
import type { ListingPlan } from "./listed_pages.ts";
import { checkLimit, Listing, startOf } from "./listing.ts";
import type { CallOptions } from "./read_options.ts";
import { type TransferOptions, TransferTally } from "./transfer_tally.ts";
import { TransferTold } from "./transfer_told.ts";

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

/** As many as are ended at once. */
const AT_ONCE = 16;

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
    signal: options.signal,
    background: options.background,
    show: ({ entries, ...page }) => showUploads({ ...page, uploads: entries }),
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

/** Ends all uploads below a prefix, or those that were begun before a moment. */
export async function abortUploads(
  connection: Connection,
  location: Location,
  options: AbortUploadsOptions,
): Promise<TransferReport> {
  const operation = "abortIncompleteUploads";
  options = checkedCall(options, operation, uriOf(location), ["onError", "olderThan"]);
  const { olderThan = Infinity, signal } = options;
  const before = olderThan instanceof Date ? olderThan.getTime() : olderThan;
  if (typeof before !== "number" || Number.isNaN(before)) {
    throw invalidInput(
      operation,
      "olderThan is no moment",
      "pass a Date, or milliseconds since 1970",
      uriOf(location),
    );
  }
  const tally = new TransferTally(operation, options);
  const told = new TransferTold(options.onProgress, undefined);
  const running = new Set<Promise<void>>();
  const abort = async (upload: UploadEntry): Promise<void> => {
    try {
      await abortUpload(connection, upload, signal === undefined ? {} : { signal }, operation);
      tally.deleted();
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof DipperError)) throw error;
      tally.failed(upload.uri, error);
    }
    told.done();
  };
  try {
    for await (const upload of uploadsOf(connection, location, only(signal), operation)) {
      if (upload.initiated.getTime() >= before) {
        tally.skipped();
        continue;
      }
      told.found();
      const one = abort(upload).finally(() => running.delete(one));
      running.add(one);
      if (running.size >= AT_ONCE) await Promise.race(running);
    }
    await Promise.all(running);
  } finally {
    // A failure of one ends all; those that run are waited for, so that none fails unseen.
    await Promise.allSettled(running);
  }
  signal?.throwIfAborted();
  told.end();
  return tally.end();
}

function only(signal: AbortSignal | undefined): CallOptions {
  return signal === undefined ? {} : { signal };
}
