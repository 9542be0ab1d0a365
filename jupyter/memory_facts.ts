// What is said of the memory report: what is held against the budget, as bars and numbers.

import { type Cell, type Column, describeTable, type TableView } from "./plain_view.ts";
import { countOf, formatBytes, formatCount, formatExactBytes, formatShare } from "./quantities.ts";

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

/** The plain-text twin of {@linkcode showMemory}. */
export function describeMemory(m: MemoryLike, inNotebook = false): string {
  return describeTable(memoryTable(m, inNotebook));
}

/** The report as a table. */
export function memoryTable(m: MemoryLike, inNotebook: boolean): TableView {
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
    { text: bar(share), bar: share },
    { text: formatBytes(bytes), title: countOf(bytes, "byte") },
    { text: budget > 0 ? formatShare(bytes, budget) : "" },
  ];
}

function bar(share: number): string {
  // What is there shows at least one block.
  const full = share > 0 ? Math.max(1, Math.round(share * BAR_CHARACTERS)) : 0;
  return "\u2588".repeat(full) + "\u2591".repeat(BAR_CHARACTERS - full);
}
