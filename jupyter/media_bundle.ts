// What a display hands to the kernel: the same thing once as HTML and once as plain text.
// The kernel serializes the bundle as JSON, so it holds strings only (a BigInt would break it),
// and it stays under one MiB, because a notebook keeps every output it has ever shown.

import type { Html } from "./html.ts";

/** A display: media type to content. Every bundle made here has `text/html` and `text/plain`. */
export type MediaBundle = Record<string, string | object>;

/**
 * The method name that `deno jupyter` calls to display the value of a cell.
 *
 * @example
 * ```ts
 * class Answer {
 *   [JUPYTER_DISPLAY](): MediaBundle {
 *     return { "text/plain": "42" };
 *   }
 * }
 * new Answer()[JUPYTER_DISPLAY](); // { "text/plain": "42" }
 * ```
 */
export const JUPYTER_DISPLAY: unique symbol = Symbol.for("Jupyter.display");

/**
 * Gives a plain value displays of its own: properties that neither loops, comparisons nor
 * `JSON.stringify` see.
 *
 * @param show What a notebook shows.
 * @param describe What a terminal shows; Deno's own inspection when unset.
 *
 * @example
 * ```ts
 * const list = displayed([1, 2], () => ({ "text/plain": "two numbers" }));
 * list.length; // 2
 * ```
 */
export function displayed<T extends object>(
  value: T,
  show: () => MediaBundle | Promise<MediaBundle>,
  describe?: () => string,
): T {
  Object.defineProperty(value, JUPYTER_DISPLAY, { configurable: true, value: show });
  if (describe !== undefined) {
    Object.defineProperty(value, Symbol.for("Deno.customInspect"), {
      configurable: true,
      value: describe,
    });
  }
  return value;
}

/** The most bytes that both texts of a bundle may take together, as UTF-8: 1 MiB. */
export const MAX_BUNDLE_BYTES: number = 1024 * 1024;

// The plain text may take a quarter; the rest belongs to the HTML, which may carry an image.
const MAX_PLAIN_CHARACTERS = MAX_BUNDLE_BYTES / 16;

/**
 * Puts HTML and plain text together and keeps the bundle under {@linkcode MAX_BUNDLE_BYTES}.
 *
 * The parts are cut where they are made; this is the last guard. HTML cannot be cut safely, so
 * when it is too long it is left out and the plain text stands alone.
 */
export function mediaBundle(rendered: Html, plain: string): MediaBundle {
  const text = plain.length > MAX_PLAIN_CHARACTERS
    ? plain.slice(0, MAX_PLAIN_CHARACTERS).toWellFormed() + "\n\u2026"
    : plain;
  const markup = rendered.toString();
  if (utf8Length(markup) + utf8Length(text) > MAX_BUNDLE_BYTES) {
    return {
      "text/html": "<p>This display is too long to show; print it as text instead.</p>",
      "text/plain": text,
    };
  }
  return { "text/html": markup, "text/plain": text };
}

function utf8Length(text: string): number {
  // A string never takes more than three bytes per code unit, so most need no encoding.
  if (text.length * 3 <= MAX_BUNDLE_BYTES / 4) return text.length * 3;
  return new TextEncoder().encode(text).length;
}
