// HTML that is escaped unless it was made here. A template literal tagged `markup` is the way to
// get it; whatever is put into it is text, with invisible characters shown as escapes. So a key
// named `<script>` stays a name, in element content and in quoted attributes alike. Attributes in
// the templates are always quoted: the escaping is right only inside quotes.
// The tag is not called `html` because `deno fmt` would indent such templates, and white space
// counts in a `<pre>`.

import { visibleParts, visibleText } from "./visible_text.ts";

/** Markup that is safe to put into a page as it stands. Made by {@linkcode markup}. */
export class Html {
  readonly #markup: string;

  /** Takes the text as it is, so it is for constants and for what holds no markup by its kind. */
  constructor(safe: string) {
    this.#markup = safe;
  }

  /** The markup. */
  toString(): string {
    return this.#markup;
  }
}

/** What a template takes: markup as it is, lists joined, nothing for `undefined`, else text. */
export type HtmlPart = Html | string | number | undefined | readonly HtmlPart[];

const ENTITIES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
  "`": "&#96;",
};

function escapeMarkup(text: string): string {
  return text.replace(/[&<>"'`]/g, (character) => ENTITIES[character] ?? "");
}

/** Text as it may stand in element content or in a quoted attribute. */
export function escapeHtml(text: string): string {
  return escapeMarkup(visibleText(text));
}

function render(part: HtmlPart): string {
  if (part === undefined) return "";
  if (part instanceof Html) return part.toString();
  if (Array.isArray(part)) return part.map(render).join("");
  return escapeHtml(String(part));
}

/**
 * Builds markup; every interpolation is escaped unless it is {@linkcode Html} itself.
 *
 * @example
 * ```ts
 * markup`<td title="${"<b>"}">${"<i>"}</td>`.toString();
 * // '<td title="&lt;b&gt;">&lt;i&gt;</td>'
 * ```
 */
export function markup(strings: TemplateStringsArray, ...parts: HtmlPart[]): Html {
  let built = strings[0] ?? "";
  for (const [index, part] of parts.entries()) built += render(part) + (strings[index + 1] ?? "");
  return new Html(built);
}

/** Parts one after the other. */
export function joined(...parts: HtmlPart[]): Html {
  return new Html(render(parts));
}

/**
 * Text for element content (not for attributes) where the escapes stand out from the rest, so that
 * a newline and the two characters `\n` do not look the same.
 */
export function markedText(text: string): Html {
  return joined(
    visibleParts(text).map((part) => part.escaped ? escapeMark(part.text) : part.text),
  );
}

/** Text of several lines for a `<pre>`: line breaks and tabs stay, the rest is escaped. */
export function preformatted(text: string): Html {
  return joined(
    visibleParts(text.replaceAll("\r\n", "\n")).map((part) => {
      if (!part.escaped) return part.text;
      if (part.text === "\\n") return new Html("\n");
      if (part.text === "\\t") return new Html("\t");
      return escapeMark(part.text);
    }),
  );
}

function escapeMark(escape: string): Html {
  return markup`<span class="dipper-escape">${escape}</span>`;
}
