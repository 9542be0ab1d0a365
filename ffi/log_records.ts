// What native code tells of what it does, handed to the loggers of this isolate's clients.
//
// A logger is somebody else's code, called between completions: whatever it throws ends here, and
// a promise that it returns is watched, so that a rejection does not end the program.

import type { LogRecordMessage } from "./symbols.ts";

/** Takes a record. */
export type TakeRecord = (record: LogRecordMessage) => unknown;

const loggers = new Map<number, TakeRecord>();
let last = 0;

/** Gives a logger the number by which native code names it. */
export function nameLogger(take: TakeRecord): number {
  loggers.set(++last, take);
  return last;
}

/** Forgets a logger whose client was not made. */
export function forgetLogger(id: number): void {
  loggers.delete(id);
}

/** Hands a record to its logger; without one, the logger will be told no more. */
export function takeRecord(id: number, record: LogRecordMessage | undefined): void {
  if (record === undefined) {
    loggers.delete(id);
    return;
  }
  try {
    const returned = loggers.get(id)?.(record);
    if (returned instanceof Promise) returned.catch(() => {});
  } catch {
    // A logger that fails harms nothing but itself.
  }
}
