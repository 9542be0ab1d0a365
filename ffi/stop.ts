// Stop, inside a notebook's kernel: one press ends what is under way.
//
// While it is installed, every call follows two signals: its caller's, if there is one, and one of
// its own that Stop aborts. So all that follows a signal follows Stop too, and rejects with that
// signal's reason. The kernel does not say which cell an operation belongs to: Stop ends them all,
// except those with `{ background: true }`, which keep their caller's signal and nothing else.
//
// Whether Stop ended something is told to the native side, which ends the process at the second Stop
// in a row that ended nothing: else `while (true) {}` and a promise that never settles could not be
// stopped at all. Something was ended when an operation was cancelled, a listener heard of it, or
// somebody read the reason of a signal to throw it. So the listeners of the signals are counted: a
// call that is over has none left.
//
// A Stop may fall between two calls of a loop, or between two steps of a call, where nothing listens.
// Such a Stop is armed, and ends the call that begins next. When nothing takes it in a moment, the
// notebook says that nothing was under way. In a cell that called dipper before, as a loop with long
// pauses does, it stays armed then. The kernel does not tell when a cell ends with an error: so that a
// Stop behind the end does not end the next cell, it stays armed for that moment only where no call has
// begun since a cell ended well, or since Stop ended something.

import { onCellEnd } from "../jupyter/kernel.ts";
import { stoppedError } from "./errors.ts";
import type { Library } from "./library.ts";
import type { QueueHandle } from "./symbols.ts";

/** A signal's reason, as the platform has it. */
const reasonOf = Object.getOwnPropertyDescriptor(AbortSignal.prototype, "reason")!
  .get as (this: AbortSignal) => unknown;

/** A signal that Stop aborts, and who listens to it. */
class Stoppable {
  readonly #operation: string;
  readonly #controller = new AbortController();
  readonly #listeners = new Set<unknown>();
  readonly signal: AbortSignal;
  #reason: DOMException | undefined;

  constructor(operation: string, given: AbortSignal | undefined) {
    this.#operation = operation;
    const { signal } = this.#controller;
    this.signal = given === undefined ? signal : AbortSignal.any([given, signal]);
    this.watch(this.signal);
  }

  /**
   * Counts listeners on this signal or one that follows it, as they cannot be asked for them, and
   * notices who reads why it was aborted: whoever does rejects with it.
   */
  watch(signal: AbortSignal): void {
    stoppables.set(signal, this);
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    const value = { configurable: true, writable: true } as const;
    Object.defineProperties(signal, {
      reason: {
        configurable: true,
        get: () => {
          const reason = reasonOf.call(signal);
          if (this.#reason !== undefined && reason === this.#reason) installed?.taken();
          return reason;
        },
      },
      throwIfAborted: {
        ...value,
        value: () => {
          if (signal.aborted) throw signal.reason;
        },
      },
      addEventListener: {
        ...value,
        value: (...given: Parameters<typeof add>) => {
          this.#listeners.add(given[1]);
          add(...given);
        },
      },
      removeEventListener: {
        ...value,
        value: (...given: Parameters<typeof remove>) => {
          this.#listeners.delete(given[1]);
          remove(...given);
        },
      },
    });
  }

  /** Aborts the signal; returns whether anybody listened. */
  stop(): boolean {
    if (this.signal.aborted) return false;
    const heard = this.#listeners.size > 0;
    this.#reason = reasonFor(this.#operation);
    this.#controller.abort(this.#reason);
    return heard;
  }
}

/** What is installed, while it is. */
interface Installed {
  /** The notebook goes on: what a Stop that ended nothing meant is over. */
  goesOn(): void;
  /** Ends what is under way, and tells the native side. */
  stop(): void;
  /** Something ended by a Stop that had found nothing at first. */
  taken(): void;
}

let installed: Installed | undefined;
/** A Stop ended nothing, and the native side waits for the next. */
let open = false;
/** Set while such a Stop still ends the call that begins next. */
let armed: ReturnType<typeof setTimeout> | undefined;
/** For so long, in milliseconds. */
const ARMED = 500;
/** And so long in a cell that called dipper: as long as a second Stop ends the kernel. */
const ARMED_AMID_CALLS = 20_000;
/** A call began since a cell ended well, or since Stop ended something. */
let amidCalls = false;
/** Operations that were cancelled since Stop was heard. */
let cancelled = 0;

const live = new Set<WeakRef<AbortSignal>>();
const stoppables = new WeakMap<AbortSignal, Stoppable>();
/** How many to hold before those that nobody uses any more are swept. */
let sweepAt = 64;

/**
 * A reason without a stack: it would tell where Stop was heard, and V8 keeps what the functions on a
 * stack hold until somebody reads it.
 */
function reasonFor(operation: string): DOMException {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    const reason = stoppedError(`${operation}: the cell was stopped`);
    const value = `${reason.name}: ${reason.message}`;
    return Object.defineProperty(reason, "stack", { configurable: true, value });
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/**
 * The signal that a call follows: its caller's, and Stop where that is installed.
 *
 * @param background Whether the call goes on when Stop is pressed.
 */
export function stoppable(
  operation: string,
  signal: AbortSignal | undefined,
  background?: boolean,
): AbortSignal | undefined {
  if (installed === undefined) return signal;
  if (background === true) return inBackground(signal);
  // A call made of other calls hands its signal on.
  if (signal !== undefined && (stoppables.has(signal) || unstoppable.has(signal))) return signal;
  const made = new Stoppable(operation, signal);
  amidCalls = true;
  if (armed !== undefined) {
    // Whoever reads the reason takes the Stop.
    made.stop();
    return made.signal;
  }
  installed.goesOn();
  if (live.size >= sweepAt) sweep();
  live.add(new WeakRef(made.signal));
  return made.signal;
}

/**
 * Either signal, as one that follows Stop when the first does. What a call is made of follows such a
 * signal of the call's own.
 */
export function eitherSignal(one: AbortSignal | undefined, other: AbortSignal): AbortSignal {
  if (one === undefined) return other;
  const made = AbortSignal.any([one, other]);
  stoppables.get(one)?.watch(made);
  if (unstoppable.has(one)) unstoppable.add(made);
  return made;
}

/**
 * Ends a synchronous call that begins in the moment after a Stop that found nothing to end. Those
 * that come while JavaScript computes are the native side's.
 *
 * @throws {DOMException} That the cell was stopped.
 */
export function endIfStopped(operation: string): void {
  amidCalls = true;
  if (armed === undefined || installed === undefined) return;
  installed.taken();
  disarm();
  throw reasonFor(operation);
}

function disarm(): void {
  clearTimeout(armed);
  armed = undefined;
}

/** Signals of calls that go on. */
const unstoppable = new WeakSet<AbortSignal>();

/** A signal of its own, so that what the call is made of goes on too. */
function inBackground(signal: AbortSignal | undefined): AbortSignal {
  const made = signal === undefined ? new AbortController().signal : AbortSignal.any([signal]);
  unstoppable.add(made);
  return made;
}

function sweep(): void {
  for (const weak of live) if (weak.deref() === undefined) live.delete(weak);
  sweepAt = Math.max(64, 2 * live.size);
}

/** Tells that an operation was cancelled. */
export function noteCancelled(): void {
  cancelled++;
}

/** Ends all that follows Stop; returns whether anything did. */
function stopAll(): boolean {
  cancelled = 0;
  let heard = false;
  const all = [...live];
  live.clear();
  for (const weak of all) {
    const signal = weak.deref();
    const one = signal === undefined ? undefined : stoppables.get(signal);
    if (one?.stop()) heard = true;
  }
  return heard || cancelled > 0;
}

/** What a Stop that ended nothing says. */
const NOTHING = "Stop: nothing of dipper's was under way.";
const NEXT_CALL = "Its next call ends the cell.";
const AGAIN = "Press Stop again to end the kernel.";

/** Stop, and what ends a kernel. */
const SIGNALS: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM"];

/** Stop was pressed. */
export function onStop(): void {
  installed?.stop();
}

/**
 * Installs Stop in the kernel; returns what takes it back.
 *
 * A listener of Deno's comes first, so that the native handler chains to Deno's, which stays when ours is
 * taken back.
 */
export function installStop({ native }: Library, queue: QueueHandle): () => void {
  const heard = (ended: boolean): boolean => native.stopHeard(queue, ended ? 1 : 0) !== 0;
  // With a listener Deno does not end the process: the native side does, when it is to end.
  const listen = (): void => {};
  for (const signal of SIGNALS) Deno.addSignalListener(signal, listen);
  native.stopWatch(queue, 1);
  const goesOn = (): void => {
    disarm();
    if (!open) return;
    heard(true);
    open = false;
  };
  const forget = onCellEnd(() => {
    amidCalls = false;
    goesOn();
  });
  const stop = (): void => {
    open = heard(stopAll());
    disarm();
    if (open) armed = setTimeout(wait, ARMED);
    else amidCalls = false;
  };
  const wait = (): void => {
    disarm();
    if (!open) return;
    console.error([NOTHING, ...amidCalls ? [NEXT_CALL] : [], AGAIN].join(" "));
    if (amidCalls) armed = setTimeout(disarm, ARMED_AMID_CALLS - ARMED);
  };
  const taken = (): void => {
    if (!open) return;
    heard(true);
    open = false;
    amidCalls = false;
    // All calls of one turn are one step of the cell. What it does about the error goes on.
    queueMicrotask(disarm);
  };
  installed = { goesOn, stop, taken };
  return () => {
    installed = undefined;
    forget();
    disarm();
    open = false;
    live.clear();
    native.stopWatch(queue, 0);
    for (const signal of SIGNALS) Deno.removeSignalListener(signal, listen);
  };
}
