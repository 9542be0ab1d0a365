// What an operation did: counted by the native side, remembered here beside its results.

import { JUPYTER_DISPLAY, type MediaBundle } from "../jupyter/media_bundle.ts";
import { describeMetrics } from "../jupyter/metrics_facts.ts";
import type { MetricsMessage } from "./symbols.ts";

/** What a read or a write did. */
export interface Metrics {
  /** Bytes that were read or written. */
  readonly bytes: number;
  /** In how many parts they were asked for, or sent. */
  readonly parts: number;
  /** How often something was tried again. */
  readonly retries: number;
  /** From the start to the first byte of a body, in milliseconds. */
  readonly timeToFirstByte: number;
  /** How many connections were made for it; 0 when those of earlier reads served. */
  readonly connectionsOpened: number;
  /** How many requests were sent. */
  readonly requests: number;
  /** What the requests cost at the list price of S3 Standard, in US dollars. */
  readonly estimatedCost: number;
  /** How many bytes were copied in user space between the socket and the result. */
  readonly copies: number;
  /** Which way the bytes took. */
  readonly transport: "direct" | "sdk" | "http" | "file";
  /** The checksum that the bytes were verified with. */
  readonly verified: "crc64nvme" | "crc32" | "crc32c" | "sha1" | "sha256" | "none";
}

/** Metrics with their displays, which are no properties of their own. */
class ShownMetrics implements Metrics {
  constructor(
    readonly bytes: number,
    readonly parts: number,
    readonly retries: number,
    readonly timeToFirstByte: number,
    readonly connectionsOpened: number,
    readonly requests: number,
    readonly estimatedCost: number,
    readonly copies: number,
    readonly transport: Metrics["transport"],
    readonly verified: Metrics["verified"],
  ) {}

  async [JUPYTER_DISPLAY](): Promise<MediaBundle> {
    return (await import("../jupyter/show_metrics.ts")).showMetrics(this);
  }

  [Symbol.for("Deno.customInspect")](): string {
    return describeMetrics(this);
  }
}

/** Metrics from what the native side tells. */
export function metricsFrom(told: MetricsMessage | Metrics): Metrics {
  return new ShownMetrics(
    told.bytes,
    told.parts,
    told.retries,
    told.timeToFirstByte,
    told.connectionsOpened,
    told.requests,
    told.estimatedCost,
    told.copies,
    told.transport,
    told.verified as Metrics["verified"],
  );
}

/** The account of several operations together. The first one's time and way stand for all. */
export function metricsOfAll(first: Metrics, second: Metrics): Metrics {
  return metricsFrom({
    ...first,
    bytes: first.bytes + second.bytes,
    parts: first.parts + second.parts,
    retries: first.retries + second.retries,
    connectionsOpened: first.connectionsOpened + second.connectionsOpened,
    requests: first.requests + second.requests,
    estimatedCost: first.estimatedCost + second.estimatedCost,
    copies: first.copies + second.copies,
    verified: first.verified === second.verified ? first.verified : "none",
  });
}

/** Weakly: results are collected as if nobody knew their metrics. */
const known = new WeakMap<object, Metrics>();

/** Remembers what it took to read a result. */
export function rememberMetrics<T extends object>(result: T, metrics: Metrics): T {
  known.set(result, metrics);
  return result;
}

/**
 * What a call took: of what `bytes`, `arrayBuffer`, `buffer`, `into`, `ranges` and `get` return, and
 * of the `Stat` of a `write`. Of a stream: what it took so far, once its first bytes were asked for;
 * of a `writer()`: once it is closed.
 *
 * @param result What such a call returned; not a copy, a view or a part of it.
 * @returns Undefined for anything else.
 *
 * @example
 * ```ts
 * import { LocalS3 } from "dipper";
 * await using s3 = await LocalS3.start();
 * const client = s3.client();
 * await client.createBucket("example");
 * await client.file("s3://example/data").write(new Uint8Array([1, 2, 3]));
 * const bytes = await client.file("s3://example/data").bytes();
 * console.log(metricsOf(bytes)?.requests, metricsOf(bytes)?.bytes);
 * ```
 */
export function metricsOf(result: object): Metrics | undefined {
  return known.get(result);
}
