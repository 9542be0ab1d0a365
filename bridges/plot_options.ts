// What a plot takes.

import type { Markish, PlotOptions } from "../jupyter/plot_library.ts";
import type { NdArrayLike, TypedArray } from "./nd_array.ts";

/**
 * Numbers to draw: a typed array, on memory of Rust's or of JavaScript's, an array of npm's `ndarray`
 * or `@stdlib/ndarray` with one dimension, a vector of Arrow (what has `toArray`), or a list of
 * numbers. `null`, `NaN` and infinities are missing values.
 */
export type PlotColumn =
  | TypedArray
  | NdArrayLike
  | { readonly type: unknown; toArray(): object }
  | readonly (number | bigint | null | undefined)[];

/** What a plot of a column may be told. */
export interface ColumnPlotOptions {
  /** What the column is called: the label of its axis. Default: none. */
  label?: string;
  /** Stands above the plot. */
  title?: string;
  /** In pixels, from 100 to 4,000. Default: 640. On a narrower page it shrinks, to 480 at least. */
  width?: number;
  /** In pixels, from 60 to 4,000. Default: 260. */
  height?: number;
}

/** What a histogram may be told. */
export interface HistogramOptions extends ColumnPlotOptions {
  /** About how many bins, from 1 to 1,000; their bounds are round numbers. Default: 40. */
  bins?: number;
}

/** What Observable Plot draws: a specification, a mark, or marks. */
export type PlotSpec = PlotOptions | Markish | readonly Markish[];
