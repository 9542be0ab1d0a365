// The files of a transfer on their way through the boundary: hundreds with each call, a few calls
// at once, so that neither a call for each file nor a pause between calls costs time.

import { type DipperError, errorOf, InternalError } from "../ffi/errors.ts";
import { type Metrics, metricsFrom, metricsOfAll } from "../ffi/metrics.ts";
import type { Completed, Progress, SubmitOptions } from "../ffi/queue.ts";
import { eitherSignal } from "../ffi/stop.ts";
import type { MetricsMessage } from "../ffi/symbols.ts";
import type { TransferProgress } from "./transfer_told.ts";

/** Files of one call. */
const BATCH = 500;
/** Files of the first call: it goes out while the others are still being looked at. */
const FIRST_BATCH = 64;
/** Calls at once. While one ends with its last files, the next keeps the connections busy. */
const AT_ONCE = 3;
const PROGRESS_INTERVAL = 100;

/** How one call is made, and what becomes of each of its files. */
export interface BatchWork<Job> {
  operation: string;
  signal: AbortSignal | undefined;
  onProgress: ((progress: TransferProgress) => void) | undefined;
  /** How many bytes a file has, as far as it is known. */
  sizeOf(job: Job): number;
  /** Makes the call. */
  send(jobs: readonly Job[], options: SubmitOptions): Promise<Completed>;
  /** A file is done, or has failed. */
  ended(job: Job, bytes: number, error: DipperError | undefined): void;
}

interface Call {
  bytes: number;
  metrics: Metrics | undefined;
}

/** Files that are sent in batches. */
export class TreeBatches<Job> {
  readonly #work: BatchWork<Job>;
  readonly #ending = new AbortController();
  readonly #signal: AbortSignal;
  readonly #running = new Set<Promise<void>>();
  readonly #calls: Call[] = [];
  #gathered: Job[] = [];
  #batch = FIRST_BATCH;
  #failure: { reason: unknown } | undefined;
  #total = 0;
  #files = 0;
  #totalFiles = 0;
  #told = -Infinity;

  constructor(work: BatchWork<Job>) {
    this.#work = work;
    this.#signal = eitherSignal(work.signal, this.#ending.signal);
  }

  /** Ends with the transfer: aborted when it fails. */
  get signal(): AbortSignal {
    return this.#signal;
  }

  /** Whether it is time to wait for {@linkcode room}. */
  get full(): boolean {
    return this.#running.size >= AT_ONCE;
  }

  /** Takes one more file. */
  add(job: Job): void {
    this.#gathered.push(job);
    this.#total += this.#work.sizeOf(job);
    this.#totalFiles++;
    if (this.#gathered.length >= this.#batch) this.flush();
  }

  /** Waits until more may be added. */
  async room(): Promise<void> {
    while (this.full) await Promise.race(this.#running);
    this.#throwFailure();
  }

  /** Sends what was gathered. */
  flush(): void {
    const jobs = this.#gathered;
    if (jobs.length === 0 || this.#failure !== undefined) return;
    this.#gathered = [];
    this.#batch = BATCH;
    const running = this.#send(jobs).catch((reason) => {
      this.#failure ??= { reason };
      this.#ending.abort(reason);
    }).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Waits until all is done. */
  async end(): Promise<void> {
    this.flush();
    while (this.#running.size > 0) await Promise.race(this.#running);
    this.#throwFailure();
    this.#tell();
  }

  /** Ends what is under way, and waits until it has let go of its files. */
  async abort(reason: unknown): Promise<void> {
    this.#failure ??= { reason };
    this.#ending.abort(reason);
    await Promise.allSettled(this.#running);
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.reason;
  }

  async #send(jobs: readonly Job[]): Promise<void> {
    const { operation, onProgress, send, ended } = this.#work;
    const call: Call = { bytes: 0, metrics: undefined };
    this.#calls.push(call);
    let arrived = 0;
    const { payload } = await send(jobs, {
      signal: this.#signal,
      onProgress: onProgress === undefined ? undefined : (told) => this.#report(call, told),
      onItem: (index, _value, bytes, failure) => {
        const job = jobs[index];
        if (job === undefined) throw defect(operation, `there is no file ${index}`);
        arrived++;
        this.#files++;
        ended(job, bytes, failure === undefined ? undefined : errorOf(failure, operation));
      },
    });
    if (arrived !== jobs.length) throw defect(operation, `${arrived} of ${jobs.length} came`);
    if (onProgress !== undefined && payload !== undefined) {
      const metrics = metricsFrom(payload as MetricsMessage);
      this.#report(call, { bytes: metrics.bytes, total: 0, metrics });
    }
  }

  #report(call: Call, { bytes, metrics }: Progress): void {
    call.bytes = bytes;
    call.metrics = metrics;
    const now = performance.now();
    if (now - this.#told < PROGRESS_INTERVAL) return;
    this.#told = now;
    this.#tell();
  }

  #tell(): void {
    const all = this.#calls.map(({ metrics }) => metrics).filter((one) => one !== undefined);
    const [first, ...others] = all;
    if (first === undefined) return;
    const bytes = this.#calls.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#work.onProgress?.({
      bytes,
      total: Math.max(this.#total, bytes),
      files: this.#files,
      totalFiles: this.#totalFiles,
      metrics: others.reduce(metricsOfAll, first),
    });
  }
}

function defect(operation: string, message: string): InternalError {
  return new InternalError(message, { code: "Internal", operation });
}
