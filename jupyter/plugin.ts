/**
 * The plugin for Deno's Jupyter kernel: what makes dipper at home in a notebook. It goes on by itself at
 * the first call of dipper's inside a kernel; importing alone does nothing, and outside a kernel
 * nothing ever happens.
 *
 * While it is on:
 *
 * - Stop ends what is under way, and the kernel lives on; a second Stop in a row that ends nothing
 *   ends the kernel, as Stop does without dipper;
 * - calls that take longer than half a second show how far they are;
 * - downloaded bytes show what they hold;
 * - the outputs of a cell stay in their cell.
 *
 * This room imports nothing of the others. What the plugin installs is handed to it by `attach`.
 *
 * @module
 */

import { kernelFunctions } from "./kernel.ts";
import { keepOutputInOrder } from "./output_order.ts";

/** What another room brings into the kernel: switches it on, and returns what switches it off. */
export type Part = () => () => void;

const parts: Part[] = [];
/** What switches each part off, while the plugin is on. */
let running: (() => void)[] | undefined;
/** The user said no: a first call does not switch it on any more. */
let refused = false;

/**
 * Switches the plugin on. Nobody has to: dipper's first call does it, unless {@linkcode deactivate}
 * came before. Twice is harmless.
 *
 * @returns Whether it is on; `false` outside the kernel.
 *
 * @example
 * ```ts
 * import { activate } from "dipper/jupyter";
 * console.log(activate()); // false: this is no notebook
 * ```
 */
export function activate(): boolean {
  refused = false;
  return switchOn();
}

/**
 * Takes everything back that the plugin installed: Stop ends the kernel again, and nothing shows
 * itself. It stays off until {@linkcode activate}. Twice is harmless.
 *
 * @example
 * ```ts
 * import { deactivate } from "dipper/jupyter";
 * deactivate();
 * ```
 */
export function deactivate(): void {
  refused = true;
  const off = running ?? [];
  running = undefined;
  // What was installed last goes first.
  for (const end of off.reverse()) end();
}

/**
 * Whether the plugin is on.
 *
 * @example
 * ```ts
 * import { isActive } from "dipper/jupyter";
 * console.log(isActive()); // false: this is no notebook
 * ```
 */
export function isActive(): boolean {
  return running !== undefined;
}

/** Switches the plugin on at dipper's first call, unless the user said no. */
export function activateAtFirstCall(): void {
  if (!refused) switchOn();
}

/** Adds what another room brings, and switches the plugin on unless the user said no. */
export function attach(part: Part): void {
  parts.push(part);
  if (running !== undefined) running.push(part());
  else activateAtFirstCall();
}

function switchOn(): boolean {
  if (running !== undefined) return true;
  if (kernelFunctions() === undefined) return false;
  running = [keepOutputInOrder()];
  for (const part of parts) running.push(part());
  return true;
}
