// Who is told what a client does: the shape of loggers, the check of them, and how a record reaches
// one.

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
