// The logger that was given as an option, checked, and what it is told.

import { invalidInput } from "../ffi/errors.ts";
import type { TakeRecord } from "../ffi/log_records.ts";
import type { LogRecordMessage } from "../ffi/symbols.ts";
import type { LogFunction, Logger, LogRecord } from "./logger.ts";

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
