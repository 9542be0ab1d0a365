// The tags that go along with a copy that passes this process. They are no part of what a read
// tells, so they cost a request of their own, and a right of their own.

import { type Connection, defined } from "../client/connection.ts";
import type { Location } from "../client/location.ts";
import { AccessDeniedError, DipperError } from "../ffi/errors.ts";
import type { ObjectAt } from "./object_file.ts";

/**
 * The tags of an object, for a copy of it. A server that has no tags tells none, and who sends
 * unsigned requests is not asked whether he may read them: nobody allows that. Else a refusal is an
 * error, because a copy without its tags would look like a whole one.
 *
 * @throws {AccessDeniedError} When they may not be read; it names the way out.
 */
export async function carriedTags(
  { connection, location, versionId, customerKey, uri }: ObjectAt,
  copied: { versionId?: string },
  operation: string,
  signal: AbortSignal | undefined,
): Promise<Record<string, string>> {
  const { bucket, key } = location as Location & { scheme: "s3" };
  // Of the version that is read, should there be another one by now.
  const version = versionId ?? copied.versionId;
  try {
    const { payload } = await connection.run(
      { operation, uri, bucket },
      (client) => ({
        operation: "tags",
        object: { client, bucket, key, ...defined({ versionId: version, customerKey }) },
      }),
      { signal },
    );
    const tags = Object.entries(payload as Record<string, string>);
    // What AWS gave the object, nobody else may give.
    return Object.fromEntries(tags.filter(([name]) => !/^aws:/i.test(name)));
  } catch (error) {
    if (!(error instanceof DipperError)) throw error;
    if (error.code === "Unsupported") return {};
    if (!(error instanceof AccessDeniedError)) throw error;
    if (isAnonymous(connection)) return {};
    throw new AccessDeniedError(`the tags of ${uri} go along with a copy, and cannot be read`, {
      code: error.code,
      operation,
      uri,
      status: error.status,
      requestId: error.requestId,
      hint: `pass tags: {} to copy without them, or others to give it; ${error.message}`,
    });
  }
}

/**
 * Why a copy failed that brought tags along: they may be what the destination refuses.
 */
export function blamedOnTags(error: unknown): unknown {
  const refused = error instanceof DipperError &&
    (error instanceof AccessDeniedError || error.code === "Unsupported");
  if (!refused || error.constructor === DipperError) return error;
  const more = "the source's tags go along with the copy, which needs s3:PutObjectTagging; " +
    "pass tags: {} to copy without them";
  const { code, operation, uri, status, requestId, retryable } = error;
  const hint = error.hint === undefined ? more : `${error.hint}; ${more}`;
  // The message of an error ends with its hint.
  const ending = error.hint === undefined ? "" : `; ${error.hint}`;
  const told = error.message.endsWith(ending)
    ? error.message.slice(0, error.message.length - ending.length)
    : error.message;
  const Class = error.constructor as typeof DipperError;
  return new Class(told, { code, operation, uri, status, requestId, retryable, hint });
}

function isAnonymous({ options }: Connection): boolean {
  return options.credentials?.isAnonymous === true;
}
