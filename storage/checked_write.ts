// The options of a write, checked before anything is read or sent, and as the native side wants them.

import { invalidInput } from "../ffi/errors.ts";
import type { EncryptionMessage, WriteMessage } from "../ffi/symbols.ts";
import { checkedCall } from "./call_options.ts";
import { customerKeyOf } from "./customer_key.ts";
import { checkedTags } from "./object_tags.ts";
import type { Encryption, LocalWriteOptions, WriteOptions } from "./write_options.ts";

const ACLS: readonly string[] = [
  "private",
  "public-read",
  "public-read-write",
  "authenticated-read",
  "aws-exec-read",
  "bucket-owner-read",
  "bucket-owner-full-control",
];
const CHECKSUMS: readonly string[] = ["crc64nvme", "crc32", "crc32c", "sha1", "sha256", "none"];

/** What a request says of an object that is written, by these names. */
export const SAID_OF_OBJECT = [
  "contentType",
  "contentEncoding",
  "contentLanguage",
  "contentDisposition",
  "cacheControl",
  "metadata",
  "tags",
  "storageClass",
  "acl",
  "encryption",
  "ifMatch",
] as const satisfies readonly (keyof WriteOptions)[];

const LOCAL: readonly string[] = ["signal", "onProgress", "progress", "ifNoneMatch"];
/** The options of a write to S3. */
export const REMOTE: readonly string[] = [
  ...LOCAL,
  ...SAID_OF_OBJECT,
  "expires",
  "checksum",
  "partSize",
];

const SMALLEST_PART = 5 * 1024 ** 2;
const LARGEST_PART = 5 * 1024 ** 3;
const LONGEST_METADATA = 2048;

/**
 * Checks the options of a call that writes a local file.
 *
 * @throws {InvalidInputError} For options that a file has no place for.
 */
export function checkedLocalWrite(
  options: LocalWriteOptions,
  operation: string,
  uri: string,
): LocalWriteOptions {
  const remote = Object.keys(Object(options)).find((name) =>
    REMOTE.includes(name) && !LOCAL.includes(name)
  );
  if (remote !== undefined) {
    throw invalidInput(
      operation,
      `a local file has no place for ${remote}`,
      `leave ${remote} away; it is for S3 objects`,
      uri,
    );
  }
  const checked = checkedCall(options, operation, uri, LOCAL);
  checkConditions(checked, operation, uri);
  return checked;
}

/**
 * Checks the options of a call that writes an S3 object.
 *
 * @param also Options that the call takes beside these.
 * @throws {InvalidInputError} Naming the option that cannot be meant.
 */
export function checkedWrite<T extends WriteOptions>(
  options: T,
  operation: string,
  uri: string,
  also: readonly string[] = [],
): T {
  const checked = checkedCall(options, operation, uri, [...REMOTE, ...also]);
  const refused = (what: string, hint: string) => invalidInput(operation, what, hint, uri);
  checkConditions(checked, operation, uri);
  const { expires, metadata, tags, storageClass, acl, checksum, partSize } = checked;
  if (expires !== undefined && !(expires instanceof Date && Number.isFinite(expires.getTime()))) {
    throw refused("expires is not a date", "pass a Date");
  }
  if (metadata !== undefined) checkMetadata(metadata, operation, uri);
  if (tags !== undefined) checkedTags(tags, operation, uri);
  if (storageClass !== undefined && !/^[A-Z][A-Z0-9_]{0,63}$/.test(String(storageClass))) {
    throw refused("storageClass is not the name of one", 'write it as "STANDARD_IA"');
  }
  if (acl !== undefined && !ACLS.includes(acl)) {
    throw refused("acl is none of S3's canned lists", `pass one of ${ACLS.join(", ")}`);
  }
  if (checksum !== undefined && !CHECKSUMS.includes(checksum)) {
    throw refused("checksum is none that S3 knows", `pass one of ${CHECKSUMS.join(", ")}`);
  }
  if (partSize !== undefined) {
    const fits = Number.isSafeInteger(partSize) && partSize >= SMALLEST_PART &&
      partSize <= LARGEST_PART;
    if (!fits) {
      throw refused("partSize is not from 5 MiB to 5 GiB", "pass a whole number of bytes");
    }
  }
  encryptionOf(checked.encryption, operation, uri);
  return checked;
}

/** Conditions that S3 would refuse, or that can never hold. */
function checkConditions(options: WriteOptions, operation: string, uri: string): void {
  const { ifMatch, ifNoneMatch } = options;
  if (ifNoneMatch !== undefined && ifNoneMatch !== "*") {
    throw invalidInput(
      operation,
      'ifNoneMatch is not "*": a write takes no ETag there',
      'pass "*" to write only what is not there yet, or ifMatch to replace what has an ETag',
      uri,
    );
  }
  if (ifMatch === undefined) return;
  if (ifMatch === "") {
    throw invalidInput(operation, "ifMatch is empty", "pass the etag that stat() tells", uri);
  }
  if (ifNoneMatch !== undefined) {
    throw invalidInput(
      operation,
      "ifMatch wants an object to be there, and ifNoneMatch wants none",
      "pass one of them",
      uri,
    );
  }
}

/** Checked options as the native side takes them. */
export function writtenAs(
  options: WriteOptions,
  operation: string,
  uri: string,
): WriteMessage {
  const { expires, encryption, metadata, tags } = options;
  const same: Record<string, unknown> = {};
  for (const name of [...SAID_OF_OBJECT, "ifNoneMatch", "checksum", "partSize"] as const) {
    if (name !== "encryption" && options[name] !== undefined) same[name] = options[name];
  }
  const message: WriteMessage = { ...same, metadata: { ...metadata } };
  if (expires !== undefined) message.expires = expires.getTime();
  if (tags !== undefined) message.tags = { ...tags };
  const encrypted = encryptionOf(encryption, operation, uri);
  if (encrypted !== undefined) message.encryption = encrypted;
  return message;
}

function encryptionOf(
  encryption: Encryption | undefined,
  operation: string,
  uri: string,
): EncryptionMessage | undefined {
  if (encryption === undefined) return undefined;
  if (encryption === "AES256") return { kind: "s3" };
  if (encryption === "aws:kms") return { kind: "kms" };
  const refused = (what: string, hint: string) => invalidInput(operation, what, hint, uri);
  if (typeof encryption !== "object" || encryption === null || Symbol.iterator in encryption) {
    throw refused(
      "encryption is none that dipper knows",
      'pass "AES256", "aws:kms", { kmsKeyId, context, bucketKey } or { customerKey }',
    );
  }
  const names = Object.keys(encryption);
  if ("customerKey" in encryption) {
    if (names.length > 1) {
      throw refused("encryption names a key of yours and one of KMS", "pass one of them");
    }
    return { kind: "customer", key: customerKeyOf(encryption.customerKey, operation, uri) };
  }
  const known = ["kmsKeyId", "context", "bucketKey"];
  const odd = names.find((name) => !known.includes(name));
  if (odd !== undefined) {
    throw refused(
      `there is no option encryption.${odd}`,
      `known are ${[...known, "customerKey"].join(", ")}`,
    );
  }
  const { kmsKeyId, context, bucketKey } = encryption;
  // It travels as a header.
  const named = kmsKeyId === undefined ||
    (typeof kmsKeyId === "string" && /^[\x21-\x7e]{1,2048}$/.test(kmsKeyId));
  if (!named) throw refused("kmsKeyId is not the name of a key", "pass an id, an ARN or an alias");
  if (bucketKey !== undefined && typeof bucketKey !== "boolean") {
    throw refused("bucketKey is not true or false", "pass a boolean");
  }
  const texts = context === undefined || (
    typeof context === "object" && context !== null && !Array.isArray(context) &&
    Object.entries(context).flat().every((text) => typeof text === "string" && text.isWellFormed())
  );
  if (!texts) throw refused("context is not an object of strings", 'pass { name: "value" }');
  return {
    kind: "kms",
    ...(kmsKeyId === undefined ? {} : { keyId: kmsKeyId }),
    ...(context === undefined ? {} : { context: { ...context } }),
    ...(bucketKey === undefined ? {} : { bucketKey }),
  };
}

/** Metadata travels as HTTP headers. */
function checkMetadata(metadata: Record<string, string>, operation: string, uri: string): void {
  let length = 0;
  const seen = new Set<string>();
  for (const [name, value] of Object.entries(metadata)) {
    const sound = /^[A-Za-z0-9!#$&'*+.^_`|~-]+$/.test(name) && typeof value === "string" &&
      /^[\x20-\x7e\t]*$/.test(value);
    if (!sound) {
      throw invalidInput(
        operation,
        `the metadata ${JSON.stringify(name)} cannot be an HTTP header`,
        "use letters, digits and hyphens in names and ASCII in values; encodeURIComponent() others",
        uri,
      );
    }
    if (seen.has(name.toLowerCase())) {
      throw invalidInput(
        operation,
        `the metadata ${JSON.stringify(name)} is there twice, in upper and lower case`,
        "headers have no case: keep one of them",
        uri,
      );
    }
    seen.add(name.toLowerCase());
    length += name.length + value.length;
  }
  if (length > LONGEST_METADATA) {
    throw invalidInput(
      operation,
      `the metadata has ${length} bytes, and S3 takes ${LONGEST_METADATA} at most`,
      "keep what is long in an object of its own",
      uri,
    );
  }
}
