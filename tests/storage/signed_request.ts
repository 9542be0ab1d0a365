/**
 * A signed S3 request, by Web Crypto: for what a test needs of a server and dipper does not offer, such
 * as an upload that is begun and left alone. Independent of dipper's own signatures.
 */

import type { S3ClientOptions } from "dipper";

/** Where to, and with what. */
export interface SignedRequest {
  readonly method: string;
  readonly bucket: string;
  readonly key?: string;
  /** Names and values of the query. */
  readonly query?: Record<string, string>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly headers?: Record<string, string>;
}

/** A server that requests are signed for. */
export type SignedFor = Required<Pick<S3ClientOptions, "endpoint" | "region">> & {
  credentials: { accessKeyId: string; secretAccessKey: string };
};

/** Sends a signed request; an answer that is none of success is an error with its text. */
export async function signedFetch(server: SignedFor, request: SignedRequest): Promise<string> {
  const { method, bucket, key = "", query = {}, body = "", headers: more = {} } = request;
  const { region, credentials } = server;
  const base = new URL(String(server.endpoint));
  const path = `/${encoded(bucket)}${
    key === "" ? "" : `/${key.split("/").map(encoded).join("/")}`
  }`;
  const queryText = Object.entries(query)
    .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
    .sort()
    .join("&");
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const sum = hex(await crypto.subtle.digest("SHA-256", bytes));
  const headers: Record<string, string> = {
    host: base.host,
    "x-amz-content-sha256": sum,
    "x-amz-date": time,
    ...more,
  };
  const names = Object.keys(headers).sort();
  const canonical = [
    method,
    path,
    queryText,
    ...names.map((name) => `${name}:${headers[name]}`),
    "",
    names.join(";"),
    sum,
  ].join("\n");
  const scope = `${time.slice(0, 8)}/${region}/s3/aws4_request`;
  const canonicalSum = hex(await crypto.subtle.digest("SHA-256", utf8(canonical)));
  let signature: ArrayBuffer = utf8(`AWS4${credentials.secretAccessKey}`).buffer;
  const toSign = ["AWS4-HMAC-SHA256", time, scope, canonicalSum].join("\n");
  for (const part of [...scope.split("/"), toSign]) {
    const hmac = { name: "HMAC", hash: "SHA-256" };
    const usedKey = await crypto.subtle.importKey("raw", signature, hmac, false, ["sign"]);
    signature = await crypto.subtle.sign("HMAC", usedKey, utf8(part));
  }
  const { host: _, ...sent } = headers;
  const response = await fetch(new URL(`${path}${queryText && `?${queryText}`}`, base), {
    method,
    headers: {
      ...sent,
      authorization: `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, ` +
        `SignedHeaders=${names.join(";")}, Signature=${hex(signature)}`,
    },
    body: bytes.length > 0 ? bytes : null,
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return text;
}

function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

function hex(bytes: ArrayBuffer): string {
  return new Uint8Array(bytes).toHex();
}

function encoded(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
