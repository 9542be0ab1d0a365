// Where the numbers of an array are in a file: the headers of `.npy` and of `.safetensors`.
//
// `.npy` is NumPy's NEP 1, a Python dictionary behind a magic string; `.safetensors` begins with the
// length of a JSON object (https://github.com/huggingface/safetensors#format). Nothing of them is
// trusted: what a header claims is compared with the file's length.

import { cutEnd } from "../jupyter/visible_text.ts";
import type { Dtype } from "./file_array.ts";

/** What the elements of an array are, and the typed array that holds them. */
export const ELEMENTS = {
  float16: Float16Array,
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
  bfloat16: Uint16Array,
  float8_e4m3: Uint8Array,
  float8_e5m2: Uint8Array,
} as const satisfies Record<Dtype, unknown>;

/** Where an array is. */
export interface ArrayLayout {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** The first index changes fastest. */
  readonly fortran: boolean;
  /** The most significant byte comes first. */
  readonly bigEndian: boolean;
  /** Where the elements start in the file, in bytes. */
  readonly start: number;
}

/** Why a file cannot be read as an array; `unsupported` for what is sound, and not read. */
export class LayoutError extends Error {
  constructor(message: string, readonly unsupported: boolean = false) {
    super(message);
  }
}

/** A header, or how many bytes of the file are needed to read it. */
export type Head = ArrayLayout | { readonly needs: number };

const LONGEST_NPY = 64 << 10;
const LONGEST_SAFETENSORS = 100_000_000;
const MOST_DIMENSIONS = 64;
/** An error tells so many names, and so much of each. */
const MOST_NAMES = 50;
const NAME_CHARACTERS = 100;

/** How many elements a shape has; `undefined` for more than there can be. */
export function sizeOf(shape: readonly number[]): number | undefined {
  const size = shape.includes(0) ? 0 : shape.reduce((product, length) => product * length, 1);
  return Number.isSafeInteger(size) ? size : undefined;
}

/** Whether a file begins as `.npy` does. */
export function isNpy(bytes: Uint8Array): boolean {
  return "\x93NUMPY".split("").every((letter, place) => bytes[place] === letter.charCodeAt(0));
}

/** Reads the header of a `.npy` file. */
export function npyHead(bytes: Uint8Array): Head {
  if (bytes.length < 12) return { needs: 12 };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = bytes[6]!;
  if (version < 1 || version > 3) throw new LayoutError(`version ${version} of .npy is not known`);
  const from = version === 1 ? 10 : 12;
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > LONGEST_NPY) {
    throw new LayoutError(`its header claims ${length} bytes, and ${LONGEST_NPY} are the most`);
  }
  if (bytes.length < from + length) return { needs: from + length };
  const header = new TextDecoder("latin1").decode(bytes.subarray(from, from + length));
  const records = /'descr'\s*:\s*\[/.exec(header);
  if (records !== null) {
    const fields = [...header.matchAll(/\(\s*'([^']*)'/g)].map(([, name]) => shownName(name!));
    throw new LayoutError(`it holds records (${fields.slice(0, MOST_NAMES).join(", ")})`, true);
  }
  // Each space belongs to what follows it, and to nothing else: an expression that could divide them
  // in two ways would try all of them, and a header of a hundred bytes would take for ever.
  const parts =
    /^\s*\{(?:\s*(?:'descr'\s*:\s*'[^']*'|'fortran_order'\s*:\s*(?:True|False)|'shape'\s*:\s*\([0-9,\sL]*\)|,))*\s*\}\s*$/;
  const whole = parts.test(header);
  const descr = /'descr'\s*:\s*'([^']*)'/.exec(header)?.[1];
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(header)?.[1];
  const dimensions = /'shape'\s*:\s*\(([0-9,\sL]*)\)/.exec(header)?.[1];
  if (!whole || descr === undefined || order === undefined || dimensions === undefined) {
    throw new LayoutError("its header is not a dictionary of descr, fortran_order and shape");
  }
  const [bigEndian, dtype] = npyDtype(descr);
  const shape = dimensions.split(",").map((text) => text.trim().replace(/L$/, ""))
    .filter((text) => text !== "").map(Number);
  return {
    dtype,
    shape: checkedShape(shape),
    fortran: order === "True",
    bigEndian,
    start: from + length,
  };
}

const NPY_KINDS: Readonly<Record<string, Dtype>> = {
  f2: "float16",
  f4: "float32",
  f8: "float64",
  i1: "int8",
  i2: "int16",
  i4: "int32",
  i8: "int64",
  u1: "uint8",
  u2: "uint16",
  u4: "uint32",
  u8: "uint64",
  b1: "bool",
};

function npyDtype(descr: string): [bigEndian: boolean, dtype: Dtype] {
  const [, order, kind] = /^([<>|=]?)(.*)$/s.exec(descr) ?? [];
  const dtype = Object.hasOwn(NPY_KINDS, kind ?? "") ? NPY_KINDS[kind!] : undefined;
  if (dtype === undefined) {
    throw new LayoutError(
      `no typed array holds its elements of type '${descr.slice(0, 32)}'`,
      true,
    );
  }
  return [order === ">", dtype];
}

const SAFETENSORS_KINDS: Readonly<Record<string, Dtype>> = {
  F64: "float64",
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
  F8_E4M3: "float8_e4m3",
  F8_E5M2: "float8_e5m2",
  I64: "int64",
  I32: "int32",
  I16: "int16",
  I8: "int8",
  U64: "uint64",
  U32: "uint32",
  U16: "uint16",
  U8: "uint8",
  BOOL: "bool",
};

/** Reads the header of a `.safetensors` file, and finds a tensor: the only one when unnamed. */
export function safetensorsHead(bytes: Uint8Array, name: string | undefined): Head {
  if (bytes.length < 8) return { needs: 8 };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getBigUint64(0, true);
  if (length > LONGEST_SAFETENSORS) {
    // "PK": an archive, whose first file or end follows.
    if (view.getUint16(0) === 0x504b) {
      throw new LayoutError("it is an archive of arrays, which table() reads", true);
    }
    throw new LayoutError("it is neither a .npy nor a .safetensors file");
  }
  const start = 8 + Number(length);
  if (bytes.length < start) return { needs: start };
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, start)));
  } catch {
    throw new LayoutError("its header is not JSON");
  }
  if (typeof header !== "object" || header === null || Array.isArray(header)) {
    throw new LayoutError("its header is not an object of tensors");
  }
  const tensors = Object.keys(header).filter((key) => key !== "__metadata__");
  const wanted = name ?? (tensors.length === 1 ? tensors[0] : undefined);
  if (wanted === undefined || !tensors.includes(wanted)) {
    const known = tensors.slice(0, MOST_NAMES).map(shownName).join(", ") +
      (tensors.length > MOST_NAMES ? ", …" : "");
    throw new NoTensorError(
      name === undefined
        ? `it holds ${tensors.length} tensors, and none is named`
        : `there is no tensor "${name}"`,
      `name one with { tensor }: ${known}`,
    );
  }
  const { dtype: kind, shape, data_offsets: place } = (header as Record<string, {
    dtype?: unknown;
    shape?: unknown;
    data_offsets?: unknown;
  }>)[wanted] ?? {};
  const whole = (list: unknown): list is number[] =>
    Array.isArray(list) && list.every((value) => Number.isSafeInteger(value) && value >= 0);
  if (typeof kind !== "string" || !whole(shape) || !whole(place) || place.length !== 2) {
    throw new LayoutError(`its tensor "${shownName(wanted)}" has no dtype, shape or data_offsets`);
  }
  const dtype = Object.hasOwn(SAFETENSORS_KINDS, kind) ? SAFETENSORS_KINDS[kind] : undefined;
  if (dtype === undefined) {
    throw new LayoutError(`no typed array holds its elements of type ${kind.slice(0, 32)}`, true);
  }
  const size = sizeOf(checkedShape(shape));
  const bytesWanted = size === undefined ? NaN : size * ELEMENTS[dtype].BYTES_PER_ELEMENT;
  if (place[1]! - place[0]! !== bytesWanted) {
    throw new LayoutError(`its tensor "${shownName(wanted)}" has another length than its shape`);
  }
  return { dtype, shape, fortran: false, bigEndian: false, start: start + place[0]! };
}

/** The caller names a tensor that is not there, or none. */
export class NoTensorError extends Error {
  constructor(message: string, readonly hint: string) {
    super(message);
  }
}

function shownName(name: string): string {
  return cutEnd(name, NAME_CHARACTERS);
}

function checkedShape(shape: number[]): number[] {
  if (shape.length > MOST_DIMENSIONS) {
    throw new LayoutError(`it has more than ${MOST_DIMENSIONS} dimensions`);
  }
  if (!shape.every((length) => Number.isSafeInteger(length) && length >= 0)) {
    throw new LayoutError("its shape has a dimension that cannot be");
  }
  return shape;
}
