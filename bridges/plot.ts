// `plot`: pictures of columns, drawn by Observable Plot as SVG. Here what the caller gives is
// checked and put into marks; jupyter/ draws. Nothing of Observable Plot is loaded before that.

import { invalidInput } from "../ffi/errors.ts";
import { described, kindOfArray, shownValue } from "../ffi/lent.ts";
import { JUPYTER_DISPLAY, type MediaBundle } from "../jupyter/media_bundle.ts";
import type { Drawing } from "../jupyter/plot_figure.ts";
import type { Markish, PlotLibrary, PlotOptions } from "../jupyter/plot_library.ts";
import type { Numbers } from "../jupyter/plot_reduce.ts";
import { countOf } from "../jupyter/quantities.ts";
import { refuseUnknownOptions } from "./known_options.ts";
import { isNdArray, layoutOf, type TypedArray } from "./nd_array.ts";
import type { ColumnPlotOptions, HistogramOptions, PlotColumn, PlotSpec } from "./plot_options.ts";

/** The type of {@linkcode plot}. */
export interface Plotting {
  /**
   * Draws with Observable Plot, which it hands to the function.
   *
   * @param draw Gets Observable Plot and returns a specification, a mark or marks. It runs when the
   * plot is shown.
   */
  (draw: (Plot: PlotLibrary) => PlotSpec): Figure;
  /**
   * Draws a histogram and a line of one column, one below the other.
   *
   * @throws {InvalidInputError} For what is no column.
   */
  (column: PlotColumn): Figure;
  /**
   * Draws what was made with Observable Plot.
   *
   * @param spec A specification (`{ marks: [...], ... }`), a mark or marks.
   * @throws {InvalidInputError} For what is none of them.
   */
  (spec: PlotSpec): Figure;
  /**
   * Draws how often which values occur. A column of any length is counted in two passes; no copy of
   * it is made.
   *
   * @throws {InvalidInputError} For what is no column, and for options that cannot be meant.
   *
   * @example
   * ```ts
   * import { plot } from "dipper";
   * const heights = Float64Array.from({ length: 1000 }, (_, i) => Math.sin(i));
   * const figure = plot.histogram(heights, { label: "height (m)", bins: 20 });
   * console.log((await figure.svg()).slice(0, 4)); // <svg
   * ```
   */
  histogram(column: PlotColumn, options?: HistogramOptions): Figure;
  /**
   * Draws values in their order. Of a column of more than 4,000 values those are drawn that the
   * picture needs to look the same: of each of a thousand stretches the first, the least, the
   * greatest and the last.
   *
   * @throws {InvalidInputError} For what is no column, and for options that cannot be meant.
   *
   * @example
   * ```ts
   * import { plot } from "dipper";
   * const tide = Float64Array.from({ length: 1_000_000 }, (_, i) => Math.sin(i / 1e5));
   * console.log((await plot.line(tide, { label: "tide (m)" }).svg()).length < 2 ** 20); // true
   * ```
   */
  line(column: PlotColumn, options?: ColumnPlotOptions): Figure;
}

/**
 * Draws a plot: with Observable Plot as SVG, in the colours of the page. As the last value of a cell
 * it shows itself.
 *
 * Columns go in as they are: a mark holds the very array that it was given. A histogram and a line of
 * one column are one call each, and `plot(column)` draws both.
 *
 * The library is loaded when the first plot is drawn. Deno gets it from npm, once, unless it has it.
 * It needs no permission. Drawing is synchronous, of at most 20,000 shapes and 1 MiB; what has more is
 * refused with the remedy: count in bins, or take every k-th row. `plot.line` and `plot.histogram`
 * take columns of any length. The plot is drawn once, when it is first shown; the memory of its
 * columns must still be there.
 *
 * @example
 * ```ts
 * import { plot } from "dipper";
 * const speed = new Float64Array([31, 35, 42, 58, 61]);
 * const range = new Float64Array([500, 480, 410, 300, 290]);
 * const figure = plot((Plot) => ({
 *   marks: [Plot.dot({ length: speed.length }, { x: speed, y: range }), Plot.ruleY([0])],
 *   x: { label: "speed" },
 * }));
 * console.log((await figure.svg()).includes("<circle")); // true
 * ```
 *
 * @example
 * ```ts
 * import { plot } from "dipper";
 * console.log(plot(new Float64Array([1, 2, 2, 3]))); // Figure: a histogram and a line of 4 values ...
 * ```
 */
export const plot: Plotting = Object.assign(
  (input: unknown): Figure => {
    if (typeof input === "function") {
      const draw = input as (Plot: PlotLibrary) => unknown;
      return new Figure("drawn by a function", (Plot) => [specOf(draw(Plot))]);
    }
    const column = columnOf(input);
    if (column === undefined) {
      const spec = specOf(input);
      return new Figure(`of ${countOf([spec.marks].flat().length, "mark")}`, () => [spec]);
    }
    const both = [later("histogram", column, {}), later("line", column, {})];
    return new Figure(
      `a histogram and a line of ${countOf(column.length, "value")}`,
      async (Plot) => (await Promise.all(both.map((draw) => draw(Plot)))).flat(),
    );
  },
  {
    histogram(column: PlotColumn, options: HistogramOptions = {}): Figure {
      const numbers = requireColumn(column, "plot.histogram");
      const checked = checkOptions(options, ["bins"], "plot.histogram");
      return new Figure(
        `a histogram of ${countOf(numbers.length, "value")}`,
        later("histogram", numbers, checked),
      );
    },
    line(column: PlotColumn, options: ColumnPlotOptions = {}): Figure {
      const numbers = requireColumn(column, "plot.line");
      const checked = checkOptions(options, [], "plot.line");
      return new Figure(
        `a line of ${countOf(numbers.length, "value")}`,
        later("line", numbers, checked),
      );
    },
  },
);

/** Gives Observable Plot what to draw. */
export type Draw = (Plot: PlotLibrary) => PlotOptions[] | Promise<PlotOptions[]>;

function later(kind: "histogram" | "line", column: Numbers, options: HistogramOptions): Draw {
  return async (Plot) => await (await import("./plot_drawing.ts"))[kind](column, options)(Plot);
}

/**
 * A plot that shows itself in a notebook, made by {@linkcode plot}. It is drawn when it is first
 * shown or asked for, and once.
 */
export class Figure {
  readonly #what: string;
  readonly #draw: Draw;
  #drawing: Promise<Drawing> | undefined;

  /** Figures are made by {@linkcode plot}. */
  constructor(what: string, draw: Draw) {
    this.#what = what;
    this.#draw = draw;
  }

  /**
   * The plot as an SVG file. Its colours are readable on white and on black.
   *
   * @throws {InvalidInputError} For what Observable Plot refuses, for more than 20,000 shapes or 1
   * MiB, and when the memory of a column was released.
   * @throws {UnsupportedError} When Observable Plot cannot be loaded.
   *
   * @example
   * ```ts
   * import { plot } from "dipper";
   * const svg = await plot.line(new Float64Array([1, 3, 2])).svg();
   * console.log(svg.startsWith("<svg")); // true
   * ```
   */
  async svg(): Promise<string> {
    const drawing = await this.#drawn();
    return (await import("../jupyter/plot_figure.ts")).svgFile(drawing);
  }

  /** Shows the plot when it is the value of a notebook cell. */
  async [JUPYTER_DISPLAY](): Promise<MediaBundle> {
    const drawing = await this.#drawn();
    return (await import("../jupyter/show_plot.ts")).showPlot(drawing, this.#what);
  }

  /** Says what it is. */
  [Symbol.for("Deno.customInspect")](): string {
    return `Figure: ${this.#what}; a notebook shows it, svg() gives it as a file`;
  }

  #drawn(): Promise<Drawing> {
    this.#drawing ??= import("./plot_drawing.ts").then(({ drawn }) => drawn(this.#draw));
    // Whoever asks gets the failure; the next one tries again.
    this.#drawing.catch(() => this.#drawing = undefined);
    return this.#drawing;
  }
}

function requireColumn(given: unknown, operation: string): Numbers {
  // An empty list is no mark here.
  const column = Array.isArray(given) && given.length === 0 ? [] : columnOf(given);
  if (column !== undefined) return column;
  throw invalidInput(
    operation,
    `${operation} takes a column of numbers; this is ${described(given)}`,
    "pass a typed array, such as new Float64Array(buffer), a vector of Arrow, or a list of numbers",
  );
}

/** What was given as a column, without copying it; `undefined` when it is none. */
function columnOf(given: unknown): Numbers | undefined {
  if (typeof given !== "object" || given === null) return undefined;
  if (kindOfArray(given) !== undefined) {
    requireMemory(given as TypedArray);
    return given as TypedArray;
  }
  if (Array.isArray(given)) {
    const first = given.find((value) => value !== null && value !== undefined);
    return typeof first === "number" || typeof first === "bigint" ? given : undefined;
  }
  if (isNdArray(given)) {
    const { data, shape, strides, offset, size } = layoutOf(given, "plot");
    if (shape.length !== 1) return undefined;
    if (strides[0] === 1) return data.subarray(offset, offset + size);
    return strided(data, offset, strides[0] ?? 1, size);
  }
  if ("toArray" in given && typeof given.toArray === "function" && "type" in given) {
    return columnOf(given.toArray());
  }
  return undefined;
}

/** Elements that lie apart: picked out, because Observable Plot reads lists only. */
function strided(data: TypedArray, offset: number, stride: number, size: number): Numbers {
  return Array.from({ length: size }, (_, index) => data[offset + index * stride] ?? null);
}

// -- specifications -------------------------------------------------------------------------------

function specOf(given: unknown): PlotOptions {
  const refused = (what: string) =>
    invalidInput(
      "plot",
      `plot takes a specification with marks, a mark, marks or a column; ${what}`,
      "write plot((Plot) => Plot.dot(data, { x, y })), or plot.histogram(column)",
    );
  if (typeof given !== "object" || given === null) throw refused(`this is ${described(given)}`);
  if (Array.isArray(given) || isMark(given)) return { marks: checkMarks(given, refused) };
  const { marks } = given as { marks?: unknown };
  if (marks === undefined) throw refused("this object has no marks");
  for (const name of ["width", "height"] as const) {
    const length = (given as Record<string, unknown>)[name];
    if (length !== undefined && length !== null) checkLength(name, length, "plot");
  }
  return { ...given, marks: checkMarks(marks, refused) };
}

function isMark(given: object): boolean {
  return "render" in given && typeof given.render === "function";
}

function checkMarks(marks: unknown, refused: (what: string) => Error): Markish[] {
  const list = [marks].flat(Infinity) as unknown[];
  for (const mark of list) {
    if (mark === null || mark === undefined || typeof mark === "function") continue;
    if (typeof mark !== "object" || !isMark(mark)) {
      throw refused(`among the marks is ${described(mark)}`);
    }
  }
  if (!list.some((mark) => mark !== null && mark !== undefined)) throw refused("there is no mark");
  return list as Markish[];
}

// -- options --------------------------------------------------------------------------------------

function checkOptions<Options extends HistogramOptions>(
  options: Options,
  also: readonly string[],
  operation: string,
): Options {
  if (options === null) throw invalidInput(operation, "the options are null", "pass an object");
  refuseUnknownOptions(options, ["label", "title", "width", "height", ...also], operation);
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (name === "width" || name === "height") checkLength(name, value, operation);
    else if (name === "bins") {
      if (!Number.isSafeInteger(value) || value < 1 || value > 1000) {
        throw invalidInput(
          operation,
          `bins is ${shownValue(value)}`,
          "it is a whole number from 1 to 1000",
        );
      }
    } else if (typeof value !== "string") {
      throw invalidInput(operation, `${name} is ${described(value)}`, "it is a text");
    }
  }
  return options;
}

function checkLength(name: "width" | "height", value: unknown, operation: string): void {
  const least = name === "width" ? 100 : 60;
  if (typeof value === "number" && value >= least && value <= 4000) return;
  throw invalidInput(
    operation,
    `${name} is ${shownValue(value)}`,
    `it is a number of pixels from ${least} to 4000`,
  );
}

/** Throws when the memory was released. */
export function requireMemory(column: Numbers): void {
  if (ArrayBuffer.isView(column) && (column.buffer as ArrayBuffer).detached === true) {
    throw invalidInput(
      "plot",
      "the memory of the column was released before the plot was drawn",
      "keep it until the plot is shown, or draw before: await plot(\u2026).svg()",
    );
  }
}
