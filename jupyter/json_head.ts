// The beginning of a JSON document as a tree. `JSON.parse` needs the whole document and turns large
// integers into other numbers; a display has only the head and must show what is written. So this
// reader stops where the text stops, and keeps scalars as they are spelled.

/** A part of a JSON document, with its source text. */
export type JsonNode =
  | { readonly type: "object"; readonly entries: JsonEntry[]; count: number; source: string }
  | { readonly type: "array"; readonly items: JsonNode[]; count: number; source: string }
  | { readonly type: "string" | "number" | "literal"; readonly source: string };

/** A member of an object. The key is decoded. */
export interface JsonEntry {
  /** The name, decoded. */
  readonly key: string;
  /** The value, perhaps cut off. */
  readonly value: JsonNode;
}

/** What {@linkcode readJsonHead} found. */
export interface JsonHead {
  /** The value, as far as it goes. `undefined` where the text ended before it began. */
  readonly node: JsonNode | undefined;
  /** `whole`: the value ends at `end`. `cut`: the text ended first. `invalid`: this is not JSON. */
  readonly state: "whole" | "cut" | "invalid";
  /** Where reading stopped. */
  readonly end: number;
}

// Deeper documents are taken as cut off: recursion must end, and nobody reads that far.
const MAX_DEPTH = 64;
// Children beyond these are counted and not kept.
const MAX_CHILDREN = 100;

const STRING = /"(?:[^"\\\p{Cc}]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})|[\x7f-\x9f])*"/uy;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const LITERAL = /true|false|null/y;
const SPACE = /[ \t\r\n]*/y;

const SPACE_CODE = 0x20;
/** Below are control characters, which a string spells as escapes. */
const FIRST_PLAIN = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * The text ended inside the value, or the value is no JSON: unwinds to {@linkcode readJsonHead}. It
 * is no `Error`: nobody asks for its stack, and to take one costs.
 */
class Stopped {
  constructor(readonly state: "cut" | "invalid", readonly at: number) {}
}

/**
 * Reads one JSON value from `start`, as far as the text goes.
 *
 * @param most After so many values, those inside others included, the rest is taken as cut off.
 *
 * @example
 * ```ts
 * readJsonHead('{"a": [1, 2', 0).state; // "cut"
 * ```
 */
export function readJsonHead(text: string, start: number, most: number = Infinity): JsonHead {
  const reader = new Reader(text, start, most);
  try {
    reader.value(0);
    return { node: reader.root, state: "whole", end: reader.at };
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    return { node: reader.root, state: error.state, end: error.at };
  }
}

/** What a string says. */
function decoded(source: string): string {
  return source.includes("\\") ? JSON.parse(source) : source.slice(1, -1);
}

class Reader {
  root: JsonNode | undefined;

  constructor(readonly text: string, public at: number, public left: number) {}

  /** Reads a value and hands it to `keep` before its children, so that a cut tree is still a tree. */
  value(depth: number, keep?: (node: JsonNode) => void): void {
    this.space();
    const start = this.at;
    if (this.left-- <= 0) throw new Stopped("cut", start);
    const begin = (node: JsonNode): void => {
      this.root ??= node;
      keep?.(node);
    };
    const first = this.text[start];
    if (first === undefined) throw new Stopped("cut", start);
    if (first === "{" || first === "[") {
      if (depth >= MAX_DEPTH) throw new Stopped("cut", start);
      this.at++;
      if (first === "{") this.members(start, depth, begin);
      else this.items(start, depth, begin);
    } else if (first === '"') {
      begin({ type: "string", source: this.string() });
    } else if (first === "-" || (first >= "0" && first <= "9")) {
      const source = this.match(NUMBER);
      // A number at the very end may go on.
      if (source === undefined || this.at === this.text.length) this.stop(start);
      begin({ type: "number", source: source ?? "" });
    } else {
      const source = this.match(LITERAL);
      if (source === undefined) this.stop(start);
      begin({ type: "literal", source: source ?? "" });
    }
  }

  members(start: number, depth: number, begin: (node: JsonNode) => void): void {
    const node = { type: "object" as const, entries: [] as JsonEntry[], count: 0, source: "" };
    begin(node);
    this.children("}", () => {
      if (this.text[this.at] !== '"') this.stop(this.at);
      const source = this.string();
      this.space();
      this.expect(":");
      this.value(depth + 1, (value) => {
        if (node.count++ < MAX_CHILDREN) node.entries.push({ key: decoded(source), value });
      });
    });
    node.source = this.text.slice(start, this.at);
  }

  items(start: number, depth: number, begin: (node: JsonNode) => void): void {
    const node = { type: "array" as const, items: [] as JsonNode[], count: 0, source: "" };
    begin(node);
    this.children("]", () => {
      this.value(depth + 1, (value) => {
        if (node.count++ < MAX_CHILDREN) node.items.push(value);
      });
    });
    node.source = this.text.slice(start, this.at);
  }

  /** Reads comma-separated children up to the closing bracket. */
  children(close: string, child: () => void): void {
    this.space();
    if (this.text[this.at] === close) {
      this.at++;
      return;
    }
    while (true) {
      this.space();
      child();
      this.space();
      if (this.text[this.at] === close) {
        this.at++;
        return;
      }
      this.expect(",");
    }
  }

  string(): string {
    const start = this.at;
    const source = this.plainString() ?? this.match(STRING);
    if (source === undefined) {
      // Without a closing quote it is cut, if what is there could begin a string.
      const rest = this.text.slice(start + 1);
      throw new Stopped(/^(?:[^"\\\n]|\\.)*\\?$/.test(rest) ? "cut" : "invalid", start);
    }
    return source;
  }

  /** A string without escapes, as nearly all are: many times quicker than the pattern. */
  plainString(): string | undefined {
    const { text, at } = this;
    for (let end = at + 1; end < text.length; end++) {
      const code = text.charCodeAt(end);
      if (code === QUOTE) {
        this.at = end + 1;
        return text.slice(at, end + 1);
      }
      if (code < FIRST_PLAIN || code === BACKSLASH) return undefined;
    }
    return undefined;
  }

  space(): void {
    if (this.text.charCodeAt(this.at) > SPACE_CODE) return;
    this.match(SPACE);
  }

  expect(character: string): void {
    if (this.text[this.at] !== character) this.stop(this.at);
    this.at++;
  }

  match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    if (found !== undefined) this.at += found.length;
    return found;
  }

  /** Ends reading: cut if only a few characters are left that could begin a value, else invalid. */
  stop(at: number): never {
    const rest = this.text.slice(at, at + 32);
    const atEnd = at + rest.length >= this.text.length;
    const begins = rest === "" || /^-?\d*(?:\.\d*)?(?:[eE][+-]?\d*)?$/.test(rest) ||
      ["true", "false", "null"].some((word) => word.startsWith(rest));
    throw new Stopped(atEnd && begins ? "cut" : "invalid", at);
  }
}
