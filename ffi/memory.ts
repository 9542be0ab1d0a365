// Native memory as JavaScript sees it: the process-wide account, and the mapping of buffers.

import { collect, library, libraryNeeds } from "./library.ts";
import { ensure } from "./permissions.ts";
import { endIfStopped } from "./stop.ts";
import type { BufferHandle } from "./symbols.ts";
import { JUPYTER_DISPLAY, type MediaBundle } from "../jupyter/media_bundle.ts";
import { describeMemory } from "../jupyter/memory_facts.ts";
import { isActive } from "../jupyter/plugin.ts";

/** What the process holds. All but `pooled` and `budget` are 0 when nothing is held. */
export interface MemoryReport {
  /** Bytes of all native allocations: in flight, in buffers, and adopted. */
  readonly bytes: number;
  /** How many `RustBuffer`s are neither disposed nor adopted. */
  readonly buffers: number;
  /** How many adopted `ArrayBuffer`s are still held. */
  readonly adopted: number;
  /** How many operations have not ended. */
  readonly operations: number;
  /** Bytes kept for reuse. */
  readonly pooled: number;
  /** Bytes that may be in flight or in `RustBuffer`s at once. */
  readonly budget: number;
}

/** A report that shows itself without its fields being anything but numbers. */
class ShownMemoryReport implements MemoryReport {
  constructor(
    readonly bytes: number,
    readonly buffers: number,
    readonly adopted: number,
    readonly operations: number,
    readonly pooled: number,
    readonly budget: number,
  ) {}

  async [JUPYTER_DISPLAY](): Promise<MediaBundle> {
    return (await import("../jupyter/show_memory.ts")).showMemory(this, isActive());
  }

  [Symbol.for("Deno.customInspect")](): string {
    return describeMemory(this, isActive());
  }
}

/**
 * What the process holds in native memory, over all isolates.
 *
 * @returns Bytes and counts as numbers; all but `pooled` and `budget` are 0 when nothing is held.
 * @throws {PermissionError} When the native library may not be loaded.
 * @throws {UnsupportedError} When the native library is not found.
 *
 * @example
 * ```ts
 * import { RustBuffer } from "dipper";
 * using buffer = new RustBuffer(1024);
 * console.log(memory().bytes >= buffer.byteLength); // true
 * ```
 */
export function memory(): MemoryReport {
  ensure("memory", libraryNeeds());
  endIfStopped("memory");
  const numbers = new Float64Array(6);
  library().native.memory(new Uint8Array(numbers.buffer));
  const [bytes = 0, buffers = 0, adopted = 0, operations = 0, pooled = 0, budget = 0] = numbers;
  return new ShownMemoryReport(bytes, buffers, adopted, operations, pooled, budget);
}

/**
 * Maps a native buffer. The array buffer owns the memory from here on: it is freed after the last
 * holder is gone, in whatever isolate. A buffer is mapped once.
 */
export function mapBuffer(buffer: BufferHandle): ArrayBuffer {
  const { node, checked } = library();
  const mapped = node.adopt(buffer);
  // A number is an error, and the native side has let the buffer go: this throws.
  if (typeof mapped === "number") checked(mapped);
  return mapped as ArrayBuffer;
}

/** Releases a handle that was never mapped. */
export function releaseBuffer(buffer: BufferHandle): void {
  library().native.bufferRelease(buffer);
}

/** Maps a native buffer that nobody will dispose: the collector owns it, the budget gets it back. */
export function mapAdopted(buffer: BufferHandle): ArrayBuffer {
  const { native } = library();
  const mapped = mapBuffer(buffer);
  if (mapped.byteLength > 0) native.bufferAdopt(buffer);
  return mapped;
}

/** The bytes of one of several results, adopted. An empty one may come without a buffer. */
export function adoptedBytes(buffer: BufferHandle): Uint8Array<ArrayBuffer> {
  return buffer === 0 ? new Uint8Array(0) : new Uint8Array(mapAdopted(buffer));
}

/** So much memory of chunks is handed out before V8 is asked to look for what was dropped. */
const HANDED_OUT = 32 * 1024 * 1024;
let handedOut = 0;

/**
 * Counts memory of JavaScript's own that a stream handed out. Most of it is dropped soon, and left
 * alone V8 lets some 70 MiB of it pile up.
 */
export function countHandedOut(bytes: number): void {
  handedOut += bytes;
  if (handedOut < HANDED_OUT) return;
  handedOut = 0;
  collect(library().node);
}
