// Numbers in words: units, rounding at their borders, and values that are no numbers.

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  countOf,
  formatBytes,
  formatDate,
  formatDuration,
  formatExactBytes,
  formatRate,
  formatShare,
} from "../../jupyter/quantities.ts";

describe("quantities", () => {
  it("gives sizes in powers of 1024", () => {
    const cases: [number, string][] = [
      [0, "0 bytes"],
      [1, "1 byte"],
      [1023, "1,023 bytes"],
      [1024, "1.0 KiB"],
      [1_234_567, "1.2 MiB"],
      [1024 ** 2 - 1, "1.0 MiB"],
      [1024 ** 3, "1.0 GiB"],
      [5 * 1024 ** 4, "5.0 TiB"],
      [Number.MAX_SAFE_INTEGER, "8.0 PiB"],
      [-1, "unknown"],
      [NaN, "unknown"],
      [Infinity, "unknown"],
    ];
    for (const [bytes, text] of cases) assertEquals(formatBytes(bytes), text);
  });

  it("adds the exact number where the rounded one hides it", () => {
    assertEquals(formatExactBytes(17), "17 bytes");
    assertEquals(formatExactBytes(1_234_567), "1.2 MiB (1,234,567 bytes)");
    assertEquals(formatExactBytes(NaN), "unknown");
  });

  it("gives rates, spans, shares and counts", () => {
    assertEquals(formatRate(1024 ** 2, 500), "2.0 MiB/s");
    assertEquals(formatRate(5, 0), "unknown");
    assertEquals(
      [0, 350, 999.6, 1250, 59_960, 125_000, 3_600_000, -1].map(formatDuration),
      ["0 ms", "350 ms", "1.0 s", "1.3 s", "1 min 0 s", "2 min 5 s", "1 h 0 min", "unknown"],
    );
    assertEquals(
      [0, 0.0001, 0.125, 0.99951, 1, 1.5].map((part) => formatShare(part, 1)),
      ["0 %", "< 0.1 %", "12.5 %", "100 %", "100 %", "150 %"],
    );
    assertEquals(countOf(1, "object"), "1 object");
    assertEquals(countOf(2000, "object"), "2,000 objects");
  });

  it("gives moments in UTC", () => {
    assertEquals(formatDate(new Date("2024-03-01T12:34:56.789+02:00")), "2024-03-01 10:34:56 UTC");
    assertEquals(formatDate(new Date(NaN)), "unknown");
  });
});
