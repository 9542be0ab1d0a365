// Sizes, rates, times and counts in plain text. Sizes use binary units (1 KiB = 1024 bytes), as
// part sizes, memory budgets and pages do, and the exact number stands beside them where there is
// room. Times are UTC, so that an output says the same on every machine.

const UNITS = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/** A count with its thousands grouped: `1,234,567`. */
export function formatCount(count: number): string {
  if (!Number.isFinite(count)) return "unknown";
  // `toLocaleString` loads its tables at the first call, which alone is most of a display's time.
  const [whole = "", part] = String(Math.round(count * 1000) / 1000).split(".");
  if (/\D/.test(whole.replace("-", ""))) return String(count);
  const grouped = whole.replace(/\B(?=(?:\d{3})+$)/g, ",");
  return part === undefined ? grouped : `${grouped}.${part}`;
}

/** A number with so many digits at most that count: `0.3333`; what is no finite number by its name. */
export function formatNumber(number: number, digits: number): string {
  return Number.isFinite(number) ? String(Number(number.toPrecision(digits))) : String(number);
}

/** A count and its noun: `1 object`, `2,000 objects`. */
export function countOf(count: number, noun: string): string {
  const plural = /[^aeiou]y$/.test(noun) ? `${noun.slice(0, -1)}ies` : `${noun}s`;
  return `${formatCount(count)} ${count === 1 ? noun : plural}`;
}

/**
 * A size in binary units: `17 bytes`, `1.2 MiB`.
 *
 * @example
 * ```ts
 * formatBytes(1_234_567); // "1.2 MiB"
 * ```
 */
export function formatBytes(bytes: number): string {
  if (!Number.isFinite(bytes) || bytes < 0) return "unknown";
  if (bytes < 1024) return countOf(bytes, "byte");
  let value = bytes;
  let unit = -1;
  // 1023.96 would print as 1024.0, so the next unit starts where rounding reaches it.
  while (value >= 1023.95 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value.toFixed(1)} ${UNITS[Math.max(unit, 0)]}`;
}

/** A size in binary units and exactly: `1.2 MiB (1,234,567 bytes)`. */
export function formatExactBytes(bytes: number): string {
  const rounded = formatBytes(bytes);
  if (rounded === "unknown" || bytes < 1024) return rounded;
  return `${rounded} (${countOf(bytes, "byte")})`;
}

/** Bytes per second over a time in milliseconds: `12.5 MiB/s`. */
export function formatRate(bytes: number, milliseconds: number): string {
  if (!(milliseconds > 0)) return "unknown";
  const rate = formatBytes(Math.round(bytes / (milliseconds / 1000)));
  return rate === "unknown" ? rate : `${rate}/s`;
}

/** A time span in milliseconds: `350 ms`, `1.2 s`, `2 min 5 s`, `1 h 3 min`. */
export function formatDuration(milliseconds: number): string {
  if (!Number.isFinite(milliseconds) || milliseconds < 0) return "unknown";
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 59_950) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A moment in UTC to the second: `2024-03-01 12:34:56 UTC`. */
export function formatDate(date: Date): string {
  if (!(date instanceof Date) || Number.isNaN(date.getTime())) return "unknown";
  return date.toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC");
}

/** A share as a percentage: `0 %`, `< 0.1 %`, `12.5 %`, `100 %`. */
export function formatShare(part: number, whole: number): string {
  if (!(whole > 0) || !(part >= 0)) return "unknown";
  const percent = part / whole * 100;
  if (percent === 0) return "0 %";
  if (percent < 0.1) return "< 0.1 %";
  return percent >= 99.95 ? `${Math.round(percent)} %` : `${percent.toFixed(1)} %`;
}
