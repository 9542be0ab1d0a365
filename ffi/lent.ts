// Memory of a user's, lent to the native side for the time of one call.
//
// The call is synchronous: this thread waits for it, so nobody detaches, resizes or frees the
// memory meanwhile, and no pointer into it outlives the call. What is handed down is a view made
// here from what the engine itself says about the memory. A subclass that tells another length, or
// a getter that answers differently the second time, is never asked.

import { type DipperError, invalidInput } from "./errors.ts";
import { isRustBuffer, RustBuffer, rustMemory } from "./rust_buffer.ts";
import { endIfStopped } from "./stop.ts";

/**
 * Anything that has bytes: a view of any kind (a `Buffer` of Node's too), a buffer, shared or not,
 * a {@linkcode RustBuffer}, an object that says where in a buffer its bytes are, and an object with
 * its bytes in `data`, such as `ImageData`.
 */
export type BufferLike =
  | ArrayBufferLike
  | RustBuffer
  | {
    readonly buffer: ArrayBufferLike;
    readonly byteOffset: number;
    readonly byteLength: number;
  }
  | { readonly data: ArrayBufferView; readonly width: number; readonly height: number };

/** Memory that is lent. */
export interface Lent {
  /** All of it. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** 1 when other threads may use it meanwhile, else 0. */
  readonly shared: 0 | 1;
}

type Getter<T> = (this: unknown) => T;

function getterOf<T>(prototype: object, name: string | symbol): Getter<T> {
  return Object.getOwnPropertyDescriptor(prototype, name)!.get as Getter<T>;
}

const AnyArray = Object.getPrototypeOf(Uint8Array) as { prototype: object; new (): unknown };
const TYPED_ARRAY = AnyArray.prototype;

/** What the engine says, whatever an object says of itself. */
const ENGINE = {
  kind: getterOf<string | undefined>(TYPED_ARRAY, Symbol.toStringTag),
  array: {
    buffer: getterOf<ArrayBufferLike>(TYPED_ARRAY, "buffer"),
    byteOffset: getterOf<number>(TYPED_ARRAY, "byteOffset"),
    byteLength: getterOf<number>(TYPED_ARRAY, "byteLength"),
    length: getterOf<number>(TYPED_ARRAY, "length"),
  },
  view: {
    buffer: getterOf<ArrayBufferLike>(DataView.prototype, "buffer"),
    byteOffset: getterOf<number>(DataView.prototype, "byteOffset"),
    byteLength: getterOf<number>(DataView.prototype, "byteLength"),
  },
  length: getterOf<number>(ArrayBuffer.prototype, "byteLength"),
  detached: getterOf<boolean>(ArrayBuffer.prototype, "detached"),
  sharedLength: getterOf<number>(SharedArrayBuffer.prototype, "byteLength"),
  keys: Uint8Array.prototype.keys,
};

/** `"Float64Array"` and the like, as the engine has it; undefined for what is no typed array. */
export function kindOfArray(data: unknown): string | undefined {
  return ENGINE.kind.call(data);
}

/** What something is, for a message: never its content. */
export function described(data: unknown): string {
  if (data === null || data === undefined) return String(data);
  if (typeof data !== "object" && typeof data !== "function") return `a ${typeof data}`;
  const name = kindOfArray(data) ??
    (isRustBuffer(data) ? "RustBuffer" : Object.prototype.toString.call(data).slice(8, -1));
  return `${/^[AEIO]/.test(name) ? "an" : "a"} ${name}`;
}

/** What to do, also where a promise was passed. */
export function remedy(data: unknown, otherwise: string): string {
  return data instanceof Promise ? "await it first" : otherwise;
}

/** An option's value for a message: a number or a short text as it is, else what it is. */
export function shownValue(value: unknown): string {
  if (typeof value === "number") return String(value);
  return typeof value === "string" ? JSON.stringify(value.slice(0, 40)) : described(value);
}

function isShared(buffer: unknown): buffer is SharedArrayBuffer {
  try {
    ENGINE.sharedLength.call(buffer);
    return true;
  } catch {
    return false;
  }
}

function isPlain(buffer: unknown): buffer is ArrayBuffer {
  try {
    ENGINE.length.call(buffer);
    return true;
  } catch {
    return false;
  }
}

/**
 * Lends what has bytes.
 *
 * @param change Whether the native side will write to it.
 * @throws {InvalidInputError} For what has no bytes, or none any more, or none that may be changed.
 */
export function lend(data: unknown, operation: string, change: boolean): Lent {
  endIfStopped(operation);
  if (ArrayBuffer.isView(data)) return lendView(data, operation, change);
  if (isRustBuffer(data)) return lendPart(rustMemory(data, operation), operation, change);
  if (isPlain(data) || isShared(data)) return lendPart(data, operation, change);
  if (typeof data === "object" && data !== null) {
    if (data instanceof AnyArray || data instanceof DataView || data instanceof RustBuffer) {
      throw invalidInput(
        operation,
        `${operation}: this has no bytes of its own: it is a Proxy, or only has the prototype of ` +
          "what has some",
        "pass the array itself, not its Proxy",
      );
    }
    if ("buffer" in data) return lendPlace(data, operation, change);
    if ("data" in data && ArrayBuffer.isView(data.data) && "width" in data) {
      return lendView(data.data, operation, change);
    }
  }
  throw invalidInput(
    operation,
    `${operation} takes an ArrayBuffer, a view of one, a RustBuffer or an object with a buffer; ` +
      `this is ${described(data)}`,
    typeof data === "string"
      ? "pass new TextEncoder().encode(text)"
      : remedy(data, "pass its bytes as a Uint8Array"),
  );
}

/** Where the bytes of a view are, as the engine has it; else why there are none. */
export type ViewPlace =
  | {
    readonly buffer: ArrayBufferLike;
    readonly byteOffset: number;
    readonly byteLength: number;
    readonly shared: boolean;
  }
  | "detached"
  | "cut";

/** Asks the engine where the bytes of a view are, and nothing that the view may say of itself. */
export function placeOfView(view: ArrayBufferView): ViewPlace {
  const engine = kindOfArray(view) === undefined ? ENGINE.view : ENGINE.array;
  const buffer = engine.buffer.call(view);
  const shared = !isPlain(buffer);
  if (!shared && ENGINE.detached.call(buffer)) return "detached";
  try {
    const byteLength = engine.byteLength.call(view);
    // Only an empty array may be one that its buffer no longer reaches.
    if (byteLength === 0 && engine === ENGINE.array) ENGINE.keys.call(view as Uint8Array);
    return { buffer, byteOffset: engine.byteOffset.call(view), byteLength, shared };
  } catch {
    return "cut";
  }
}

/** How many elements a typed array has, as the engine has it. */
export function lengthOfArray(array: ArrayBufferView): number {
  return ENGINE.array.length.call(array);
}

function lendView(view: ArrayBufferView, operation: string, change: boolean): Lent {
  const place = placeOfView(view);
  if (place === "detached") throw detached(operation);
  if (place === "cut") {
    throw invalidInput(
      operation,
      `${operation}: ${described(view)} lies outside its buffer, which has become shorter`,
      "make a new view of the buffer",
    );
  }
  return lendPart(place.buffer, operation, change, place.byteOffset, place.byteLength);
}

/** An object that says where its bytes are. Each of its properties is read once. */
function lendPlace(place: object, operation: string, change: boolean): Lent {
  const { buffer, byteOffset, byteLength } = place as Record<string, unknown>;
  if (!isPlain(buffer) && !isShared(buffer)) {
    throw invalidInput(
      operation,
      `${operation}: the buffer of the object is ${described(buffer)}`,
      "give it an ArrayBuffer",
    );
  }
  const whole = isPlain(buffer) ? ENGINE.length.call(buffer) : ENGINE.sharedLength.call(buffer);
  const fits = Number.isSafeInteger(byteOffset) && Number.isSafeInteger(byteLength) &&
    byteOffset as number >= 0 && byteLength as number >= 0 &&
    (byteOffset as number) + (byteLength as number) <= whole;
  if (isPlain(buffer) && ENGINE.detached.call(buffer)) throw detached(operation);
  if (!fits) {
    throw invalidInput(
      operation,
      `${operation}: ${shownValue(byteLength)} bytes from ${shownValue(byteOffset)} do not lie ` +
        `in a buffer of ${whole} bytes`,
      "give the object the byteOffset and byteLength of a part of its buffer",
    );
  }
  return lendPart(buffer, operation, change, byteOffset as number, byteLength as number);
}

function lendPart(
  buffer: ArrayBufferLike,
  operation: string,
  change: boolean,
  byteOffset?: number,
  byteLength?: number,
): Lent {
  const plain = isPlain(buffer);
  if (plain && ENGINE.detached.call(buffer)) throw detached(operation);
  if (change && plain && (buffer as ArrayBuffer & { immutable?: boolean }).immutable === true) {
    throw invalidInput(
      operation,
      `${operation} changes numbers in place, and this memory is read-only`,
      "pass a copy of it, made by slice()",
    );
  }
  // Deno takes views of shared memory too; only their type does not say so.
  const bytes = new Uint8Array(buffer, byteOffset, byteLength) as Uint8Array<ArrayBuffer>;
  return { bytes, shared: plain ? 0 : 1 };
}

function detached(operation: string): DipperError {
  return invalidInput(
    operation,
    `${operation}: the memory is detached: it was transferred elsewhere, adopted or disposed`,
    "use what it was transferred to",
  );
}
