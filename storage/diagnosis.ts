// What `diagnose` finds out, as an object that shows itself. `diagnose.ts` looks, and is loaded with the
// first look.

import { type DipperError, errorOf } from "../ffi/errors.ts";
import type { DiagnosisMessage } from "../ffi/symbols.ts";
import { JUPYTER_DISPLAY, type MediaBundle } from "../jupyter/media_bundle.ts";

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

  readonly #text: (diagnosis: Diagnosis) => string;

  /** @internal */
  constructor(
    uri: string,
    found: Omit<DiagnosisMessage, "verdicts">,
    verdicts: readonly Verdict[],
    text: (diagnosis: Diagnosis) => string,
    more: readonly DipperError[] = [],
  ) {
    this.uri = uri;
    this.#text = text;
    this.place = found.place;
    if (found.region !== "") this.region = found.region;
    if (found.bucketRegion !== undefined) this.bucketRegion = found.bucketRegion;
    if (found.provider !== undefined) this.provider = found.provider;
    if (found.expiration !== undefined) this.expiration = new Date(found.expiration);
    if (found.caller !== undefined) this.caller = found.caller;
    if (found.skew !== undefined) this.clockSkew = found.skew;
    this.verdicts = verdicts;
    const told = [found.configuration, found.credentials, found.callerUnknown];
    const errors = told.filter((details) => details !== undefined);
    this.errors = [...more, ...errors.map((details) => errorOf(details))];
    const remedy = found.remedy ?? this.errors[0]?.hint;
    if (remedy !== undefined) this.remedy = remedy;
    this.healthy = this.errors.length === 0 && this.remedy === undefined &&
      this.verdicts.every(({ error }) => error === undefined);
  }

  /** Shows the diagnosis in a notebook. */
  async [JUPYTER_DISPLAY](): Promise<MediaBundle> {
    return (await import("../jupyter/show_diagnosis.ts")).showDiagnosis(this);
  }

  /** Shows the diagnosis in a terminal. */
  [Symbol.for("Deno.customInspect")](): string {
    return this.#text(this);
  }
}
