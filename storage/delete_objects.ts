// Deleting what a transfer found to be too much at its destination.

import type { Connection } from "../client/connection.ts";
import { deleteMany } from "./delete_many.ts";
import type { ObjectEntry } from "./entry.ts";
import type { TransferTally } from "./transfer_tally.ts";

/** Deletes objects, or plans to. What fails is in the tally. */
export async function deleteObjects(
  connection: Connection,
  entries: readonly ObjectEntry[],
  { dryRun, signal }: { dryRun: boolean; signal?: AbortSignal },
  tally: TransferTally,
): Promise<void> {
  if (dryRun) {
    for (const { uri, size } of entries) {
      tally.planned({ action: "delete", target: uri, bytes: size });
    }
    return;
  }
  if (entries.length === 0) return;
  const followed = signal === undefined ? {} : { signal };
  // The transfer shows itself.
  const options = { onError: "collect", progress: false, ...followed } as const;
  const { deleted, failures } = await deleteMany(connection, entries, options);
  tally.deleted(deleted);
  for (const { uri, error } of failures) tally.failed(uri, error);
}
