// The account of a transfer of many objects while it runs, and how it ends: with a report, or with
// an error that carries it.

import { type DipperError, invalidInput, TransferError } from "../ffi/errors.ts";
import type { TransferFailure, TransferReport, TransferStep } from "../ffi/transfer_report.ts";
import { JUPYTER_DISPLAY, type MediaBundle } from "../jupyter/media_bundle.ts";
import { describeTransfer, showTransfer } from "../jupyter/show_transfer.ts";
import type { CallOptions } from "./read_options.ts";
import type { TransferProgress } from "./transfer_told.ts";

/** What every transfer of many objects takes. */
export interface TransferOptions extends Omit<CallOptions, "onProgress"> {
  /** Told how far it is, at most ten times a second, and once at the end. */
  onProgress?: (progress: TransferProgress) => void;
  /**
   * `"throw"`, the default: when something failed, the call rejects at its end with a
   * `TransferError` whose `report` tells everything. `"collect"`: it resolves with the report.
   */
  onError?: "throw" | "collect";
}

/** A report with its displays, which are no properties of its own. */
class ShownReport implements TransferReport {
  constructor(
    readonly operation: string,
    readonly transferred: number,
    readonly bytes: number,
    readonly skipped: number,
    readonly deleted: number,
    readonly failures: readonly TransferFailure[],
    readonly milliseconds: number,
    readonly dryRun: boolean,
    readonly steps: readonly TransferStep[],
    readonly ignored: readonly string[],
  ) {}

  [JUPYTER_DISPLAY](): MediaBundle {
    return showTransfer(this);
  }

  [Symbol.for("Deno.customInspect")](): string {
    return describeTransfer(this);
  }
}

/** As many failures as an error's message tells. The report tells all. */
const TOLD = 3;

/** Counts what a transfer does. */
export class TransferTally {
  readonly #operation: string;
  readonly #onError: "throw" | "collect";
  readonly #dryRun: boolean;
  readonly #started = performance.now();
  readonly #failures: TransferFailure[] = [];
  #transferred = 0;
  #bytes = 0;
  #skipped = 0;
  #deleted = 0;
  readonly #steps: TransferStep[] = [];
  readonly #ignored: string[] = [];

  /** @throws {InvalidInputError} When `onError` is neither `"throw"` nor `"collect"`. */
  constructor(
    operation: string,
    { onError = "throw" }: TransferOptions,
    dryRun: boolean = false,
  ) {
    if (onError !== "throw" && onError !== "collect") {
      throw invalidInput(
        operation,
        'onError is neither "throw" nor "collect"',
        'pass onError: "collect" to get a report of failures instead of an error',
      );
    }
    this.#operation = operation;
    this.#onError = onError;
    this.#dryRun = dryRun;
  }

  /** One more was transferred. */
  transferred(bytes: number): void {
    this.#transferred++;
    this.#bytes += bytes;
  }

  /** One more was left as it is. */
  skipped(): void {
    this.#skipped++;
  }

  /** So many more were deleted. */
  deleted(count: number = 1): void {
    this.#deleted += count;
  }

  /** One more would be transferred or deleted, if this were no dry run. */
  planned(step: TransferStep): void {
    this.#steps.push(step);
    if (step.action === "delete") this.deleted();
    else this.transferred(step.bytes);
  }

  /** One more is nothing that can be transferred. */
  ignored(path: string): void {
    this.#ignored.push(path);
  }

  /** One more failed. */
  failed(uri: string, error: DipperError, more: { path?: string; versionId?: string } = {}): void {
    this.#failures.push({ uri, ...more, error });
  }

  /** The account so far. */
  report(): TransferReport {
    return new ShownReport(
      this.#operation,
      this.#transferred,
      this.#bytes,
      this.#skipped,
      this.#deleted,
      [...this.#failures],
      performance.now() - this.#started,
      this.#dryRun,
      [...this.#steps],
      [...this.#ignored],
    );
  }

  /**
   * The account at the end.
   *
   * @throws {TransferError} When something failed, unless the caller collects failures.
   */
  end(): TransferReport {
    const report = this.report();
    if (report.failures.length === 0 || this.#onError === "collect") return report;
    throw failureOf(report);
  }
}

function failureOf(report: TransferReport): TransferError {
  const { operation, failures } = report;
  const all = report.transferred + report.skipped + report.deleted + failures.length;
  const told = failures.slice(0, TOLD).map(({ uri, error }) =>
    error.message.includes(uri) ? error.message : `${uri}: ${error.message}`
  );
  const more = failures.length > TOLD ? [`and ${failures.length - TOLD} more`] : [];
  return new TransferError(
    `${operation}: ${failures.length} of ${all} failed: ${[...told, ...more].join("; ")}`,
    {
      code: "TransferFailed",
      operation,
      uri: failures[0]!.uri,
      retryable: failures.every(({ error }) => error.retryable),
      hint: 'the error\'s report names each; onError: "collect" returns it instead',
      report,
    },
  );
}
