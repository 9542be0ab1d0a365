// Writes a drawn tree as SVG. What is written is chosen from a list, and every text and attribute
// is escaped here: labels come from data, and data may hold `<script>`. Colours stay what they are,
// `currentColor` above all, so a plot fits light and dark pages.

import { escapeHtml, Html } from "./html.ts";
import { cutMiddle, visibleLines } from "./visible_text.ts";

/** The part of an element that is read here. */
export interface ElementLike {
  readonly nodeType: number;
  readonly localName?: string;
  readonly data?: string;
  readonly attributes?: Iterable<{ readonly name: string; readonly value: string }>;
  readonly childNodes: Iterable<ElementLike>;
}

const ELEMENTS = new Set(
  ("svg g a path rect circle ellipse line polyline polygon text tspan textPath title desc image " +
    "use defs clipPath mask pattern marker linearGradient radialGradient stop symbol filter " +
    "feGaussianBlur feOffset feBlend feColorMatrix feComposite feFlood feMerge feMergeNode")
    .split(" "),
);
/** Where text is shown or read out. Elsewhere there is none, and none is written. */
const WITH_TEXT = new Set(["text", "tspan", "textPath", "title", "desc"]);
/** Coordinates of many digits, two of which are enough for any screen. */
const COORDINATES = new Set(
  "d transform x y x1 y1 x2 y2 cx cy r rx ry width height points dx dy".split(" "),
);
const ELEMENT = 1;
const TEXT = 3;
/** The longest label; a tooltip may be as long as a key of S3. */
const MAX_TEXT = 1200;

/** Writes elements. Names that refer within the tree get a prefix, so that two plots do not mix. */
export class SvgWriter {
  readonly #prefix: string;

  /** Takes the prefix of names within the tree. */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** An element and what is below it; other attributes may take the place of its own. */
  element(node: ElementLike, instead: Record<string, string> = {}): Html {
    const parts: string[] = [];
    this.#write(node, parts, instead);
    return new Html(parts.join(""));
  }

  #write(node: ElementLike, parts: string[], instead: Record<string, string>): void {
    const name = node.localName ?? "";
    if (node.nodeType !== ELEMENT || !ELEMENTS.has(name)) return;
    parts.push("<", name);
    for (const { name: key, value } of node.attributes ?? []) {
      if (key in instead) continue;
      const safe = this.#attribute(key, value);
      if (safe !== undefined) parts.push(" ", key, '="', safe, '"');
    }
    for (const [key, value] of Object.entries(instead)) {
      parts.push(" ", key, '="', escapeHtml(value), '"');
    }
    parts.push(">");
    for (const child of node.childNodes) {
      if (child.nodeType !== TEXT) this.#write(child, parts, {});
      else if (WITH_TEXT.has(name)) parts.push(label(child.data ?? ""));
    }
    parts.push("</", name, ">");
  }

  #attribute(key: string, value: string): string | undefined {
    if (!/^[a-z][\w-]*(?::[a-z]+)?$/i.test(key) || /^on|^xmlns/i.test(key)) return undefined;
    if (/href$/i.test(key) || key === "src") {
      const target = value.trim();
      if (target.startsWith("#")) return escapeHtml(`#${this.#prefix}${target.slice(1)}`);
      return /^(?:https?:|mailto:|data:image\/)/i.test(target) ? escapeHtml(target) : undefined;
    }
    if (key === "id") return escapeHtml(this.#prefix + value);
    if (COORDINATES.has(key)) return escapeHtml(value.replace(/(\.\d\d)\d+/g, "$1"));
    const own = value.replace(/url\((["']?)#/g, `url($1#${this.#prefix}`);
    // What else a url() reaches for is none of a plot's business.
    if (/url\((?!["']?#)/i.test(own)) return undefined;
    return key.startsWith("aria-") ? label(own) : escapeHtml(cutMiddle(own, MAX_TEXT));
  }
}

/** Text that is shown. Line breaks stay: a tooltip has several lines. */
function label(text: string): string {
  return visibleLines(cutMiddle(text, MAX_TEXT)).split("\n").map(escapeHtml).join("\n");
}
