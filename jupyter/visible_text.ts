// Text from a bucket may hold anything: NUL, terminal escapes, marks that turn the writing
// direction round so that "exe.png" reads as "gnp.exe", characters without a shape. Shown as they
// are they lie to the reader or to the terminal. Here they become escapes as in a JavaScript
// string (`\x1b`, `\u202e`), and long text is cut.

// Controls, format characters (bidi overrides, zero-width), lone surrogates, line and paragraph
// separators, and letters that Unicode defines as blank. A zero-width joiner inside an emoji is
// what makes the emoji, and stays.
const INVISIBLE =
  /(?!(?<=\p{Extended_Pictographic}[\uFE0F\u{1F3FB}-\u{1F3FF}]?)\u200D\p{Extended_Pictographic})[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u034F\u115F\u1160\u17B4\u17B5\u3164\uFFA0]/gu;

// Nearly every text is of these alone. The pattern above is large, and V8 compiles it anew for texts
// of one and of two bytes a character: in a first display that is most of the time.
const PLAIN = /^[\x20-\x7e\xa0-\xac\xae-\xff\u2026]*$/;
const PLAIN_LINES = /^[\n\t\x20-\x7e\xa0-\xac\xae-\xff\u2026]*$/;

const SHORT_ESCAPES: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** The escape shown for one character, as it is written in a JavaScript string. */
function escapeOf(character: string): string {
  const short = SHORT_ESCAPES[character];
  if (short !== undefined) return short;
  const code = character.codePointAt(0) ?? 0;
  if (code <= 0xff) return `\\x${code.toString(16).padStart(2, "0")}`;
  if (code <= 0xffff) return `\\u${code.toString(16).padStart(4, "0")}`;
  return `\\u{${code.toString(16)}}`;
}

/**
 * One line of text with every invisible character shown as an escape.
 *
 * @example
 * ```ts
 * visibleText("a\u0000b\n"); // "a\\x00b\\n"
 * ```
 */
export function visibleText(text: string): string {
  if (PLAIN.test(text)) return text;
  return text.replace(INVISIBLE, escapeOf);
}

/** Like {@linkcode visibleText}, but line breaks and tabs stay: for previews of several lines. */
export function visibleLines(text: string): string {
  if (PLAIN_LINES.test(text)) return text;
  return text.replaceAll("\r\n", "\n").replace(
    INVISIBLE,
    (character) => character === "\n" || character === "\t" ? character : escapeOf(character),
  );
}

/** Splits text into what is shown as it is and what is shown as an escape, in order. */
export function visibleParts(text: string): { text: string; escaped: boolean }[] {
  if (PLAIN.test(text)) return text === "" ? [] : [{ text, escaped: false }];
  const parts: { text: string; escaped: boolean }[] = [];
  let from = 0;
  for (const found of text.matchAll(INVISIBLE)) {
    if (found.index > from) parts.push({ text: text.slice(from, found.index), escaped: false });
    parts.push({ text: escapeOf(found[0]), escaped: true });
    from = found.index + found[0].length;
  }
  if (from < text.length) parts.push({ text: text.slice(from), escaped: false });
  return parts;
}

/** The first `limit` characters (UTF-16 units), with an ellipsis where something was left out. */
export function cutEnd(text: string, limit: number): string {
  if (text.length <= limit) return text;
  return wholeCharacters(text.slice(0, limit - 1)) + "\u2026";
}

/** Beginning and end of a text that is too long: names differ at their ends. */
export function cutMiddle(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const end = Math.floor((limit - 1) / 2);
  const tail = text.slice(text.length - end);
  return wholeCharacters(text.slice(0, limit - 1 - end)) + "\u2026" +
    (/^[\uDC00-\uDFFF]/.test(tail) ? tail.slice(1) : tail);
}

/** Drops half a surrogate pair that a cut has left at the end. */
function wholeCharacters(text: string): string {
  return /[\uD800-\uDBFF]$/.test(text) ? text.slice(0, -1) : text;
}

const WIDE =
  /[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6\u{20000}-\u{3FFFD}]|\p{Emoji_Presentation}/gu;
const ZERO_WIDTH = /[\p{Mn}\p{Me}\u200D]/gu;

/** How many terminal columns a line takes; close enough to align a table. */
export function columnsOf(line: string): number {
  // Nearly every cell is ASCII; one test spares it three passes.
  if (/^\p{ASCII}*$/u.test(line)) return line.length;
  const plain = line.replace(ZERO_WIDTH, "");
  return [...plain].length + (plain.match(WIDE)?.length ?? 0);
}
