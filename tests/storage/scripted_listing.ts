/**
 * A bucket of made-up keys for a scripted server: answers ListObjectsV2 as S3 does, with prefix,
 * delimiter, start and pages, and knows nothing else.
 */

import type { Asked, Reply } from "./scripted_server.ts";

/** One made-up object. */
export interface MadeUp {
  readonly key: string;
  readonly size: number;
  readonly storageClass?: string;
  /** As XML writes it. */
  readonly lastModified?: string;
}

/** How a made-up bucket behaves. */
export interface MadeUpOptions {
  /** As many entries on a page at most. */
  readonly pageSize?: number;
  /** It starts every listing at the front, whatever is asked. */
  readonly ignoresStart?: boolean;
}

/** The bytes' order. */
export function inBytes(one: string, other: string): number {
  const [left, right] = [one, other].map((text) => Array.from(text, (c) => c.codePointAt(0)!));
  for (let at = 0; at < Math.min(left!.length, right!.length); at++) {
    if (left![at] !== right![at]) return left![at]! - right![at]!;
  }
  return left!.length - right!.length;
}

/** Answers a request for a page. */
export function listed(objects: readonly MadeUp[], options: MadeUpOptions = {}) {
  const sorted = [...objects].sort((one, other) => inBytes(one.key, other.key));
  const firstBehind = (key: string): number => {
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (inBytes(sorted[middle]!.key, key) > 0) high = middle;
      else low = middle + 1;
    }
    return low;
  };
  return (asked: Asked, reply: Reply): Promise<void> => {
    const query = new URL(asked.path, "http://host").searchParams;
    const prefix = query.get("prefix") ?? "";
    const delimiter = query.get("delimiter");
    const size = Math.min(options.pageSize ?? 1000, Number(query.get("max-keys") ?? 1000));
    const after = options.ignoresStart ? null : query.get("start-after");
    const token = query.get("continuation-token");
    let at = token !== null ? Number(token) : Math.max(
      after === null ? 0 : firstBehind(after),
      prefix === ""
        ? 0
        : firstBehind(prefix) - (sorted[firstBehind(prefix) - 1]?.key === prefix ? 1 : 0),
    );
    const parts: string[] = [];
    let count = 0;
    let more = false;
    for (; at < sorted.length; at++) {
      const object = sorted[at]!;
      if (!object.key.startsWith(prefix)) break;
      if (count === size) {
        more = true;
        break;
      }
      count++;
      const end = delimiter === null ? -1 : object.key.indexOf(delimiter, prefix.length);
      if (end === -1) {
        parts.push(
          `<Contents><Key>${encodeURIComponent(object.key)}</Key><Size>${object.size}</Size>` +
            `<LastModified>${object.lastModified ?? "2026-01-02T03:04:05Z"}</LastModified>` +
            `<StorageClass>${object.storageClass ?? "STANDARD"}</StorageClass></Contents>`,
        );
        continue;
      }
      const group = object.key.slice(0, end + delimiter!.length);
      parts.push(`<CommonPrefixes><Prefix>${encodeURIComponent(group)}</Prefix></CommonPrefixes>`);
      while (sorted[at + 1]?.key.startsWith(group)) at++;
    }
    const body = `<ListBucketResult><Name>bucket</Name><EncodingType>url</EncodingType>` +
      `<IsTruncated>${more}</IsTruncated>${
        more ? `<NextContinuationToken>${at}</NextContinuationToken>` : ""
      }${parts.join("")}</ListBucketResult>`;
    return reply.answer(200, { "x-amz-request-id": "SCRIPTED" }, body);
  };
}
