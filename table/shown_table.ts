// A table of Flechette's that shows itself in a notebook and in a terminal.

import { displayed } from "../jupyter/media_bundle.ts";
import {
  type ColumnFacts,
  type ColumnsLike,
  describeColumns,
  showColumns,
} from "../jupyter/show_columns.ts";
import { formatNumber } from "../jupyter/quantities.ts";
import type { Column, FlechetteLibrary, Table } from "./flechette.ts";
import { typeText } from "./type_text.ts";

/** So many values of a column are looked at. */
const SAMPLE = 10_000;
const BINS = 24;
const DIGITS = 6;
/** A cell has room for fewer values of a list. */
const SHOWN_OF_LIST = 100;

/** Gives a table its displays, and its columns what others ask them for. */
export function shownTable(library: FlechetteLibrary, table: Table): Table {
  for (const column of table.children) Object.defineProperty(column, "toJSON", { value: toJSON });
  const facts = (): ColumnsLike => columnsLike(library, table);
  return displayed(table, () => showColumns(facts()), () => describeColumns(facts()));
}

/** A column as JSON: its values. Observable Plot asks for them where some are null. */
function toJSON(this: Column): unknown {
  return this.toArray();
}

function columnsLike(library: FlechetteLibrary, table: Table): ColumnsLike {
  const { numRows, numCols } = table;
  const fields = table.schema.fields;
  return {
    rows: numRows,
    width: numCols,
    bytes: bytesOf(table),
    sampled: numRows > SAMPLE,
    columns: (count) =>
      fields.slice(0, count).map(({ name, type }, index) => ({
        name,
        type: typeText(library, type),
        ...columnFacts(library, type, table.getChildAt(index)),
      })),
    row: (index, count) =>
      fields.slice(0, count).map(({ type }, column) =>
        valueText(library, type, valueAt(table.getChildAt(column), index))
      ),
  };
}

/** What the columns' memory takes; what two of them share counts once. */
function bytesOf({ children }: Table): number {
  const seen = new Set<ArrayBufferLike>();
  const add = (view: unknown): void => {
    if (ArrayBuffer.isView(view)) seen.add(view.buffer);
  };
  // deno-lint-ignore no-explicit-any -- batches differ in what they have
  const walk = (batch: any): void => {
    for (const part of ["validity", "values", "offsets", "sizes", "typeIds"]) add(batch[part]);
    for (const view of batch.data ?? []) add(view);
    for (const child of batch.children ?? []) walk(child);
    for (const dictionary of batch.dictionary?.data ?? []) walk(dictionary);
  };
  for (const child of children) child.data.forEach(walk);
  return [...seen].reduce((sum, { byteLength }) => sum + byteLength, 0);
}

function columnFacts(
  { Type }: FlechetteLibrary,
  // deno-lint-ignore no-explicit-any -- the members of Flechette's types differ by `typeId`
  type: any,
  column: Column,
): Pick<ColumnFacts, "numeric" | "nulls" | "histogram" | "range"> {
  const dated = type.typeId === Type.Date || type.typeId === Type.Timestamp;
  const counted = [Type.Int, Type.Float, Type.Decimal, Type.Duration].includes(type.typeId);
  const facts = { numeric: counted, nulls: column.nullCount };
  if (!dated && !counted) return facts;
  // Of bigints that stand for something else: how many of their digits are behind the point.
  const behind = type.typeId === Type.Timestamp ? 3 * (type.unit - 1) : type.scale ?? 0;
  const numbers = sampleOf(column, behind);
  if (numbers.length === 0) return facts;
  let [least, greatest] = [Infinity, -Infinity];
  for (const number of numbers) {
    if (number < least) least = number;
    if (number > greatest) greatest = number;
  }
  const histogram = new Array<number>(BINS).fill(0);
  const span = greatest - least;
  for (const number of numbers) {
    const bin = span > 0 ? Math.floor((number - least) / span * BINS) : 0;
    histogram[Math.min(bin, BINS - 1)]! += 1;
  }
  const text = (number: number): string =>
    dated ? dateText(number, type.typeId === Type.Timestamp) : formatNumber(number, DIGITS);
  return { ...facts, range: [text(least), text(greatest)], ...(span > 0 && { histogram }) };
}

/** Finite numbers of a column, evenly picked, the first and the last among them. */
function sampleOf(column: Column, scale: number): number[] {
  const last = column.length - 1;
  const count = Math.min(column.length, SAMPLE);
  const numbers: number[] = [];
  for (let index = 0; index < count; index++) {
    const value = valueAt(column, count > 1 ? Math.round(index * last / (count - 1)) : 0);
    if (value === null || value === undefined || value === "\u2026") continue;
    // Digits of a decimal, counts of a timestamp's unit, or an integer of 64 bits.
    const number = Number(value) / (typeof value === "bigint" ? 10 ** scale : 1);
    if (Number.isFinite(number)) numbers.push(number);
  }
  return numbers;
}

/** A value. Of 64-bit integers that are no numbers of JavaScript, which Flechette refuses, the integer. */
function valueAt(column: Column, index: number): unknown {
  try {
    return column.at(index);
  } catch {
    const at = column.offsets.findLastIndex((offset) => offset <= index);
    // deno-lint-ignore no-explicit-any -- batches differ in what they have
    const batch = column.data[at] as any;
    // Within a list, a struct or a dictionary it is not looked for. That nothing is there is not said.
    const stored = batch?.dictionary === undefined ? batch?.values : undefined;
    return stored?.[index - (column.offsets[at] ?? 0)] ?? "\u2026";
  }
}

function valueText(
  { Type }: FlechetteLibrary,
  // deno-lint-ignore no-explicit-any -- the members of Flechette's types differ by `typeId`
  { typeId, scale }: any,
  value: unknown,
): string {
  if (value === null || value === undefined) return "null";
  const timed = typeId === Type.Timestamp;
  if (typeof value === "number") {
    if (typeId === Type.Date || typeId === Type.Timestamp) return dateText(value, timed);
    return typeId === Type.Float ? formatNumber(value, DIGITS) : String(value);
  }
  if (value instanceof Date) return dateText(value.getTime(), timed);
  if (value instanceof Uint8Array) return bytesText(value);
  if (typeof value === "object") {
    return JSON.stringify(value, (_, inner) => plainPart(inner)) ?? "";
  }
  if (typeId === Type.Decimal && typeof value === "bigint") return decimalText(value, scale);
  return String(value);
}

/** A decimal, of which a table read with `useDecimalInt` has the digits only. */
function decimalText(digits: bigint, scale: number): string {
  if (scale <= 0) return String(digits * 10n ** BigInt(-scale));
  const text = String(digits < 0n ? -digits : digits).padStart(scale + 1, "0");
  return `${digits < 0n ? "-" : ""}${text.slice(0, -scale)}.${text.slice(-scale)}`;
}

/** A part of a value as JSON has it: of a list, however long, what may be shown of it. */
function plainPart(inner: unknown): unknown {
  if (typeof inner === "bigint") return String(inner);
  if (inner instanceof Map) return [...inner].slice(0, SHOWN_OF_LIST);
  if (Array.isArray(inner)) return inner.slice(0, SHOWN_OF_LIST);
  if (!ArrayBuffer.isView(inner)) return inner;
  const numbers = (inner as Float64Array).subarray(0, SHOWN_OF_LIST);
  return Array.from(numbers as ArrayLike<unknown>, (one) => plainPart(one));
}

/** A day, or a moment, of which midnight is one like the others of its column. */
function dateText(milliseconds: number, timed: boolean): string {
  const date = new Date(milliseconds);
  if (Number.isNaN(date.getTime())) return String(milliseconds);
  const text = date.toISOString();
  return !timed && text.endsWith("T00:00:00.000Z")
    ? text.slice(0, 10)
    : text.replace("T", " ").replace(/(\.000)?Z$/, "");
}

function bytesText(bytes: Uint8Array): string {
  const shown = Array.from(bytes.subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0"));
  return shown.join(" ") + (bytes.length > 16 ? " …" : "");
}
