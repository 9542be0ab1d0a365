// How a plot shows itself: as SVG in the page, in the page's colours, and as an SVG file for front
// ends that show no HTML.

import { Html, markup } from "./html.ts";
import { MAX_BUNDLE_BYTES, type MediaBundle } from "./media_bundle.ts";
import { type Drawing, svgFile, svgInPage } from "./plot_figure.ts";

/** Displays a drawing; `what` says in words what is drawn. */
export function showPlot(drawing: Drawing, what: string): MediaBundle {
  const page = markup`<div class="dipper-plot" style="overflow-x:auto">${new Html(
    svgInPage(drawing),
  )}</div>`.toString();
  const file = svgFile(drawing);
  const plain = `Figure: ${what}`;
  const bundle = { "text/html": page, "text/plain": plain };
  const bytes = new TextEncoder().encode(page + file + plain).length;
  // A large plot is there once, as HTML: that is what fits dark pages.
  return bytes > MAX_BUNDLE_BYTES ? bundle : { ...bundle, "image/svg+xml": file };
}
