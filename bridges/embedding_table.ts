// Vectors that Rust owns, asked for the nearest to a query. Only queries and copies cross.

import { places } from "../client/provided_places.ts";
import type { Named, PlaceOptions, WritePlace } from "../client/places.ts";
import { watched } from "../client/watched.ts";
import { invalidInput } from "../ffi/errors.ts";
import { shownValue } from "../ffi/lent.ts";
import { libraryNeeds } from "../ffi/library.ts";
import { metricsFrom, rememberMetrics } from "../ffi/metrics.ts";
import { METRICS, NativeTable, releaseTable } from "../ffi/native_table.ts";
import { ensure } from "../ffi/permissions.ts";
import { endIfStopped } from "../ffi/stop.ts";
import type { ReadMessage, TableHandle } from "../ffi/symbols.ts";
import { writablePath } from "../ffi/writable_path.ts";
import { describeEmbeddings, type EmbeddingsLike } from "../jupyter/embeddings_facts.ts";
import { displayed, JUPYTER_DISPLAY, type MediaBundle } from "../jupyter/media_bundle.ts";
import { refuseUnknownOptions } from "./known_options.ts";
import type { Matrix, VectorColumn } from "./matrix.ts";
import { matrixOf, queriesOf, vectorOf } from "./vectors.ts";

export type { Matrix, VectorColumn };

/** What nearness means: see {@linkcode EmbeddingTable.topK}. */
export type Metric = "dot" | "cosine" | "euclidean";

/** How to search. */
export interface TopKOptions {
  /** What nearness means. Default: `"dot"`. */
  metric?: Metric;
}

/** The nearest vectors. */
export interface Nearest {
  /** Their numbers, nearest first; of several queries, those of one after those of the other. */
  indices: Uint32Array<ArrayBuffer>;
  /** Their scores, in the same order. */
  scores: Float32Array<ArrayBuffer>;
}

/** How many numbers the vectors of many models have. */
const DIMENSION = 768;
const LONGEST_VECTOR = 1 << 20;
const TOKEN = /^dipper-table:([0-9a-f]{1,14})$/;
/** So many vectors are shown from each end. */
const SHOWN = 3;

/**
 * A table of vectors in Rust's memory: 32-bit numbers, row after row, which grow without being
 * copied. It answers which of them are nearest to a query, with the widest vector instructions of
 * this machine and, where the table is large, on all its cores.
 *
 * Every call but `load` and `save` is synchronous and works at the speed of memory: a query over
 * 300 MB takes some tens of milliseconds, in which the event loop stands still. A Worker may hold
 * the same table: {@linkcode EmbeddingTable.share} gives it a token, and nothing is copied. Rust
 * locks: vectors may be added in one Worker while another searches.
 *
 * Scores are sums of 32-bit numbers in an order of their own, which is the same for every call. For
 * `n` numbers they differ from a plain loop's by at most `2 n 2^-24` times the sum of the terms'
 * absolute values.
 *
 * The memory counts as `bytes` in `memory()` and against the budget. A forgotten table is collected;
 * `using` or {@linkcode EmbeddingTable.dispose} frees it at once.
 *
 * @example
 * ```ts
 * using table = new EmbeddingTable(3);
 * table.addMany([[1, 0, 0], [0, 1, 0], [0.9, 0.1, 0]]);
 * const { indices, scores } = table.topK([1, 0, 0], 2);
 * console.log(indices, scores); // Uint32Array(2) [ 0, 2 ] Float32Array(2) [ 1, 0.8999999761581421 ]
 * ```
 */
export class EmbeddingTable implements Disposable {
  readonly #table: NativeTable;
  readonly #dimension: number;

  /**
   * Makes an empty table.
   *
   * @param dimension How many numbers each vector has: 1 to 1,048,576.
   * @throws {InvalidInputError} For anything else.
   *
   * @example
   * ```ts
   * using table = new EmbeddingTable();
   * console.log(table.dimension, table.length); // 768 0
   * ```
   */
  constructor(dimension?: number);
  /** @internal */
  constructor(table: NativeTable, made: typeof MADE);
  constructor(given?: number | NativeTable, made?: typeof MADE) {
    if (made === MADE) {
      this.#table = given as NativeTable;
    } else {
      const operation = "new EmbeddingTable";
      const dimension = given === undefined ? DIMENSION : given;
      const fits = typeof dimension === "number" && Number.isInteger(dimension) &&
        dimension >= 1 && dimension <= LONGEST_VECTOR;
      if (!fits) {
        throw invalidInput(
          operation,
          typeof dimension === "number"
            ? `a vector cannot have ${dimension} numbers`
            : `the dimension is ${shownValue(dimension)}`,
          `pass a whole number from 1 to ${LONGEST_VECTOR}`,
        );
      }
      ensure(operation, libraryNeeds());
      this.#table = NativeTable.make(dimension);
    }
    this.#dimension = this.#table.dimension;
  }

  /**
   * Reads a table from a `.npy` file of any scheme: a matrix of `f4`, `f8` or `f2`, of either byte
   * order, in C or Fortran order, in any version of the format. Other numbers than `f4` are rounded
   * to it. The bytes go from the network or the disk to Rust's memory and not through JavaScript.
   * What the header says is compared with the object's length before memory is taken, and bytes
   * behind the matrix are refused.
   *
   * @param source A URI, a path, a `URL`, an entry of a listing, or a file.
   * @throws {InvalidInputError} For what is no such file, is cut, or holds something else.
   * @throws {BudgetExceededError} When it does not fit the memory budget.
   * @throws {DipperError} For whatever else the server or the connection reports.
   *
   * @example
   * ```ts
   * import { EmbeddingTable } from "dipper";
   * const folder = await Deno.makeTempDir();
   * using table = new EmbeddingTable(2);
   * table.addMany([[1, 2], [3, 4]]);
   * await table.save(`${folder}/vectors.npy`);
   * using loaded = await EmbeddingTable.load(`${folder}/vectors.npy`);
   * console.log(loaded.length, loaded.row(1)); // 2 Float32Array(2) [ 3, 4 ]
   * await Deno.remove(folder, { recursive: true });
   * ```
   */
  static async load(source: Named, options: PlaceOptions = {}): Promise<EmbeddingTable> {
    refuseUnknownOptions(options, LOAD_OPTIONS, "load");
    const place = places().toRead(source, options, "load");
    const { connection, subject, signal } = place;
    if (!place.whole) {
      throw invalidInput("load", `this is a slice of ${subject.uri}`, "load the whole object");
    }
    const { value, payload } = await watched(
      "load",
      subject.uri,
      place,
      (onProgress) =>
        connection.read(
          subject,
          (reached) => ({ operation: "loadTable", progress: onProgress !== undefined, ...reached }),
          { signal, onProgress },
        ),
    );
    const table = new EmbeddingTable(new NativeTable(value as TableHandle), MADE);
    return rememberMetrics(table, metricsFrom((payload as ReadMessage).metrics));
  }

  /**
   * The table that another isolate of this process shares. It is the same table, not a copy.
   *
   * @param token What {@linkcode EmbeddingTable.share} gave.
   * @throws {InvalidInputError} When no isolate holds the table any more.
   *
   * @example
   * ```ts
   * using table = new EmbeddingTable(2);
   * using same = EmbeddingTable.from(table.share());
   * same.add([1, 2]);
   * console.log(table.length); // 1
   * ```
   */
  static from(token: string): EmbeddingTable {
    const operation = "EmbeddingTable.from";
    const number = TOKEN.exec(typeof token === "string" ? token : "")?.[1];
    if (number === undefined) {
      throw invalidInput(operation, "this is no token of a table", "pass what share() returned");
    }
    ensure(operation, libraryNeeds());
    return new EmbeddingTable(NativeTable.find(Number.parseInt(number, 16)), MADE);
  }

  /** How many vectors there are, those that other Workers added among them; 0 once disposed. */
  get length(): number {
    return this.#table.released ? 0 : this.#table.count;
  }

  /** How many numbers each vector has. */
  get dimension(): number {
    return this.#dimension;
  }

  /**
   * Adds a vector.
   *
   * @param vector As many numbers as the table's dimension. A `Float32Array` is read where it lies;
   * others are rounded to 32 bits.
   * @returns Its number.
   * @throws {InvalidInputError} When it has another length, naming both.
   * @throws {BudgetExceededError} When there is no memory left.
   *
   * @example
   * ```ts
   * using table = new EmbeddingTable(3);
   * console.log(table.add(new Float32Array([1, 2, 3]))); // 0
   * ```
   */
  add(vector: ArrayLike<number>): number {
    this.#open("add");
    const numbers = vectorOf(vector, this.#dimension, "add");
    return this.#open("add").append(numbers);
  }

  /**
   * Adds the rows of a matrix, all or none of them.
   *
   * @param matrix Numbers row after row, an array of two dimensions
   * (`{ data, shape: [n, dimension] }`, without gaps), vectors, or a column of a table of Arrow.
   * @returns The number of the first row.
   * @throws {InvalidInputError} When rows have another length, naming both.
   * @throws {BudgetExceededError} When there is no memory left.
   *
   * @example
   * ```ts
   * using table = new EmbeddingTable(2);
   * table.addMany(new Float32Array([1, 2, 3, 4]));
   * table.addMany({ data: new Float64Array([5, 6]), shape: [1, 2] });
   * console.log(table.addMany([[7, 8], [9, 10]]), table.length); // 3 5
   * ```
   */
  addMany(
    matrix: ArrayLike<number> | ArrayLike<ArrayLike<number>> | Matrix | VectorColumn,
  ): number {
    this.#open("addMany");
    const { numbers } = matrixOf(matrix, this.#dimension, "addMany");
    return this.#open("addMany").append(numbers);
  }

  /**
   * A copy of a vector.
   *
   * @param index Its number, from 0.
   * @throws {InvalidInputError} When there is none, naming the number and how many there are.
   *
   * @example
   * ```ts
   * using table = new EmbeddingTable(2);
   * table.addMany([[1, 2], [3, 4]]);
   * console.log(table.row(1)); // Float32Array(2) [ 3, 4 ]
   * ```
   */
  row(index: number): Float32Array<ArrayBuffer> {
    const table = this.#open("row");
    return table.row(this.#index(index, "row"));
  }

  /**
   * The dot product of a vector of the table and a query.
   *
   * @param index The vector's number, from 0.
   * @param query As many numbers as the table's dimension.
   * @throws {InvalidInputError} When there is no such vector, or the query has another length.
   *
   * @example
   * ```ts
   * using table = new EmbeddingTable(2);
   * table.add([1, 2]);
   * console.log(table.dot(0, [10, 100])); // 210
   * ```
   */
  dot(index: number, query: ArrayLike<number>): number {
    this.#open("dot");
    const at = this.#index(index, "dot");
    const numbers = vectorOf(query, this.#dimension, "dot", "the query");
    return this.#open("dot").dot(at, numbers);
  }

  /**
   * The dot product of each vector of the table and a query, as `E @ q` is in NumPy.
   *
   * @returns As many numbers as the table has vectors.
   * @throws {InvalidInputError} When the query has another length, naming both.
   *
   * @example
   * ```ts
   * using table = new EmbeddingTable(2);
   * table.addMany([[1, 2], [3, 4]]);
   * console.log(table.scores([1, 1])); // Float32Array(2) [ 3, 7 ]
   * ```
   */
  scores(query: ArrayLike<number>): Float32Array<ArrayBuffer> {
    this.#open("scores");
    const numbers = vectorOf(query, this.#dimension, "scores", "the query");
    return this.#open("scores").scores(numbers);
  }

  /**
   * The vectors that are nearest to a query, or to each of several.
   *
   * - `"dot"`: the dot product, the largest first.
   * - `"cosine"`: the dot product over the product of both lengths, the largest first; 0 where one
   *   of them has the length 0.
   * - `"euclidean"`: the distance (not its square), the smallest first.
   *
   * Equal scores are in the order of the vectors' numbers. A score that is not a number, of vectors
   * that hold NaN or infinity, stands behind all others.
   *
   * Several queries are an array of vectors, a matrix of two dimensions, or a column of vectors. Their results stand one
   * after the other, each as long: `min(k, length)`. So those of query `i` are
   * `indices.subarray(i * n, (i + 1) * n)` with `n = indices.length / queries`.
   *
   * @param k How many are wanted; there are fewer when the table has fewer.
   * @throws {InvalidInputError} When a query has another length, `k` is no whole number from 0 on,
   * or there is no such metric.
   *
   * @example
   * ```ts
   * using table = new EmbeddingTable(2);
   * table.addMany([[0, 1], [3, 4], [1, 0]]);
   * console.log(table.topK([[1, 0], [0, 1]], 1, { metric: "cosine" }).indices); // [ 2, 0 ]
   * console.log(table.topK([3, 4], 2, { metric: "euclidean" }).indices); // [ 1, 0 ]
   * ```
   */
  topK(
    queries: ArrayLike<number> | readonly ArrayLike<number>[] | Matrix | VectorColumn,
    k: number,
    options: TopKOptions = {},
  ): Nearest {
    this.#open("topK");
    refuseUnknownOptions(options, ["metric"], "topK");
    const { metric = "dot" } = options ?? {};
    if (!METRICS.includes(metric)) {
      const known = METRICS.map((name) => `"${name}"`).join(", ");
      throw invalidInput("topK", `the metric is ${shownValue(metric)}`, `pass one of ${known}`);
    }
    if (typeof k !== "number" || !Number.isSafeInteger(k) || k < 0) {
      throw invalidInput("topK", `k is ${shownValue(k)}`, "pass a whole number from 0 on");
    }
    const { numbers } = queriesOf(queries, this.#dimension, "topK");
    const nearest = this.#open("topK").nearest(metric, numbers, k);
    const shown = { ...nearest, queries: numbers.length / this.#dimension, metric };
    return displayed(
      nearest,
      async () => (await import("../jupyter/show_nearest.ts")).showNearest(shown),
    );
  }

  /**
   * A token by which other isolates of this process find the table: a string to send to a Worker.
   * It holds no reference: keep the table until {@linkcode EmbeddingTable.from} has returned there.
   * It may be used any number of times.
   *
   * @throws {InvalidInputError} After `dispose()`.
   *
   * @example
   * ```ts
   * using table = new EmbeddingTable(2);
   * table.add([1, 2]);
   * const token = table.share(); // here: worker.postMessage(token)
   * using same = EmbeddingTable.from(token); // there, in self.onmessage
   * console.log(same.length); // 1
   * ```
   */
  share(): string {
    return `dipper-table:${this.#open("share").share().toString(16)}`;
  }

  /**
   * Writes the table as a `.npy` file, to S3 or to a file, which appears whole or not at all: `f4` in
   * C order, as NumPy writes it. The rows that there are now are written, whatever is added
   * meanwhile, and they do not pass through JavaScript.
   *
   * @param destination A URI, a path, a `URL` or a file.
   * @param options Also what `write` takes for such a destination.
   * @throws {InvalidInputError} For what names no object.
   * @throws {UnsupportedError} For a web address.
   * @throws {DipperError} For whatever else the server, the connection or the system reports.
   *
   * @example
   * ```ts
   * import { EmbeddingTable, LocalS3 } from "dipper";
   * await using s3 = await LocalS3.start();
   * const client = s3.client();
   * await client.createBucket("models");
   * using table = new EmbeddingTable(2);
   * table.add([1, 2]);
   * await table.save("s3://models/words.npy", { client });
   * console.log((await client.file("s3://models/words.npy").stat()).size); // 136
   * ```
   */
  async save(destination: Named, options: PlaceOptions = {}): Promise<void> {
    const table = this.#open("save");
    const place = places().toWrite(destination, options, "save");
    place.signal?.throwIfAborted();
    // From here on disposing the table is harmless.
    const held = table.hold();
    try {
      await watched("save", place.uri, place, (onProgress) => saved(held, place, onProgress));
    } finally {
      releaseTable(held);
    }
  }

  /** Frees the memory at once, unless another isolate holds the table. Twice is harmless. */
  dispose(): void {
    this.#table.release();
  }

  /** Frees the memory at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Shows the table in a notebook: its shape, its first and last vectors. */
  async [JUPYTER_DISPLAY](): Promise<MediaBundle> {
    const { showEmbeddings } = await import("../jupyter/show_embeddings.ts");
    return showEmbeddings(this.#shown());
  }

  /** Shows the table in a terminal. */
  [Symbol.for("Deno.customInspect")](): string {
    return describeEmbeddings(this.#shown());
  }

  /**
   * The table, while there is one. It is asked for before anything is done, and again behind what
   * may run a user's code: a getter may dispose it.
   */
  #open(operation: string): NativeTable {
    // What is asynchronous looks by itself, unless it goes on in the background.
    if (operation !== "save") endIfStopped(operation);
    if (!this.#table.released) return this.#table;
    throw invalidInput(
      operation,
      `${operation}: this EmbeddingTable was disposed`,
      "use it before dispose() or before the end of its using block",
    );
  }

  #index(index: number, operation: string): number {
    const { length } = this;
    if (Number.isInteger(index) && index >= 0 && index < length) return index;
    throw invalidInput(
      operation,
      (typeof index === "number" ? "there is no row " : "the row is ") +
        `${shownValue(index)}: the table has ${length} rows`,
      "pass a whole number; rows are counted from 0",
    );
  }

  #shown(): EmbeddingsLike {
    const { length, dimension } = this;
    const disposed = this.#table.released;
    const head = Array.from({ length: Math.min(SHOWN, length) }, (_, at) => at);
    const tail = Array.from({ length: Math.min(SHOWN, length - head.length) }, (_, at) => at);
    const numbers = [...head, ...tail.map((at) => length - tail.length + at)];
    const rows = numbers.map((index) => ({ index, vector: this.#table.row(index) }));
    return { length, dimension, rows, disposed };
  }
}

/** Writes a table that is held. */
async function saved(
  table: TableHandle,
  place: WritePlace,
  onProgress: WritePlace["onProgress"],
): Promise<void> {
  const { connection, uri, signal } = place;
  const subject = { operation: "save", uri };
  const submitting = { signal, onProgress };
  const progress = onProgress !== undefined;
  if (place.scheme === "s3") {
    const { bucket, key, write } = place;
    await connection.run({ ...subject, bucket }, (client) => ({
      operation: "saveTable",
      object: { client, bucket, key },
      table,
      write,
      progress,
    }), submitting);
    return;
  }
  const { path, exclusive } = place;
  ensure("save", [...libraryNeeds(), { name: "write", path }], uri);
  await connection.runHere(subject, (client) => ({
    operation: "saveTableFile",
    client,
    table,
    path: writablePath(path, "save", uri),
    exclusive,
    progress,
  }), submitting);
}

/** What loading takes, beside where to load from. */
const LOAD_OPTIONS = ["signal", "onProgress", "background", "progress", "client"];

const MADE = Symbol("made");
