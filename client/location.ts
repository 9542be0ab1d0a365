// Where an object is: on S3, at a web address, or in a file. Reading and checking of what users
// write, before anything is sent.

import { invalidInput } from "../ffi/errors.ts";
import { nodeUrl } from "../ffi/node.ts";
import {
  type Location as S3Location,
  parseLocation as parseS3,
  quoted,
  requireKey,
  uriOf,
} from "./s3_uri.ts";

/** Where an object is. */
export type Location =
  | { readonly scheme: "s3"; readonly bucket: string; readonly key: string }
  | { readonly scheme: "http"; readonly url: string }
  | { readonly scheme: "file"; readonly path: string };

const SCHEMES =
  "s3://bucket/key, http(s)://\u2026, file:///\u2026 and paths that start with / or ./";

/**
 * Reads a location of any scheme. An `s3://` string is taken as it stands; `URL` objects, `file:`
 * and `http:` addresses are URLs, with percent-encoding.
 *
 * @throws {InvalidInputError} For what names no object, and for a URL with a password.
 */
export function parseLocation(source: string | URL, operation: string): Location {
  if (typeof source !== "string") return fromUrl(source, operation);
  if (source.startsWith("s3://")) return onS3(parseS3(source, operation), operation);
  if (/^\.{0,2}\//.test(source)) return fromPath(source, operation);
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(source)?.[1]?.toLowerCase();
  switch (scheme) {
    case "s3":
      return onS3(parseS3(source, operation), operation);
    case "http":
    case "https":
    case "file": {
      const url = URL.parse(source);
      if (url !== null) return fromUrl(url, operation);
      throw invalidInput(operation, `${quoted(source)} is not a URL`, "check how it is written");
    }
    default:
      throw unknown(scheme, source, operation);
  }
}

/** A location as errors and displays show it: of a web address, nothing behind the path. */
export function shownLocation(location: Location): string {
  switch (location.scheme) {
    case "s3":
      return uriOf(location);
    case "http":
      return location.url.replace(/[?#].*$/s, "?\u2026");
    case "file":
      return location.path;
  }
}

/** What stands behind the last slash. */
export function nameOf(location: Location): string {
  const path = location.scheme === "s3"
    ? location.key
    : location.scheme === "file"
    ? location.path
    : decoded(new URL(location.url).pathname);
  return path.replace(/\/+$/, "").split("/").at(-1) ?? "";
}

function onS3(location: S3Location, operation: string): Location {
  const { bucket, key } = requireKey(location, operation);
  return { scheme: "s3", bucket, key };
}

function fromUrl(url: URL, operation: string): Location {
  switch (url.protocol) {
    case "s3:":
      return onS3(parseS3(url, operation), operation);
    case "http:":
    case "https:":
      return fromWebAddress(url, operation);
    case "file:":
      return fromFileUrl(url, operation);
    default:
      throw unknown(url.protocol.slice(0, -1), url.href, operation);
  }
}

function fromWebAddress(url: URL, operation: string): Location {
  if (url.username !== "" || url.password !== "") {
    throw invalidInput(
      operation,
      `the address of ${url.host} holds a user or password`,
      "dipper sends none: use a presigned URL, or an S3Client with credentials",
    );
  }
  const { href, hash } = url;
  // A fragment is the reader's, and is never sent.
  return { scheme: "http", url: hash === "" ? href : href.slice(0, href.indexOf("#")) };
}

function fromFileUrl(url: URL, operation: string): Location {
  const refused = (why: string) =>
    invalidInput(operation, `${quoted(url.href)} names no local file: ${why}`, FILE_HINT);
  if (url.search !== "" || url.hash !== "") throw refused("it has a query or a fragment");
  if (url.host !== "") throw refused("it names another host");
  let path: string;
  try {
    path = nodeUrl().fileURLToPath(url);
  } catch {
    throw refused("it holds an encoded slash or broken percent-encoding");
  }
  return fromPath(path, operation);
}

const FILE_HINT = "write it as file:///folder/name, with %3F for ? and %23 for #, or as a path";

function fromPath(path: string, operation: string): Location {
  if (path.includes("\0") || !path.isWellFormed()) {
    throw invalidInput(
      operation,
      `${quoted(path)} is no path`,
      "a path holds neither NUL nor lone surrogates",
    );
  }
  if (path.endsWith("/") || /(?:^|\/)\.{1,2}$/.test(path)) {
    throw invalidInput(
      operation,
      `${quoted(path)} names a folder`,
      "name a file in it; list() lists buckets only",
    );
  }
  return { scheme: "file", path };
}

function unknown(scheme: string | undefined, text: string, operation: string): Error {
  const known = `dipper reads ${SCHEMES}`;
  if (scheme !== undefined && scheme.length === 1) {
    return invalidInput(
      operation,
      `${quoted(text)} looks like a path of Windows, which dipper does not run on`,
      known,
    );
  }
  if (scheme === undefined) {
    const hint = text.startsWith("~")
      ? "dipper does not expand ~: write the whole path"
      : `${known}; a file beside the program is ./name`;
    return invalidInput(operation, `${quoted(text)} is not a URI`, hint);
  }
  return invalidInput(operation, `the scheme ${scheme}: is not one that dipper reads`, known);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
