// Bytes that show themselves in a notebook: plain typed arrays and array buffers have no display of
// their own. It is a property that neither loops nor comparisons see, and one function for all.

import { isGranted } from "./permissions.ts";
import { kernelFunctions } from "../jupyter/kernel.ts";
import { JUPYTER_DISPLAY, type MediaBundle } from "../jupyter/media_bundle.ts";
import { isActive } from "../jupyter/plugin.ts";

type Memory = Uint8Array | ArrayBuffer;

/** Gives downloaded bytes a display. */
export function shownBytes<T extends Memory>(memory: T): T {
  // In a kernel whose user switched the plugin off they are plain bytes.
  if (!isActive() && kernelFunctions() !== undefined) return memory;
  return given(memory, showAdopted);
}

/**
 * The same in a notebook only: where it must cost nothing elsewhere, as for many small results, and
 * for array buffers, which libraries of assertions compare by all their properties.
 */
export function shownInNotebook<T extends Memory>(memory: T): T {
  return isActive() ? given(memory, showAdopted) : memory;
}

/** Gives the view of a buffer that Rust owns a display, in a notebook. */
export function shownView<T extends Memory>(memory: T): T {
  return isActive() ? given(memory, showBorrowed) : memory;
}

function given<T extends Memory>(memory: T, show: (this: Memory) => Promise<MediaBundle>): T {
  return Object.defineProperty(memory, JUPYTER_DISPLAY, { configurable: true, value: show });
}

function showAdopted(this: Memory): Promise<MediaBundle> {
  return bundleOf(this, "adopted");
}

function showBorrowed(this: Memory): Promise<MediaBundle> {
  return bundleOf(this, "borrowed");
}

async function bundleOf(memory: Memory, state: "adopted" | "borrowed"): Promise<MediaBundle> {
  const { showBytes } = await import("../jupyter/show_bytes.ts");
  const isArray = memory instanceof Uint8Array;
  const buffer = isArray ? memory.buffer : memory;
  const className = isArray ? "Uint8Array" : "ArrayBuffer";
  if (buffer instanceof ArrayBuffer && buffer.detached) {
    return showBytes({ bytes: new Uint8Array(0), state: "detached", className });
  }
  const bytes = isArray ? memory : new Uint8Array(memory);
  const address = addressOf(bytes);
  return showBytes({ bytes, state, className, ...(address === undefined ? {} : { address }) });
}

/** Where bytes lie, where this program may know it. Nobody is asked. */
function addressOf(bytes: Uint8Array): string | undefined {
  if (bytes.length === 0 || !isGranted({ name: "ffi" })) return undefined;
  try {
    const pointer = Deno.UnsafePointer.of(bytes as Uint8Array<ArrayBuffer>);
    return pointer === null ? undefined : `0x${Deno.UnsafePointer.value(pointer).toString(16)}`;
  } catch {
    return undefined;
  }
}
