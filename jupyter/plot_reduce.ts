// Long columns made short enough for a picture, in one pass and without a copy of the column: counts
// of a histogram, and the points that a line needs to look the same.

/** A column that a plot can read: numbers by index. A number may be missing. */
export type Numbers = ArrayLike<number | bigint | null | undefined>;

/** How many values fell between two bounds. */
export interface Bin {
  readonly from: number;
  readonly to: number;
  count: number;
}

/** A histogram. */
export interface Counts {
  readonly bins: Bin[];
  /** Values that are no finite number: they are in no bin. */
  readonly missing: number;
}

/** Counts values in about so many bins of equal width, whose bounds are round numbers. */
export function histogramOf(column: Numbers, about: number): Counts {
  let least = Infinity;
  let greatest = -Infinity;
  let missing = 0;
  for (let index = 0; index < column.length; index++) {
    const value = Number(column[index] ?? NaN);
    if (value - value !== 0) missing += 1; // NaN and both infinities
    else {
      if (value < least) least = value;
      if (value > greatest) greatest = value;
    }
  }
  if (least > greatest) return { bins: [], missing };
  const step = roundStep(greatest / about - least / about, greatest);
  const first = Math.floor(least / step);
  // The greatest value belongs to the last bin also where it is its upper bound.
  const count = Math.max(1, Math.min(Math.ceil(greatest / step) - first, 4 * about));
  const bins: Bin[] = Array.from({ length: count }, (_, bin) => ({
    from: exact((first + bin) * step, step),
    to: exact((first + bin + 1) * step, step),
    count: 0,
  }));
  const last = count - 1;
  for (let index = 0; index < column.length; index++) {
    const value = Number(column[index] ?? NaN);
    if (value - value !== 0) continue;
    let at = Math.min(last, Math.max(0, Math.floor(value / step) - first));
    // A division may end a hair beside the bound that is written.
    if (at < last && value >= bins[at]!.to) at += 1;
    else if (at > 0 && value < bins[at]!.from) at -= 1;
    bins[at]!.count += 1;
  }
  return { bins, missing };
}

/** The next of 1, 2, 5, 10, … times a power of ten. */
function roundStep(width: number, greatest: number): number {
  // Values that are equal, or nearly so, get one bin around them.
  const least = Math.max(Math.abs(greatest) * 1e-12, Number.MIN_VALUE * 1e16);
  if (!(width > least)) {
    return greatest === 0 ? 1 : 10 ** Math.floor(Math.log10(Math.abs(greatest)));
  }
  const power = 10 ** Math.floor(Math.log10(width));
  return [1, 2, 5, 10].map((one) => one * power).find((one) => one >= width * 0.999) ?? width;
}

/** A multiple of a step without the last digits' noise: 0.3, not 0.30000000000000004. */
function exact(value: number, step: number): number {
  const digits = Math.max(0, 2 - Math.floor(Math.log10(step)));
  return digits <= 100 ? Number(value.toFixed(digits)) : value;
}

/** Points of a line: where, and how high. `NaN` is a gap. */
export interface Points {
  readonly x: Float64Array;
  readonly y: Float64Array;
}

/**
 * Of each of so many stretches of a column the first, the least, the greatest and the last value, in
 * their order. Drawn no wider than there are stretches, the line covers the same pixels as the whole
 * column. (Jugel, Jerzak, Hackenbroich, Markl: "M4: A Visualization-Oriented Time Series Data
 * Aggregation", PVLDB 7(10), 2014.)
 */
export function lineOf(column: Numbers, stretches: number): Points {
  const x: number[] = [];
  const y: number[] = [];
  const { length } = column;
  for (let stretch = 0; stretch < stretches; stretch++) {
    const from = Math.floor(stretch * length / stretches);
    const to = Math.floor((stretch + 1) * length / stretches);
    let first = -1, last = -1, least = -1, greatest = -1;
    let low = Infinity, high = -Infinity;
    for (let index = from; index < to; index++) {
      const value = Number(column[index] ?? NaN);
      if (value - value !== 0) continue;
      if (first < 0) first = index;
      last = index;
      if (value < low) [low, least] = [value, index];
      if (value > high) [high, greatest] = [value, index];
    }
    if (first < 0) {
      if (to > from) {
        x.push(from);
        y.push(NaN);
      }
      continue;
    }
    const chosen = [...new Set([first, least, greatest, last])].sort((a, b) => a - b);
    for (const index of chosen) {
      x.push(index);
      y.push(Number(column[index]));
    }
  }
  return { x: Float64Array.from(x), y: Float64Array.from(y) };
}
