/**
 * A stand-in for a notebook's kernel, so that a bench's process shows progress as a cell does: every
 * update is rendered, made JSON and thrown away.
 *
 * @module
 */

/** How often something was shown. */
export const shown = { updates: 0, characters: 0 };

/** Makes this process look like a kernel, for modules that ask later. */
export function pretendKernel(): void {
  const internals = Reflect.get(Deno, Reflect.get(Deno, "internal") as symbol) as object;
  Reflect.set(internals, "jupyter", { broadcastResult: () => Promise.resolve() });
  const display = (bundle: unknown, options: unknown): Promise<void> => {
    shown.updates++;
    shown.characters += JSON.stringify([bundle, options]).length;
    return Promise.resolve();
  };
  const value = Object.create(Deno, { jupyter: { value: { display } } });
  Object.defineProperty(globalThis, "Deno", { value, configurable: true });
}
