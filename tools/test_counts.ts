/**
 * Reads how many tests passed from what the test runners write.
 *
 * @module
 */

/** How many tests did what. */
export interface Counts {
  /** Tests that passed. */
  passed: number;
  /** Tests that failed. */
  failed: number;
  /** Tests that did not run. */
  skipped: number;
  /** Names of those that failed, where they are known. */
  failures: string[];
}

/** No tests at all. */
export function none(): Counts {
  return { passed: 0, failed: 0, skipped: 0, failures: [] };
}

/** The sum of both. */
export function add(a: Counts, b: Counts): Counts {
  return {
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    skipped: a.skipped + b.skipped,
    failures: [...a.failures, ...b.failures],
  };
}

/** A program without a count of its own is one test. */
export function one(success: boolean): Counts {
  return { ...none(), passed: success ? 1 : 0, failed: success ? 0 : 1 };
}

/** Makes sure that a program that failed counts as a failure, whatever it wrote. */
export function settle(counts: Counts, success: boolean): Counts {
  return success || counts.failed > 0 ? counts : { ...counts, failed: 1 };
}

/** `cargo test`: one `test result:` line for each test program. */
export function cargoCounts(output: string): Counts {
  const lines = output.matchAll(
    /^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/gm,
  );
  const counts = none();
  for (const [, passed, failed, skipped] of lines) {
    counts.passed += Number(passed);
    counts.failed += Number(failed);
    counts.skipped += Number(skipped);
  }
  counts.failures = names(output, /^test (.+) \.\.\. FAILED$/gm);
  return counts;
}

/** Python's `unittest` and `pytest`. */
export function pythonCounts(output: string): Counts {
  const pytest = [...output.matchAll(/^=+ (.*\d+ (?:passed|failed|error).*) in [\d.]+s.*=+$/gm)]
    .at(-1)?.[1];
  if (pytest !== undefined) {
    return {
      passed: numberBefore(pytest, "passed"),
      failed: numberBefore(pytest, "failed") + numberBefore(pytest, "error"),
      skipped: numberBefore(pytest, "skipped"),
      failures: names(output, /^FAILED (\S+)/gm),
    };
  }
  const ran = [...output.matchAll(/^Ran (\d+) tests? in /gm)].at(-1)?.[1];
  if (ran === undefined) return none();
  const result = [...output.matchAll(/^(?:OK|FAILED)(?: \((.*)\))?$/gm)].at(-1)?.[1] ?? "";
  const failed = numberAfter(result, "failures") + numberAfter(result, "errors");
  const skipped = numberAfter(result, "skipped");
  return {
    passed: Math.max(0, Number(ran) - failed - skipped),
    failed,
    skipped,
    failures: names(output, /^(?:FAIL|ERROR): (.+)$/gm),
  };
}

/** What the pattern's first group matches, each once. */
function names(output: string, pattern: RegExp): string[] {
  return [...new Set(Array.from(output.matchAll(pattern), (match) => match[1] ?? ""))];
}

function numberBefore(text: string, word: string): number {
  return Number(new RegExp(`(\\d+) ${word}`).exec(text)?.[1] ?? 0);
}

function numberAfter(text: string, word: string): number {
  return Number(new RegExp(`\\b${word}=(\\d+)`).exec(text)?.[1] ?? 0);
}

/**
 * Deno's JUnit report. A `describe` and each of its `it`s are a test case of their own there, the
 * inner ones named `outer > inner`: only the innermost are counted, and an outer one when it fails
 * by itself, in a hook.
 */
export function junitCounts(report: string): Counts {
  const cases = [...report.matchAll(/<testcase name="([^"]*)"[^>]*?(?:\/>|>(.*?)<\/testcase>)/gs)]
    .map(([, name = "", body = ""]) => ({
      path: name.split(" &gt; "),
      failed: /<(failure|error)\b/.test(body),
      skipped: /<skipped\b/.test(body),
    }));
  const groups = new Set<string>();
  const failedInside = new Set<string>();
  for (const { path, failed } of cases) {
    for (let depth = 1; depth < path.length; depth++) {
      const group = path.slice(0, depth).join(" > ");
      groups.add(group);
      if (failed) failedInside.add(group);
    }
  }
  const counts = none();
  for (const { path, failed, skipped } of cases) {
    const name = path.join(" > ");
    if (failed && !failedInside.has(name)) {
      counts.failed++;
      counts.failures.push(unescapeXml(name));
    } else if (groups.has(name)) continue;
    else if (skipped) counts.skipped++;
    else counts.passed++;
  }
  return counts;
}

function unescapeXml(text: string): string {
  const characters: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return text.replace(/&(\w+);/g, (entity, name) => characters[name] ?? entity);
}
