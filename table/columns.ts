// Arrays of Arrow over the memory that Rust decoded them into: a native batch as Flechette's.
//
// The order is that of Arrow IPC (https://arrow.apache.org/docs/format/Columnar.html, "RecordBatch
// message"), with one difference: the values of a dictionary follow its keys, so that each batch
// stands alone. Nothing is copied: each typed array is all of one adopted buffer.

import { InternalError } from "../ffi/errors.ts";
import type { NativeBatch } from "../ffi/native_batches.ts";
import type { DataType, ExtractionOptions, FlechetteLibrary } from "./flechette.ts";

/** One array of a batch. */
export type ColumnBatch = InstanceType<FlechetteLibrary["Batch"]>;

/** The arrays of a batch, one for each field of the schema. */
export function columnBatches(
  library: FlechetteLibrary,
  types: readonly DataType[],
  batch: NativeBatch,
  options: ExtractionOptions,
): ColumnBatch[] {
  const walk = new Walk(library, batch, options);
  return types.map((type) => walk.array(type));
}

/** A constructor of typed arrays. */
type Numbers = new (buffer: ArrayBuffer) => ArrayBufferView;

class Walk {
  readonly #library: FlechetteLibrary;
  readonly #batch: NativeBatch;
  readonly #options: ExtractionOptions;
  #node = 0;
  #region = 0;
  #variadic = 0;

  constructor(library: FlechetteLibrary, batch: NativeBatch, options: ExtractionOptions) {
    this.#library = library;
    this.#batch = batch;
    this.#options = options;
  }

  array(given: DataType): ColumnBatch {
    const { Type, Column, UnionMode, batchType } = this.#library;
    // deno-lint-ignore no-explicit-any -- the members of Flechette's types differ by `typeId`
    const type = given as any;
    const node = this.#batch.columns.nodes[this.#node++];
    if (node === undefined) throw broken("a node");
    const [length, nullCount] = node;
    const made = batchType(type, this.#options) as unknown as new (facts: object) => ColumnBatch;
    const base = { length, nullCount, type };
    switch (type.typeId) {
      case Type.Null:
        return new made(base);
      case Type.Utf8:
      case Type.LargeUtf8:
      case Type.Binary:
      case Type.LargeBinary:
        return new made({
          ...base,
          validity: this.#buffer(Uint8Array),
          offsets: this.#buffer(type.offsets),
          values: this.#buffer(Uint8Array),
        });
      case Type.Utf8View:
      case Type.BinaryView: {
        const validity = this.#buffer(Uint8Array);
        const values = this.#buffer(Uint8Array);
        const count = this.#batch.columns.variadic[this.#variadic++] ?? 0;
        const data = Array.from({ length: count }, () => this.#buffer(Uint8Array));
        return new made({ ...base, validity, values, data });
      }
      case Type.List:
      case Type.LargeList:
      case Type.Map:
        return new made({
          ...base,
          validity: this.#buffer(Uint8Array),
          offsets: this.#buffer(type.offsets),
          children: this.#children(type),
        });
      case Type.ListView:
      case Type.LargeListView:
        return new made({
          ...base,
          validity: this.#buffer(Uint8Array),
          offsets: this.#buffer(type.offsets),
          sizes: this.#buffer(type.offsets),
          children: this.#children(type),
        });
      case Type.FixedSizeList:
      case Type.Struct:
        return new made({
          ...base,
          validity: this.#buffer(Uint8Array),
          children: this.#children(type),
        });
      case Type.RunEndEncoded:
        return new made({ ...base, children: this.#children(type) });
      case Type.Dictionary: {
        const validity = this.#buffer(Uint8Array);
        const values = this.#buffer(type.indices.values);
        const keys = new made({ ...base, validity, values });
        const column = new Column([this.array(type.dictionary)], type.dictionary);
        return withDictionary(keys, column);
      }
      case Type.Union: {
        const typeIds = this.#buffer(Int8Array);
        const offsets = type.mode === UnionMode.Sparse ? null : this.#buffer(type.offsets);
        return new made({ ...base, typeIds, offsets, children: this.#children(type) });
      }
      default:
        return new made({
          ...base,
          validity: this.#buffer(Uint8Array),
          values: this.#buffer(type.values ?? Uint8Array),
        });
    }
  }

  #children(type: { children: { type: DataType }[] }): ColumnBatch[] {
    return type.children.map((child) => this.array(child.type));
  }

  /** The next region, as numbers. */
  #buffer(numbers: Numbers): ArrayBufferView {
    const region = this.#batch.columns.regions[this.#region++];
    if (region === undefined) throw broken("a region");
    const buffer = region < 0 ? new ArrayBuffer(0) : this.#batch.buffers[region];
    if (buffer === undefined) throw broken("a buffer");
    return new numbers(buffer);
  }
}

/**
 * What `setDictionary` does, but that the values are made when the first one is asked for: a 64-bit
 * integer that is no number of JavaScript's throws then, and not when the file is read.
 */
function withDictionary(keys: ColumnBatch, dictionary: { cache(): unknown }): ColumnBatch {
  Object.defineProperties(keys, {
    dictionary: { value: dictionary, enumerable: true },
    cache: {
      configurable: true,
      get() {
        const value = dictionary.cache();
        Object.defineProperty(keys, "cache", { value });
        return value;
      },
    },
  });
  return keys;
}

function broken(what: string): InternalError {
  return new InternalError(`a batch lacks ${what}`, {
    code: "Internal",
    operation: "table",
    hint: "please report this with the code that led here",
  });
}
