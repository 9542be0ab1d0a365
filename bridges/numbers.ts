// Numbers that a user lends to be changed where they lie, checked: what kind they are, that they
// lie one behind the other, and that a number may start where they start.

import { invalidInput } from "../ffi/errors.ts";
import { described, kindOfArray, lend, type Lent, remedy } from "../ffi/lent.ts";
import { RustBuffer } from "../ffi/rust_buffer.ts";
import { isNdArray, layoutOf, orderOf, shownList } from "./nd_array.ts";

/** Numbers that are lent. */
export interface Numbers extends Lent {
  /** How many bytes each has. */
  readonly width: 4 | 8;
  /** How many there are. */
  readonly length: number;
  /** In what order those of several dimensions lie. */
  readonly order: "rows" | "columns";
}

/** The kinds of arrays that have numbers, and how many bytes a number has. */
export type Kinds = Readonly<Partial<Record<"Float32Array" | "Float64Array", 4 | 8>>>;

/** What a function takes. */
export interface Wanted {
  /** Its name. */
  readonly operation: string;
  /** The arrays that it takes. */
  readonly kinds: Kinds;
  /** The kind that bytes of no kind are taken for: those of buffers, `DataView`s and `Uint8Array`s. */
  readonly bytesAre?: keyof Kinds;
  /** What to do about an array of another kind. */
  readonly instead: (kind: string) => string;
}

/** Views whose elements are bytes and nothing else. */
const UNTYPED = new Set<string | undefined>([undefined, "Uint8Array"]);

/**
 * Lends numbers.
 *
 * @throws {InvalidInputError} Naming what was expected, what came, and what to do.
 */
export function lendNumbers(x: unknown, wanted: Wanted): Numbers {
  const { operation, kinds, bytesAre } = wanted;
  if (isNdArray(x)) {
    const layout = layoutOf(x, operation);
    const width = widthOf(layout.data, wanted);
    const order = orderOf(layout);
    if (order === undefined) {
      throw invalidInput(
        operation,
        `${operation} needs numbers that lie one behind the other; an array of shape ` +
          `${shownList(layout.shape)} with strides ${shownList(layout.strides)} has gaps between ` +
          "them, or another order",
        "pass contiguous(x), which is a copy without gaps",
      );
    }
    const { bytes, shared } = lend(layout.data, operation, true);
    const place = bytes.byteOffset + layout.offset * width;
    const part = layout.size === 0
      ? bytes.subarray(0, 0)
      : new Uint8Array(bytes.buffer, place, layout.size * width);
    return { bytes: part, shared, width, length: layout.size, order };
  }
  const kind = kindOfArray(x);
  const isTyped = kind !== undefined && !UNTYPED.has(kind);
  if (isTyped || bytesAre === undefined || Array.isArray(x)) {
    const width = widthOf(x, wanted);
    const { bytes, shared } = lend(x, operation, true);
    return { bytes, shared, width, length: bytes.byteLength / width, order: "rows" };
  }
  const width = kinds[bytesAre]!;
  const { bytes, shared } = lend(x, operation, true);
  if (isPicture(x)) throw wrongKind((x as { data: unknown }).data, wanted);
  if (bytes.byteLength % width !== 0) {
    throw invalidInput(
      operation,
      `${operation} needs numbers of ${width} bytes each; ${bytes.byteLength} bytes are no ` +
        `multiple of that`,
      "pass a part of them, made by subarray()",
    );
  }
  if (bytes.byteOffset % width !== 0 && bytes.byteLength > 0) {
    throw invalidInput(
      operation,
      `${operation} needs numbers that start at a multiple of ${width} bytes in their buffer; ` +
        `these start at byte ${bytes.byteOffset}`,
      "pass a copy of them, made by slice()",
    );
  }
  return { bytes, shared, width, length: bytes.byteLength / width, order: "rows" };
}

/** Something with its bytes in `data`: they are of the kind of that array. */
function isPicture(x: unknown): boolean {
  return typeof x === "object" && x !== null && "data" in x && "width" in x &&
    kindOfArray(x) === undefined && !("buffer" in x);
}

function widthOf(data: unknown, wanted: Wanted): 4 | 8 {
  const kind = kindOfArray(data);
  const width = wanted.kinds[kind as keyof Kinds];
  if (kind !== undefined && width !== undefined) return width;
  throw kind === undefined ? noNumbers(data, wanted) : wrongKind(data, wanted);
}

function wrongKind(data: unknown, { operation, kinds, instead }: Wanted) {
  return invalidInput(
    operation,
    `${operation} takes the numbers of a ${Object.keys(kinds).join(" or ")}; these are those of ` +
      described(data),
    instead(kindOfArray(data)!),
  );
}

function noNumbers(data: unknown, { operation, kinds }: Wanted) {
  const kind = Object.keys(kinds).at(-1);
  return invalidInput(
    operation,
    `${operation} takes a ${Object.keys(kinds).join(", a ")} or an array of several dimensions ` +
      `over one; this is ${described(data)}`,
    Array.isArray(data)
      ? `pass new ${kind}(array), which is a copy`
      : data instanceof RustBuffer
      ? `make one over its memory, new ${kind}(x.view().buffer)`
      : described(data) === "a Column"
      ? "pass the values of its batches: column.data[0].values"
      : remedy(data, `pass a ${kind}, or make one over its buffer`),
  );
}
