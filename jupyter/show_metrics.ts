// How the account of a read shows itself.

import { type MediaBundle, mediaBundle } from "./media_bundle.ts";
import { describeMetrics, metricsFacts, type MetricsLike, metricsTags } from "./metrics_facts.ts";
import { factsTable, title, view } from "./view.ts";

/**
 * Displays what a read did: bytes and parts, the way they came, the requests and their price, and
 * what was copied.
 *
 * @example
 * ```ts
 * showMetrics({
 *   bytes: 4,
 *   parts: 1,
 *   retries: 0,
 *   timeToFirstByte: 2,
 *   connectionsOpened: 1,
 *   requests: 1,
 *   estimatedCost: 4e-7,
 *   copies: 0,
 *   transport: "direct",
 *   verified: "crc64nvme",
 * });
 * ```
 */
export function showMetrics(m: MetricsLike): MediaBundle {
  return mediaBundle(
    view(title("Metrics", metricsTags(m)), factsTable(metricsFacts(m))),
    describeMetrics(m),
  );
}
