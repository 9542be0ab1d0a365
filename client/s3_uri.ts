// Reading and checking S3 locations, before anything is sent.

import { invalidInput, UnsupportedError } from "../ffi/errors.ts";

/** A bucket, and a key or prefix in it as it stands. */
export interface Location {
  readonly bucket: string;
  readonly key: string;
}

/** S3's limit for a key, in bytes of UTF-8. */
const LONGEST_KEY = 1024;
const KNOWN_SCHEMES = "s3://bucket/key";

/** The URI of a location, as the AWS CLI writes it: the key as it stands. */
export function uriOf({ bucket, key }: Location): string {
  return `s3://${bucket}/${key}`;
}

/**
 * Reads `s3://bucket/key`. In a string everything after the bucket is the key as it stands; a `URL`
 * object is percent-decoded.
 *
 * @throws {InvalidInputError} For another scheme, and for an empty or impossible bucket.
 */
export function parseLocation(source: string | URL, operation: string): Location {
  const location = typeof source === "string"
    ? fromString(source, operation)
    : fromUrl(source, operation);
  checkBucket(location.bucket, operation);
  checkKey(location.key, operation);
  return location;
}

/** Checks a bucket and key given apart. */
export function checkLocation(location: Location, operation: string): Location {
  checkBucket(location.bucket, operation);
  checkKey(location.key, operation);
  return { bucket: location.bucket, key: location.key };
}

/** Refuses a location without a key, for operations on one object. */
export function requireKey(location: Location, operation: string): Location {
  if (location.key !== "") return location;
  throw invalidInput(
    operation,
    `${uriOf(location)} names a bucket but no object: the key is empty`,
    `write s3://${location.bucket}/ followed by a key, or list() the bucket`,
    uriOf(location),
  );
}

function fromString(text: string, operation: string): Location {
  // Nearly all are written so, and there may be tens of thousands a second.
  if (text.startsWith("s3://")) return text.startsWith("arn:", 5) ? splitArn(text) : split(text, 5);
  const match = /^([A-Za-z][A-Za-z0-9+.-]*):(\/\/)?/.exec(text);
  const scheme = match?.[1]?.toLowerCase();
  if (scheme !== "s3") throw unknownScheme(scheme, text, operation);
  if (match?.[2] === undefined) throw malformed(text, operation);
  return split(text, match[0].length);
}

function split(text: string, at: number): Location {
  const slash = text.indexOf("/", at);
  return slash === -1
    ? { bucket: text.slice(at), key: "" }
    : { bucket: text.slice(at, slash), key: text.slice(slash + 1) };
}

/** An access point, and the key behind it: `arn:...:accesspoint/name` or `arn:...:accesspoint:name`. */
function splitArn(text: string): Location {
  const bucket = /^arn:[^/]*(?:\/[^/]*)?/.exec(text.slice(5))?.[0] ?? "";
  const ends = /:accesspoint:[^/]*/.exec(bucket);
  const length = ends === null ? bucket.length : ends.index + ends[0].length;
  return { bucket: bucket.slice(0, length), key: text.slice(5 + length + 1) };
}

function fromUrl(url: URL, operation: string): Location {
  if (url.protocol !== "s3:") throw unknownScheme(url.protocol.slice(0, -1), url.href, operation);
  if (url.search !== "" || url.hash !== "" || url.username !== "" || url.password !== "") {
    throw invalidInput(
      operation,
      "an s3 URL has no user, query or fragment",
      "percent-encode ? and # in a URL object, or pass a string, which is taken as it stands",
    );
  }
  try {
    return { bucket: url.host, key: decodeURIComponent(url.pathname.replace(/^\//, "")) };
  } catch {
    throw malformed(url.href, operation);
  }
}

function unknownScheme(scheme: string | undefined, text: string, operation: string): Error {
  const known = `dipper reads ${KNOWN_SCHEMES}`;
  if (scheme === undefined || /^[a-z]$/.test(scheme)) {
    return invalidInput(operation, `${quoted(text)} is not a URI`, known);
  }
  return invalidInput(operation, `the scheme ${scheme}: is not one that dipper reads`, known);
}

function malformed(text: string, operation: string): Error {
  return invalidInput(
    operation,
    `${quoted(text)} is not an S3 URI`,
    `write it as ${KNOWN_SCHEMES}`,
  );
}

/** What a user typed, without what may be a secret in it, and not too long. */
export function quoted(text: string): string {
  const plain = text.replace(/\/\/[^/]*@/, "//\u2026@").replace(/[?#].*$/s, "?\u2026");
  return JSON.stringify(plain.length > 200 ? `${plain.slice(0, 200)}\u2026` : plain);
}

/** Refuses what can be no bucket. Names of old buckets are looser than today's rules. */
export function checkBucket(bucket: string, operation: string): void {
  if (typeof bucket === "string" && bucket !== "") {
    const plain = /^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/.test(bucket);
    if (plain) return;
    if (bucket.startsWith("arn:")) {
      checkAccessPoint(bucket, operation);
      return;
    }
  }
  const what = bucket === ""
    ? "the bucket is empty"
    : `${quoted(String(bucket))} is not a bucket name`;
  throw invalidInput(
    operation,
    what,
    "a bucket has 3 to 63 lower-case letters, digits, dots and hyphens: s3://bucket/key",
  );
}

/** Of what has an ARN, an access point of one region is used like a bucket. */
function checkAccessPoint(arn: string, operation: string): void {
  const [, service, region, resource] =
    /^arn:aws[a-z-]*:([a-z0-9-]+):([a-z0-9-]*):(?:\d{12})?:(.+)$/.exec(arn) ?? [];
  const known = service === "s3" || service === "s3-object-lambda";
  if (known && region !== "" && /^accesspoint[:/][a-z0-9-]{1,63}$/.test(resource ?? "")) return;
  if (service === "s3" && region === "" && /^accesspoint[:/]/.test(resource ?? "")) {
    throw new UnsupportedError(
      `${
        quoted(arn)
      } is an access point of several regions, whose requests are signed in another way`,
      {
        code: "Unsupported",
        operation,
        hint: "use the access point or the bucket of one region",
      },
    );
  }
  throw invalidInput(
    operation,
    `${quoted(arn)} is no ARN of an S3 access point`,
    "write it as s3://arn:aws:s3:eu-central-1:123456789012:accesspoint/name/key",
  );
}

function checkKey(key: string, operation: string): void {
  if (typeof key !== "string" || !key.isWellFormed()) {
    throw invalidInput(
      operation,
      "the key is not well-formed text",
      "a key is a string without lone surrogates",
    );
  }
  // A character has at most three bytes of UTF-8 for each unit of UTF-16.
  const bytes = key.length * 3 <= LONGEST_KEY ? 0 : new TextEncoder().encode(key).length;
  if (bytes > LONGEST_KEY) {
    throw invalidInput(
      operation,
      `the key has ${bytes} bytes, S3 allows ${LONGEST_KEY}`,
      "use a shorter key",
    );
  }
}
