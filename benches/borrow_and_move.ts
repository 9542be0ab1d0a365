/**
 * What `view()` and `adopt()` cost, over buffers never used before. Measured by `boundary.ts` and by
 * `deno task bench`.
 *
 * @module
 */
import { RustBuffer } from "dipper";

/** How long each call of `view()` and of `adopt()` took, in milliseconds. */
export function borrowAndMove(
  byteLength: number,
  rounds: number,
): { view: number[]; adopt: number[] } {
  const view: number[] = [];
  const adopt: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const buffer = new RustBuffer(byteLength);
    let start = performance.now();
    const viewed = buffer.view();
    view.push(performance.now() - start);
    start = performance.now();
    const adopted = buffer.adopt();
    adopt.push(performance.now() - start);
    if (viewed.byteLength !== 0 || adopted.byteLength !== byteLength) throw new Error("not moved");
    adopted.transfer(0);
  }
  return { view, adopt };
}
