/** Collects until nothing is held, for ten seconds at most. For programs without `@std`. */
import { memory } from "../../../mod.ts";

/** What is held at the end. */
export async function gcUntilZero(): Promise<Record<string, number>> {
  const deadline = performance.now() + 10_000;
  while (true) {
    (globalThis as { gc?: () => void }).gc?.();
    await new Promise((resolve) => setTimeout(resolve, 5));
    const { bytes, buffers, adopted, operations } = memory();
    const none = bytes + buffers + adopted + operations === 0;
    if (none || performance.now() > deadline) return { bytes, buffers, adopted, operations };
  }
}
