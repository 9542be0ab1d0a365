// Progress of calls that last longer than half a second. In a notebook it is a cell output that is
// updated in place, in a terminal a line on stderr that is written over, elsewhere one line every 30
// seconds. A call costs a timer and an object; what is told meanwhile is looked at ten times a second.
//
// Many calls at once do not fill the screen: a notebook shows so many bars at a time and one for all
// the others, a terminal the call that has gone on for longest and how many there are beside it.

import { activateAtFirstCall, isActive } from "./plugin.ts";
import type { ProgressLike } from "./show_progress.ts";

/** What a call tells of itself. */
export interface Reached {
  /** Bytes that are done. */
  bytes: number;
  /** Bytes in all; 0 while that is not known. */
  total: number;
  /** Files that are done, where there are several. */
  files?: number;
  /** How many there are, as far as that is known. */
  totalFiles?: number;
  /** What they are. Default: objects. */
  noun?: string;
  /** What was done for it so far. */
  metrics?: { readonly retries: number };
}

/** How a call ended. */
export type Outcome = "done" | "failed" | "stopped";

/** Where progress is shown. */
export interface Place {
  /** How soon a call shows itself, and how often it is shown anew, in milliseconds. */
  readonly patience: number;
  readonly interval: number;
  /** Shows it; `key` is the same for one call. The outcome is set the last time. */
  show(key: number, progress: ProgressLike): void;
  /** How many calls are shown at a time. */
  readonly most: number;
  /** Whether the others are shown together. */
  readonly folds: boolean;
}

const PATIENCE = 500;
const INTERVAL = 100;
const LINE_INTERVAL = 30_000;
/** After so long without news the time that has passed is shown anew. */
const SILENCE = 1000;
const MOST_BARS = 4;

let next = 0;
/** The calls that are shown. */
const shown = new Set<Watched>();
/** Those that would be, if there was room. */
const waiting = new Set<Watched>();
/** Those that are shown together. */
let fold: Fold | undefined;

/** A call under way. */
export class Watched {
  readonly #operation: string;
  readonly #subject: string;
  readonly #place: Place;
  readonly #key = next++;
  readonly #started = performance.now();
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When it shows itself, unless it rests. */
  #due = 0;
  #told = -Infinity;
  #reached: Reached = { bytes: 0, total: 0 };
  #resting = false;
  #ended = false;
  #fold: Fold | undefined;

  constructor(operation: string, subject: string, place: Place) {
    this.#operation = operation;
    this.#subject = subject;
    this.#place = place;
    this.#wake(place.patience);
  }

  /** The call says how far it is. */
  reached(reached: Reached): void {
    this.#reached = reached;
    const now = performance.now();
    const { patience, interval } = this.#place;
    if (now - this.#started < patience || now - this.#told < interval) return;
    this.#show();
  }

  /** Nobody waits for it: it says nothing by itself, and does not take others' room. */
  rest(): void {
    this.#resting = true;
    // One that is forgotten now leaves no timer behind.
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Somebody waits for it again. */
  goOn(): void {
    this.#resting = false;
    if (this.#timer !== undefined || this.#ended) return;
    const now = performance.now();
    const { patience } = this.#place;
    this.#wake(
      this.#due > now ? this.#due - now : Math.max(SILENCE, patience - (now - this.#started)),
    );
  }

  /** The call is over. Twice is harmless. */
  end(outcome: Outcome): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    waiting.delete(this);
    if (shown.delete(this)) this.#place.show(this.#key, this.#state(outcome));
    else this.#fold?.ended(this, outcome);
  }

  /** The call is over because of this. */
  fail(reason: unknown): void {
    const stopped = reason instanceof DOMException && reason.name === "AbortError";
    this.end(stopped ? "stopped" : "failed");
  }

  /** How far it is. */
  get state(): Reached {
    return this.#reached;
  }

  /** A call that says nothing shows that it goes on. */
  #wake(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#due = performance.now() + milliseconds;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (!this.#resting) this.#show();
    }, milliseconds);
    // The program does not go on for it. What a timer is depends on whose types are in sight.
    Deno.unrefTimer(this.#timer as unknown as number);
  }

  #show(): void {
    const place = this.#place;
    this.#wake(Math.max(SILENCE, place.interval));
    this.#told = performance.now();
    if (this.#fold !== undefined) return this.#fold.show();
    if (!shown.has(this) && !isRoom(place)) {
      waiting.add(this);
      if (place.folds) {
        this.#fold = fold ??= new Fold(place);
        this.#fold.add(this);
      }
      return;
    }
    waiting.delete(this);
    shown.add(this);
    place.show(this.#key, this.#state(undefined));
  }

  get resting(): boolean {
    return this.#resting;
  }

  #state(outcome: ProgressLike["outcome"]): ProgressLike {
    const { metrics, ...reached } = this.#reached;
    return {
      operation: this.#operation,
      subject: this.#subject,
      ...reached,
      retries: metrics?.retries,
      milliseconds: performance.now() - this.#started,
      outcome,
    };
  }
}

/** Whether one more call may show itself. */
function isRoom(place: Place): boolean {
  let active = 0;
  for (const call of shown) if (!call.resting) active++;
  return active < place.most;
}

/** Calls that are shown together, because there are too many of them. */
class Fold {
  readonly #place: Place;
  readonly #key = next++;
  readonly #started = performance.now();
  readonly #live = new Set<Watched>();
  #calls = 0;
  #bytes = 0;
  #total = 0;
  readonly #outcomes = { done: 0, failed: 0, stopped: 0 };
  #told = -Infinity;

  constructor(place: Place) {
    this.#place = place;
  }

  add(call: Watched): void {
    this.#calls++;
    this.#live.add(call);
    this.show();
  }

  /** One of them is over. */
  ended(call: Watched, outcome: Outcome): void {
    if (!this.#live.delete(call)) return;
    const { bytes, total } = call.state;
    this.#bytes += bytes;
    this.#total += outcome === "done" ? bytes : Math.max(total, bytes);
    this.#outcomes[outcome]++;
    if (this.#live.size > 0) return this.show();
    if (fold === this) fold = undefined;
    const { failed, stopped } = this.#outcomes;
    this.#tell(failed > 0 ? "failed" : stopped > 0 ? "stopped" : "done");
  }

  show(): void {
    const now = performance.now();
    if (now - this.#told < this.#place.interval) return;
    this.#told = now;
    this.#tell(undefined);
  }

  #tell(outcome: ProgressLike["outcome"]): void {
    let bytes = this.#bytes;
    let total: number = this.#total;
    for (const { state } of this.#live) {
      bytes += state.bytes;
      total += state.total > 0 ? state.total : NaN;
    }
    const { done, failed, stopped } = this.#outcomes;
    const troubles = [
      failed > 0 ? `${failed} failed` : "",
      stopped > 0 ? `${stopped} stopped` : "",
    ];
    this.#place.show(this.#key, {
      operation: `${this.#calls} more`,
      subject: troubles.filter((trouble) => trouble !== "").join(", "),
      bytes,
      // Of some of them it may not be known yet.
      total: Number.isNaN(total) ? 0 : total,
      files: done + failed + stopped,
      totalFiles: this.#calls,
      noun: "call",
      milliseconds: performance.now() - this.#started,
      outcome,
    });
  }
}

/** The place for progress, as this program runs. */
export function placeForProgress(): Place {
  // Every call asks, and the first of all may be the one that takes long.
  activateAtFirstCall();
  if (isActive()) return CELL;
  return isTerminal ??= Deno.stderr.isTerminal() ? TERMINAL : LINES;
}

/** Whether anybody watches; else a line is written now and then. */
export function isWatched(): boolean {
  return placeForProgress() !== LINES;
}

let isTerminal: Place | undefined;

/** How progress looks: loaded when a call shows itself, and there at once from then on. */
let bars: typeof import("./show_progress.ts") | undefined;

function withBars(show: (loaded: typeof import("./show_progress.ts")) => void): void {
  if (bars !== undefined) return show(bars);
  import("./show_progress.ts").then((loaded) => show(bars = loaded));
}

const encoder = new TextEncoder();

function write(text: string): void {
  try {
    Deno.stderr.writeSync(encoder.encode(text));
  } catch {
    // Whoever closed it does not want to read.
  }
}

interface Jupyter {
  display(
    bundle: unknown,
    options: { raw: true; display_id: string; update?: boolean },
  ): Promise<void>;
}

/** What tells this kernel's outputs from those of the one before a restart. */
const SESSION = crypto.randomUUID().slice(0, 8);

const CELL: Place = {
  patience: PATIENCE,
  interval: INTERVAL,
  most: MOST_BARS,
  folds: true,
  show(key, progress) {
    const { jupyter } = Deno as unknown as { jupyter: Jupyter };
    const update = displayed.has(key);
    displayed.add(key);
    if (progress.outcome !== undefined) displayed.delete(key);
    const options = { raw: true, display_id: `dipper-${SESSION}-${key}` } as const;
    withBars(({ showProgress }) =>
      jupyter.display(showProgress(progress), update ? { ...options, update } : options)
        .catch(() => {})
    );
  },
};
/** The calls that have an output. */
const displayed = new Set<number>();

const TERMINAL: Place = {
  patience: PATIENCE,
  interval: INTERVAL,
  most: 1,
  folds: false,
  show(_key, progress) {
    let columns = 80;
    try {
      columns = Deno.consoleSize().columns || columns;
    } catch {
      // It does not tell.
    }
    // One column is left free: some terminals break the line when the last one is written.
    const others = waiting.size > 0 ? ` (+${waiting.size} more)` : "";
    const operation = `${progress.operation}${others}`;
    withBars(({ progressLine }) => {
      const line = progressLine({ ...progress, operation }, columns - 1);
      write(`\r\x1b[2K${line}${progress.outcome === undefined ? "" : "\n"}`);
    });
  },
};

const LINES: Place = {
  patience: LINE_INTERVAL,
  interval: LINE_INTERVAL,
  most: Infinity,
  folds: false,
  show(_key, progress) {
    withBars(({ progressLine }) => write(`${progressLine(progress, 120)}\n`));
  },
};
