// Ending of uploads in parts that are not complete, many at once.

import type { Connection } from "../client/connection.ts";
import { type Location, uriOf } from "../client/s3_uri.ts";
import { DipperError, invalidInput } from "../ffi/errors.ts";
import type { TransferReport } from "../ffi/transfer_report.ts";
import { checkedCall } from "./call_options.ts";
import type { UploadEntry } from "./entry.ts";
import { abortUpload, type AbortUploadsOptions, uploadsOf } from "./incomplete_uploads.ts";
import type { CallOptions } from "./read_options.ts";
import { TransferTally } from "./transfer_tally.ts";
import { TransferTold } from "./transfer_told.ts";

/** As many as are ended at once. */
const AT_ONCE = 16;

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
    const quiet = { ...only(signal), progress: false };
    for await (const upload of uploadsOf(connection, location, quiet, operation)) {
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
