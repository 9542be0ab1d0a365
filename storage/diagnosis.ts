// What `diagnose` finds out, as an object that shows itself. Whatever goes wrong while looking is a
// finding: an error in its place, and no rejection.

import type { Connection } from "../client/connection.ts";
import { type Location, uriOf } from "../client/s3_uri.ts";
import { DipperError, errorOf, InvalidInputError } from "../ffi/errors.ts";
import type { DiagnosisMessage, VerdictMessage } from "../ffi/symbols.ts";
import { JUPYTER_DISPLAY, type MediaBundle } from "../jupyter/media_bundle.ts";
import { describeDiagnosis, showDiagnosis } from "../jupyter/show_diagnosis.ts";
import type { CallOptions } from "./read_options.ts";

/** Who AWS says the caller is. */
export interface Caller {
  /** The number of the account. */
  readonly account: string;
  /** The user, or the session of a role. */
  readonly arn: string;
  /** The unique id of the user or role. */
  readonly userId: string;
}

/** What came of one request. */
export interface Verdict {
  /** Which request. */
  readonly request: "LIST" | "HEAD" | "GET";
  /** `"failed"` with an error; `"not tried"` with a note that says why. */
  readonly verdict: "allowed" | "failed" | "not tried";
  /** What it was about. */
  readonly uri: string;
  /** How long it took, in milliseconds. */
  readonly milliseconds: number;
  /** What else the answer told. */
  readonly note?: string;
  /** Why it failed. */
  readonly error?: DipperError;
}

/** Why a bucket or an object can be reached, or not. */
export class Diagnosis {
  /** What was looked into. */
  readonly uri: string;
  /** Where requests go: an endpoint, or AWS and a region. */
  readonly place: string;
  /** The region that requests are signed for. */
  declare readonly region?: string;
  /** The region that the bucket lives in, where the server tells it. */
  declare readonly bucketRegion?: string;
  /** Who gave the credentials, or should have; unset for unsigned requests. */
  declare readonly provider?: string;
  /** When the credentials end, where they do. */
  declare readonly expiration?: Date;
  /** Who the caller is. Unset where nobody tells: unsigned requests, servers that are not AWS. */
  declare readonly caller?: Caller;
  /** By how many milliseconds this machine's clock is ahead of the server's. */
  declare readonly clockSkew?: number;
  /** One LIST, one HEAD, one GET of a byte. */
  readonly verdicts: readonly Verdict[];
  /** What is wrong beside the verdicts: permissions, configuration, credentials, the caller. */
  readonly errors: readonly DipperError[];
  /** What to do first, if anything. */
  declare readonly remedy?: string;
  /** Whether all is well. */
  readonly healthy: boolean;

  /** Takes what the native side found. */
  constructor(uri: string, found: DiagnosisMessage, more: readonly DipperError[] = []) {
    this.uri = uri;
    this.place = found.place;
    if (found.region !== "") this.region = found.region;
    if (found.bucketRegion !== undefined) this.bucketRegion = found.bucketRegion;
    if (found.provider !== undefined) this.provider = found.provider;
    if (found.expiration !== undefined) this.expiration = new Date(found.expiration);
    if (found.caller !== undefined) this.caller = found.caller;
    if (found.skew !== undefined) this.clockSkew = found.skew;
    this.verdicts = found.verdicts.map(verdictOf);
    const told = [found.configuration, found.credentials, found.callerUnknown];
    const errors = told.filter((details) => details !== undefined);
    this.errors = [...more, ...errors.map((details) => errorOf(details))];
    const remedy = found.remedy ?? this.errors[0]?.hint;
    if (remedy !== undefined) this.remedy = remedy;
    this.healthy = this.errors.length === 0 && this.remedy === undefined &&
      this.verdicts.every(({ error }) => error === undefined);
  }

  /** Shows the diagnosis in a notebook. */
  [JUPYTER_DISPLAY](): MediaBundle {
    return showDiagnosis(this);
  }

  /** Shows the diagnosis in a terminal. */
  [Symbol.for("Deno.customInspect")](): string {
    return describeDiagnosis(this);
  }
}

function verdictOf(told: VerdictMessage): Verdict {
  const { uri, milliseconds, note, failed, skipped } = told;
  const request = told.request as Verdict["request"];
  const about = { request, uri, milliseconds };
  if (skipped !== undefined) return { ...about, verdict: "not tried", note: skipped };
  if (failed !== undefined) return { ...about, verdict: "failed", error: errorOf(failed) };
  return { ...about, verdict: "allowed", ...(note === undefined ? {} : { note }) };
}

/** Looks into a bucket or an object. */
export async function diagnosisOf(
  connection: Connection,
  location: Location,
  options: CallOptions,
): Promise<Diagnosis> {
  const operation = "diagnose";
  const { bucket, key } = location;
  const uri = uriOf(location);
  try {
    const { payload } = await connection.run(
      { operation, uri, bucket },
      (client) => ({ operation, client, bucket, key }),
      { signal: options.signal },
    );
    return new Diagnosis(uri, payload as DiagnosisMessage);
  } catch (error) {
    if (options.signal?.aborted || !(error instanceof DipperError)) throw error;
    // A client that is gone, and a library that is not there, are no findings.
    const wrong = error instanceof InvalidInputError && error.code === "ClientGone";
    if (wrong || error.code === "LibraryNotLoaded" || error.code === "Internal") throw error;
    const { place } = connection;
    return new Diagnosis(uri, { place, region: "", verdicts: [] }, [error]);
  }
}
