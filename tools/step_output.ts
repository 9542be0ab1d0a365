/**
 * What steps that run beside each other write, one step after the other. The oldest that runs is
 * shown as it writes; what others write is kept until their turn comes. When the one that is shown
 * ends, those that have ended follow, whole, and then the oldest that still runs.
 *
 * @module
 */
import { redirected, toTerminal } from "./commands.ts";

interface Step {
  kept: Uint8Array<ArrayBuffer>[];
  ended: boolean;
}

/** The outputs of steps. */
export class StepOutputs {
  /** In the order in which they began; the first one is shown. */
  #steps: Step[] = [];

  /** Runs a step; what it writes through `commands.ts` takes its turn. */
  async of<T>(title: string, run: () => Promise<T>): Promise<T> {
    const step: Step = { kept: [new TextEncoder().encode(`\n== ${title}\n`)], ended: false };
    this.#steps.push(step);
    this.#show();
    try {
      return await redirected((bytes) => {
        step.kept.push(bytes);
        this.#show();
      }, run);
    } finally {
      step.ended = true;
      this.#show();
    }
  }

  #show(): void {
    while (this.#steps[0] !== undefined) {
      const [shown] = this.#steps;
      for (const bytes of shown.kept.splice(0)) toTerminal(bytes);
      if (!shown.ended) return;
      this.#steps.shift();
      const byEnd = (a: Step, b: Step): number => Number(b.ended) - Number(a.ended);
      this.#steps.sort(byEnd);
    }
  }
}
