/**
 * How measured calls show themselves, one below the other: a table with a bar for the time of each,
 * in a notebook; aligned lines elsewhere.
 *
 * @module
 */
import { type Html, markup } from "../jupyter/html.ts";
import { JUPYTER_DISPLAY, type MediaBundle, mediaBundle } from "../jupyter/media_bundle.ts";
import type { Cell, Column } from "../jupyter/plain_view.ts";
import { formatBytes, formatCount } from "../jupyter/quantities.ts";
import { dataTable, noteLine, view } from "../jupyter/view.ts";
import type { Measured } from "./measure.ts";

const COLUMNS: readonly Column[] = [
  { name: "" },
  { name: "ms a call" },
  { name: "slowest", numeric: true },
  { name: "new buffers", numeric: true },
  { name: "held by Rust", numeric: true },
  { name: "new on the heap", numeric: true },
  { name: "collections", numeric: true },
  { name: "ms paused", numeric: true },
  { name: "longest pause", numeric: true },
];

/** Calls that were measured: as a cell's last value they show themselves. */
export class Costs {
  /** What was measured, in order. */
  readonly rows: readonly Measured[];

  /** Takes what `measure` found. */
  constructor(rows: readonly Measured[]) {
    this.rows = rows;
  }

  /** Shows them in a notebook. */
  [JUPYTER_DISPLAY](): MediaBundle {
    const calls = [...new Set(this.rows.map(({ calls }) => formatCount(calls)))].join(" or ");
    return mediaBundle(
      view(
        dataTable("What calls cost", COLUMNS, this.rows.map((row) => shown(row, this.#slowest()))),
        noteLine(
          `Time and bytes are those of one call; collections and pauses, in milliseconds, those ` +
            `of ${calls} calls together.`,
        ),
      ),
      this.toString(),
    );
  }

  /** Shows them in a terminal. */
  [Symbol.for("Deno.customInspect")](): string {
    return this.toString();
  }

  /** As aligned lines: bytes for one call, collections and pauses for all of them. */
  toString(): string {
    const lines = [COLUMNS.map(({ name }) => name), ...this.rows.map(figures)];
    const widths = COLUMNS.map((_, at) => Math.max(...lines.map((line) => line[at]!.length)));
    return lines.map((line) =>
      line.map((cell, at) => at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!))
        .join("  ").trimEnd()
    ).join("\n");
  }

  #slowest(): number {
    return Math.max(...this.rows.map(({ median }) => median));
  }
}

function figures(row: Measured): string[] {
  return [
    row.what,
    row.median.toFixed(3),
    row.slowest.toFixed(3),
    formatCount(row.buffers),
    formatCount(row.rust),
    formatCount(row.heap),
    formatCount(row.collections),
    row.paused.toFixed(2),
    row.longestPause.toFixed(2),
  ];
}

function shown(row: Measured, slowest: number): Cell[] {
  const exact = figures(row);
  const bytes = [row.buffers, row.rust, row.heap];
  return exact.map((text, at): Cell => {
    if (at === 1) return { text, html: bar(row.median, slowest, text) };
    if (at < 3 || at > 5) return { text };
    const count = bytes[at - 3]!;
    const html = markup`${count === 0 ? "none" : formatBytes(count)}`;
    return { text, html, title: `${text} bytes` };
  });
}

/** A bar as long as the time is, beside that of the slowest, and the time. */
function bar(time: number, slowest: number, text: string): Html {
  const share = slowest > 0 ? Math.max(0.5, 100 * time / slowest) : 0;
  const style = `width:${share.toFixed(1)}%`;
  return markup`<span style="display:inline-block;min-width:4.5em;text-align:right">${text}</span>
<span class="dipper-bar" style="display:inline-flex;width:110px;vertical-align:middle;margin:0 0 0 8px"><span class="dipper-fill" style="${style}"></span></span>`;
}
