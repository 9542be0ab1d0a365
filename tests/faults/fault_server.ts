/**
 * The fault server (`native/faults`) as tests use it: a bucket each, scripted before it is asked and
 * looked at afterwards. The test runner starts the server and tells where it is in the environment;
 * where it is missing, the tests are skipped, and the runner sees to it that this never happens on CI.
 */

import { S3Client, type S3ClientOptions } from "dipper";

/** Where tests talk to the server; `undefined` when there is none. */
export const control: string | undefined = Deno.env.get("DIPPER_TEST_FAULTS_CONTROL");
/** Where it is an S3 server, by IPv6. Not on every machine. */
export const endpoint6: string | undefined = Deno.env.get("DIPPER_TEST_FAULTS_ENDPOINT6");

/** A checksum that is told of an object. */
export interface ChecksumSpec {
  algorithm: "crc64nvme" | "crc32" | "crc32c" | "sha1" | "sha256";
  /** A checksum of the checksums of parts of so many bytes. */
  composite?: number;
  /** Tell this, whatever the bytes are. */
  value?: string;
}

/** An object. */
export interface ObjectSpec {
  size: number;
  /** What the bytes follow from; without it all are zero. */
  seed?: number;
  checksums?: ChecksumSpec[];
  headers?: [name: string, value: string][];
  /** It was uploaded in parts of so many bytes. */
  partSize?: number;
}

/** What goes wrong. */
export type What =
  | { kind: "reset" | "close" | "flip" }
  /** Silence, for ever without a time: in the body, or before the head. */
  | { kind: "stall" | "silent"; ms?: number }
  | { kind: "dribble"; ms: number }
  | { kind: "extra"; text: string }
  | {
    kind: "status";
    status: number;
    code?: string;
    headers?: [name: string, value: string][];
    body?: string;
  }
  /** The object changes before the answer. */
  | { kind: "change"; honour?: boolean }
  /** Keys of a DELETE of many that have this in them are refused. */
  | { kind: "refuse"; text: string; code?: string }
  | { kind: "contentRange"; value?: string }
  | { kind: "noLength"; chunked?: boolean }
  | {
    kind: "head";
    line?: string;
    set?: Record<string, string | null>;
    add?: [name: string, value: string][];
    pad?: number;
    count?: number;
    raw?: string;
    cut?: number;
    then?: "close" | "reset" | "stall";
    dribble?: number;
  };

/** The server asks to slow down. */
export const SLOW_DOWN: What = { kind: "status", status: 503, code: "SlowDown" };

/** The server says that all is well, and then that it failed. */
export const FAILED_200: What = {
  kind: "status",
  status: 200,
  code: "InternalError",
  body: `<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>InternalError</Code><Message>We encountered an internal error. Please try again.</Message></Error>`,
};

/** What a request is. */
export type Kind =
  | "get"
  | "head"
  | "list"
  | "put"
  | "create"
  | "part"
  | "complete"
  | "abort"
  | "copy"
  | "copyPart"
  | "delete"
  | "deleteMany"
  | "versions"
  | "uploads"
  | "parts";

/** When it goes wrong. */
export interface Fault {
  /** Only with this key. */
  key?: string;
  /** Only such requests. `any` stands for `get`, `head` and `list`, `write` for all that write. */
  on?: Kind | "any" | "write";
  /** Only requests for this byte of the object; a fault of the body happens there. */
  at?: number;
  /** Only requests for such a part of the object, or for such a page. */
  part?: "first" | "middle" | "last";
  /** Only requests that write the part of this number. */
  number?: number;
  /**
   * For requests that write: before their body is read, within it (after `after` bytes, or half of
   * it), when it was read but nothing done, when all was done (the answer is lost), or within the
   * answer. Default: `within` for what breaks or stalls a body, `read` for another status.
   */
  when?: "before" | "within" | "read" | "done" | "answer";
  /** So many such requests pass before. */
  skip?: number;
  /** How many fail. Default: one; `null`: all. */
  times?: number | null;
  /** Where in the body, without `at`. Default: its middle. */
  after?: number;
  /** Where in the body: at this text, or so many bytes `after`. */
  find?: string;
  what: What;
}

/** Keys: these, or `count` that start with `name`. */
export interface ListingSpec {
  keys?: string[];
  count?: number;
  name?: string;
  pageSize?: number;
}

/** A bucket. */
export interface BucketSpec {
  objects?: Record<string, ObjectSpec>;
  /** What every other key holds. */
  any?: ObjectSpec;
  listing?: ListingSpec;
  /** What a listing of versions tells: one for each key. */
  versions?: ListingSpec;
  /** What is to be written. The report tells whether it was. */
  expected?: Record<string, ObjectSpec>;
  /** What is written is counted and forgotten. */
  discard?: boolean;
  /** ETags tell nothing of the bytes. */
  opaque?: boolean;
  faults?: Fault[];
  /** How many requests of each key are kept; all are counted. */
  log?: number;
}

/** What was asked about one key; listings count under the empty one. */
export interface Counts {
  requests: number;
  gets: number;
  heads: number;
  lists: number;
  /** Connections that are open and asked for it last. */
  open: number;
  /** The first requests. */
  asked: { method: string; target: string; headers: Record<string, string> }[];
}

/** What was asked of a bucket. */
export interface Report {
  connections: number;
  open: number;
  /** Answers that are under way. */
  busy: number;
  requests: number;
  /** How often each fault happened. */
  fired: number[];
  keys: Record<string, Counts>;
  /** How many requests of each kind came. */
  kinds: { [kind in Kind]?: number };
  /** The objects that were written. */
  written: Record<string, Written>;
  /** The uploads that are under way. */
  uploads: { key: string; id: string; parts: number[] }[];
  /** The keys of the uploads that were aborted. */
  aborted: string[];
  /** The keys that were deleted. */
  deleted: string[];
  /** How many bodies were refused because their checksum was another. */
  refused: number;
}

/** An object that was written. */
export interface Written {
  size: number;
  etag: string;
  /** How many parts it came in; 0 for one request. */
  parts: number;
  /** Whether its bytes are the expected ones; `null` where nothing is expected. */
  asExpected: boolean | null;
  /** The checksums that it came with, by header. */
  checksums: Record<string, string>;
  headers: Record<string, string>;
}

/** A bucket of the fault server. */
export class FaultBucket implements AsyncDisposable {
  private constructor(readonly name: string, readonly endpoint: string) {}

  /** Makes a bucket of its own for a test. */
  static async make(spec: BucketSpec, endpoint = told("ENDPOINT")): Promise<FaultBucket> {
    const bucket = new FaultBucket(`faults-${crypto.randomUUID()}`, endpoint);
    await bucket.#tell("PUT", spec);
    return bucket;
  }

  /** The URI of a key in it. */
  uri(key: string): `s3://${string}` {
    return `s3://${this.name}/${key}`;
  }

  /** A client of the server. */
  client(options: S3ClientOptions = {}): S3Client {
    return new S3Client({
      endpoint: this.endpoint,
      region: "us-east-1",
      credentials: { accessKeyId: "id", secretAccessKey: "secret" },
      ...options,
    });
  }

  /** Adds faults. */
  async add(...faults: Fault[]): Promise<void> {
    await this.#tell("POST", faults);
  }

  /** What was asked so far. */
  async report(): Promise<Report> {
    return await this.#tell("GET") as Report;
  }

  /** Waits until no connection to it is open. Tells how many milliseconds that took. */
  async untilClosed(patience: number): Promise<number> {
    return await this.#until("open", patience);
  }

  /** Waits until it sends no answer any more. Tells how many milliseconds that took. */
  async untilQuiet(patience: number): Promise<number> {
    return await this.#until("busy", patience);
  }

  /** Waits until it was asked so often. */
  async untilAsked(requests: number, patience: number): Promise<void> {
    const deadline = performance.now() + patience;
    while ((await this.report()).requests < requests) {
      if (performance.now() > deadline) throw new Error(`no ${requests} requests came`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  /** The server forgets it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tell("DELETE");
  }

  async #until(count: "open" | "busy", patience: number): Promise<number> {
    const begun = performance.now();
    while (true) {
      const number = (await this.report())[count];
      const took = performance.now() - begun;
      if (number === 0) return took;
      if (took > patience) {
        throw new Error(`${number} connections are ${count} after ${patience} ms`);
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  async #tell(method: string, body?: unknown): Promise<unknown> {
    const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
    const response = await fetch(`${told("CONTROL")}/${this.name}`, init);
    const text = await response.text();
    if (!response.ok) throw new Error(`the fault server refuses: ${text}`);
    return JSON.parse(text);
  }
}

function told(name: string): string {
  const value = Deno.env.get(`DIPPER_TEST_FAULTS_${name}`);
  if (value === undefined) throw new Error(`DIPPER_TEST_FAULTS_${name} is not set`);
  return value;
}
