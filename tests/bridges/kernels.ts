/**
 * Kernels in every width: each test runs once as this processor runs them, and once on the portable
 * path, which is what a processor without AVX has.
 */
import { library } from "../../ffi/library.ts";
import { memory } from "dipper";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

/** A test that runs twice. */
export function everyWidth(name: string, run: () => void): void {
  for (const portable of [false, true]) {
    Deno.test(`${name}${portable ? ", on the portable path" : ""}`, () => {
      const { native } = library();
      native.forcePortable(portable ? 1 : 0);
      try {
        run();
      } finally {
        native.forcePortable(0);
      }
    });
  }
}

/** Numbers that look random and are the same in each run: SplitMix32. */
export function random(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e3779b1) | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}

/** Bytes that look random. */
export function noise(length: number, seed: number): Uint8Array<ArrayBuffer> {
  const next = random(seed);
  return Uint8Array.from({ length }, () => next() * 256);
}

/** Numbers of many sizes, among them those that are often forgotten. */
export function numbers(length: number, seed: number): Float64Array<ArrayBuffer> {
  const next = random(seed);
  const special = [0, -0, 1, -1, Infinity, -Infinity, NaN, 5e-324, 1e308, 1e-40, 3.4e38];
  return Float64Array.from({ length }, () => {
    const draw = next();
    if (draw < 0.1) return special[Math.floor(draw * 10 * special.length)]!;
    return (next() - 0.5) * 10 ** Math.floor(next() * 40 - 20);
  });
}
