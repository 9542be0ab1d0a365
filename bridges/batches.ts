// Batches of elements out of a native source, one read ahead of whoever takes them.
//
// Text is decoded out of memory of JavaScript's own, which is private until the read has completed,
// and free again before the next read but one: two such memories serve all of a source. Byte batches
// are handed out with their memory. It is the native side's, which fills it again once the collector
// has found that nobody holds it any more: fresh memory would cost more than what is read into it.
// While one batch is used, the next is read, and no more: that is the back-pressure.
//
// The lines of a plain file are cut by the native side's threads before they are asked for, a few
// batches ahead. Such batches lie in its memory, those of text, too, which get it back as soon as they
// are decoded. What is there, or will be in a moment, is taken without the event loop, whose turn costs
// more than a batch; but not for long, so that it turns.

import type { Watched } from "../client/watched.ts";
import { collect, library } from "../ffi/library.ts";
import { countHandedOut } from "../ffi/memory.ts";
import { type Metrics, metricsFrom } from "../ffi/metrics.ts";
import type { NativeLines } from "../ffi/native_lines.ts";
import type { Progress } from "../ffi/queue.ts";
import type { BatchMessage } from "../ffi/symbols.ts";
import { TextPieces } from "./text_lines.ts";

/** The most memory of a batch, unless one element needs more. */
const LONGEST = 1024 * 1024;
/** The least: a short source may be compressed. */
const SHORTEST = 64 * 1024;
const PROGRESS_INTERVAL = 100;

/** So much native memory is what is under way, and some batches. */
const FEW = 16 * 1024 * 1024;
/**
 * V8's young collector runs when an array buffer is made and 64 MiB of young ones lie about. Memory
 * that nobody touches is none, and counts all the same: with so much of it, the batches among it are
 * fewer. The sum is barely more, as V8 marks its old heap when there is much more.
 */
const YOUNG = 66 * 1024 * 1024;
/** What is larger, the system maps anew each time, and so need not clear it. */
const LEAST_UNTOUCHED = 33 * 1024 * 1024;
/** So many bytes are handed out at least between two of those. */
const HURRY_EVERY = 16 * 1024 * 1024;
let unhurried = 0;

/** When there is so much, V8 marks, and is to have turns of the event loop to come to an end. */
const SOME = 40 * 1024 * 1024;
/** When there is so much, V8 is asked to look everywhere. */
const MUCH = 48 * 1024 * 1024;
const MORE = 32 * 1024 * 1024;
let most = MUCH;
/** So often in a row: what it was looking at when it was asked is not found before. */
const TRIES = 3;
let tries = 0;

/** So many bytes are handed out at least before all that is looked at again. */
const LOOK_EVERY = 4 * 1024 * 1024;
let unseen = 0;

/**
 * Sees to it that batches that were dropped do not pile up: V8's young collector is made to run. It
 * rests while V8 marks its old heap, which takes long where the event loop seldom turns. Asking for a
 * whole collection, as streams do, costs more than reading does: that is only done when the young one
 * does not keep up.
 *
 * @returns Whether the event loop is to turn, for what V8 does in its turns.
 */
function sweep(bytes: number): boolean {
  unseen += bytes;
  unhurried += bytes;
  if (unseen < LOOK_EVERY) return false;
  unseen = 0;
  const held = memoryHeld();
  if (held > FEW && unhurried >= HURRY_EVERY) {
    unhurried = 0;
    hurryYoungCollector(Math.max(YOUNG - held, LEAST_UNTOUCHED));
  }
  const much = held > most;
  if (much) collect(library().node);
  // What a program keeps on purpose is not looked for again and again.
  tries = much ? (tries + 1) % TRIES : 0;
  const kept = much && tries === 0;
  most = Math.max(MUCH, kept ? held + MORE : Math.min(most, held + MORE));
  return much || held > SOME;
}

function hurryYoungCollector(untouched: number): void {
  try {
    new ArrayBuffer(untouched);
  } catch {
    // Where not even that may be reserved, V8 looks by itself.
  }
}

const report = new Float64Array(6);
const reportBytes = new Uint8Array(report.buffer);

/** Bytes of all native memory: batches, what is under way, and what else a program holds. */
function memoryHeld(): number {
  library().native.memory(reportBytes);
  return report[0]!;
}

/** An open source, and how many bytes it has, where somebody tells. */
export interface OpenedLines {
  readonly lines: NativeLines;
  readonly total: number | undefined;
  readonly metrics: Metrics;
}

/** What batches are read from. */
export interface LinesOrigin {
  /** The source, as it may be shown. */
  readonly uri: string | undefined;
  /** Opens the source. */
  open(signal: AbortSignal): Promise<OpenedLines>;
  /** Why nothing can be read any more, for sources that outlive their client. */
  gone(): unknown;
}

/** How to read batches. */
export interface BatchOptions {
  /** Ends the source: what waits for it fails with the signal's reason. */
  readonly signal: AbortSignal | undefined;
  /** Told how far it is. */
  readonly onProgress: ((progress: Progress) => void) | undefined;
  /** Begins to show how far it is. */
  watch(): Watched | undefined;
}

/** What a read brought. */
export interface RawBatch {
  /** The elements' bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** How many elements; not of a piece of a batch of text. */
  readonly elements: number | undefined;
  /** Where each ends, behind a zero; not of text without line feeds in elements. */
  readonly offsets: Uint32Array<ArrayBuffer> | undefined;
  /** Whether the native side gets the memory back once it is decoded. */
  readonly lent: boolean | undefined;
}

/** So many milliseconds batches are taken at most before the event loop turns. */
const AT_ONCE = 10;

interface Read {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What was filled, if it is to be filled again. */
  readonly memory?: Uint8Array<ArrayBuffer>;
  readonly lent?: boolean;
  readonly batch: BatchMessage;
  readonly offsets: Uint32Array<ArrayBuffer> | undefined;
}

/** Reads batches, one after the other. */
export class BatchReader {
  readonly #origin: LinesOrigin;
  readonly #options: BatchOptions;
  /** Whether the memory stays ours, because it is decoded at once. */
  readonly #text: boolean;
  readonly #ending = new AbortController();
  #lines: NativeLines | undefined;
  #total: number | undefined;
  #metrics: Metrics | undefined;
  #ahead: Promise<Read> | undefined;
  /** When the first batch was taken since the event loop turned. */
  #taking: number | undefined;
  /** Memory that may be filled again. */
  #spare: Uint8Array<ArrayBuffer>[] = [];
  #told = -Infinity;
  #watching: Watched | undefined;
  #over = false;
  /** What was read of text, and not taken yet. */
  #pieces: TextPieces | undefined;

  constructor(origin: LinesOrigin, options: BatchOptions, text: boolean) {
    this.#origin = origin;
    this.#options = options;
    this.#text = text;
  }

  /** Ends the source and lets go of everything. Twice is harmless. */
  end(reason?: unknown): void {
    this.#over = true;
    this.#ending.abort(reason);
    this.#lines?.release();
    this.#spare = [];
    this.#pieces = undefined;
    if (reason === undefined) this.#watching?.end("stopped");
    else this.#watching?.fail(reason);
  }

  /** Waits until nothing is read ahead any more. */
  async settled(): Promise<void> {
    try {
      await this.#ahead;
    } catch {
      // It was ended.
    }
  }

  /**
   * The next batch that has an element, of text a piece of one; `undefined` at the end. Text is to be
   * taken out of it before the next call.
   */
  async next(): Promise<RawBatch | undefined> {
    const piece = this.#pieces?.next();
    if (piece !== undefined) return piece;
    this.#pieces = undefined;
    const batch = await this.#next();
    if (batch === undefined || !this.#text) return batch;
    this.#pieces = new TextPieces(batch);
    return this.#pieces.next();
  }

  async #next(): Promise<RawBatch | undefined> {
    if (this.#over) return undefined;
    try {
      const lines = this.#lines ?? await this.#begin();
      while (true) {
        const { bytes, memory, lent, batch, offsets } = this.#take(lines) ??
          await this.#waited(lines);
        this.#ending.signal.throwIfAborted();
        this.#ahead = undefined;
        lines.ahead = batch.ahead;
        this.#progress(batch);
        if (batch.ended) this.#finish();
        else if (!batch.ahead) {
          this.#ahead = this.#read(lines, batch.needed);
          // It is told to who asks for the batch.
          this.#ahead.catch(() => {});
        }
        if (memory !== undefined) this.#keep(memory, bytes.length);
        if (batch.elements > 0) return { bytes, elements: batch.elements, offsets, lent };
        if (batch.ended) return undefined;
      }
    } catch (reason) {
      const { aborted } = this.#ending.signal;
      const given = aborted ? this.#ending.signal.reason : this.#origin.gone() ?? reason;
      this.end(given);
      throw given;
    }
  }

  async #begin(): Promise<NativeLines> {
    const { signal } = this.#ending;
    this.#watching = this.#options.watch();
    const { lines, total, metrics } = await this.#origin.open(signal);
    if (signal.aborted) {
      lines.release();
      throw signal.reason;
    }
    this.#total = total;
    this.#metrics = metrics;
    this.#watching?.rest();
    return this.#lines = lines;
  }

  /** What is there, unless the event loop is to turn. */
  #take(lines: NativeLines): Read | undefined {
    if (!lines.ahead || this.#ahead !== undefined) return undefined;
    const now = performance.now();
    this.#taking ??= now;
    if (now - this.#taking > AT_ONCE) return undefined;
    // What it took is told with what comes through the event loop.
    if (this.#options.onProgress !== undefined && now - this.#told >= PROGRESS_INTERVAL) {
      return undefined;
    }
    const taken = lines.take();
    return taken && this.#owned(lines, taken);
  }

  /** The next batch, for which whoever asked waits. Only then a timer is set: it costs as much. */
  async #waited(lines: NativeLines): Promise<Read> {
    this.#watching?.goOn();
    try {
      return await (this.#ahead ?? this.#read(lines));
    } finally {
      this.#watching?.rest();
    }
  }

  /** A batch in memory of its own. */
  #owned(
    lines: NativeLines,
    { bytes, batch }: { bytes: Uint8Array<ArrayBuffer>; batch: BatchMessage },
  ): Read {
    if (this.#text) return { bytes, lent: true, batch, offsets: undefined };
    if (bytes.length > SHORTEST && sweep(bytes.length)) this.#taking = -Infinity;
    return { bytes, batch, offsets: lines.offsets(batch.elements) };
  }

  async #read(lines: NativeLines, needed?: number): Promise<Read> {
    const { signal } = this.#ending;
    if ((!this.#text || lines.ahead) && needed === undefined) {
      const read = await lines.next({ signal });
      this.#taking = undefined;
      return this.#owned(lines, read);
    }
    const target = this.#memory(needed);
    const { filled, batch } = await lines.read(target, { signal });
    // Nor is it for long strings.
    if (this.#text && filled > LONGEST) countHandedOut(filled);
    const wanted = batch.elements > 0 && (!this.#text || batch.innerLineFeed === true);
    return {
      bytes: target.subarray(0, filled),
      ...this.#text ? { memory: target } : undefined,
      batch,
      offsets: wanted ? lines.offsets(batch.elements) : undefined,
    };
  }

  /** Private memory for a read: so much where one element needs it, else what is usual. */
  #memory(needed: number | undefined): Uint8Array<ArrayBuffer> {
    const short = this.#total !== undefined && this.#total < LONGEST;
    const usual = short ? Math.max(SHORTEST, this.#total!) : LONGEST;
    const size = needed === undefined ? usual : Math.max(needed, usual);
    const spare = this.#spare.pop();
    if (spare !== undefined && spare.length >= size) return spare;
    // V8 is in no hurry to find large memory that was dropped.
    if (size > LONGEST) countHandedOut(size);
    return new Uint8Array(size);
  }

  /** Keeps what was filled for the next read; what a long element needed, only for more of them. */
  #keep(memory: Uint8Array<ArrayBuffer>, filled: number): void {
    if (memory.length <= LONGEST || 2 * filled > memory.length) this.#spare.push(memory);
  }

  #finish(): void {
    this.#over = true;
    this.#lines?.release();
    this.#watching?.end("done");
  }

  #progress(batch: BatchMessage): void {
    const { onProgress } = this.#options;
    if (batch.metrics !== undefined) this.#metrics = metricsFrom(batch.metrics);
    if (onProgress === undefined && this.#watching === undefined) return;
    const now = performance.now();
    if (!batch.ended && now - this.#told < PROGRESS_INTERVAL) return;
    this.#told = now;
    const total = batch.ended ? batch.taken : this.#total ?? 0;
    const metrics = this.#metrics;
    if (metrics === undefined) return;
    const progress = { bytes: batch.taken, total, metrics };
    this.#watching?.reached(progress);
    onProgress?.(progress);
  }
}
