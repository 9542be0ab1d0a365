// Plots as Observable Plot draws them: loaded when one is shown.

import { invalidInput, UnsupportedError } from "../ffi/errors.ts";
import type { Drawing } from "../jupyter/plot_figure.ts";
import type { Markish, PlotOptions } from "../jupyter/plot_library.ts";
import type { Numbers } from "../jupyter/plot_reduce.ts";
import { countOf, formatCount } from "../jupyter/quantities.ts";
import { type Draw, requireMemory } from "./plot.ts";
import type { ColumnPlotOptions, HistogramOptions } from "./plot_options.ts";

/** Loads Observable Plot and draws with it. */
export async function drawn(draw: Draw): Promise<Drawing> {
  const [{ PACKAGES, plotLibrary }, { drawFigure }, { PlotRefusal }] = await Promise.all([
    import("../jupyter/plot_library.ts"),
    import("../jupyter/plot_figure.ts"),
    import("../jupyter/plot_document.ts"),
  ]);
  const loaded = await plotLibrary().catch((error: unknown) => {
    const packages = Object.values(PACKAGES).join(" ");
    throw new UnsupportedError(
      `Observable Plot cannot be loaded: ${error instanceof Error ? error.message : error}`,
      {
        code: "Unsupported",
        operation: "plot",
        hint: `run \`deno cache ${packages}\` where npm can be reached`,
      },
    );
  });
  try {
    return drawFigure(loaded, await draw(loaded.Plot));
  } catch (error) {
    if (error instanceof PlotRefusal) throw invalidInput("plot", error.message, error.hint);
    throw error;
  }
}

// -- columns --------------------------------------------------------------------------------------

/** The most values that a line is drawn of one by one. */
const MAX_POINTS = 4000;
const STRETCHES = 1000;
const COLOUR = "var(--jp-brand-color1,#2a7fc9)";

/** How often values of each size occur. */
export function histogram(column: Numbers, options: HistogramOptions): Draw {
  return async (Plot) => {
    requireMemory(column);
    const { histogramOf } = await import("../jupyter/plot_reduce.ts");
    const { bins, missing } = histogramOf(column, options.bins ?? 40);
    const filled = bins.filter(({ count }) => count > 0);
    const bars = Plot.rectY(filled, { x1: "from", x2: "to", y: "count", fill: COLOUR, inset: 0.5 });
    return [{
      ...frame(options, missing, column.length),
      marks: [bars, Plot.ruleY([0])],
      x: { label: options.label ?? "value" },
      y: { label: "count", grid: true },
    }];
  };
}

/** The values in their order. */
export function line(column: Numbers, options: ColumnPlotOptions): Draw {
  return async (Plot) => {
    requireMemory(column);
    const style = { stroke: COLOUR };
    let mark: Markish;
    if (column.length <= MAX_POINTS) {
      const index = (_: unknown, at: number) => at;
      mark = Plot.lineY(column as ArrayLike<number>, { ...style, x: index, y: numberOf });
    } else {
      const { lineOf } = await import("../jupyter/plot_reduce.ts");
      const { x, y } = lineOf(column, STRETCHES);
      mark = Plot.lineY({ length: x.length }, { ...style, x, y });
    }
    return [{
      ...frame(options),
      marks: [mark],
      x: { label: "index" },
      y: { label: options.label ?? "value", grid: true },
    }];
  };
}

function numberOf(value: unknown): number {
  const number = value === null || value === undefined ? NaN : Number(value);
  return Number.isFinite(number) ? number : NaN;
}

function frame(options: ColumnPlotOptions, missing = 0, length = 0): PlotOptions {
  return {
    width: options.width ?? 640,
    height: options.height ?? 260,
    marginLeft: 60,
    ...options.title === undefined ? {} : { title: options.title },
    ...missing === 0 ? {} : {
      caption: `${formatCount(missing)} of ${countOf(length, "value")} ` +
        "are no finite numbers and left out",
    },
  };
}
