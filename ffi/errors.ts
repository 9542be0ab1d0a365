// The errors that users see, and the one place where a status becomes a class.

import { shorten } from "./error_stack.ts";
import { type ErrorCode, type ErrorDetails, STATUS } from "./symbols.ts";
import { JUPYTER_DISPLAY, type MediaBundle } from "../jupyter/media_bundle.ts";
import { withoutSecrets } from "../jupyter/redaction.ts";
import { visibleLines } from "../jupyter/visible_text.ts";
import type { TransferReport } from "./transfer_report.ts";

export type { ErrorCode };

/** What an error tells beside its message. */
export interface ErrorFacts {
  /** Why it failed. */
  code: ErrorCode;
  /** The operation that failed, such as `"get"`. */
  operation: string;
  /** The URI that it was about. */
  uri?: string | undefined;
  /** The HTTP status of the answer, where there was one. */
  status?: number | undefined;
  /** The id that the server gave the request. */
  requestId?: string | undefined;
  /** What to do about it. */
  hint?: string | undefined;
  /** Whether the same call may succeed later. Default: what the code says. */
  retryable?: boolean | undefined;
}

/**
 * The base of every error that dipper throws. The message stands alone: it says what happened, to
 * what, and what to do. An aborted call is the exception: it rejects with `signal.reason`.
 *
 * @example
 * ```ts
 * import { file } from "dipper";
 * try {
 *   file("s3:/typo");
 * } catch (error) {
 *   if (error instanceof DipperError) console.log(error.code, error.hint);
 * }
 * ```
 */
export class DipperError extends Error {
  /** Why it failed: one of a fixed set, such as `"NoSuchKey"`. */
  readonly code: ErrorCode;
  /** The operation that failed, such as `"get"`. */
  readonly operation: string;
  /** The URI that it was about. */
  declare readonly uri?: string;
  /** The HTTP status of the answer, where there was one. */
  declare readonly status?: number;
  /** The id that the server gave the request. */
  declare readonly requestId?: string;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /** What to do about it. */
  declare readonly hint?: string;
  /** The memory that a failed `into` hands back. */
  declare target?: Uint8Array<ArrayBuffer>;

  /** Makes an error from a sentence and what else is known. */
  constructor(message: string, facts: ErrorFacts) {
    // Keys and servers' words may hold terminal escapes, and a message is printed as it stands.
    super(visibleLines(facts.hint === undefined ? message : `${message}; ${facts.hint}`));
    this.name = new.target.name;
    this.code = facts.code;
    this.operation = facts.operation;
    this.retryable = facts.retryable ?? statusOf(facts.code).retryable;
    if (facts.uri !== undefined) this.uri = facts.uri;
    if (facts.status !== undefined) this.status = facts.status;
    if (facts.requestId !== undefined) this.requestId = facts.requestId;
    if (facts.hint !== undefined) this.hint = facts.hint;
    shorten(this);
  }

  /** Shows the error when it is the value of a notebook cell. */
  async [JUPYTER_DISPLAY](): Promise<MediaBundle> {
    return (await import("../jupyter/show_error.ts")).showError(this);
  }
}

/** The object or the bucket does not exist. */
export class NotFoundError extends DipperError {}
/** The server refuses these credentials this operation. */
export class AccessDeniedError extends DipperError {}
/** The caller gave something that cannot be meant. */
export class InvalidInputError extends DipperError {}
/** A condition such as `ifMatch` does not hold, or the object changed while it was read. */
export class PreconditionFailedError extends DipperError {}
/** The bytes are not those that were stored. */
export class IntegrityError extends DipperError {}
/** Nobody answered in time, or the connection stalled. */
export class TimeoutError extends DipperError {}
/** The server cannot be reached, fails, or is none. */
export class NetworkError extends DipperError {}
/** The bytes do not fit the memory that may be held. */
export class BudgetExceededError extends DipperError {}
/** Deno's permissions do not allow it; the message names every missing flag. */
export class PermissionError extends DipperError {}
/** No credentials were found, or their provider failed. */
export class CredentialsError extends DipperError {}
/** Some of many transfers failed; the others were done. */
export class TransferError extends DipperError {
  /** What was done, and each failure with its reason. */
  readonly report: TransferReport;

  /** Makes an error from a sentence, what else is known, and the account of the transfer. */
  constructor(message: string, facts: ErrorFacts & { report: TransferReport }) {
    super(message, facts);
    this.report = facts.report;
  }
}
/** dipper, the server or this program cannot do that. */
export class UnsupportedError extends DipperError {}
/** A defect of dipper. */
export class InternalError extends DipperError {}

const CLASSES = {
  NotFoundError,
  AccessDeniedError,
  InvalidInputError,
  PreconditionFailedError,
  IntegrityError,
  TimeoutError,
  NetworkError,
  BudgetExceededError,
  PermissionError,
  CredentialsError,
  UnsupportedError,
  InternalError,
} as const satisfies Record<
  Exclude<Status["className"], "TransferError">,
  typeof DipperError
>;

const STOPPED = 121 satisfies keyof typeof STATUS;

type Status = (typeof STATUS)[keyof typeof STATUS];

const STATUS_BY_CODE: ReadonlyMap<string, Status> = new Map(
  Object.values(STATUS).map((status) => [status.code, status]),
);

function statusOf(code: ErrorCode): Status {
  return STATUS_BY_CODE.get(code) ?? STATUS[110];
}

/**
 * What a call that Stop ended rejects with: as the platform's own for a call that was aborted, and
 * so for a `signal` of the same name. The message says that the cell was stopped.
 */
export function stoppedError(message: string): DOMException {
  return new DOMException(message, "AbortError");
}

/** What to throw for what the native side reports. */
export function thrownFor(details: ErrorDetails, operation?: string): DipperError | DOMException {
  if (details.status !== STOPPED) return errorOf(details, operation);
  const stopped = stoppedError(details.message);
  shorten(stopped);
  return stopped;
}

/** The error for what the native side reports. */
export function errorOf(details: ErrorDetails, operation?: string): DipperError {
  const known: Record<number, Status | undefined> = STATUS;
  const told = known[details.status];
  // A transfer of many is put together here: the native side never reports its failure.
  const status = told === undefined || told.className === "TransferError" ? STATUS[110] : told;
  return new CLASSES[status.className](details.message, {
    code: status.code,
    operation: operation ?? details.operation,
    uri: details.uri,
    status: details.httpStatus,
    requestId: details.requestId,
    hint: details.hint,
  });
}

/** The error for bad input, found before anything is sent. */
export function invalidInput(
  operation: string,
  message: string,
  hint: string,
  uri?: string,
): InvalidInputError {
  return new InvalidInputError(message, { code: "InvalidInput", operation, hint, uri });
}

/** For an option that a call does not know; what begins like it comes first. */
export function unknownOption(
  operation: string,
  name: string,
  known: readonly string[],
  uri?: string,
): InvalidInputError {
  const start = (word: string): string => word.slice(0, 3).toLowerCase();
  const all = [...new Set(known)];
  const alike = all.filter((word) => start(word) === start(name)).join(" or ");
  return invalidInput(
    operation,
    `there is no option ${withoutSecrets(name).slice(0, 40)}`,
    `${alike && `did you mean ${alike}? `}known ${all[1] ? "are" : "is"} ${all.join(", ")}`,
    uri,
  );
}
