// Looks into a bucket or an object. Whatever goes wrong while looking is a finding: an error in its
// place, and no rejection.

import type { Connection } from "../client/connection.ts";
import { type Location, uriOf } from "../client/s3_uri.ts";
import { DipperError, errorOf, InvalidInputError } from "../ffi/errors.ts";
import type { DiagnosisMessage, VerdictMessage } from "../ffi/symbols.ts";
import { describeDiagnosis } from "../jupyter/show_diagnosis.ts";
import { Diagnosis, type Verdict } from "./diagnosis.ts";
import type { CallOptions } from "./read_options.ts";

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
    const found = payload as DiagnosisMessage;
    return new Diagnosis(uri, found, found.verdicts.map(verdictOf), describeDiagnosis);
  } catch (error) {
    if (options.signal?.aborted || !(error instanceof DipperError)) throw error;
    // A client that is gone, and a library that is not there, are no findings.
    const wrong = error instanceof InvalidInputError && error.code === "ClientGone";
    if (wrong || error.code === "LibraryNotLoaded" || error.code === "Internal") throw error;
    const { place } = connection;
    return new Diagnosis(uri, { place, region: "" }, [], describeDiagnosis, [error]);
  }
}
