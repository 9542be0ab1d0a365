// How the memory report shows itself: what is held against the budget, as bars and numbers.

import { type Html, html } from "./html.ts";
import { type MediaBundle, mediaBundle } from "./media_bundle.ts";
import { countOf, formatBytes, formatCount, formatExactBytes, formatShare } from "./quantities.ts";
import {
  type Cell,
  type Column,
  dataTable,
  noteLine,
  plainParts,
  plainTable,
  plainTitle,
  title,
  view,
} from "./view.ts";

/** The numbers of `memory()`, process-wide. */
export interface MemoryLike {
  /** Bytes that Rust owns: live buffers and operations in flight. They count against the budget. */
  readonly bytes: number;
  /** Live buffers that Rust owns. */
  readonly buffers: number;
  /** Bytes that JavaScript took over and has not freed. They do not count against the budget. */
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
  { name: "Bytes", numeric: true },
  { name: "Of the budget", numeric: true },
  { name: "" },
];
const BAR_CHARACTERS = 20;

/**
 * Displays the memory report: a bar for each kind of memory against the budget, and the counts of
 * buffers and operations.
 *
 * @example
 * ```ts
 * showMemory({ bytes: 0, buffers: 0, adopted: 0, operations: 0, pooled: 0, budget: 2 ** 30 });
 * ```
 */
export function showMemory(m: MemoryLike): MediaBundle {
  return mediaBundle(
    view(
      title("Memory", tags(m)),
      dataTable("Memory against the budget", COLUMNS, rows(m)),
      noteLine(budgetLine(m)),
    ),
    describeMemory(m),
  );
}

/** The plain-text twin of {@linkcode showMemory}. */
export function describeMemory(m: MemoryLike): string {
  return plainParts(
    plainTitle("Memory", tags(m)),
    plainTable(COLUMNS, rows(m)),
    `  ${budgetLine(m)}`,
  );
}

function tags(m: MemoryLike): string[] {
  return [countOf(m.buffers, "buffer"), `${countOf(m.operations, "operation")} under way`];
}

function budgetLine(m: MemoryLike): string {
  return m.budget > 0 ? `Budget ${formatExactBytes(m.budget)}.` : "No budget is set.";
}

function rows(m: MemoryLike): Cell[][] {
  return [
    row("Owned by Rust", m.bytes, m.budget),
    row("Adopted by JavaScript", m.adopted, m.budget),
    row("Pooled for reuse", m.pooled, m.budget),
  ];
}

function row(name: string, bytes: number, budget: number): Cell[] {
  const share = budget > 0 && bytes > 0 ? Math.min(1, bytes / budget) : 0;
  return [
    { text: name },
    { text: formatBytes(bytes), title: `${formatCount(bytes)} bytes` },
    { text: budget > 0 ? formatShare(bytes, budget) : "" },
    { text: bar(share), markup: barMarkup(share) },
  ];
}

function bar(share: number): string {
  // What is there shows at least one block.
  const full = share > 0 ? Math.max(1, Math.round(share * BAR_CHARACTERS)) : 0;
  return "█".repeat(full) + "░".repeat(BAR_CHARACTERS - full);
}

function barMarkup(share: number): Html {
  const percent = share > 0 ? Math.max(0.8, share * 100).toFixed(1) : "0";
  return html`
    <span class="dipper-bar"
      aria-hidden="true"><span class="dipper-fill" style="width:${percent}%"></span></span>
  `;
}
