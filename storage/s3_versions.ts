// The versions of one object: the first ones of a listing that starts with its key.

import type { Location } from "../client/location.ts";
import { checkedLater } from "./call_options.ts";
import type { ObjectEntry } from "./entry.ts";
import { listingOf } from "./listing.ts";
import type { ObjectAt } from "./object_file.ts";
import type { CallOptions } from "./read_options.ts";

/** The versions of an object, the newest first. */
export function versionsOf(
  { connection, location, uri }: ObjectAt,
  options: CallOptions,
): AsyncIterable<ObjectEntry> {
  const { signal, background } = checkedLater(options, "versions", uri, []);
  const { bucket, key } = location as Location & { scheme: "s3" };
  const listed = listingOf(connection, { bucket, key }, {
    versions: true,
    ...(signal === undefined ? {} : { signal }),
    ...(background === undefined ? {} : { background }),
  });
  return {
    async *[Symbol.asyncIterator]() {
      for await (const entry of listed) {
        // The key itself is the first that starts with it.
        if ("prefix" in entry || entry.key !== key) return;
        yield entry;
      }
    },
    [Symbol.for("Deno.customInspect")]: () =>
      `Versions of ${uri}: for await (const { versionId, isLatest, deleteMarker } of …)`,
  } as AsyncIterable<ObjectEntry>;
}
