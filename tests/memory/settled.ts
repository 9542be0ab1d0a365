/**
 * What every memory test ends with: nothing is held any more.
 *
 * Needs `--v8-flags=--expose-gc`. Dropped buffers are found by the collector and freed on later
 * turns of the event loop, perhaps on another thread, so this polls, and gives up after a while.
 */
import { assertEquals } from "@std/assert";
import { memory, type MemoryReport } from "dipper";

/** What must be zero when nothing is held. */
export type Held = Pick<MemoryReport, "bytes" | "buffers" | "adopted" | "operations">;

const NOTHING: Held = { bytes: 0, buffers: 0, adopted: 0, operations: 0 };
const PATIENCE = 15_000;

/** What the process holds now, as a plain object. */
export function held(): Held {
  const { bytes, buffers, adopted, operations } = memory();
  return { bytes, buffers, adopted, operations };
}

/** One turn of the event loop. */
export function turn(milliseconds = 0): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Runs V8's collector. */
export function collect(): void {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) throw new Error("run the tests with --v8-flags=--expose-gc");
  gc();
}

/** Collects until `done`, or for `patience` milliseconds. Tells whether it became true. */
export async function collectUntil(done: () => boolean, patience = PATIENCE): Promise<boolean> {
  const deadline = performance.now() + patience;
  for (let round = 0;; round++) {
    if (done()) return true;
    collect();
    await turn(Math.min(round, 50));
    if (performance.now() > deadline) return done();
  }
}

/** Waits until nothing is held, and fails if something stays. */
export async function settled(
  what = "memory() is back at zero",
  patience = PATIENCE,
): Promise<void> {
  await collectUntil(() => Object.values(held()).every((number) => number === 0), patience);
  assertEquals(held(), NOTHING, what);
}

/** A test that starts and ends with nothing held. */
export function memoryTest(
  name: string,
  run: () => void | Promise<void>,
  options: { ignore?: boolean } = {},
): void {
  Deno.test({
    name,
    ...options,
    async fn() {
      await settled("an earlier test left nothing", 500);
      await run();
      await settled();
    },
  });
}

/** Where the bytes of a buffer start. */
export function addressOf(memory: ArrayBuffer | Uint8Array<ArrayBuffer>): bigint {
  const bytes = memory instanceof Uint8Array ? memory : new Uint8Array(memory);
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes));
}

/** Fills memory with numbers that tell their place. The length is a multiple of four. */
export function stamp(bytes: Uint8Array<ArrayBuffer>, seed = 0): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  for (let at = 0; at < words.length; at++) words[at] = at ^ seed;
  return bytes;
}

/** Fails unless all is as `stamp` left it; tells the first place that is not. */
export function assertStamped(bytes: Uint8Array<ArrayBuffer>, length: number, seed = 0): void {
  assertEquals(bytes.byteLength, length);
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, length / 4);
  for (let at = 0; at < words.length; at++) {
    if (words[at] !== (at ^ seed) >>> 0) {
      throw new Error(
        `byte ${4 * at} of ${length} is wrong: ${words[at]}, not ${(at ^ seed) >>> 0}`,
      );
    }
  }
}
