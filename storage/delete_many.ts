// `deleteMany`: many objects, up to a thousand with one request, several requests at a time.
//
// Sources are read as there is room: what was read and is not deleted yet is bounded, so a listing
// of any length can be deleted while it is read. Only failures are kept until the end.

import type { Connection } from "../client/connection.ts";
import { shownLocation } from "../client/location.ts";
import { quoted } from "../client/s3_uri.ts";
import { watched } from "../client/watched.ts";
import {
  DipperError,
  errorOf,
  InternalError,
  invalidInput,
  InvalidInputError,
  PermissionError,
} from "../ffi/errors.ts";
import type { DeletedMessage } from "../ffi/symbols.ts";
import type { TransferReport } from "../ffi/transfer_report.ts";
import { requireWhole } from "./byte_range.ts";
import { checkedCall } from "./call_options.ts";
import type { Source } from "./read_options.ts";
import { namedBy, type ObjectLocation } from "./source.ts";
import { type TransferOptions, TransferTally } from "./transfer_tally.ts";
import { countOf, TransferTold } from "./transfer_told.ts";

/** What S3 takes with one request. */
const BATCH = 1000;
/** Requests at a time. */
const RUNNING = 8;
/** Objects of many buckets that wait for their batches to fill. */
const GATHERED = 8 * BATCH;
/** A source that brings little is not waited for, in milliseconds. */
const PATIENCE = 200;
const OPERATION = "deleteMany";

type Sources = Iterable<Source | ObjectLocation> | AsyncIterable<Source | ObjectLocation>;

/** An object that is to be deleted. */
interface Doomed {
  readonly uri: string;
  readonly key: string;
  readonly versionId: string | undefined;
}

/** Deletes many objects, as `S3Client.deleteMany` says. */
export async function deleteMany(
  connection: Connection,
  sources: Sources,
  options: TransferOptions,
): Promise<TransferReport> {
  options = checkedCall(options, OPERATION, undefined, ["onError"]);
  const tally = new TransferTally(OPERATION, options);
  const isList = typeof sources === "object" && sources !== null &&
    (Symbol.asyncIterator in sources || Symbol.iterator in sources);
  if (!isList) {
    throw invalidInput(OPERATION, "the sources are no list", "pass an array or another iterable");
  }
  options.signal?.throwIfAborted();
  return await watched(OPERATION, "", options, async (onProgress) => {
    const told = new TransferTold(onProgress, countOf(sources));
    await new Deletion(connection, tally, told, options.signal).run(sources);
    told.end();
    return tally.end();
  });
}

/** One call of `deleteMany`. */
class Deletion {
  readonly #connection: Connection;
  readonly #tally: TransferTally;
  readonly #told: TransferTold;
  /** Ends the requests under way: by the caller's signal, or when one failure ends it all. */
  readonly #ending = new AbortController();
  readonly #signal: AbortSignal | undefined;

  readonly #gathered = new Map<string, Doomed[]>();
  #waiting = 0;
  #patience: ReturnType<typeof setTimeout> | undefined;
  readonly #running = new Set<Promise<void>>();
  #failure: { reason: unknown } | undefined;
  /** Ends the wait for the source. */
  #leave: (() => void) | undefined;

  constructor(
    connection: Connection,
    tally: TransferTally,
    told: TransferTold,
    signal: AbortSignal | undefined,
  ) {
    this.#connection = connection;
    this.#tally = tally;
    this.#told = told;
    this.#signal = signal;
  }

  async run(sources: Sources): Promise<void> {
    const onAbort = () => this.#fail(this.#signal?.reason);
    this.#signal?.addEventListener("abort", onAbort, { once: true });
    try {
      await this.#read(sources);
      for (const bucket of [...this.#gathered.keys()]) await this.#send(bucket);
    } catch (reason) {
      // The source's own failure. What is under way goes on; what waits is not sent.
      this.#failure ??= { reason };
    }
    clearTimeout(this.#patience);
    while (this.#running.size > 0) await Promise.all(this.#running);
    this.#signal?.removeEventListener("abort", onAbort);
    if (this.#failure !== undefined) throw this.#failure.reason;
  }

  async #read(sources: Sources): Promise<void> {
    if (Symbol.iterator in sources) {
      for (const source of sources) {
        const full = this.#add(source);
        if (full !== undefined) await this.#send(full);
        if (this.#failure !== undefined) return;
      }
      return;
    }
    const iterator = sources[Symbol.asyncIterator]();
    while (true) {
      // A source that never answers does not hold up an aborted call.
      const step = await new Promise<IteratorResult<Source | ObjectLocation> | undefined>(
        (resolve, reject) => {
          this.#leave = () => resolve(undefined);
          iterator.next().then(resolve, reject);
        },
      );
      if (step === undefined) {
        // It is about to answer, and closes after that.
        Promise.resolve(iterator.return?.()).catch(() => {});
        return;
      }
      if (step.done) return;
      const full = this.#add(step.value);
      if (full !== undefined) await this.#send(full);
      if (this.#failure !== undefined) {
        await iterator.return?.();
        return;
      }
      this.#patience ??= setTimeout(() => this.#sendEarly(), PATIENCE);
    }
  }

  /**
   * Gathers one object, or tells why it cannot be deleted.
   *
   * @returns The bucket whose batch is to be sent before more is read.
   */
  #add(source: Source | ObjectLocation): string | undefined {
    this.#told.found();
    try {
      const { bucket, doomed } = doomedBy(source);
      const list = this.#gathered.get(bucket) ?? [];
      if (list.push(doomed) === 1) this.#gathered.set(bucket, list);
      this.#waiting++;
      if (list.length >= BATCH) return bucket;
    } catch (error) {
      if (!(error instanceof InvalidInputError)) throw error;
      this.#tally.failed(error.uri ?? written(source), error);
      this.#told.done();
    }
    if (this.#waiting < GATHERED) return undefined;
    const [longest] = [...this.#gathered].reduce((one, other) =>
      other[1].length > one[1].length ? other : one
    );
    return longest;
  }

  /** Sends what there is, as far as there is room, because the source is slow. */
  #sendEarly(): void {
    this.#patience = undefined;
    for (const bucket of [...this.#gathered.keys()]) {
      if (this.#running.size < RUNNING) this.#start(bucket);
      else this.#patience ??= setTimeout(() => this.#sendEarly(), PATIENCE);
    }
  }

  async #send(bucket: string): Promise<void> {
    while (this.#running.size >= RUNNING) await Promise.race(this.#running);
    if (this.#failure === undefined) this.#start(bucket);
  }

  #start(bucket: string): void {
    const list = this.#gathered.get(bucket);
    if (list === undefined) return;
    this.#gathered.delete(bucket);
    this.#waiting -= list.length;
    const running = this.#delete(bucket, list)
      .catch((reason) => this.#fail(reason))
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #delete(bucket: string, list: readonly Doomed[]): Promise<void> {
    let failures: DeletedMessage["failures"];
    try {
      const { payload } = await this.#connection.run(
        { operation: OPERATION, uri: `s3://${bucket}/`, bucket },
        (client) => ({
          operation: "deleteMany",
          client,
          bucket,
          objects: list.map(({ key, versionId }) =>
            versionId === undefined ? { key } : { key, versionId }
          ),
        }),
        { signal: this.#ending.signal },
      );
      failures = (payload as DeletedMessage).failures;
    } catch (error) {
      if (!(error instanceof DipperError) || concernsAll(error)) throw error;
      for (const doomed of list) this.#failed(doomed, error);
      this.#told.done(list.length);
      return;
    }
    for (const { index, error } of failures) {
      const doomed = list[index];
      if (doomed !== undefined) this.#failed(doomed, errorOf(error, OPERATION));
    }
    this.#tally.deleted(list.length - failures.length);
    this.#told.done(list.length);
  }

  #failed({ uri, versionId }: Doomed, error: DipperError): void {
    this.#tally.failed(uri, error, versionId === undefined ? {} : { versionId });
  }

  /** Ends it all: the first reason is what the caller gets. */
  #fail(reason: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { reason };
    this.#ending.abort(reason);
    this.#leave?.();
  }
}

/** Whether no other batch can fare better. */
function concernsAll(error: DipperError): boolean {
  return error instanceof PermissionError || error instanceof InternalError ||
    error.code === "ClientGone" || error.name === "CredentialsError";
}

/** The object that a source names. */
function doomedBy(source: Source | ObjectLocation): { bucket: string; doomed: Doomed } {
  if (typeof source === "object" && source !== null && "prefix" in source) {
    throw invalidInput(
      OPERATION,
      `${source.uri} is a group of keys and no object`,
      "list it without a delimiter and delete its objects",
      source.uri,
    );
  }
  const { location, uri: given, versionId, slices } = namedBy(source, OPERATION);
  const uri = location.scheme === "s3" ? given : shownLocation(location);
  if (location.scheme !== "s3") {
    throw invalidInput(
      OPERATION,
      `${uri} is not on S3`,
      "deleteMany deletes S3 objects; a local file has delete()",
      uri,
    );
  }
  requireWhole(slices, { operation: OPERATION, uri }, "delete the whole object");
  const { bucket, key } = location;
  return { bucket, doomed: { uri, key, versionId } };
}

/** A source that names no object, as it may be shown. */
function written(source: unknown): string {
  const { uri } = Object(source) as { uri?: unknown };
  const text = typeof source === "string" ? source : typeof uri === "string" ? uri : typeof source;
  return quoted(text).slice(1, -1);
}
