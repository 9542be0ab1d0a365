// Observable Plot, and the document that it draws into: loaded when the first plot is drawn, and
// never before. The specifiers are kept out of Deno's sight on purpose: an `import()` that it can
// read is resolved when dipper is imported, which costs time and, the first time, a download.

import type * as ObservablePlot from "npm:@observablehq/plot@0.6.17";

/** Observable Plot, all that `import * as Plot from "npm:@observablehq/plot"` brings. */
export type PlotLibrary = typeof ObservablePlot;

/** What Observable Plot's `plot` takes. */
export type PlotOptions = ObservablePlot.PlotOptions;

/** What Observable Plot takes as a mark: a mark, a function that draws one, a list of them, nothing. */
export type Markish = ObservablePlot.Markish;

/** What a plot is drawn with. The version of both is in `deno.json`, too; a test compares. */
export const PACKAGES = {
  plot: "npm:@observablehq/plot@0.6.17",
  document: "npm:linkedom@0.18.12",
} as const;

/** What is loaded. */
export interface Loaded {
  readonly Plot: PlotLibrary;
  /** A new, empty document. */
  makeDocument(): Document;
}

/** The part of a document that drawing needs. The types of a browser are not there in Deno. */
export interface Document {
  readonly documentElement: object;
  createElement(name: string, options?: object): unknown;
  createElementNS(namespace: string, name: string, options?: object): unknown;
}

let loading: Promise<Loaded> | undefined;

/** The library, loaded at the first call. A failure is forgotten: the next call tries again. */
export function plotLibrary(): Promise<Loaded> {
  loading ??= load().catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

async function load(): Promise<Loaded> {
  const [Plot, { parseHTML }] = await Promise.all([
    import(PACKAGES.plot) as Promise<PlotLibrary>,
    import(PACKAGES.document) as Promise<{ parseHTML(text: string): { document: Document } }>,
  ]);
  return {
    Plot,
    makeDocument: () => parseHTML("<!doctype html><html><body></body></html>").document,
  };
}
