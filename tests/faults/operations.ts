/**
 * The five ways to read, as the fault tests use them: each asks for data of a known content, in
 * several parts, and tells what came.
 */

import { DipperError, type S3Client } from "dipper";
import { assertSameBytes } from "../storage/bytes.ts";
import { contentOf, type Seeded } from "./content.ts";
import type { BucketSpec, FaultBucket } from "./fault_server.ts";

/** A way to read. */
export const OPERATIONS = ["get", "range", "stream", "getMany", "list"] as const;
export type Operation = (typeof OPERATIONS)[number];

/** Where in the data: in which part, object or page. */
export const PLACES = ["first", "middle", "last"] as const;
export type Place = (typeof PLACES)[number];

/** Both ways on which bodies come. */
export const TRANSPORTS = ["direct", "sdk"] as const;
export type Transport = (typeof TRANSPORTS)[number];

export const PART = 64 * 1024;
/** Eight parts. */
export const OBJECT = {
  size: 8 * PART,
  seed: 42,
  checksums: [{ algorithm: "crc64nvme" as const }],
};
/** A range that starts and ends inside of parts. */
export const RANGE = { start: PART + 1000, end: 7 * PART - 1000 };
const MANY = ["many/0", "many/1", "many/2", "many/3", "many/4"];
const SMALL = { size: 20_000, seed: 7, checksums: [{ algorithm: "crc64nvme" as const }] };
const PAGES = 5;
const PAGE_SIZE = 20;
const LISTED = Array.from({ length: PAGES * PAGE_SIZE }, (_, index) => `l${pad(index)}`);

function pad(index: number): string {
  return String(index).padStart(8, "0");
}

/** What the operations read. */
export const BUCKET: BucketSpec = {
  objects: { object: OBJECT, ...Object.fromEntries(MANY.map((key, index) => [key, small(index)])) },
  listing: { count: PAGES * PAGE_SIZE, name: "l", pageSize: PAGE_SIZE },
};

function small(index: number): typeof SMALL {
  return { ...SMALL, seed: SMALL.seed + index };
}

/** The key and byte of the object where a fault in a part happens. */
export function spotOf(operation: Operation, place: Place): { key?: string; at?: number } {
  const within = (start: number, end: number): number =>
    place === "first" ? start + 10_000 : place === "middle" ? (start + end) / 2 : end - 10_000;
  switch (operation) {
    case "get":
    case "stream":
      return { key: "object", at: within(0, OBJECT.size) };
    case "range":
      return { key: "object", at: within(RANGE.start, RANGE.end) };
    case "getMany":
      return { key: MANY[numberOf(place)]!, at: SMALL.size / 2 };
    case "list":
      return {};
  }
}

function numberOf(place: Place): number {
  return place === "first" ? 0 : place === "middle" ? 2 : 4;
}

/** How an operation ended. */
export type Outcome =
  /** All bytes, or entries, of one version: the n-th. */
  | { kind: "exact"; version: number }
  /** A typed error. */
  | { kind: "error"; error: DipperError }
  /** Exactly the flipped bit came through. */
  | { kind: "flipped" };

/**
 * Runs an operation to its end. Fails for everything that may never be: bytes of two versions, bytes
 * that are not the server's, an error without a type, a neighbour that was lost.
 */
export async function outcomeOf(
  operation: Operation,
  place: Place,
  client: S3Client,
  bucket: FaultBucket,
  signal?: AbortSignal,
): Promise<Outcome> {
  const options = signal === undefined ? {} : { signal };
  const object = client.file(bucket.uri("object"));
  switch (operation) {
    case "get":
      return await settledOutcome(object.bytes(options), OBJECT);
    case "range":
      return await settledOutcome(
        object.slice(RANGE.start, RANGE.end).bytes(options),
        OBJECT,
        RANGE.start,
        RANGE.end,
      );
    case "stream":
      return await streamed(object.stream(options));
    case "getMany": {
      const outcomes = new Map<string, Outcome>();
      const uris = MANY.map((key) => bucket.uri(key));
      for await (const result of client.getMany(uris, options)) {
        const index = uris.findIndex((uri) => uri === result.uri);
        if (index === -1 || outcomes.has(result.uri)) throw new Error(`${result.uri} came`);
        outcomes.set(
          result.uri,
          "error" in result ? failed(result.error) : compared(result.bytes, small(index)),
        );
      }
      for (const [index, uri] of uris.entries()) {
        const outcome = outcomes.get(uri);
        if (index === numberOf(place) && outcome !== undefined) continue;
        if (outcome?.kind === "exact" && outcome.version === 0) continue;
        throw new Error(`${uri} was not told exactly: ${Deno.inspect(outcome)}`);
      }
      return outcomes.get(uris[numberOf(place)]!)!;
    }
    case "list": {
      const keys: string[] = [];
      try {
        for await (const entry of client.list(bucket.uri(""), options)) {
          keys.push("key" in entry ? entry.key : `prefix ${entry.prefix}`);
        }
      } catch (error) {
        if (keys.some((key, index) => key !== LISTED[index])) throw wrong("the keys", error);
        return failed(error);
      }
      return comparedKeys(keys, place);
    }
  }
}

/** The key on the first such page whose last character has a bit flipped. */
export function keyToFlip(place: Place): string {
  const page = place === "first" ? 0 : place === "middle" ? 1 : PAGES - 1;
  return LISTED[page * PAGE_SIZE + 10]!;
}

async function settledOutcome(
  read: Promise<Uint8Array>,
  object: Seeded,
  start?: number,
  end?: number,
): Promise<Outcome> {
  let bytes: Uint8Array;
  try {
    bytes = await read;
  } catch (error) {
    return failed(error);
  }
  return compared(bytes, object, start, end);
}

async function streamed(stream: ReadableStream<Uint8Array>): Promise<Outcome> {
  const whole = new Uint8Array(OBJECT.size + 1);
  let length = 0;
  try {
    for await (const chunk of stream) {
      if (chunk.length > 1024 * 1024) throw new Error(`a chunk of ${chunk.length} bytes`);
      whole.set(chunk, length);
      length += chunk.length;
    }
  } catch (error) {
    // What was handed out before is of one version, or a flipped bit that the end tells of.
    compared(whole.subarray(0, length), OBJECT, 0, length);
    return failed(error);
  }
  return compared(whole.subarray(0, length), OBJECT);
}

function failed(error: unknown): Outcome {
  if (error instanceof DipperError && !["Internal", "StaleHandle"].includes(error.code)) {
    return { kind: "error", error };
  }
  throw wrong("no typed error", error);
}

/** Which version the bytes are; one differing bit is told apart, anything else is wrong. */
function compared(bytes: Uint8Array, object: Seeded, start = 0, end = object.size): Outcome {
  for (let version = 0; version < 10; version++) {
    const expected = versionOf(object, version).subarray(start, end);
    if (bytes.length !== expected.length) {
      throw new Error(`${bytes.length} bytes, not ${expected.length}`);
    }
    const first = bytes.findIndex((byte, at) => byte !== expected[at]);
    if (first === -1) return { kind: "exact", version };
    const differing = bytes.reduce((sum, byte, at) => sum + Number(byte !== expected[at]), 0);
    if (differing === 1 && (bytes[first]! ^ expected[first]!) === 1) return { kind: "flipped" };
  }
  assertSameBytes(bytes, versionOf(object, 0).subarray(start, end), "no version: the first");
  throw new Error("not reached");
}

const versions = new Map<string, Uint8Array>();

function versionOf(object: Seeded, version: number): Uint8Array {
  const name = `${object.seed} ${object.size} ${version}`;
  const known = versions.get(name) ?? contentOf(object, version);
  versions.set(name, known);
  return known;
}

function comparedKeys(keys: string[], place: Place): Outcome {
  if (keys.length !== LISTED.length) throw new Error(`${keys.length} keys`);
  const others = LISTED.filter((key, index) => key !== keys[index]);
  if (others.length === 0) return { kind: "exact", version: 0 };
  if (others.length === 1 && others[0] === keyToFlip(place)) return { kind: "flipped" };
  throw new Error(`wrong keys for ${others}`);
}

function wrong(what: string, cause: unknown): Error {
  return new Error(`${what}: ${Deno.inspect(cause)}`, { cause });
}
