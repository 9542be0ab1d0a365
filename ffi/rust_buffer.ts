// An allocation that Rust made, with the one array buffer over it.
//
// The engine's backing store owns the memory, so no program can read or write it after it is
// freed: `dispose()` detaches every view, and a view that is still read elsewhere (a Worker, a
// stream, an operation of Deno's) keeps the memory alive. There is never a second mapping that
// JavaScript reads: where one is asked for, the first is detached.

import {
  BudgetExceededError,
  type DipperError,
  InvalidInputError,
  UnsupportedError,
} from "./errors.ts";
import { collect, library, libraryNeeds } from "./library.ts";
import { mapBuffer, memory } from "./memory.ts";
import { ensure, isGranted, permissionError } from "./permissions.ts";
import { queueHandle } from "./queue.ts";
import { shownInNotebook, shownView } from "./shown_bytes.ts";
import { endIfStopped } from "./stop.ts";
import type { BufferHandle } from "./symbols.ts";
import { JUPYTER_DISPLAY, type MediaBundle } from "../jupyter/media_bundle.ts";
import { isActive } from "../jupyter/plugin.ts";
import { TOP_LEVEL_USING } from "../jupyter/memory_facts.ts";
import { type BytesLike, describeBytes } from "../jupyter/bytes_facts.ts";

/** Makes a `RustBuffer` over a native buffer that an operation filled. */
export let wrapBuffer: (handle: BufferHandle) => RustBuffer;
/**
 * A handle that keeps a `RustBuffer`'s memory alive, whatever becomes of the buffer, until it is
 * released; undefined for an empty one. Throws for a buffer that is gone.
 */
export let holdBuffer: (buffer: RustBuffer, operation: string) => BufferHandle | undefined;
/**
 * The one mapping of a `RustBuffer` that exists now, be it the unsafe one. Throws for a buffer that
 * is gone.
 */
export let rustMemory: (buffer: RustBuffer, operation: string) => ArrayBuffer;

/** Whether something is a `RustBuffer`, and not merely made of its prototype. */
export let isRustBuffer: (data: unknown) => data is RustBuffer;

/** Keeps the owner alive for as long as an unsafe view is reachable. */
const owners = new WeakMap<ArrayBuffer, ArrayBuffer>();

type State = "held" | "unsafe" | "disposed" | "adopted";

/**
 * Memory that Rust owns, read and written from JavaScript without a copy.
 *
 * Borrow it with {@linkcode RustBuffer.view}, move it out with {@linkcode RustBuffer.adopt}, copy
 * it with {@linkcode RustBuffer.toBytes}. A buffer that is forgotten is collected like any other
 * object; `using` or {@linkcode RustBuffer.dispose} frees it at once.
 *
 * @example
 * ```ts
 * using buffer = new RustBuffer(4);
 * buffer.view().set([1, 2, 3, 4]);
 * console.log(buffer.view()); // Uint8Array(4) [ 1, 2, 3, 4 ]
 * ```
 */
export class RustBuffer implements Disposable {
  static {
    wrapBuffer = (handle) => new RustBuffer(handle, FILLED);
    holdBuffer = (buffer, operation) => {
      buffer.#require(operation);
      if (buffer.byteLength === 0) return undefined;
      return library().native.bufferHold(queueHandle(), buffer.#handle);
    };
    rustMemory = (buffer, operation) => {
      buffer.#require(operation);
      const unsafe = buffer.#unsafe;
      return unsafe === undefined || unsafe.detached ? buffer.#memory : unsafe;
    };
    isRustBuffer = (data): data is RustBuffer =>
      typeof data === "object" && data !== null && #memory in data;
  }

  readonly #handle: BufferHandle;
  /** The owner of the memory. Detached once the buffer is gone. */
  #memory: ArrayBuffer;
  #view: Uint8Array<ArrayBuffer> | undefined;
  #unsafe: ArrayBuffer | undefined;
  #state: State = "held";

  /**
   * Reserves zeroed memory, at a 64-byte boundary.
   *
   * @param byteLength How many bytes: a whole number, zero or more.
   * @throws {InvalidInputError} For anything else.
   * @throws {BudgetExceededError} When the bytes do not fit the memory budget, or the system has
   * none left.
   *
   * @example
   * ```ts
   * using buffer = new RustBuffer(1 << 20);
   * console.log(buffer.byteLength); // 1048576
   * ```
   */
  constructor(byteLength: number);
  /** @internal */
  constructor(handle: BufferHandle, filled: typeof FILLED);
  constructor(given: number, filled?: typeof FILLED) {
    if (filled === FILLED) {
      this.#handle = given as BufferHandle;
    } else {
      if (typeof given !== "number" || !Number.isSafeInteger(given) || given < 0) {
        const came = typeof given === "number" ? String(given) : "no number of";
        throw new InvalidInputError(`a RustBuffer cannot have ${came} bytes`, {
          code: "InvalidInput",
          operation: "new RustBuffer",
          hint: "pass a whole number of bytes, zero or more",
        });
      }
      ensure("new RustBuffer", libraryNeeds());
      endIfStopped("new RustBuffer");
      this.#handle = reserve(given);
    }
    this.#memory = mapBuffer(this.#handle);
  }

  /** How many bytes it holds; 0 once it is disposed, adopted or transferred. */
  get byteLength(): number {
    return this.#memory.byteLength;
  }

  /**
   * Where the bytes start, for other FFI code; `null` for an empty buffer, for one that is gone,
   * and without `--allow-ffi`. The address is good until the buffer is disposed or the adopted
   * memory is collected.
   */
  get pointer(): Deno.PointerValue {
    const address = this.#address();
    if (address === undefined) return null;
    try {
      return Deno.UnsafePointer.create(BigInt(address));
    } catch {
      // A getter that throws would break the kernel's completion; without the permission no
      // other code could use the pointer either.
      return null;
    }
  }

  /**
   * Borrows the bytes: the one `Uint8Array` over them. It is detached, and reads as length 0, when
   * the buffer is disposed, adopted, or seen through `unsafeView()`.
   *
   * @throws {InvalidInputError} When the buffer is gone.
   *
   * @example
   * ```ts
   * using buffer = new RustBuffer(4);
   * buffer.view().fill(7);
   * ```
   */
  view(): Uint8Array<ArrayBuffer> {
    this.#require("view");
    if (this.#state === "unsafe") this.#closeUnsafe();
    return this.#view ??= shownView(new Uint8Array(this.#memory));
  }

  /**
   * Moves the memory out: the `ArrayBuffer` owns it from here on, and it is freed after its last
   * holder, in whatever Worker. This buffer is empty afterwards and earlier views are detached.
   *
   * @param options `immutable: true` gives a buffer that nobody can write, transfer or detach.
   * @throws {InvalidInputError} When the buffer is gone.
   * @throws {UnsupportedError} When `immutable` is asked for and V8's flag for it is off.
   *
   * @example
   * ```ts
   * const buffer = new RustBuffer(8);
   * const numbers = new Float64Array(buffer.adopt());
   * console.log(numbers.length, buffer.byteLength); // 1 0
   * ```
   */
  adopt(options: { immutable?: boolean } = {}): ArrayBuffer {
    this.#require("adopt");
    const memory = this.#memory as ArrayBuffer & { transferToImmutable?: () => ArrayBuffer };
    if (options.immutable === true && memory.transferToImmutable === undefined) {
      throw new UnsupportedError("immutable array buffers are switched off", {
        code: "FeatureDisabled",
        operation: "adopt",
        hint: "start Deno with --v8-flags=--js-immutable-arraybuffer, or set DENO_V8_FLAGS",
      });
    }
    if (this.#state === "unsafe") this.#closeUnsafe();
    if (this.byteLength > 0) library().native.bufferAdopt(this.#handle);
    const adopted = options.immutable === true && memory.transferToImmutable !== undefined
      ? memory.transferToImmutable()
      : memory.transfer();
    this.#end("adopted");
    return shownInNotebook(adopted);
  }

  /**
   * Copies the bytes into ordinary memory of JavaScript.
   *
   * @throws {InvalidInputError} When the buffer is gone.
   *
   * @example
   * ```ts
   * using buffer = new RustBuffer(4);
   * const copy = buffer.toBytes();
   * ```
   */
  toBytes(): Uint8Array<ArrayBuffer> {
    this.#require("toBytes");
    return new Uint8Array(this.#memory).slice();
  }

  /**
   * An `ArrayBuffer` over the same address, made by `Deno.UnsafePointerView`, for code that wants
   * one. Nothing frees or protects it: reading it after the memory is gone is undefined behaviour.
   * It takes the place of the view, which is detached; `view()`, `adopt()` and `dispose()` detach
   * it in turn. A copy that was transferred elsewhere is beyond their reach.
   *
   * @throws {PermissionError} Without `--allow-ffi` for all libraries.
   * @throws {InvalidInputError} When the buffer is gone.
   *
   * @example
   * ```ts
   * using buffer = new RustBuffer(4);
   * const bytes = new Uint8Array(buffer.unsafeView());
   * console.log(bytes.length); // 4
   * ```
   */
  unsafeView(): ArrayBuffer {
    this.#require("unsafeView");
    if (this.#unsafe !== undefined && !this.#unsafe.detached) return this.#unsafe;
    if (!isGranted({ name: "ffi" })) throw permissionError("unsafeView", ["--allow-ffi"]);
    const { pointer } = this;
    if (pointer === null) return this.view().buffer;
    const unsafe = Deno.UnsafePointerView.getArrayBuffer(pointer, this.byteLength);
    // Detaches the safe view: from here on the memory has this one reader.
    this.#memory = this.#memory.transfer();
    this.#view = undefined;
    owners.set(unsafe, this.#memory);
    this.#unsafe = unsafe;
    this.#state = "unsafe";
    return unsafe;
  }

  /** Frees the memory at once and detaches every view. Twice is harmless. */
  dispose(): void {
    if (this.#isGone()) return;
    if (this.#state === "unsafe") this.#closeUnsafe();
    this.#memory.transfer(0);
    this.#end("disposed");
  }

  /** Frees the memory at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Shows the bytes in a notebook. */
  async [JUPYTER_DISPLAY](): Promise<MediaBundle> {
    const { showBytes } = await import("../jupyter/show_bytes.ts");
    return showBytes(this.#shown());
  }

  /** Shows the bytes in a terminal. */
  [Symbol.for("Deno.customInspect")](): string {
    return describeBytes(this.#shown());
  }

  #address(): number | undefined {
    if (this.#isGone() || this.byteLength === 0) return undefined;
    return library().native.bufferAddress(this.#handle);
  }

  #isGone(): boolean {
    return this.#state === "disposed" || this.#state === "adopted" || this.#memory.detached;
  }

  #require(operation: string): void {
    if (this.#isGone()) throw this.#goneError(operation);
  }

  #goneError(operation: string): DipperError {
    const [happened, hint] = this.#state === "disposed"
      ? ["was disposed", "use it before dispose() or before the end of its using block"]
      : this.#state === "adopted"
      ? ["was moved out by adopt()", "use the ArrayBuffer that adopt() returned"]
      : ["was transferred through its view", "use it where it was transferred to"];
    return new InvalidInputError(`${operation}: this RustBuffer ${happened}`, {
      code: "BufferGone",
      operation,
      hint,
    });
  }

  #closeUnsafe(): void {
    if (this.#unsafe !== undefined && !this.#unsafe.detached) this.#unsafe.transfer(0);
    this.#unsafe = undefined;
    this.#state = "held";
  }

  #end(state: State): void {
    this.#state = state;
    this.#view = undefined;
    this.#unsafe = undefined;
  }

  #shown(): BytesLike {
    const gone = this.#isGone();
    const address = this.#address();
    return {
      bytes: gone ? new Uint8Array(0) : new Uint8Array(this.#unsafe ?? this.#memory),
      state: gone
        ? this.#state === "adopted" ? "moved" : this.#state === "disposed" ? "disposed" : "detached"
        : this.#state === "unsafe"
        ? "unsafe"
        : "borrowed",
      className: "RustBuffer",
      ...(address === undefined ? {} : { address: `0x${address.toString(16)}` }),
    };
  }
}

/** How long to wait for V8 to free what it collected, in milliseconds, try by try. */
const PATIENCE = [0, 1, 2, 4, 8, 16, 32];

function reserve(byteLength: number): BufferHandle {
  return withRoom(byteLength, () => library().native.bufferNew(queueHandle(), byteLength));
}

/** Makes what needs memory; a full budget may hold garbage. V8 frees that on another thread. */
export function withRoom<T>(byteLength: number, make: () => T): T {
  const { node } = library();
  for (const patience of PATIENCE) {
    try {
      return make();
    } catch (error) {
      const couldFit = byteLength <= memory().budget;
      if (!(error instanceof BudgetExceededError) || !couldFit) throw error;
      collect(node);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, patience);
    }
  }
  try {
    return make();
  } catch (error) {
    throw error instanceof BudgetExceededError && isActive() ? inNotebook(error) : error;
  }
}

/** Says in a notebook what most often keeps the buffers that fill the budget. */
function inNotebook({ message, hint = "", ...facts }: BudgetExceededError): BudgetExceededError {
  const what = message.slice(0, message.length - hint.length).replace(/; $/, "");
  const { code, operation } = facts;
  const more = TOP_LEVEL_USING.replace(/^A/, "a").replace(/\.$/, "");
  return new BudgetExceededError(what, { code, operation, hint: `${hint}; ${more}` });
}

/** A buffer for a call that is under way: a Stop between two calls is not meant for it. */
export function stagingBuffer(byteLength: number): RustBuffer {
  return wrapBuffer(reserve(byteLength));
}

const FILLED = Symbol("filled");
