/**
 * Which steps run beside each other. Many steps wait, for a kernel, a time-out or a download, and
 * leave the processor to others.
 *
 * Steps start in their order, each as soon as there is room and nothing stands against it: a step
 * that it comes after, one that keeps what it keeps too, or one that must be alone.
 *
 * @module
 */

/** What a schedule knows of a step. */
export interface Scheduled {
  /** What others name it by. */
  name: string;
  /** Names of steps that must be over before it starts, if they run at all. */
  after?: readonly string[];
  /** What only one step may have at a time. */
  keeps?: readonly string[];
  /** Whether nothing may run beside it. */
  alone?: boolean;
}

/**
 * Runs all steps, at most `width` at a time. Returns when the last one is over, or, once the signal
 * is aborted, when those that run are over.
 *
 * @throws {Error} when steps wait for each other.
 */
export async function runScheduled<Step extends Scheduled>(
  steps: readonly Step[],
  { width, signal }: { width: number; signal: AbortSignal },
  run: (step: Step) => Promise<void>,
): Promise<void> {
  const waiting = new Set(steps);
  const running = new Map<Step, Promise<void>>();

  const mayStart = (step: Step): boolean => {
    if (running.size >= width) return false;
    if (running.size > 0 && step.alone) return false;
    for (const other of running.keys()) {
      if (other.alone || other.keeps?.some((what) => step.keeps?.includes(what))) return false;
    }
    const ahead = [...waiting, ...running.keys()].filter((other) => other !== step);
    return !ahead.some(({ name }) => step.after?.includes(name));
  };

  while (true) {
    for (const step of signal.aborted ? [] : waiting) {
      if (!mayStart(step)) continue;
      waiting.delete(step);
      running.set(step, run(step).finally(() => running.delete(step)));
    }
    if (running.size === 0) break;
    await Promise.race(running.values());
  }
  if (waiting.size > 0 && !signal.aborted) {
    const names = Array.from(waiting, ({ name }) => name);
    throw new Error(`these steps wait for each other: ${names.join(", ")}`);
  }
}
