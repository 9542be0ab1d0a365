// The document that a plot is drawn into. It counts what is drawn, so that a million circles end in
// a sentence and not in gigabytes, and it has a canvas that is just enough for the colours of a
// legend, which linkedom lacks.

import type { Document } from "./plot_library.ts";
import { formatCount } from "./quantities.ts";

/** The most elements that a plot may have. A million points are a grey area, not a picture. */
export const MAX_ELEMENTS = 20_000;

/** Why a plot is not drawn, and what to do. */
export class PlotRefusal extends Error {
  /** What to do about it. */
  readonly hint: string;

  /** Makes one from what is wrong and the remedy. */
  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** Makes a document refuse more than {@linkcode MAX_ELEMENTS}, and gives it a canvas. */
export function plotDocument(document: Document): Document {
  let elements = 0;
  const counted = <Arguments extends unknown[]>(
    create: (...args: Arguments) => unknown,
  ) =>
  (...args: Arguments): unknown => {
    elements += 1;
    if (elements > MAX_ELEMENTS) {
      throw new PlotRefusal(
        `the plot has more than ${formatCount(MAX_ELEMENTS)} shapes`,
        "draw fewer: count them in bins (Plot.bin, Plot.hexbin, plot.histogram), or take every " +
          "k-th (data.filter((_, i) => i % k === 0))",
      );
    }
    return create.apply(document, args);
  };
  const createElement = counted(document.createElement);
  document.createElementNS = counted(document.createElementNS);
  document.createElement = (name: string, options?: object): unknown =>
    name.toLowerCase() === "canvas" ? new ColourStrip() : createElement(name, options);
  return document;
}

/**
 * A canvas on which one can draw rectangles, and which hands them out as an SVG image. That is what
 * Observable Plot draws the ramp of a legend of numbers with.
 */
class ColourStrip {
  width = 300;
  height = 150;
  readonly #rectangles: string[] = [];

  getContext(): object {
    const rectangles = this.#rectangles;
    return {
      fillStyle: "#000" as unknown,
      fillRect(
        this: { fillStyle: unknown },
        x: number,
        y: number,
        width: number,
        height: number,
      ): void {
        // Only colours as CSS writes them; a quote would end the attribute.
        const fill = String(this.fillStyle).replace(/[^\w#%(),.\s/-]/g, "");
        // A hair wider than it is, so that no light shines through between two.
        rectangles.push(
          `<rect x="${+x}" y="${+y}" width="${width + 0.5}" height="${+height}" fill="${fill}"/>`,
        );
      },
      createImageData(): never {
        throw new PlotRefusal(
          "a raster needs a canvas, and there is none outside a browser",
          "draw it with Plot.cell, Plot.rect or Plot.contour, or show an image that is made already",
        );
      },
    };
  }

  toDataURL(): string {
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${this.width}" ` +
      `height="${this.height}" viewBox="0 0 ${this.width} ${this.height}" ` +
      `preserveAspectRatio="none">${this.#rectangles.join("")}</svg>`;
    return `data:image/svg+xml,${encodeURIComponent(svg)}`;
  }
}
