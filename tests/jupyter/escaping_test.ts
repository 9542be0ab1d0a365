// Names and contents from a bucket are hostile until shown otherwise. Each display is parsed the way
// a browser would and searched for anything that acts; whatever it shows, it stays under 1 MiB.

import { assert, assertEquals, assertFalse, assertLess, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { parseHTML } from "linkedom";
import { escapeHtml, type Html, markedText, markup, preformatted } from "../../jupyter/html.ts";
import { MAX_BUNDLE_BYTES, type MediaBundle } from "../../jupyter/media_bundle.ts";
import { showBuckets } from "../../jupyter/show_buckets.ts";
import { NotFoundError } from "../../ffi/errors.ts";
import { showBytes } from "../../jupyter/show_bytes.ts";
import { describeError } from "../../jupyter/show_error.ts";
import { cutEnd, cutMiddle, visibleText } from "../../jupyter/visible_text.ts";
import { displaysOf } from "./every_display.ts";
import { utf8 } from "./samples.ts";

const HOSTILE = [
  "<script>alert(1)</script>",
  "<img src=x onerror=alert(1)>",
  '"><svg onload=alert(1)>',
  "' onmouseover='alert(1)",
  "` onfocus=alert(1) autofocus `",
  "</style><script>alert(1)</script>",
  "</pre></td></table><iframe src=javascript:alert(1)>",
  "<!-- --><a href=javascript:alert(1)>x</a>",
  "&lt;script&gt;",
  "\x00<\x00script>",
  "\u202egnp.exe",
  "\x1b]0;owned\x07\x1b[31m",
  "line\nbreak\r\ttab",
  "\ud800 half a pair",
  "zero\u200bwidth\ufeff",
  // One megabyte of it.
  "<&\"'\u202ex".repeat(175_000),
];

// What a display may consist of. Anything else came out of the data.
const ELEMENTS = new Set(
  "div style span bdi table thead tbody tr th td code pre p details summary img".split(" "),
);
const ATTRIBUTES = new Set(
  "class scope title style role aria-label aria-hidden tabindex alt src open".split(" "),
);

// The part of the DOM used here; Deno has no types for it without the whole of a browser's.
interface ParsedElement {
  readonly tagName: string;
  readonly textContent: string;
  readonly attributes: Iterable<{ readonly name: string; readonly value: string }>;
  getAttribute(name: string): string | null;
}
interface ParsedDocument {
  querySelector(selector: string): ParsedElement | null;
  querySelectorAll(selector: string): ArrayLike<ParsedElement> & Iterable<ParsedElement>;
}

function parsed(source: string): ParsedDocument {
  const page = parseHTML(`<!doctype html><html><body>${source}</body></html>`);
  return (page as unknown as { document: ParsedDocument }).document;
}

function assertHarmless(name: string, bundle: MediaBundle): void {
  const source = String(bundle["text/html"]);
  const document = parsed(source);
  for (const element of document.querySelectorAll("body *")) {
    const tag = element.tagName.toLowerCase();
    assert(ELEMENTS.has(tag), `${name}: <${tag}>`);
    for (const attribute of element.attributes) {
      assert(ATTRIBUTES.has(attribute.name), `${name}: attribute ${attribute.name}`);
      if (attribute.name === "src") {
        assert(attribute.value.startsWith("data:image/"), attribute.value);
      }
      if (attribute.name === "style") assert(/^(width|height):[\d.]+%$/.test(attribute.value));
    }
  }
  assertEquals(document.querySelectorAll("style").length, 1, `${name}: one style`);
  assertEquals(document.querySelectorAll("body > *").length, 1, `${name}: one root`);
}

// Line breaks and tabs are layout; every other control, bidi mark or half character must be visible.
const INVISIBLE = /(?![\n\t])[\p{Cc}\p{Cs}\u200B\u200E\u200F\u202A-\u202E\u2066-\u2069\uFEFF]/u;

describe("hostile text", () => {
  for (const text of HOSTILE) {
    it(`stays text everywhere, and short: ${JSON.stringify(visibleText(cutEnd(text, 60)))}`, () => {
      for (const [name, bundle] of displaysOf(text)) {
        assertHarmless(name, bundle);
        assertLess(utf8(JSON.stringify(bundle)).length, MAX_BUNDLE_BYTES, name);
        for (const [type, shown] of Object.entries(bundle)) {
          assertEquals(typeof shown, "string", `${name}: ${type}`);
          assertFalse(
            INVISIBLE.test(String(shown)),
            `${name}: ${type} holds an invisible character`,
          );
        }
      }
    });
  }

  it("is still there to be read", () => {
    const bundle = showBuckets([{ name: "<script>alert(1)</script>" }]);
    const document = parsed(String(bundle["text/html"]));
    assertEquals(document.querySelector("tbody td")?.textContent, "<script>alert(1)</script>");
  });

  it("draws an SVG as an image, where its scripts do not run", () => {
    const svg =
      '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>1</script></svg>';
    const bundle = showBytes({ bytes: utf8(svg), state: "adopted", className: "Uint8Array" });
    assertHarmless("SVG", bundle);
    const document = parsed(String(bundle["text/html"]));
    const src = document.querySelector("img")?.getAttribute("src") ?? "";
    assertEquals(atob(src.replace("data:image/svg+xml;base64,", "")), svg);
  });
});

describe("the message of an error", () => {
  it("holds no terminal escape, whatever the key, for it is printed as it stands", () => {
    const key = "s3://b/\x1b[31m\u202egnp\x07";
    const error = new NotFoundError(`${key} does not exist`, {
      code: "NoSuchKey",
      operation: "get",
      uri: key,
      hint: `list ${key}`,
    });
    for (const text of [error.message, error.stack ?? "", describeError(error)]) {
      assertFalse(INVISIBLE.test(text), JSON.stringify(text));
    }
    assertStringIncludes(
      error.message,
      "s3://b/\\x1b[31m\\u202egnp\\x07 does not exist; list s3://b/",
    );
    assertEquals(error.uri, key, "as it is");
    assertEquals(describeError(error).split("does not exist").length, 2, "the hint is said once");
    assertFalse(describeError(error).includes("exist; list"));
  });
});

describe("markup", () => {
  it("escapes in content and in attributes, and leaves its own alone", () => {
    const inner = markup`<b>${"<i>"}</b>`;
    assertEquals(
      markup`<td title="${`a"b'c`}">${inner}${["x", 1, undefined]}&amp;</td>`.toString(),
      '<td title="a&quot;b&#39;c"><b>&lt;i&gt;</b>x1&amp;</td>',
    );
  });

  it("takes nothing but its own class for markup", () => {
    const fake = { toString: () => "<script>" } as unknown as Html;
    assertEquals(markup`${fake}`.toString(), "&lt;script&gt;");
  });

  it("marks escapes so that they differ from the same letters in the text", () => {
    assertEquals(markedText("\\n\n").toString(), '\\n<span class="dipper-escape">\\n</span>');
    assertEquals(
      preformatted("\\n\n\t\\t\x00").toString(),
      '\\n\n\t\\t<span class="dipper-escape">\\x00</span>',
    );
    assertEquals(escapeHtml("<\u202e>"), "&lt;\\u202e&gt;");
  });
});

describe("visibleText", () => {
  it("shows what has no shape and keeps what has", () => {
    assertEquals(
      visibleText("\x00\x1b\x85\u202e\u{e0041}\ud800\n\r\t"),
      "\\x00\\x1b\\x85\\u202e\\u{e0041}\\ud800\\n\\r\\t",
    );
    const kept = "Grüße 你好 עברית 👩‍🚀 👍🏽 é";
    assertEquals(visibleText(kept), kept);
    assertEquals(visibleText("a\u200db"), "a\\u200db");
  });

  it("cuts between characters", () => {
    assertEquals(cutEnd("abcdef", 4), "abc…");
    assertEquals(cutEnd("ab😀cd", 4), "ab…");
    assertEquals(cutMiddle("abcdefgh", 5), "ab…gh");
    assert(cutMiddle("😀".repeat(10), 8).isWellFormed());
  });
});
