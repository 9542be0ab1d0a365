// A display is short and quick whatever contents it shows: at most 1 MiB, however they are shaped, and
// only their beginning is looked at. What hostile names do is in `escaping_test.ts`.

import { assertEquals, assertFalse, assertLess, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { markup } from "../../jupyter/html.ts";
import { MAX_BUNDLE_BYTES, type MediaBundle, mediaBundle } from "../../jupyter/media_bundle.ts";
import { showBytes } from "../../jupyter/show_bytes.ts";
import { showFile } from "../../jupyter/show_file.ts";
import { type EntryLike, showListing } from "../../jupyter/show_listing.ts";
import { sampleDirectory } from "../../tools/sample_data.ts";
import { latin1, utf8 } from "./samples.ts";

function sizeOf(bundle: MediaBundle): number {
  return utf8(JSON.stringify(bundle)).length;
}

function ofBytes(bytes: Uint8Array): MediaBundle {
  return showBytes({ bytes, state: "adopted", className: "Uint8Array" });
}

/** The header of a real PNG, followed by noise up to `size`. */
function pngOf(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  bytes.set(Deno.readFileSync(`${sampleDirectory()}/ffox.png`).subarray(0, Math.min(size, 4096)));
  return bytes;
}

describe("a display", () => {
  const megabyte = "<&\"'\u202ex".repeat(175_000);
  const cases: [string, () => MediaBundle][] = [
    ["1 MB of hostile text", () => ofBytes(utf8(megabyte))],
    ["a line of 1 MB", () => ofBytes(utf8("a".repeat(1_000_000)))],
    ["JSON of one huge string", () => ofBytes(utf8(JSON.stringify([megabyte])))],
    [
      "JSON of many small values",
      () => ofBytes(utf8(JSON.stringify(Array(200_000).fill([[[1]]])))),
    ],
    ["JSON that branches", () => {
      const branch = (depth: number): unknown =>
        depth === 0 ? 1 : Array(10).fill(branch(depth - 1));
      return ofBytes(utf8(JSON.stringify(Array(20).fill(branch(3)))));
    }],
    ["JSON nested deeply", () => ofBytes(utf8('[{"a":'.repeat(20_000)))],
    ["CSV of 10,000 columns", () => ofBytes(utf8(`${"<a>,".repeat(10_000)}b\n`.repeat(3)))],
    ["NDJSON of many keys", () => {
      const row = JSON.stringify(
        Object.fromEntries(Array(90).keys().map((i) => [`k${i}`, megabyte.slice(0, 100)])),
      );
      return ofBytes(utf8(`${row}\n`.repeat(20)));
    }],
    ["the largest image drawn", () => ofBytes(pngOf(720 * 1024))],
    ["an image of 60 MB", () => ofBytes(pngOf(60_000_000))],
  ];
  for (const [name, show] of cases) {
    it(`stays under 1 MiB for ${name}`, () => {
      const bundle = show();
      assertLess(sizeOf(bundle), MAX_BUNDLE_BYTES);
      assertStringIncludes(String(bundle["text/html"]), '<div class="dipper-view">');
    });
  }

  it("draws an image up to 720 KiB and says why it draws no larger one", () => {
    assertStringIncludes(String(ofBytes(pngOf(720 * 1024))["text/html"]), "<img ");
    const larger = ofBytes(pngOf(720 * 1024 + 1));
    assertFalse(String(larger["text/html"]).includes("<img "));
    assertStringIncludes(
      String(larger["text/plain"]),
      "Not drawn: an image of more than 720.0 KiB",
    );
  });

  it("draws no image of which only the beginning is there, or that unfolds into gigabytes", () => {
    const stat = { size: 5000, metadata: {} };
    const cut = showFile({ uri: "s3://b/a.png", name: "a.png", stat, preview: pngOf(4096) });
    assertStringIncludes(String(cut["text/plain"]), "only the beginning");
    const bomb = pngOf(5000);
    new DataView(bomb.buffer).setUint32(16, 60_000);
    new DataView(bomb.buffer).setUint32(20, 60_000);
    assertStringIncludes(String(ofBytes(bomb)["text/plain"]), "3,600,000,000 pixels are too many");
  });

  it("never lets a bundle grow past its limit", () => {
    const bundle = mediaBundle(markup`${"x".repeat(2 * MAX_BUNDLE_BYTES)}`, "y".repeat(10_000_000));
    assertLess(sizeOf(bundle), MAX_BUNDLE_BYTES);
  });

  it("does not read the bytes of a disposed buffer", () => {
    const bytes = new Proxy(new Uint8Array(8), {
      get(): never {
        throw new Error("touched");
      },
    });
    const bundle = showBytes({ bytes, state: "disposed", className: "RustBuffer" });
    assertStringIncludes(String(bundle["text/plain"]), "disposed");
  });
});

/** Counts what is read of bytes; whatever is not counted here fails. */
function counted(bytes: Uint8Array): { bytes: Uint8Array; read: { bytes: number } } {
  const read = { bytes: 0 };
  const proxy = new Proxy(bytes, {
    get(target, name) {
      if (name === "length") return target.length;
      if (name === "slice") {
        return (start = 0, end = target.length) => {
          const part = target.slice(start, end);
          read.bytes += part.length;
          return part;
        };
      }
      throw new Error(`the display touches ${String(name)}`);
    },
  });
  return { bytes: proxy, read };
}

// How long displays take is measured by `deno task bench displays`; here it is what they look at.
describe("the work of a display", () => {
  const gibibyte = new Uint8Array(1024 ** 3);
  const beginnings: [string, Uint8Array][] = [
    ["zeros", new Uint8Array(1)],
    ["JSON", latin1("[1, ")],
    ["text", utf8("words and more words\n".repeat(5000))],
    ["CSV", utf8(`a,b\n${"1,2\n".repeat(30_000)}`)],
    ["an image", pngOf(4096)],
    ["gzip", latin1("\x1f\x8b\x08")],
  ];
  for (const [name, beginning] of beginnings) {
    it(`is 64 KiB of 1 GiB that begins as ${name}`, () => {
      gibibyte.fill(0, 0, 200_000);
      gibibyte.set(beginning);
      const { bytes, read } = counted(gibibyte);
      ofBytes(bytes);
      // Once for the HTML and once for the text.
      assertLess(read.bytes, 2 * 64 * 1024 + 1);
    });
  }

  it("is each size once, and the rest of 20 rows only, of a listing of 10,000 entries", () => {
    const read = { sizes: 0, others: 0 };
    const entries = Array.from({ length: 10_000 }, (_, index): EntryLike => {
      const key = `year=2024/part-${index}.parquet`;
      return {
        get size() {
          read.sizes++;
          return index;
        },
        get uri() {
          read.others++;
          return `s3://taxi/${key}`;
        },
        get key() {
          read.others++;
          return key;
        },
        get lastModified() {
          read.others++;
          return new Date(index);
        },
      };
    });
    const bundle = showListing({ uri: "s3://taxi/", entries, complete: true });
    assertEquals(String(bundle["text/html"]).split("<tr>").length, 22, "a header and 20 rows");
    // Twice: once for the HTML and once for the text.
    assertLess(read.sizes, 2 * (10_000 + 2 * 20) + 1);
    assertLess(read.others, 2 * 10 * 20);
  });
});
