/**
 * What a call costs: its time, the memory that it makes, and the collector's pauses. The notebooks
 * measure the bridges and their copying twins with it.
 *
 * Notebooks import this file as `"measure"` (see `imports` in deno.json), as a cell has no
 * `import.meta`.
 *
 * @module
 */
import { memory } from "dipper";
import { GCProfiler, getHeapStatistics } from "node:v8";
import { Costs } from "./show_costs.ts";

/** What calls cost. */
export interface Measured {
  /** What was called. */
  readonly what: string;
  /** How often. */
  readonly calls: number;
  /** The median of their times, in milliseconds. */
  readonly median: number;
  /** The longest of them, in milliseconds. */
  readonly slowest: number;
  /** The memory of array buffers that a call made, in bytes: V8's own, and Rust's that V8 maps. */
  readonly buffers: number;
  /** What a call made Rust hold, in bytes. */
  readonly rust: number;
  /** What a call put on V8's heap, in bytes: objects and strings. The mean of as many calls more. */
  readonly heap: number;
  /** How often the collector ran during all calls. */
  readonly collections: number;
  /** How long it stopped JavaScript in all, in milliseconds. */
  readonly paused: number;
  /** The longest of these pauses, in milliseconds. */
  readonly longestPause: number;
}

/** What V8 counts at once. */
const AREA = 256 << 10;

/** V8 calls it so; the types do not know it. */
type Heap = ReturnType<typeof getHeapStatistics> & { total_allocated_bytes: number };

/** The bytes of all array buffers that V8 knows of. */
export function bufferBytes(): number {
  return getHeapStatistics().external_memory;
}

/**
 * The memory of array buffers that a call makes, in bytes. V8 may free others meanwhile, on another
 * thread, and that can only make the difference smaller: so the largest of some tries counts.
 */
export function madeBy(call: () => unknown, tries = 5): number {
  let most = 0;
  for (let round = 0; round < tries; round++) {
    const before = bufferBytes();
    const kept = call();
    most = Math.max(most, bufferBytes() - before);
    dispose(kept);
  }
  return most;
}

/**
 * Calls something many times, one call after the other. What a call returns is kept until its memory
 * was counted, and then dropped, or disposed where it can be.
 */
export async function measure(
  what: string,
  call: () => unknown,
  calls = 40,
): Promise<Measured> {
  for (let round = 0; round < 3; round++) dispose(await call()); // Compiled, and pools filled.
  const times: number[] = [];
  let buffers = 0;
  let rust = 0;
  const profiler = new GCProfiler();
  profiler.start();
  for (let round = 0; round < calls; round++) {
    const rustBefore = memory().bytes;
    const before = getHeapStatistics() as Heap;
    const start = performance.now();
    let kept = call();
    if (kept instanceof Promise) kept = await kept;
    times.push(performance.now() - start);
    const after = getHeapStatistics() as Heap;
    buffers = Math.max(buffers, after.external_memory - before.external_memory);
    rust = Math.max(rust, memory().bytes - rustBefore);
    dispose(kept);
  }
  // Deno gives the cost of a collection in nanoseconds.
  const pauses = profiler.stop()?.statistics.map(({ cost }) => cost / 1e6) ?? [];
  const heap = await heapOf(call, calls);
  return {
    what,
    calls,
    median: median(times),
    slowest: Math.max(...times),
    buffers,
    rust,
    heap,
    collections: pauses.length,
    paused: pauses.reduce((sum, pause) => sum + pause, 0),
    longestPause: Math.max(0, ...pauses),
  };
}

/**
 * What a call puts on the heap. V8 counts an area of 256 KiB when it begins one, and begins one each
 * time it is asked: so it is asked before all calls and behind them, and what two areas explain is
 * nothing.
 */
async function heapOf(call: () => unknown, calls: number): Promise<number> {
  const allocated = () => (getHeapStatistics() as Heap).total_allocated_bytes;
  const before = allocated();
  for (let round = 0; round < calls; round++) {
    let made = call();
    if (made instanceof Promise) made = await made;
    dispose(made);
  }
  const all = allocated() - before;
  return all < 2 * AREA ? 0 : all / calls;
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? NaN;
}

function dispose(kept: unknown): void {
  if (typeof kept === "object" && kept !== null && Symbol.dispose in kept) {
    (kept as Disposable)[Symbol.dispose]();
  }
}

/** What was measured, side by side. As the last value of a cell it shows itself. */
export function tell(...rows: readonly Measured[]): Costs {
  return new Costs(rows);
}
