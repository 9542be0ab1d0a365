// Who is told what a client does: the shape of loggers, the check of them, and how a record reaches
// one.

import { invalidInput } from "../ffi/errors.ts";
import type { TakeRecord } from "../ffi/log_records.ts";
import type { LogRecordMessage } from "../ffi/symbols.ts";

/** How much is told: each level includes those before it. */
export type LogLevel = "error" | "warn" | "info" | "debug" | "trace";

/** One thing that happened. It holds no credential. */
export interface LogRecord {
  /** When. */
  time: Date;
  /** How much it matters. */
  level: LogLevel;
  /** Which part tells it, such as `"dipper::request"`, or a crate of the AWS SDK. */
  target: string;
  /** What happened, such as `"answered"`. */
  message: string;
  /** To what, how long it took (`ms`), and so on; `operation` is what was called. */
  fields: Record<string, string | number | boolean>;
}

/** What `console` and most logging libraries look like. */
export interface Logger {
  /** Takes what happens often. `trace` records come here too. */
  debug(message: string, fields: Record<string, unknown>): unknown;
  /** Takes what happens seldom. */
  info(message: string, fields: Record<string, unknown>): unknown;
  /** Takes what was mended, such as a request that is sent again. */
  warn(message: string, fields: Record<string, unknown>): unknown;
  /** Takes what failed. */
  error(message: string, fields: Record<string, unknown>): unknown;
}

/** A logger that takes whole records. */
export type LogFunction = (record: LogRecord) => unknown;

const METHODS = ["debug", "info", "warn", "error"] as const;

/** Every level, from the least detailed on. */
export const LOG_LEVELS = ["error", "warn", "info", "debug", "trace"] as const;

/**
 * Checks a logger.
 *
 * @throws {InvalidInputError} For what cannot be called.
 */
export function checkLogger(
  logger: unknown,
  operation: string,
): Logger | LogFunction | undefined {
  if (logger === undefined || typeof logger === "function") {
    return logger as LogFunction | undefined;
  }
  const methods = Object(logger) as Record<string, unknown>;
  if (METHODS.every((name) => typeof methods[name] === "function")) return logger as Logger;
  throw invalidInput(
    operation,
    "logger is neither a function nor an object with debug, info, warn and error",
    "pass console, or a function of { time, level, target, message, fields }",
  );
}

/** What hands native records to a logger. */
export function toLogger(logger: Logger | LogFunction): TakeRecord {
  if (typeof logger === "function") return (told) => logger(recordOf(told));
  return (told) => {
    const { target, message, fields } = recordOf(told);
    // `trace` of `console` prints the stack of whoever calls it.
    return logger[told.level === "trace" ? "debug" : told.level](`${target} ${message}`, fields);
  };
}

function recordOf(
  { time, level, target, message, operation, fields }: LogRecordMessage,
): LogRecord {
  return {
    time: new Date(time),
    level,
    target,
    message,
    fields: operation === "" ? fields : { operation, ...fields },
  };
}
