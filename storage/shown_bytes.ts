// Bytes that show themselves in a notebook: plain typed arrays have no display of their own.

import { kernelFunctions } from "../jupyter/kernel.ts";
import { JUPYTER_DISPLAY, type MediaBundle } from "../jupyter/media_bundle.ts";
import { isActive } from "../jupyter/plugin.ts";
import { showBytes } from "../jupyter/show_bytes.ts";

/** Gives downloaded bytes a display, as a property that neither loops nor comparisons see. */
export function shownBytes(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  // In a kernel whose user switched the plugin off they are plain bytes.
  if (!isActive() && kernelFunctions() !== undefined) return bytes;
  Object.defineProperty(bytes, JUPYTER_DISPLAY, {
    configurable: true,
    value: (): MediaBundle =>
      showBytes({
        bytes,
        state: bytes.buffer.detached ? "disposed" : "adopted",
        className: "Uint8Array",
      }),
  });
  return bytes;
}
