// The versions of one object: the first ones of a listing that starts with its key.

import { displayed } from "../jupyter/media_bundle.ts";
import { describeHandle } from "../jupyter/handle_facts.ts";
import type { ListingLike } from "../jupyter/show_listing.ts";
import type { Location } from "../client/location.ts";
import { checkedLater } from "./call_options.ts";
import type { Entry, ObjectEntry } from "./entry.ts";
import { firstPageOf, listingOf, type ShownPage } from "./listing.ts";
import type { ObjectAt } from "./object_file.ts";
import type { CallOptions } from "./read_options.ts";

const USE = "for await (const { versionId, isLatest, deleteMarker } of \u2026)";

/** The versions of an object, the newest first. */
export function versionsOf(
  { connection, location, uri }: ObjectAt,
  options: CallOptions,
): AsyncIterable<ObjectEntry> {
  const { signal, background, progress } = checkedLater(options, "versions", uri, []);
  const { bucket, key } = location as Location & { scheme: "s3" };
  const listed = listingOf(connection, { bucket, key }, {
    versions: true,
    ...(signal === undefined ? {} : { signal }),
    ...(background === undefined ? {} : { background }),
    ...(progress === undefined ? {} : { progress }),
  });
  const versions = {
    async *[Symbol.asyncIterator]() {
      for await (const entry of listed) {
        // The key itself is the first that starts with it.
        if ("prefix" in entry || entry.key !== key) return;
        yield entry;
      }
    },
  } as AsyncIterable<ObjectEntry>;
  return displayed(
    versions,
    async () => {
      const { showListing } = await import("../jupyter/show_listing.ts");
      return showListing(versionsOn(await firstPageOf(listed), uri, key));
    },
    () => describeHandle({ name: "versions", of: uri, use: [USE] }),
  );
}

/** Of the names that begin with the key, the key itself. */
function versionsOn(page: ShownPage<Entry>, uri: string, key: string): ListingLike {
  const entries = page.entries.filter((entry) => "key" in entry && entry.key === key);
  // Where another name follows, the key's versions are all there.
  const complete = page.complete || entries.length < page.entries.length;
  return { ...page, uri, entries, complete, use: USE };
}
