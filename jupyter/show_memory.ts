// How the memory report shows itself: what is held against the budget, as bars and numbers.

import { type Html, markup } from "./html.ts";
import type { MediaBundle } from "./media_bundle.ts";
import { countOf, formatBytes, formatCount, formatExactBytes, formatShare } from "./quantities.ts";
import { describeTable, showTable, type TableView } from "./table_view.ts";
import type { Cell, Column } from "./view.ts";

/** The numbers of `memory()`, process-wide. */
export interface MemoryLike {
  /** Bytes of all allocations: in flight, in buffers, and adopted. */
  readonly bytes: number;
  /** Buffers that are neither disposed nor adopted. */
  readonly buffers: number;
  /** Adopted array buffers that JavaScript still holds. */
  readonly adopted: number;
  /** Operations under way. */
  readonly operations: number;
  /** Bytes kept warm for the next allocation. */
  readonly pooled: number;
  /** The most bytes that may be held, or 0 where there is no limit. */
  readonly budget: number;
}

const COLUMNS: readonly Column[] = [
  { name: "Memory" },
  { name: "Used" },
  { name: "Bytes", numeric: true },
  { name: "Share", numeric: true },
];
const BAR_CHARACTERS = 20;

/** What bites in a notebook, where a cell has no end. */
export const TOP_LEVEL_USING =
  "A `using` at the top level of a cell never disposes: put it in braces, or call dispose().";

/**
 * Displays the memory report: a bar for each kind of memory against the budget, and the counts of
 * buffers and operations. In a notebook, where buffers are held, also what keeps them most often.
 *
 * @example
 * ```ts
 * showMemory({ bytes: 0, buffers: 0, adopted: 0, operations: 0, pooled: 0, budget: 2 ** 30 });
 * ```
 */
export function showMemory(m: MemoryLike, inNotebook = false): MediaBundle {
  return showTable(tableOf(m, inNotebook));
}

/** The plain-text twin of {@linkcode showMemory}. */
export function describeMemory(m: MemoryLike, inNotebook = false): string {
  return describeTable(tableOf(m, inNotebook));
}

function tableOf(m: MemoryLike, inNotebook: boolean): TableView {
  return {
    name: "Memory",
    tags: tags(m),
    label: "Memory against the budget",
    columns: COLUMNS,
    rows: rows(m),
    notes: [budgetLine(m), ...(inNotebook && m.buffers > 0 ? [TOP_LEVEL_USING] : [])],
  };
}

function tags(m: MemoryLike): string[] {
  return [
    countOf(m.buffers, "buffer"),
    `${formatCount(m.adopted)} adopted`,
    `${countOf(m.operations, "operation")} under way`,
  ];
}

function budgetLine(m: MemoryLike): string {
  if (!(m.budget > 0)) return "No budget is set.";
  return `Budget ${
    formatExactBytes(m.budget)
  }; adopted memory is held but does not count against it.`;
}

function rows(m: MemoryLike): Cell[][] {
  return [
    row("Held", m.bytes, m.budget),
    row("Pooled", m.pooled, m.budget),
  ];
}

function row(name: string, bytes: number, budget: number): Cell[] {
  const share = budget > 0 && bytes > 0 ? Math.min(1, bytes / budget) : 0;
  return [
    { text: name },
    { text: bar(share), html: barMarkup(share) },
    { text: formatBytes(bytes), title: countOf(bytes, "byte") },
    { text: budget > 0 ? formatShare(bytes, budget) : "" },
  ];
}

function bar(share: number): string {
  // What is there shows at least one block.
  const full = share > 0 ? Math.max(1, Math.round(share * BAR_CHARACTERS)) : 0;
  return "█".repeat(full) + "░".repeat(BAR_CHARACTERS - full);
}

function barMarkup(share: number): Html {
  const percent = share > 0 ? Math.max(0.8, share * 100).toFixed(1) : "0";
  const fill = markup`<span class="dipper-fill" style="width:${percent}%"></span>`;
  return markup`<span class="dipper-bar" aria-hidden="true">${fill}</span>`;
}
