// Reading an array of several dimensions, or some of its rows, by ranges: the elements lie where
// Rust put them, and nothing is copied.

import {
  IntegrityError,
  InvalidInputError,
  PreconditionFailedError,
  UnsupportedError,
} from "../ffi/errors.ts";
import {
  type ArrayLayout,
  ELEMENTS,
  isNpy,
  LayoutError,
  NoTensorError,
  npyHead,
  safetensorsHead,
  sizeOf,
} from "./array_layout.ts";
import type { ArrayOptions, Dtype, ElementArrays, FileArray } from "./file_array.ts";

/** A file, pinned to one version. */
export interface ArraySource {
  readonly shown: string;
  readonly size: number;
  read(start: number, end: number): Promise<Uint8Array<ArrayBuffer>>;
}

/** Headers are most often shorter. */
const LOOK = 4096;

/** Reads an array. */
export async function readArray(source: ArraySource, options: ArrayOptions): Promise<FileArray> {
  const rows = checkedRows(options.rows, source);
  try {
    const layout = await head(source, options.tensor);
    return await elements(source, layout, rows);
  } catch (error) {
    const { shown } = source;
    if (error instanceof NoTensorError) {
      throw invalid(`${shown}: ${error.message}`, error.hint, shown);
    }
    // Nobody but this asked for the version that its header was read of.
    if (error instanceof PreconditionFailedError && error.code === "PreconditionFailed") {
      throw new PreconditionFailedError(`${shown} changed while it was read`, {
        code: "ObjectChanged",
        operation: "array",
        uri: shown,
        hint: "read it again",
      });
    }
    if (!(error instanceof LayoutError)) throw error;
    if (error.unsupported) {
      throw new UnsupportedError(`${shown} cannot be read as an array: ${error.message}`, {
        code: "Unsupported",
        operation: "array",
        uri: shown,
        hint: "read its bytes()",
      });
    }
    throw damaged(shown, error.message);
  }
}

async function head(source: ArraySource, tensor: string | undefined): Promise<ArrayLayout> {
  let bytes = await source.read(0, Math.min(LOOK, source.size));
  const npy = isNpy(bytes);
  if (npy && tensor !== undefined) {
    throw new NoTensorError("a .npy file has no tensors with names", "leave { tensor } out");
  }
  for (;;) {
    const found = npy ? npyHead(bytes) : safetensorsHead(bytes, tensor);
    if (!("needs" in found)) return found;
    if (found.needs > source.size || found.needs <= bytes.length) {
      throw new LayoutError(
        npy ? "its header is cut short" : "it is neither a .npy nor a .safetensors file",
      );
    }
    bytes = await source.read(0, found.needs);
  }
}

async function elements(
  source: ArraySource,
  layout: ArrayLayout,
  rows: readonly [number, number] | undefined,
): Promise<FileArray> {
  const { dtype, shape, fortran, start } = layout;
  const { BYTES_PER_ELEMENT: width } = ELEMENTS[dtype];
  const size = sizeOf(shape);
  if (size === undefined || start + size * width > source.size) {
    throw new LayoutError(`it is cut short: its shape is ${shape.join(" × ")}`);
  }
  const stride = strides(shape, fortran);
  const [first, end] = rows ?? [0, shape[0] ?? 1];
  if (rows !== undefined && (shape.length === 0 || end > shape[0]!)) {
    throw invalid(
      `${source.shown} has ${shape[0] ?? "no"} rows, and ${end} are wanted`,
      "name rows that are there",
      source.shown,
    );
  }
  const wanted = shape.length === 0 ? [] : [end - first, ...shape.slice(1)];
  // Rows of a Fortran array are not in one piece: what lies between them is read, too.
  const from = first * (stride[0] ?? 0);
  const last = wanted.reduce((sum, length, axis) => sum + (length - 1) * stride[axis]!, from);
  const count = wanted.includes(0) ? 0 : last + 1 - from;
  const at = start + from * width;
  const bytes = count === 0 ? new Uint8Array(0) : await source.read(at, at + count * width);
  if (layout.bigEndian) reverseEach(bytes, width);
  const data = new ELEMENTS[dtype](bytes.buffer, 0, count) as ElementArrays[Dtype];
  return { data, shape: wanted, stride, dtype };
}

function strides(shape: readonly number[], fortran: boolean): number[] {
  const stride = shape.map(() => 1);
  const axes = shape.map((_, axis) => axis);
  if (!fortran) axes.reverse();
  let step = 1;
  for (const axis of axes) {
    stride[axis] = step;
    step *= Math.max(1, shape[axis]!);
  }
  return stride;
}

/** Reverses the bytes of each element, in the memory where they are. */
function reverseEach(bytes: Uint8Array<ArrayBuffer>, width: number): void {
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length; at += width) {
    if (width === 2) view.setUint16(at, view.getUint16(at, true));
    else if (width === 4) view.setUint32(at, view.getUint32(at, true));
    else if (width === 8) view.setBigUint64(at, view.getBigUint64(at, true));
  }
}

function checkedRows(
  rows: unknown,
  { shown }: ArraySource,
): readonly [number, number] | undefined {
  if (rows === undefined) return undefined;
  const [start, end, ...more] = Array.isArray(rows) ? rows : [];
  if (
    more.length > 0 || !Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 ||
    end < start
  ) {
    throw invalid(
      "rows is not [start, end]",
      "give the first row and the one after the last",
      shown,
    );
  }
  return [start, end];
}

function invalid(message: string, hint: string, uri: string): InvalidInputError {
  return new InvalidInputError(message, { code: "InvalidInput", operation: "array", uri, hint });
}

function damaged(uri: string, why: string): IntegrityError {
  return new IntegrityError(`${uri} cannot be read as an array: ${why}`, {
    code: "DamagedData",
    operation: "array",
    uri,
    hint: "the file is damaged, cut short, or of another format than its name says",
  });
}
