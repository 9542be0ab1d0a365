/**
 * Tells code from comments and strings, which is what it takes to find imports and the word
 * `unsafe` where they count and not in a doc comment's example.
 *
 * It is a scanner, not a parser: it knows how comments, strings, templates and regular expressions
 * begin and end.
 *
 * @module
 */

/** A source with everything but code blanked, at the same offsets. */
export interface Scanned {
  /** The source with comments and the insides of strings replaced by spaces. */
  code: string;
  /** Each plain string literal's content and the offset of its opening quote. */
  strings: { text: string; at: number }[];
  /** The line of an offset, counted from 1. */
  lineAt(offset: number): number;
}

/** A module specifier and where it stands. */
export interface Import {
  /** As written. */
  specifier: string;
  /** Counted from 1. */
  line: number;
}

/** Scans TypeScript or JavaScript. Code inside a template's `${…}` is kept. */
export function scanTypeScript(text: string): Scanned {
  const blanks = new Blanks(text);
  // For each open template, how many braces are open inside its `${`.
  const templates: number[] = [];
  let before = ""; // the last character of code that is no space
  let word = ""; // the word that ends there
  let at = 0;
  const template = (): void => {
    const start = at;
    while (at < text.length && text[at] !== "`" && !text.startsWith("${", at)) {
      at += text[at] === "\\" ? 2 : 1;
    }
    blanks.add(start, at);
    if (text[at] === "`") at += 1;
    else {
      at += 2;
      templates.push(0);
    }
    before = "`";
  };
  while (at < text.length) {
    const here = text[at]!;
    if (text.startsWith("//", at)) {
      at = blanks.add(at, endOf(text, "\n", at));
    } else if (text.startsWith("/*", at)) {
      at = blanks.add(at, endOf(text, "*/", at + 2) + 2);
    } else if (here === '"' || here === "'") {
      const end = endOfString(text, at + 1, here);
      blanks.string(at, end);
      at = end + 1;
      before = here;
      word = "";
    } else if (here === "`") {
      at += 1;
      template();
    } else if (here === "/" && startsRegularExpression(before, word)) {
      const end = endOfRegularExpression(text, at + 1);
      at = blanks.add(at, end);
      before = "/";
      word = "";
    } else {
      const open = templates.length - 1;
      if (open >= 0 && here === "{") templates[open]! += 1;
      if (open >= 0 && here === "}") {
        if (templates[open] === 0) {
          templates.pop();
          at += 1;
          template();
          continue;
        }
        templates[open]! -= 1;
      }
      const name = /[\w$]+/y;
      name.lastIndex = at;
      const found = name.exec(text)?.[0] ?? "";
      if (found || !/\s/.test(here)) {
        word = found;
        before = found.at(-1) ?? here;
      }
      at += found.length || 1;
    }
  }
  return blanks.scanned();
}

/** Scans Rust. */
export function scanRust(text: string): Scanned {
  const blanks = new Blanks(text);
  let at = 0;
  while (at < text.length) {
    const raw = /\b(?:b|c)?r(#*)"/y;
    raw.lastIndex = at;
    const rawString = raw.exec(text);
    const character = /'(?:\\(?:u\{[^}]*\}|x..|.)|[^'\\\n])'/y;
    character.lastIndex = at;
    if (text.startsWith("//", at)) {
      at = blanks.add(at, endOf(text, "\n", at));
    } else if (text.startsWith("/*", at)) {
      at = blanks.add(at, endOfNestedComment(text, at));
    } else if (rawString) {
      const close = `"${rawString[1]}`;
      at = blanks.add(raw.lastIndex, endOf(text, close, raw.lastIndex)) + close.length;
    } else if (text[at] === '"') {
      const end = endOfString(text, at + 1, '"', true);
      blanks.string(at, end);
      at = end + 1;
    } else if (character.test(text)) {
      at = blanks.add(at, character.lastIndex);
    } else {
      const name = /\w+/y;
      name.lastIndex = at;
      at += name.exec(text)?.[0].length ?? 1;
    }
  }
  return blanks.scanned();
}

/** Every module specifier: `import`, `export … from`, `import()`, types included. */
export function imports(source: Scanned): Import[] {
  const found: Import[] = [];
  for (const { text, at } of source.strings) {
    const before = source.code.slice(Math.max(0, at - 100), at);
    if (/(?:\bfrom|\bimport|\bimport\s*\(|\bimport\.meta\.resolve\s*\()\s*$/.test(before)) {
      found.push({ specifier: text, line: source.lineAt(at) });
    }
  }
  return found;
}

/** Collects what is not code. */
class Blanks {
  readonly #text: string;
  readonly #ranges: [number, number][] = [];
  readonly #strings: { text: string; at: number }[] = [];

  constructor(text: string) {
    this.#text = text;
  }

  add(start: number, end: number): number {
    this.#ranges.push([start, end]);
    return end;
  }

  /** A string between the quotes at `quote` and `end`. */
  string(quote: number, end: number): void {
    this.add(quote + 1, end);
    this.#strings.push({ text: this.#text.slice(quote + 1, end), at: quote });
  }

  scanned(): Scanned {
    const parts: string[] = [];
    let at = 0;
    for (const [start, end] of this.#ranges) {
      parts.push(this.#text.slice(at, start));
      parts.push(this.#text.slice(start, end).replace(/[^\n]/g, " "));
      at = end;
    }
    parts.push(this.#text.slice(at));
    const lineStarts = [0];
    for (const match of this.#text.matchAll(/\n/g)) lineStarts.push(match.index + 1);
    return {
      code: parts.join(""),
      strings: this.#strings,
      lineAt: (offset) => {
        const next = lineStarts.findIndex((start) => start > offset);
        return next === -1 ? lineStarts.length : next;
      },
    };
  }
}

function endOf(text: string, what: string, from: number): number {
  const at = text.indexOf(what, from);
  return at === -1 ? text.length : at;
}

function endOfString(text: string, from: number, quote: string, manyLines = false): number {
  let at = from;
  while (at < text.length && text[at] !== quote && (manyLines || text[at] !== "\n")) {
    at += text[at] === "\\" ? 2 : 1;
  }
  return Math.min(at, text.length);
}

function endOfNestedComment(text: string, from: number): number {
  const mark = /\/\*|\*\//g;
  mark.lastIndex = from;
  let depth = 0;
  for (let found = mark.exec(text); found; found = mark.exec(text)) {
    depth += found[0] === "/*" ? 1 : -1;
    if (depth === 0) return mark.lastIndex;
  }
  return text.length;
}

/** Whether a slash here begins a regular expression: after a value it would divide. */
function startsRegularExpression(before: string, word: string): boolean {
  if (/^(?:return|typeof|case|in|of|do|else|await|yield|void|delete|throw|new)$/.test(word)) {
    return true;
  }
  return before === "" || "(,=:[!&|?{};+-*%<>~^".includes(before);
}

function endOfRegularExpression(text: string, from: number): number {
  let inClass = false;
  let at = from;
  for (; at < text.length && text[at] !== "\n"; at++) {
    const here = text[at];
    if (here === "\\") at += 1;
    else if (here === "[") inClass = true;
    else if (here === "]") inClass = false;
    else if (here === "/" && !inClass) return at + 1;
  }
  return at;
}
