// The completion queue of this isolate: requests go down as JSON, completions come up as records.
//
// Native threads wake the event loop once for many completions; one plain call then drains all
// that is ready. Every operation ends exactly once. Some bring items before they end, one record
// each: that path is short, as there may be tens of thousands a second. While any operation is
// under way the program stays alive; an idle queue lets it end.

import { attach } from "../jupyter/plugin.ts";
import { DipperError, InternalError, invalidInput, thrownFor } from "./errors.ts";
import { locate } from "./error_stack.ts";
import { collect, type Library, library } from "./library.ts";
import { type Metrics, metricsFrom } from "./metrics.ts";
import { takeRecord } from "./log_records.ts";
import { isGranted, request } from "./permissions.ts";
import { installStop, noteCancelled, onStop } from "./stop.ts";
import { runFunction } from "./program_functions.ts";
import {
  type AnswerMessage,
  type AskHandle,
  type BufferHandle,
  type ErrorDetails,
  KIND,
  type LogRecordMessage,
  type MetricsMessage,
  type OperationHandle,
  type Question,
  type QueueHandle,
  RECORD,
  type ServerHandle,
  type StreamHandle,
  type Submission,
  type TableHandle,
  type UploadHandle,
} from "./symbols.ts";

/** How far an operation is. */
export interface Progress {
  /** Bytes that are done. */
  bytes: number;
  /** Bytes in all; 0 while that is not known. */
  total: number;
  /** What was done for them so far; in the last call, the whole account. */
  metrics: Metrics;
}

/**
 * Takes one of several results: which one, its buffer, its length, and why it failed if it did.
 * Whoever takes a buffer maps or releases it. A buffer of 0 holds nothing.
 */
export type TakeItem = (
  index: number,
  buffer: BufferHandle,
  length: number,
  failure: ErrorDetails | undefined,
) => void;

/** How to run an operation. */
export interface SubmitOptions {
  /** Ends the operation early; the call then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Told how far it is, at most ten times a second. */
  onProgress?: ((progress: Progress) => void) | undefined;
  /** Takes the items that come before the end. */
  onItem?: TakeItem | undefined;
  /** Private memory that the operation fills. Nobody else may reach it until the end. */
  target?: Uint8Array<ArrayBuffer> | undefined;
  /** What the user called, for errors. */
  operation?: string | undefined;
  /** The rejection for an operation that ends because its client was disposed. */
  onCancelled?: (() => unknown) | undefined;
}

/** How an operation ended well. */
export interface Completed {
  /** A handle or a number, depending on the operation. */
  value: number;
  /** How many bytes it was about. */
  extent: number;
  /** The result's message, if it has one. */
  payload: unknown;
}

interface Pending {
  operation: string;
  resolve(completed: Completed): void;
  reject(reason: unknown): void;
  options: SubmitOptions;
  onAbort: (() => void) | undefined;
  /** What a listener threw: the operation ends with it. */
  thrown?: { reason: unknown };
}

/** Links that cannot be routed are for credentials: only looked up, never asked for. */
const METADATA_HOSTS = ["169.254.169.254:80", "169.254.170.2:80", "169.254.170.23:80"];

const encoder = new TextEncoder();
const decoder = new TextDecoder();

class Queue {
  readonly #library: Library;
  readonly handle: QueueHandle;
  readonly #pending = new Map<number, Pending>();
  #batch: { message: string; pending: Pending }[] = [];
  #room = new ArrayBuffer(64 * 1024);
  #draining = false;
  /** Questions that wait for the collector. */
  #collecting: AskHandle[] = [];
  /** Whose item was the last: the next is most often of the same operation. */
  #recent: { handle: number; pending: Pending } | undefined;

  constructor(loaded: Library) {
    this.#library = loaded;
    this.handle = loaded.checked(loaded.node.open(() => this.#drain())) as QueueHandle;
    // What was uploaded of an object that will not be there costs money until it is aborted.
    globalThis.addEventListener("unload", () => loaded.native.endOfProgram(this.handle));
  }

  submit(submission: Submission, options: SubmitOptions): Promise<Completed> {
    const { signal, target } = options;
    if (signal?.aborted) return Promise.reject(signal.reason);
    const message = messageOf(submission);
    const operation = submission.request.operation;
    return new Promise((resolve, reject) => {
      const pending: Pending = { operation, resolve, reject, options, onAbort: undefined };
      if (target === undefined) {
        if (this.#pending.size === 0 && this.#batch.length === 0) this.#library.node.hold();
        if (this.#batch.push({ message, pending }) === 1) queueMicrotask(() => this.#flush());
      } else {
        const { native, node } = this.#library;
        const handle = native.submitInto(this.handle, encoder.encode(message), target);
        if (this.#pending.size === 0 && this.#batch.length === 0) node.hold();
        this.#start(handle, pending);
      }
    });
  }

  /** Sends all that was submitted in this turn with one call. */
  #flush(): void {
    const batch = this.#batch;
    this.#batch = [];
    const message = encoder.encode(`[${batch.map(({ message }) => message).join()}]`);
    const handles = new Float64Array(batch.length);
    try {
      this.#library.native.submit(this.handle, message, new Uint8Array(handles.buffer));
    } catch (error) {
      for (const { pending } of batch) pending.reject(error);
      this.#idle();
      return;
    }
    batch.forEach(({ pending }, index) => this.#start(handles[index] as OperationHandle, pending));
  }

  #start(handle: OperationHandle, pending: Pending): void {
    this.#pending.set(handle, pending);
    const { signal } = pending.options;
    if (signal === undefined) return;
    const cancel = () => {
      noteCancelled();
      this.#library.native.cancel(handle);
    };
    pending.onAbort = cancel;
    if (signal.aborted) cancel();
    else signal.addEventListener("abort", cancel, { once: true });
  }

  #idle(): void {
    if (this.#pending.size === 0 && this.#batch.length === 0) this.#library.node.release();
  }

  #drain(): void {
    // A listener that blocks on a prompt may let the event loop in again.
    if (this.#draining) return;
    this.#draining = true;
    try {
      const { native } = this.#library;
      while (true) {
        const room = new Uint8Array(this.#room);
        const written = native.drain(this.handle, room);
        if (written > 0) {
          this.#read(written);
          continue;
        }
        const needed = native.nextRecord(this.handle);
        if (needed === 0) break;
        if (needed > this.#room.byteLength) this.#room = new ArrayBuffer(2 * needed);
      }
    } finally {
      this.#draining = false;
    }
  }

  #read(written: number): void {
    const doubles = new Float64Array(this.#room);
    const words = new Uint32Array(this.#room);
    for (let at = 0; at < written;) {
      const payload = words[(at + RECORD.payload) / 4] ?? 0;
      const start = at + RECORD.size;
      const kind = words[(at + RECORD.kind) / 4] ?? 0;
      const operation = doubles[(at + RECORD.operation) / 8] ?? 0;
      const value = doubles[(at + RECORD.value) / 8] ?? 0;
      const extent = doubles[(at + RECORD.extent) / 8] ?? 0;
      const told = payload === 0 ? undefined : this.#json(start, payload);
      if (kind === KIND.Item) {
        const index = words[(at + RECORD.index) / 4] ?? 0;
        const failed = words[(at + RECORD.status) / 4] !== 0;
        this.#item(operation, index, value, extent, failed ? told as ErrorDetails : undefined);
      } else {
        this.#take(kind, operation, value, extent, told);
      }
      at = start + Math.ceil(payload / 8) * 8;
    }
  }

  #item(
    handle: number,
    index: number,
    value: number,
    extent: number,
    failure: ErrorDetails | undefined,
  ): void {
    const pending = this.#recent?.handle === handle
      ? this.#recent.pending
      : this.#pending.get(handle);
    if (pending === undefined) {
      this.#release(value);
      return;
    }
    if (this.#recent?.pending !== pending) this.#recent = { handle, pending };
    const { onItem, signal } = pending.options;
    if (onItem === undefined || pending.thrown !== undefined || signal?.aborted) {
      this.#release(value);
      return;
    }
    try {
      onItem(index, value as BufferHandle, extent, failure);
    } catch (reason) {
      this.#stop(handle as OperationHandle, pending, reason);
    }
  }

  /** Releases a buffer that nobody takes. */
  #release(buffer: number): void {
    if (buffer !== 0) this.#library.native.bufferRelease(buffer as BufferHandle);
  }

  /** Ends an operation with what a listener threw. */
  #stop(handle: OperationHandle, pending: Pending, reason: unknown): void {
    pending.thrown = { reason };
    this.#library.native.cancel(handle);
  }

  #json(start: number, length: number): unknown {
    return JSON.parse(decoder.decode(new Uint8Array(this.#room, start, length)));
  }

  #take(kind: number, handle: number, value: number, extent: number, payload: unknown): void {
    if (kind === KIND.Log) {
      takeRecord(handle, payload as LogRecordMessage | undefined);
      return;
    }
    if (kind === KIND.Stop) {
      onStop();
      return;
    }
    if (kind === KIND.Ask) {
      this.#answer(handle as AskHandle, payload as Question);
      return;
    }
    const pending = this.#pending.get(handle);
    if (pending === undefined) return;
    if (kind === KIND.Progress) {
      const metrics = metricsFrom(payload as MetricsMessage);
      this.#report(handle as OperationHandle, pending, { bytes: value, total: extent, metrics });
      return;
    }
    this.#pending.delete(handle);
    this.#recent = undefined;
    this.#idle();
    const { signal } = pending.options;
    if (pending.onAbort !== undefined) signal?.removeEventListener("abort", pending.onAbort);
    const stopped = pending.thrown ?? (signal?.aborted ? { reason: signal.reason } : undefined);
    if (kind === KIND.Done) {
      if (stopped === undefined) {
        pending.resolve({ value, extent, payload });
        return;
      }
      this.#discard(pending.operation, value);
    }
    pending.reject(stopped === undefined ? this.#failure(kind, pending, payload) : stopped.reason);
  }

  /** It finished before it noticed that it was stopped: what it brought is not wanted any more. */
  #discard(operation: string, value: number): void {
    if (value === 0) return;
    if (operation === "get" || operation === "readLines") this.#release(value);
    if (["openStream", "openLines", "openBatches"].includes(operation)) {
      this.#library.native.streamRelease(value as StreamHandle);
    }
    if (operation === "openUpload" || operation === "openFile") {
      this.#library.native.uploadRelease(value as UploadHandle);
    }
    if (operation === "loadTable") this.#library.native.tableRelease(value as TableHandle);
    if (operation === "startLocalS3") {
      const request = { operation: "stopLocalS3", server: value } as const;
      this.submit({ granted: [], request }, {}).catch(() => {});
    }
  }

  #failure(kind: number, pending: Pending, payload: unknown): unknown {
    if (kind === KIND.Failed) return thrownFor(payload as ErrorDetails, pending.options.operation);
    return pending.options.onCancelled?.() ?? cancelledError(pending.operation);
  }

  #report(handle: OperationHandle, pending: Pending, progress: Progress): void {
    if (pending.thrown !== undefined || pending.options.signal?.aborted) return;
    try {
      pending.options.onProgress?.(progress);
    } catch (reason) {
      this.#stop(handle, pending, reason);
    }
  }

  /** Runs a function of the program; its answer may come much later. */
  async #call(ask: AskHandle, name: number): Promise<void> {
    const answer: AnswerMessage<unknown> = await runFunction(name);
    try {
      this.#library.native.answerWith(ask, encoder.encode(JSON.stringify(answer)));
    } catch {
      // Nobody waits for it any more.
    }
  }

  #answer(ask: AskHandle, question: Question): void {
    const { native, node } = this.#library;
    if (question.kind === "collect") {
      // One round serves all that ask meanwhile.
      if (this.#collecting.push(ask) > 1) return;
      collect(node);
      // Finalizers run when the event loop turns.
      setTimeout(() => {
        for (const one of this.#collecting.splice(0)) native.answer(one, 1);
      }, 0);
      return;
    }
    if (question.kind === "call") {
      void this.#call(ask, question.function);
      return;
    }
    if (question.kind === "keep") {
      native.answer(ask, keepFile(question.path, question.text) ? 1 : 0);
      return;
    }
    const need = { name: "net", host: question.host } as const;
    const granted = METADATA_HOSTS.includes(question.host) ? isGranted(need) : request(need);
    native.answer(ask, granted ? 1 : 0);
  }
}

/** Replaces a file that the credential chain read, where writing it is granted. */
function keepFile(path: string, text: string): boolean {
  if (!isGranted({ name: "write", path })) return false;
  const next = `${path}.dipper`;
  try {
    if (!isGranted({ name: "write", path: next })) {
      Deno.writeTextFileSync(path, text, { mode: 0o600 });
      return true;
    }
    // Another program may be reading it.
    Deno.writeTextFileSync(next, text, { mode: 0o600, createNew: true });
    Deno.renameSync(next, path);
    return true;
  } catch {
    return false;
  }
}

/** A submission as JSON. Text that UTF-8 cannot hold would spoil the whole batch. */
function messageOf(submission: Submission): string {
  const message = JSON.stringify(submission);
  // JSON.stringify escapes lone surrogates, and hardly anything else looks like one.
  if (message.includes("\\ud") && !isWellFormed(submission)) {
    throw invalidInput(
      submission.request.operation,
      "an option holds text that is not well-formed",
      "pass strings without lone surrogates",
    );
  }
  return message;
}

function isWellFormed(value: unknown): boolean {
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value !== "object" || value === null) return true;
  return Object.entries(value).every(([name, part]) => name.isWellFormed() && isWellFormed(part));
}

function cancelledError(operation: string): DipperError {
  return new InternalError("the operation was cancelled", { code: "Cancelled", operation });
}

let opened: Queue | undefined;

function queue(): Queue {
  if (opened === undefined) {
    const loaded = library();
    const { handle } = opened = new Queue(loaded);
    attach(() => installStop(loaded, handle));
  }
  return opened;
}

/** What names this isolate's queue to the native side. */
export function queueHandle(): QueueHandle {
  return queue().handle;
}

/** Starts an operation; settles when its completion comes up. */
export async function submit(
  submission: Submission,
  options: SubmitOptions = {},
): Promise<Completed> {
  try {
    return await queue().submit(submission, options);
  } catch (error) {
    if (error instanceof DipperError) locate(error);
    throw error;
  }
}

/** Stops an embedded server while the program ends; the event loop turns no more. */
export function stopServer(server: ServerHandle): void {
  try {
    library().native.serverStop(server);
  } catch {
    // Stopped already.
  }
}
