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

/** What a terminal shows. */
const HEADS = [
  "",
  "ms a call",
  "slowest",
  "new buffers",
  "held by Rust",
  "new on the heap",
  "collections",
  "ms paused",
  "longest pause",
];

/** What a page shows: as narrow as a notebook beside other windows, so nothing has to be scrolled. */
const COLUMNS: readonly Column[] = [
  { name: "" },
  { name: "ms a call", numeric: true },
  { name: "slowest", numeric: true },
  { name: "buffers", numeric: true },
  { name: "Rust", numeric: true },
  { name: "heap", numeric: true },
  { name: "pauses", numeric: true },
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
          `Of one call: its time in milliseconds, the median and the slowest; bytes in new ` +
            `buffers, held by Rust, and new on the heap. Of ${calls} calls together: the ` +
            `collections, and how long they paused them.`,
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
    const lines = [HEADS, ...this.rows.map(figures)];
    const widths = HEADS.map((_, at) => Math.max(...lines.map((line) => line[at]!.length)));
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
  const [what = "", time = "", longest = ""] = figures(row);
  const { collections, paused, longestPause } = row;
  return [
    { text: what },
    { text: time, html: bar(row.median, slowest, time) },
    { text: longest },
    ...[row.buffers, row.rust, row.heap].map((count) => ({
      text: count === 0 ? "none" : formatBytes(count),
      title: `${formatCount(count)} bytes`,
    })),
    collections === 0 ? { text: "none" } : {
      text: `${formatCount(collections)}, ${paused.toFixed(1)} ms`,
      title: `the longest ${longestPause.toFixed(2)} ms`,
    },
  ];
}

/** The time, and below it a bar as long as it is beside that of the slowest. */
function bar(time: number, slowest: number, text: string): Html {
  const share = slowest > 0 ? Math.max(0.5, 100 * time / slowest) : 0;
  const style = `width:${share.toFixed(1)}%`;
  return markup`${text}<span class="dipper-bar" style="width:60px;height:6px;margin:2px 0"><span class="dipper-fill" style="${style}"></span></span>`;
}
