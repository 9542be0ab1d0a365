// Contents that are cut off, damaged, or something else than they begin as: a display of them is
// short, harmless text, never an exception.

import { assertEquals, assertLess, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { tableFromArrays, tableToIPC } from "@uwdata/flechette";
import { MAX_BUNDLE_BYTES, type MediaBundle } from "../../jupyter/media_bundle.ts";
import { secondPart } from "../../jupyter/preview_parts.ts";
import { showBytes } from "../../jupyter/show_bytes.ts";
import { showElements } from "../../jupyter/show_elements.ts";
import { showFile } from "../../jupyter/show_file.ts";
import { sampleDirectory } from "../../tools/sample_data.ts";
import {
  AVIF_HEAD,
  BMP,
  BZIP2,
  GIF,
  GZIP,
  icon,
  JPEG,
  latin1,
  LZ4,
  utf8,
  WEBP,
  XZ,
  ZIP,
  ZSTD,
} from "./samples.ts";

const PARQUET = Deno.readFileSync(`${sampleDirectory()}/flights-3m.parquet`);
const PNG = Deno.readFileSync(`${sampleDirectory()}/ffox.png`);
/** The footer alone, behind the magic bytes of the beginning. */
const SMALL_PARQUET = ((bytes) => (bytes.set(latin1("PAR1")), bytes))(PARQUET.slice(-20_000));

const CONTENTS: Record<string, Uint8Array> = {
  png: PNG,
  jpeg: JPEG,
  gif: GIF,
  webp: WEBP,
  avif: AVIF_HEAD,
  bmp: BMP,
  ico: icon(PNG),
  svg: utf8('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'),
  parquet: SMALL_PARQUET,
  arrow: Deno.readFileSync(`${sampleDirectory()}/flights-200k.arrow`).slice(0, 4000),
  "arrow stream": tableToIPC(tableFromArrays({ a: [1, 2], b: ["x", "y"] }), { format: "stream" })!,
  csv: utf8('a,b\n1,"x, y"\n2,"say ""hi"""\n3,\n'),
  tsv: utf8("a\tb\n1\t2\n3\t4\n5\t6\n"),
  json: utf8('{"a": [1, 2.5e3, {"b": "\\u0041\\n"}], "c": null}'),
  ndjson: utf8('{"a": 1}\n{"a": [2], "b": "x"}\n{"a": {}}\n'),
  text: utf8("Grüße, 你好 👩‍🚀\nand more\n"),
  gzip: GZIP,
  zstd: ZSTD,
  xz: XZ,
  bzip2: BZIP2,
  lz4: LZ4,
  zip: ZIP,
};

/** A small generator with a fixed seed (mulberry32), so that a failure can be repeated. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
}

function check(bundle: MediaBundle): void {
  assertEquals(Object.keys(bundle), ["text/html", "text/plain"]);
  assertLess(utf8(JSON.stringify(bundle)).length, MAX_BUNDLE_BYTES);
  assertStringIncludes(String(bundle["text/html"]), '<div class="dipper-view">');
}

/** Shows bytes in every place that looks at contents. */
function showEverywhere(bytes: Uint8Array, size: number): void {
  check(showBytes({ bytes, state: "adopted", className: "Uint8Array" }));
  const stat = { size, metadata: {} };
  const second = secondPart(bytes, size);
  check(showFile({
    uri: "s3://b/k",
    name: "k",
    stat,
    preview: bytes,
    ...(second === undefined ? {} : { tail: bytes }),
  }));
  check(showElements({
    name: "ranges",
    noun: "range",
    length: 1,
    bytes: bytes.length,
    at: () => bytes,
    use: "results[0]",
  }));
}

describe("contents that are", () => {
  for (const [name, whole] of Object.entries(CONTENTS)) {
    it(`cut off: ${name}`, () => {
      const steps = Math.max(1, Math.floor(whole.length / 60));
      for (let length = 0; length <= whole.length; length += length < 40 ? 1 : steps) {
        showEverywhere(whole.slice(0, length), whole.length);
      }
    });

    it(`damaged: ${name}`, () => {
      const next = numbers(11);
      for (let round = 0; round < 60; round++) {
        const bytes = whole.slice();
        for (let count = 1 + next() % 6; count > 0; count--) {
          bytes[next() % Math.min(bytes.length, 400)] = [0, 0xff, 0x7f, 0x80, next()][next() % 5]!;
        }
        // The size is a lie as well.
        showEverywhere(bytes, [bytes.length, 0, 1, 2 ** 40][next() % 4]!);
      }
    });
  }

  it("one format behind the beginning of another", () => {
    for (const head of Object.values(CONTENTS)) {
      for (const rest of Object.values(CONTENTS)) {
        const bytes = new Uint8Array(16 + rest.length);
        bytes.set(head.subarray(0, 16));
        bytes.set(rest, 16);
        check(showBytes({ bytes, state: "adopted", className: "Uint8Array" }));
      }
    }
  });
});
