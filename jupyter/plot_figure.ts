// Draws plots and puts what belongs to them (title, legends, caption) into one SVG, one below the
// other. Observable Plot makes HTML of the legends, which an SVG file could not hold.

import { type Html, markup } from "./html.ts";
import { plotDocument, PlotRefusal } from "./plot_document.ts";
import type { Loaded, PlotOptions } from "./plot_library.ts";
import { type ElementLike, SvgWriter } from "./svg_text.ts";
import { formatCount } from "./quantities.ts";
import { columnsOf, cutEnd, visibleText } from "./visible_text.ts";

/** The most bytes of a drawing: a bundle takes 1 MiB, its plain text and frame included. */
export const MAX_DRAWING_BYTES: number = 1000 * 1024;
/** The most rows of one mark: Observable Plot keeps several numbers for each. */
const MAX_ROWS = 10_000_000;

/** A drawing: markup without its outermost element, so that it fits a page and a file. */
export interface Drawing {
  /** What is inside. */
  readonly content: Html;
  /** In pixels. */
  readonly width: number;
  /** In pixels. */
  readonly height: number;
}

/** A part of a figure, as wide and as high as it is. */
interface Part {
  readonly width: number;
  readonly height: number;
  /** Its markup, with its upper left corner at this height. */
  at(y: number): Html;
}

interface PlotElement extends ElementLike {
  readonly localName: string;
  readonly textContent: string;
  readonly childNodes: Iterable<PlotElement>;
  getAttribute(name: string): string | null;
  setAttribute(name: string, value: string): void;
}

/**
 * Draws each plot below the one before.
 *
 * @throws {PlotRefusal} For what Observable Plot refuses, and for what is too large to be shown.
 */
export function drawFigure(loaded: Loaded, plots: readonly PlotOptions[]): Drawing {
  const writer = new SvgWriter(`p${crypto.randomUUID().slice(0, 8)}-`);
  const parts = plots.flatMap((options) => partsOf(drawPlot(loaded, options), writer));
  let height = 0;
  const content = parts.map((part) => {
    const placed = part.at(height);
    height += part.height;
    return placed;
  });
  const drawing = {
    content: markup`${content}`,
    width: Math.max(1, ...parts.map(({ width }) => width)),
    height: Math.max(1, height),
  };
  const bytes = new TextEncoder().encode(drawing.content.toString()).length;
  if (bytes > MAX_DRAWING_BYTES) {
    throw new PlotRefusal(
      `the plot takes ${formatCount(bytes)} bytes, more than a display may have`,
      "draw less: plot.line and plot.histogram reduce a long column by themselves; otherwise " +
        "count in bins (Plot.bin), or take every k-th value",
    );
  }
  return drawing;
}

function drawPlot({ Plot, makeDocument }: Loaded, options: PlotOptions): PlotElement {
  const document = plotDocument(makeDocument());
  try {
    requireData(options.marks);
    // Observable Plot asks for a browser's document. This one has what it uses, but for a style that
    // is given as text.
    const { style } = options;
    const given = { ...options, document } as unknown as PlotOptions;
    if (typeof style === "string") delete given.style;
    const drawn = Plot.plot(given) as unknown as PlotElement;
    if (typeof style === "string") mainSvg(drawn)?.setAttribute("style", style);
    return drawn;
  } catch (error) {
    if (error instanceof PlotRefusal) throw error;
    throw new PlotRefusal(
      `the plot cannot be drawn: ${error instanceof Error ? error.message : String(error)}`,
      "see the mark's page on https://observablehq.com/plot for what it takes",
    );
  }
}

/** The plot itself: the last, behind the legends. */
function mainSvg(drawn: PlotElement): PlotElement | undefined {
  if (drawn.localName === "svg") return drawn;
  return [...drawn.childNodes].filter((child) => child.localName === "svg").at(-1);
}

/** Columns whose memory is gone are empty, and a plot of nothing would say nothing about it. */
function requireData(marks: unknown): void {
  for (const mark of [marks].flat(Infinity) as { data?: unknown; channels?: object }[]) {
    if (typeof mark !== "object" || mark === null) continue;
    const channels = Object.values(mark.channels ?? {}) as { value?: unknown }[];
    for (const data of [mark.data, ...channels.map((channel) => channel?.value)]) {
      if (ArrayBuffer.isView(data) && (data.buffer as ArrayBuffer).detached === true) {
        throw new PlotRefusal(
          "the memory of a column was released before the plot was drawn",
          "keep it until the plot is shown, or draw before: await plot(…).svg()",
        );
      }
      const rows = (data as ArrayLike<unknown> | undefined)?.length;
      if (typeof rows === "number" && rows > MAX_ROWS) {
        throw new PlotRefusal(
          `a mark has ${formatCount(rows)} rows, more than ${formatCount(MAX_ROWS)}`,
          "draw fewer: plot.line and plot.histogram take columns of any length; otherwise take " +
            "every k-th row",
        );
      }
    }
  }
}

// -- what a plot consists of ----------------------------------------------------------------------

const HEADINGS: Record<string, { size: number; weight: number }> = {
  h2: { size: 16, weight: 600 },
  h3: { size: 13, weight: 400 },
  figcaption: { size: 12, weight: 400 },
};

function partsOf(root: PlotElement, writer: SvgWriter): Part[] {
  if (root.localName === "svg") return [svgPart(root, writer)];
  const parts: Part[] = [];
  const svgs = [...root.childNodes].filter((child) => child.localName === "svg");
  const width = Math.max(...svgs.map((svg) => lengthOf(svg, "width", 640)));
  for (const child of root.childNodes) {
    const heading = HEADINGS[child.localName ?? ""];
    if (child.localName === "svg") parts.push(svgPart(child, writer));
    else if (heading !== undefined) parts.push(textPart(child.textContent, heading, width));
    else if (child.localName === "div") parts.push(swatchesPart(child, width, writer));
  }
  return parts;
}

function svgPart(svg: PlotElement, writer: SvgWriter): Part {
  const width = lengthOf(svg, "width", 640);
  const height = lengthOf(svg, "height", 400);
  return {
    width,
    height,
    at: (y) => writer.element(svg, { y: String(y), overflow: "visible" }),
  };
}

function textPart(
  text: string,
  { size, weight }: { size: number; weight: number },
  width: number,
): Part {
  const shown = visibleText(cutEnd(text, Math.max(10, Math.floor(width / (size * 0.55)))));
  return {
    width,
    height: size * 1.7,
    at: (y) =>
      markup`<text x="2" y="${
        y + size * 1.15
      }" font-size="${size}" font-weight="${weight}">${shown}</text>`,
  };
}

const SWATCH_ROW = 22;
const SWATCH_TEXT = 20;

/** A legend of names: a coloured square and a name for each, in rows. */
function swatchesPart(legend: PlotElement, width: number, writer: SvgWriter): Part {
  const placed: { x: number; row: number; swatch: PlotElement; name: string }[] = [];
  let x = 2;
  let row = 0;
  for (const item of legend.childNodes) {
    const swatch = [...item.childNodes ?? []].find((child) => child.localName === "svg");
    if (swatch === undefined) continue;
    const name = visibleText(cutEnd(item.textContent, 60));
    const taken = SWATCH_TEXT + columnsOf(name) * 6.2 + 12;
    if (x > 2 && x + taken > width) {
      x = 2;
      row += 1;
    }
    placed.push({ x, row, swatch, name });
    x += taken;
  }
  return {
    width,
    height: (row + 1) * SWATCH_ROW + 6,
    at: (y) =>
      markup`${
        placed.map(({ x, row, swatch, name }) => {
          const top = y + row * SWATCH_ROW + 3;
          const square = writer.element(swatch, { x: String(x), y: String(top) });
          return markup`${square}<text x="${x + SWATCH_TEXT}" y="${top + 11}">${name}</text>`;
        })
      }`,
  };
}

function lengthOf(svg: PlotElement, name: string, otherwise: number): number {
  const length = Number(svg.getAttribute(name));
  return Number.isFinite(length) && length > 0 ? length : otherwise;
}

// -- the outermost element ------------------------------------------------------------------------

// A colour that is readable on white and on black: an SVG file does not know what it lies on.
const FILE_COLOUR = "#767676";
/** In pixels: below it the labels of 10 pixels would not be read. */
const LEAST_WIDTH = 480;

/** The drawing as a file of its own. */
export function svgFile(drawing: Drawing): string {
  return outermost(
    drawing,
    ' xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"',
    `color:${FILE_COLOUR};--plot-background:transparent`,
  );
}

/** The drawing as a part of a page, in the colours of the page. */
export function svgInPage(drawing: Drawing): string {
  return outermost(
    drawing,
    "",
    // On a narrow page it shrinks, but its text stays readable: then the box around it scrolls.
    `display:block;max-width:100%;min-width:${
      Math.min(drawing.width, LEAST_WIDTH)
    }px;height:auto;` +
      "color:var(--jp-content-font-color1,inherit);--plot-background:var(--jp-layout-color0,Canvas)",
  );
}

function outermost({ content, width, height }: Drawing, names: string, style: string): string {
  return `<svg${names} width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ` +
    'fill="currentColor" font-family="system-ui, sans-serif" font-size="10" role="img" ' +
    `aria-label="plot" style="${style};white-space:pre">${content}</svg>`;
}
