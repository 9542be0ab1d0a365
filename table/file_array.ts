// An array of several dimensions that was read from a file, and what reading it takes.

/** The typed array of each kind of elements. */
export interface ElementArrays {
  /** Half precision. */
  float16: Float16Array<ArrayBuffer>;
  /** Single precision. */
  float32: Float32Array<ArrayBuffer>;
  /** Double precision. */
  float64: Float64Array<ArrayBuffer>;
  /** Integers of 8 bits. */
  int8: Int8Array<ArrayBuffer>;
  /** Integers of 16 bits. */
  int16: Int16Array<ArrayBuffer>;
  /** Integers of 32 bits. */
  int32: Int32Array<ArrayBuffer>;
  /** Integers of 64 bits. */
  int64: BigInt64Array<ArrayBuffer>;
  /** Integers of 8 bits without a sign. */
  uint8: Uint8Array<ArrayBuffer>;
  /** Integers of 16 bits without a sign. */
  uint16: Uint16Array<ArrayBuffer>;
  /** Integers of 32 bits without a sign. */
  uint32: Uint32Array<ArrayBuffer>;
  /** Integers of 64 bits without a sign. */
  uint64: BigUint64Array<ArrayBuffer>;
  /** A byte each: 0 or 1. */
  bool: Uint8Array<ArrayBuffer>;
  /** The upper half of a `float32` each. */
  bfloat16: Uint16Array<ArrayBuffer>;
  /** A byte each, as they are stored. */
  float8_e4m3: Uint8Array<ArrayBuffer>;
  /** A byte each, as they are stored. */
  float8_e5m2: Uint8Array<ArrayBuffer>;
}

/** What the elements of an array are. */
export type Dtype = keyof ElementArrays;

/**
 * An array of several dimensions: the element at `i, j, ...` is `data[i * stride[0] + j * stride[1] +
 * ...]`. npm's `ndarray`, and dipper's functions that take such arrays, take it as it is.
 */
export interface FileArray<D extends Dtype = Dtype> {
  /** The elements, in memory that the collector frees. */
  readonly data: ElementArrays[D];
  /** How many elements there are along each dimension. */
  readonly shape: number[];
  /** How far apart neighbours are along each dimension, in elements. */
  readonly stride: number[];
  /** What the elements are. */
  readonly dtype: D;
}

/** What reading an array takes beside what every call takes. */
export interface ArrayOptions {
  /** From a row, an index of the first dimension, to before another. Default: all of them. */
  rows?: readonly [start: number, end: number];
  /** Which tensor of a `.safetensors` file. Default: the only one. */
  tensor?: string;
}
