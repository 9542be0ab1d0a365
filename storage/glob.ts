// Patterns for keys and paths: `*`, `?`, `[a-z]`, `{a,b}`, `**`.
//
// They are not turned into regular expressions: keys come from whoever may write into the bucket, and
// a pattern of many stars would take a regular expression for ever. Here a star that is behind
// another one in the same folder makes the earlier one's choice final, and so does `**` for what is
// before it. So at most every character is looked at once for each folder and each of the pattern's.

import { invalidInput } from "../ffi/errors.ts";

/** One step of a pattern. */
type Step =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "any" }
  | { readonly kind: "class"; readonly negated: boolean; readonly ranges: readonly Range[] }
  /** Any characters but `/`. */
  | { readonly kind: "star" }
  /** `**` and the slash behind it: any number of folders. */
  | { readonly kind: "folders" }
  /** `**` at the end: all the rest. */
  | { readonly kind: "rest" };

/** From a code point to another, both included. */
type Range = readonly [first: number, last: number];

/** Braces multiply. */
const MOST_ALTERNATIVES = 1000;
const LONGEST_PATTERN = 4096;

/**
 * A pattern, ready to be compared with names. `*` and `?` stay within a folder, `**` as a whole
 * folder's name stands for any number of folders. A backslash takes the meaning from what follows.
 *
 * @example
 * ```ts
 * const glob = new Glob("2026/*.{csv,parquet}", "list");
 * glob.matches("2026/a.csv"); // true
 * ```
 */
export class Glob {
  /** What every name that matches starts with. */
  readonly literalPrefix: string;
  readonly #alternatives: readonly (readonly Step[])[];

  /** @throws {InvalidInputError} For brackets and braces that do not end, and for too much of it. */
  constructor(pattern: string, operation: string, uri?: string) {
    const refused = (what: string, hint: string) =>
      invalidInput(
        operation,
        `the glob ${JSON.stringify(pattern.slice(0, 200))} ${what}`,
        hint,
        uri,
      );
    if (pattern.length > LONGEST_PATTERN) {
      throw refused(`has more than ${LONGEST_PATTERN} characters`, "use a shorter one");
    }
    try {
      this.#alternatives = expanded(pattern).map(stepsOf);
    } catch (error) {
      if (!(error instanceof Misspelt)) throw error;
      throw refused(error.what, error.hint);
    }
    this.literalPrefix = this.#alternatives.map(literalPrefixOf).reduce(commonPrefix);
  }

  /** Whether a name matches, all of it. */
  matches(name: string): boolean {
    return this.#alternatives.some((steps) => matchesSteps(steps, name));
  }
}

/** What is wrong with a pattern, and what to do about it. */
class Misspelt extends Error {
  constructor(readonly what: string, readonly hint: string) {
    super(what);
  }
}

/** The patterns without braces that a pattern stands for. */
function expanded(pattern: string): string[] {
  const open = findOutsideClasses(pattern, 0, "{");
  if (open === -1) return [pattern];
  const parts: string[] = [];
  let depth = 0;
  let start = open + 1;
  for (let at = open; at < pattern.length; at = after(pattern, at)) {
    const character = pattern[at];
    if (character === "{") depth++;
    else if (character === "," && depth === 1) {
      parts.push(pattern.slice(start, at));
      start = at + 1;
    } else if (character === "}" && --depth === 0) {
      parts.push(pattern.slice(start, at));
      const [before, behind] = [pattern.slice(0, open), pattern.slice(at + 1)];
      const found: string[] = [];
      for (const part of parts) {
        found.push(...expanded(before + part + behind));
        if (found.length > MOST_ALTERNATIVES) {
          throw new Misspelt(
            `stands for more than ${MOST_ALTERNATIVES} patterns`,
            "use fewer braces",
          );
        }
      }
      return found;
    }
  }
  throw new Misspelt(
    "has a { that does not end",
    "close it with }, or write \\{ for the character",
  );
}

function findOutsideClasses(pattern: string, from: number, wanted: string): number {
  for (let at = from; at < pattern.length; at = after(pattern, at)) {
    if (pattern[at] === wanted) return at;
  }
  return -1;
}

/** Where the next character, escaped character or class starts. */
function after(pattern: string, at: number): number {
  if (pattern[at] === "\\") return at + 2;
  if (pattern[at] === "[") return endOfClass(pattern, at);
  return at + 1;
}

function endOfClass(pattern: string, at: number): number {
  let end = at + 1;
  if (pattern[end] === "!" || pattern[end] === "^") end++;
  // Right behind the bracket it is a character of the class.
  if (pattern[end] === "]") end++;
  while (end < pattern.length && pattern[end] !== "]") end += pattern[end] === "\\" ? 2 : 1;
  if (end >= pattern.length) {
    throw new Misspelt(
      "has a [ that does not end",
      "close it with ], or write \\[ for the character",
    );
  }
  return end + 1;
}

function stepsOf(pattern: string): Step[] {
  const steps: Step[] = [];
  const put = (step: Step): void => {
    const last = steps.at(-1);
    if (step.kind === "text" && last?.kind === "text") {
      steps[steps.length - 1] = { kind: "text", text: last.text + step.text };
    } else if (!(step.kind === last?.kind && (step.kind === "star" || step.kind === "folders"))) {
      steps.push(step);
    }
  };
  for (let at = 0; at < pattern.length;) {
    const character = pattern[at]!;
    const startsFolder = at === 0 || pattern[at - 1] === "/";
    if (startsFolder && pattern.startsWith("**/", at)) {
      put({ kind: "folders" });
      at += 3;
    } else if (startsFolder && pattern.slice(at) === "**") {
      put({ kind: "rest" });
      at += 2;
    } else if (character === "*") {
      put({ kind: "star" });
      at++;
    } else if (character === "?") {
      put({ kind: "any" });
      at++;
    } else if (character === "[") {
      const end = endOfClass(pattern, at);
      put(classOf(pattern.slice(at + 1, end - 1)));
      at = end;
    } else if (character === "\\") {
      if (at + 1 >= pattern.length) {
        throw new Misspelt("ends with a backslash", "write \\\\ for the character");
      }
      const escaped = String.fromCodePoint(pattern.codePointAt(at + 1)!);
      put({ kind: "text", text: escaped });
      at += 1 + escaped.length;
    } else {
      put({ kind: "text", text: character });
      at++;
    }
  }
  return steps;
}

function classOf(text: string): Step {
  const negated = text.startsWith("!") || text.startsWith("^");
  const characters: { point: number; escaped: boolean }[] = [];
  for (let at = negated ? 1 : 0; at < text.length;) {
    const escaped = text[at] === "\\" && at + 1 < text.length;
    const point = text.codePointAt(at + (escaped ? 1 : 0))!;
    characters.push({ point, escaped });
    at += (escaped ? 1 : 0) + (point > 0xffff ? 2 : 1);
  }
  const ranges: Range[] = [];
  for (let at = 0; at < characters.length; at++) {
    const first = characters[at]!.point;
    const [dash, last] = [characters[at + 1], characters[at + 2]];
    if (dash?.point === 0x2d && !dash.escaped && last !== undefined) {
      if (last.point < first) {
        throw new Misspelt("has a range in [ ] that ends before it starts", "turn it round");
      }
      ranges.push([first, last.point]);
      at += 2;
    } else {
      ranges.push([first, first]);
    }
  }
  return { kind: "class", negated, ranges };
}

function literalPrefixOf(steps: readonly Step[]): string {
  const [first] = steps;
  return first?.kind === "text" ? first.text : "";
}

function commonPrefix(one: string, other: string): string {
  let length = 0;
  while (length < one.length && one[length] === other[length]) length++;
  // Not in the middle of a character.
  if (/[\ud800-\udbff]/.test(one[length - 1] ?? "")) length--;
  return one.slice(0, length);
}

function matchesSteps(steps: readonly Step[], name: string): boolean {
  let at = 0;
  let step = 0;
  // Where the last star and the last `**` may go on, and with which step.
  let star: { at: number; step: number } | undefined;
  let folders: { at: number; step: number } | undefined;
  while (true) {
    const current = steps[step];
    if (current === undefined) {
      if (at === name.length) return true;
    } else if (current.kind === "rest") {
      return true;
    } else if (current.kind === "star") {
      star = { at, step: ++step };
      continue;
    } else if (current.kind === "folders") {
      folders = { at, step: ++step };
      star = undefined;
      continue;
    } else {
      const length = lengthOf(current, name, at);
      if (length > 0) {
        at += length;
        step++;
        continue;
      }
    }
    if (star !== undefined && star.at < name.length && name[star.at] !== "/") {
      star.at += name.codePointAt(star.at)! > 0xffff ? 2 : 1;
      ({ at, step } = star);
      continue;
    }
    if (folders === undefined) return false;
    const slash = name.indexOf("/", folders.at);
    if (slash === -1) return false;
    folders.at = slash + 1;
    ({ at, step } = folders);
    star = undefined;
  }
}

/** How many code units of a name a step takes; 0 when it does not fit. */
function lengthOf(step: Step, name: string, at: number): number {
  if (step.kind === "text") return name.startsWith(step.text, at) ? step.text.length : 0;
  const point = name.codePointAt(at);
  if (point === undefined || point === 0x2f) return 0;
  const fits = step.kind === "any" ||
    step.kind === "class" &&
      step.negated !== step.ranges.some(([first, last]) => first <= point && point <= last);
  return fits ? point > 0xffff ? 2 : 1 : 0;
}
