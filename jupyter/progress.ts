// Progress of calls that last longer than half a second. In a notebook it is a cell output that is
// updated in place, in a terminal a line on stderr that is written over, elsewhere one line every 30
// seconds. A call costs a timer and an object; what is told meanwhile is looked at ten times a second.
//
// Many calls at once do not fill the screen: a notebook shows so many bars at a time, a terminal the
// call that has gone on for longest.

import { isActive } from "./plugin.ts";
import { type ProgressLike, progressLine, showProgress } from "./show_progress.ts";

/** What a call tells of itself. */
export interface Reached {
  /** Bytes that are done. */
  bytes: number;
  /** Bytes in all; 0 while that is not known. */
  total: number;
  /** Files that are done, where there are several. */
  files?: number;
  /** How many there are. */
  totalFiles?: number;
}

/** Where progress is shown. */
export interface Place {
  /** How soon a call shows itself, and how often it is shown anew, in milliseconds. */
  readonly patience: number;
  readonly interval: number;
  /** Shows it; `key` is the same for one call. The outcome is set the last time. */
  show(key: number, progress: ProgressLike): void;
  /** How many calls are shown at a time. */
  readonly most: number;
}

const PATIENCE = 500;
const INTERVAL = 100;
const LINE_INTERVAL = 30_000;
/** After so long without news the time that has passed is shown anew. */
const SILENCE = 1000;
const MOST_BARS = 4;

let next = 0;
/** The calls that are shown. */
const shown = new Set<number>();

/** A call under way. */
export class Watched {
  readonly #operation: string;
  readonly #subject: string;
  readonly #place: Place;
  readonly #key = next++;
  readonly #started = performance.now();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #told = -Infinity;
  #reached: Reached = { bytes: 0, total: 0 };

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

  /** The call is over. */
  end(outcome: "done" | "failed" | "stopped"): void {
    clearTimeout(this.#timer);
    if (shown.delete(this.#key)) this.#place.show(this.#key, this.#state(outcome));
  }

  /** A call that says nothing shows that it goes on. */
  #wake(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#show(), milliseconds);
    // The program does not go on for it. What a timer is depends on whose types are in sight.
    Deno.unrefTimer(this.#timer as unknown as number);
  }

  #show(): void {
    this.#wake(Math.max(SILENCE, this.#place.interval));
    if (!shown.has(this.#key) && shown.size >= this.#place.most) return;
    shown.add(this.#key);
    this.#told = performance.now();
    this.#place.show(this.#key, this.#state(undefined));
  }

  #state(outcome: ProgressLike["outcome"]): ProgressLike {
    return {
      operation: this.#operation,
      subject: this.#subject,
      ...this.#reached,
      milliseconds: performance.now() - this.#started,
      outcome,
    };
  }
}

/** The place for progress, as this program runs. */
export function placeForProgress(): Place {
  if (isActive()) return CELL;
  return isTerminal ??= Deno.stderr.isTerminal() ? TERMINAL : LINES;
}

/** Whether anybody watches; else a line is written now and then. */
export function isWatched(): boolean {
  return placeForProgress() !== LINES;
}

let isTerminal: Place | undefined;

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
  show(key, progress) {
    const { jupyter } = Deno as unknown as { jupyter: Jupyter };
    const update = displayed.has(key);
    displayed.add(key);
    if (progress.outcome !== undefined) displayed.delete(key);
    const options = { raw: true, display_id: `dipper-${SESSION}-${key}` } as const;
    jupyter.display(showProgress(progress), update ? { ...options, update } : options)
      .catch(() => {});
  },
};
/** The calls that have an output. */
const displayed = new Set<number>();

const TERMINAL: Place = {
  patience: PATIENCE,
  interval: INTERVAL,
  most: 1,
  show(_key, progress) {
    let columns = 80;
    try {
      columns = Deno.consoleSize().columns || columns;
    } catch {
      // It does not tell.
    }
    // One column is left free: some terminals break the line when the last one is written.
    const line = progressLine(progress, columns - 1);
    write(`\r\x1b[2K${line}${progress.outcome === undefined ? "" : "\n"}`);
  },
};

const LINES: Place = {
  patience: LINE_INTERVAL,
  interval: LINE_INTERVAL,
  most: Infinity,
  show(_key, progress) {
    write(`${progressLine(progress, 120)}\n`);
  },
};
