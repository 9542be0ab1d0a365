// How a diagnosis shows itself: the verdicts first, then who asked with what, then the remedy.

import { type MediaBundle, mediaBundle } from "./media_bundle.ts";
import {
  type Cell,
  type Column,
  type Fact,
  plainFacts,
  plainParts,
  plainTable,
  plainTitle,
} from "./plain_view.ts";
import { formatDate } from "./quantities.ts";
import { shownUri, withoutSecrets } from "./redaction.ts";
import { dataTable, factsTable, title, view } from "./view.ts";
import { cutEnd, cutMiddle } from "./visible_text.ts";

/** A diagnosis, as {@linkcode showDiagnosis} takes it. */
export interface DiagnosisLike {
  /** What was looked into. */
  readonly uri: string;
  /** Whether every request that was sent went well. */
  readonly healthy: boolean;
  /** Where requests go. */
  readonly place: string;
  /** The client's region. */
  readonly region?: string | undefined;
  /** The bucket's region. */
  readonly bucketRegion?: string | undefined;
  /** Who gave the credentials. */
  readonly provider?: string | undefined;
  /** When they end. */
  readonly expiration?: Date | undefined;
  /** Who the caller is. */
  readonly caller?: { readonly arn: string; readonly account: string } | undefined;
  /** By how many milliseconds this machine's clock is ahead. */
  readonly clockSkew?: number | undefined;
  /** What came of the requests. */
  readonly verdicts: readonly {
    readonly request: string;
    readonly verdict: string;
    readonly uri: string;
    readonly milliseconds: number;
    readonly note?: string | undefined;
    readonly error?: { readonly code: string; readonly message: string } | undefined;
  }[];
  /** What keeps requests from being sent at all. */
  readonly errors: readonly { readonly code: string; readonly message: string }[];
  /** What to do first. */
  readonly remedy?: string | undefined;
}

const LONGEST = 600;
const COLUMNS: Column[] = [
  { name: "Request", code: true },
  { name: "Verdict" },
  { name: "Time", numeric: true },
  { name: "Because", wraps: true },
];

/**
 * Displays a diagnosis.
 *
 * @example
 * ```ts
 * showDiagnosis({
 *   uri: "s3://bucket/key",
 *   healthy: true,
 *   place: "AWS region eu-central-1",
 *   verdicts: [{ request: "HEAD", verdict: "allowed", uri: "s3://bucket/key", milliseconds: 12 }],
 *   errors: [],
 * });
 * ```
 */
export function showDiagnosis(diagnosis: DiagnosisLike): MediaBundle {
  const rows = rowsOf(diagnosis);
  return mediaBundle(
    view(
      title("Diagnosis", tagsOf(diagnosis)),
      factsTable(factsOf(diagnosis)),
      rows.length > 0 ? dataTable("Requests", columnsOf(diagnosis), rows) : undefined,
    ),
    describeDiagnosis(diagnosis),
  );
}

/** The plain-text twin of {@linkcode showDiagnosis}. */
export function describeDiagnosis(diagnosis: DiagnosisLike): string {
  const rows = rowsOf(diagnosis);
  return plainParts(
    plainTitle("Diagnosis", tagsOf(diagnosis)),
    plainFacts(factsOf(diagnosis)),
    rows.length > 0 ? plainTable(columnsOf(diagnosis), rows) : undefined,
  );
}

function tagsOf({ healthy }: DiagnosisLike): string[] {
  return [healthy ? "all is well" : "something is wrong"];
}

function shown(text: string): string {
  return cutEnd(withoutSecrets(text), LONGEST);
}

function word(text: string): string {
  return cutEnd(text, 80);
}

function factsOf(diagnosis: DiagnosisLike): Fact[] {
  const { uri, place, region, bucketRegion, provider, expiration, caller, clockSkew } = diagnosis;
  const facts: Fact[] = [];
  if (diagnosis.remedy !== undefined) {
    facts.push({ label: "What to do", value: shown(diagnosis.remedy) });
  }
  for (const { code, message } of diagnosis.errors) {
    facts.push({ label: word(code), value: shown(message) });
  }
  facts.push({ label: "URI", value: shownUri(uri), code: true });
  facts.push({ label: "Endpoint", value: shownUri(place), code: true });
  if (region !== undefined) facts.push({ label: "Region", value: word(region) });
  if (bucketRegion !== undefined && bucketRegion !== region) {
    facts.push({ label: "Bucket's region", value: word(bucketRegion) });
  }
  // Without a verdict nobody got as far as credentials.
  if (provider !== undefined || diagnosis.verdicts.length > 0) {
    facts.push({ label: "Credentials", value: shown(provider ?? "none: unsigned requests") });
  }
  if (expiration !== undefined) facts.push({ label: "Expire", value: formatDate(expiration) });
  if (caller !== undefined) facts.push({ label: "Caller", value: shown(caller.arn), code: true });
  if (clockSkew !== undefined) facts.push({ label: "Clock", value: skewOf(clockSkew) });
  return facts;
}

function skewOf(milliseconds: number): string {
  if (milliseconds === 0) return "agrees with the server's";
  const seconds = Math.round(Math.abs(milliseconds) / 1000);
  return `${seconds} s ${milliseconds > 0 ? "ahead of" : "behind"} the server's`;
}

/** Where nothing needs a reason, there is no column of reasons. */
function columnsOf({ verdicts }: DiagnosisLike): Column[] {
  const hasReasons = verdicts.some(({ error, note }) => (error?.message ?? note ?? "") !== "");
  return hasReasons ? COLUMNS : COLUMNS.slice(0, -1);
}

function rowsOf(diagnosis: DiagnosisLike): Cell[][] {
  const columns = columnsOf(diagnosis).length;
  return diagnosis.verdicts.map(({ request, verdict, uri, milliseconds, note, error }) =>
    [
      { text: word(request), title: cutMiddle(shownUri(uri), 200) },
      { text: error === undefined ? word(verdict) : `${word(verdict)} (${word(error.code)})` },
      { text: verdict === "not tried" ? "" : `${Math.round(milliseconds)} ms` },
      { text: shown(error?.message ?? note ?? "") },
    ].slice(0, columns)
  );
}
