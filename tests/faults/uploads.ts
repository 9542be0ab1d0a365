/**
 * Uploads as the fault tests make them: an object of four parts, or one of one request, from memory of
 * Rust or from a stream whose length nobody tells, and the requests that they are made of.
 */

import { RustBuffer, type S3Client } from "dipper";
import { contentOf } from "./content.ts";
import type { Fault, FaultBucket } from "./fault_server.ts";

/** A request of an upload. */
export const POINTS = ["put", "create", "first", "middle", "last", "complete"] as const;
export type Point = (typeof POINTS)[number];

/** Where the bytes come from. */
export const SOURCES = ["memory", "stream"] as const;
export type Source = (typeof SOURCES)[number];

/** The smallest that S3 takes. */
export const PART = 5 * 1024 * 1024;
/** Four parts. */
export const LARGE = { size: 3 * PART + 1_000_001, seed: 11 };
/** One request. */
export const SMALL = { size: 1_000_001, seed: 12 };

const bytesOf = { large: contentOf(LARGE), small: contentOf(SMALL) };

/** How long an upload that failed may still be open: an abort goes out before the error is told. */
const ABORTING = 3000;

/** A fault of the request of a point. */
export function atPoint(point: Point): Pick<Fault, "on" | "number"> {
  switch (point) {
    case "first":
      return { on: "part", number: 1 };
    case "middle":
      return { on: "part", number: 2 };
    case "last":
      return { on: "part", number: 4 };
    default:
      return { on: point };
  }
}

/** Uploads the object of a point. */
export async function upload(
  client: S3Client,
  uri: `s3://${string}`,
  { point, source, exclusive }: { point: Point; source: Source; exclusive?: boolean | undefined },
  signal?: AbortSignal,
): Promise<void> {
  const bytes = bytesOf[point === "put" ? "small" : "large"];
  const options = {
    partSize: PART,
    ...(exclusive && { ifNoneMatch: "*" }),
    ...(signal && { signal }),
  };
  const file = client.file(uri);
  if (source === "memory") {
    using buffer = new RustBuffer(bytes.length);
    buffer.view().set(bytes);
    await file.write(buffer, options);
    return;
  }
  // Chunks that fit into no part.
  const chunks = function* (): Generator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += 300_007) yield bytes.subarray(at, at + 300_007);
  };
  await ReadableStream.from(chunks()).pipeTo(file.writer(options));
}

/** The uploads that stay open on the server. */
export async function leftOpen(bucket: FaultBucket, patience = ABORTING): Promise<string[]> {
  const deadline = performance.now() + patience;
  while (true) {
    const { uploads } = await bucket.report();
    if (uploads.length === 0 || performance.now() > deadline) return uploads.map(({ id }) => id);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
