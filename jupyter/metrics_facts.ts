// What is said of the account of a read: what came, which way, and what it took.

import { type Fact, plainFacts, plainParts, plainTitle } from "./plain_view.ts";
import {
  countOf,
  formatBytes,
  formatCount,
  formatDuration,
  formatExactBytes,
} from "./quantities.ts";

/** What a read did, as {@linkcode showMetrics} takes it. */
export interface MetricsLike {
  /** Bytes that were read. */
  readonly bytes: number;
  /** In how many parts. */
  readonly parts: number;
  /** How often something was tried again. */
  readonly retries: number;
  /** Milliseconds. */
  readonly timeToFirstByte: number;
  /** How many connections were made. */
  readonly connectionsOpened: number;
  /** How many requests were sent. */
  readonly requests: number;
  /** US dollars. */
  readonly estimatedCost: number;
  /** Bytes that were copied in user space. */
  readonly copies: number;
  /** Which way the bytes came. */
  readonly transport: string;
  /** The checksum they were verified with, or `none`. */
  readonly verified: string;
}

/** The plain-text twin of {@linkcode showMetrics}. */
export function describeMetrics(m: MetricsLike): string {
  return plainParts(plainTitle("Metrics", metricsTags(m)), plainFacts(metricsFacts(m)));
}

/** Beside the title. */
export function metricsTags(m: MetricsLike): string[] {
  return [formatBytes(m.bytes), m.transport];
}

/** The lines below it. */
export function metricsFacts(m: MetricsLike): Fact[] {
  return [
    { label: "Bytes", value: `${formatExactBytes(m.bytes)} in ${countOf(m.parts, "part")}` },
    { label: "First byte", value: `after ${formatShortly(m.timeToFirstByte)}` },
    {
      label: "Requests",
      value: `${formatCount(m.requests)}, ${formatPrice(m.estimatedCost)}`,
      note: "(list price of S3 Standard)",
    },
    { label: "Connections", value: `${formatCount(m.connectionsOpened)} opened` },
    { label: "Retries", value: formatCount(m.retries) },
    { label: "Copied", value: m.copies === 0 ? "nothing" : formatExactBytes(m.copies) },
    { label: "Verified", value: m.verified === "none" ? "no checksum" : m.verified },
  ];
}

/** A neighbour answers within a millisecond. */
function formatShortly(milliseconds: number): string {
  return milliseconds > 0 && milliseconds < 9.95
    ? `${milliseconds.toFixed(1)} ms`
    : formatDuration(milliseconds);
}

/** Prices are small: a million requests cost less than a dollar. */
function formatPrice(dollars: number): string {
  if (!Number.isFinite(dollars) || dollars < 0) return "unknown";
  if (dollars === 0) return "$0";
  return `$${
    dollars >= 0.01
      ? dollars.toFixed(2)
      : Number(dollars.toPrecision(2)).toFixed(8).replace(/0+$/, "")
  }`;
}
