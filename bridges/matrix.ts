// Vectors as users have them.

/** An array of several dimensions, as npm's `ndarray` and `@stdlib/ndarray` have them. */
export interface Matrix {
  /** The numbers. */
  readonly data: ArrayLike<number>;
  /** How many there are along each dimension. */
  readonly shape: ArrayLike<number>;
  /** How far apart neighbours are along each dimension. Default: row after row. */
  readonly stride?: ArrayLike<number>;
  /** The same, under its other name. */
  readonly strides?: ArrayLike<number>;
  /** Where it starts in the data. Default: 0. */
  readonly offset?: number;
}

/** A column of a table of Arrow: of numbers, or of lists that all have the same length. */
export interface VectorColumn {
  /** How many rows it has. */
  readonly length: number;
  /** Its numbers, or its lists. */
  toArray(): ArrayLike<unknown>;
}
