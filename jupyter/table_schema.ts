// What displays say about a columnar file: its columns, and how much there is of them.

/** A column: its name (a path with dots where it is nested) and its type in words. */
export interface ColumnSchema {
  /** The name, with its path where it is nested. */
  readonly name: string;
  /** The type in words, such as `timestamp[µs, UTC]`. */
  readonly type: string;
  /** Whether values may be missing. */
  readonly nullable: boolean;
}

/** The columns of a file. */
export interface TableSchema {
  /** The columns, in the order of the file. */
  readonly columns: readonly ColumnSchema[];
  /** Rows in the whole file, where it says so. */
  readonly rows: number | undefined;
  /** Row groups or batches, where the file says so. */
  readonly parts: number | undefined;
  /** What a part is called in this format. */
  readonly partName: string;
}
