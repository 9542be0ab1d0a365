// Formats are told apart by real bytes of each.

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { tableFromArrays, tableToIPC } from "@uwdata/flechette";
import { type ContentKind, sniffContent } from "../../jupyter/content_kind.ts";
import { imageSize } from "../../jupyter/image_size.ts";
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
  WEBP_EXTENDED,
  WEBP_LOSSLESS,
  XZ,
  ZIP,
  ZSTD,
} from "./samples.ts";

function kindOf(bytes: Uint8Array, complete = true): ContentKind {
  return sniffContent(bytes, complete).kind;
}

function head(name: string): Uint8Array {
  return Deno.readFileSync(`${sampleDirectory()}/${name}`).subarray(0, 64 * 1024);
}

describe("sniffContent on binary formats", () => {
  const cases: [string, Uint8Array, ContentKind][] = [
    ["a PNG", head("ffox.png"), "png"],
    ["a JPEG", JPEG, "jpeg"],
    ["a GIF", GIF, "gif"],
    ["a WebP", WEBP, "webp"],
    ["an AVIF", AVIF_HEAD, "avif"],
    ["a BMP", BMP, "bmp"],
    ["an icon", icon(head("ffox.png")), "ico"],
    ["two letters that begin no BMP", latin1("BM\0\x01\x02\x03".repeat(8)), "binary"],
    ["a cursor, which is no icon", latin1("\0\0\x02\0\x01\0" + "\0".repeat(20)), "binary"],
    ["an MP4, which is no AVIF", latin1("\0\0\0\x14ftypisom\0\0\0\0mp42"), "binary"],
    ["Parquet", head("flights-3m.parquet"), "parquet"],
    ["an Arrow file", head("flights-200k.arrow"), "arrow-file"],
    [
      "an Arrow stream",
      tableToIPC(tableFromArrays({ a: [1, 2, 3] }), { format: "stream" })!,
      "arrow-stream",
    ],
    ["gzip", GZIP, "gzip"],
    ["Zstandard", ZSTD, "zstd"],
    ["xz", XZ, "xz"],
    ["bzip2", BZIP2, "bzip2"],
    ["LZ4", LZ4, "lz4"],
    ["ZIP", ZIP, "zip"],
    ["PDF", latin1("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj"), "pdf"],
    ["HDF5", latin1("\x89HDF\r\n\x1a\n\0\0\0\0"), "hdf5"],
    ["NumPy", latin1("\x93NUMPY\x01\0v\0{'descr': '<f8'}"), "numpy"],
    ["nothing", new Uint8Array(0), "empty"],
    ["the smallest example", new Uint8Array([1, 2, 3, 4]), "binary"],
    ["zeros", new Uint8Array(4096), "binary"],
    ["floats", new Uint8Array(new Float64Array([1.5, -2.25, 1e300]).buffer), "binary"],
    ["0xFFFFFFFF that begins no Arrow stream", new Uint8Array(64).fill(0xff), "binary"],
  ];
  for (const [name, bytes, kind] of cases) {
    it(`knows ${name}`, () => assertEquals(kindOf(bytes), kind));
  }

  it("reads a whole tar header", () => {
    const tar = new Uint8Array(512);
    tar.set(latin1("t.txt"));
    tar.set(latin1("ustar\0"), 257);
    assertEquals(kindOf(tar), "tar");
  });

  it("knows each format by its head alone", () => {
    assertEquals(kindOf(head("flights-3m.parquet").subarray(0, 64), false), "parquet");
    assertEquals(kindOf(head("ffox.png").subarray(0, 16), false), "png");
  });
});

describe("sniffContent on text", () => {
  const cases: [string, string, ContentKind][] = [
    ["an object", '{"a": [1, 2, {"b": null}]}', "json"],
    ["an array over lines", "[\n  1,\n  2\n]\n", "json"],
    ["records, one a line", '{"a": 1}\n{"a": 2}\n', "ndjson"],
    ["records with CRLF", '{"a": 1}\r\n{"a": 2}\r\n', "ndjson"],
    ["CSV", "a,b\n1,2\n3,4\n", "csv"],
    ["CSV with quotes", 'a,b\n"x, y","say ""hi"""\n3,4\n', "csv"],
    ["semicolons", "a;b\n1,5;2\n3;4\n", "csv"],
    ["prose with commas", "Dear all, this is\na letter, not a\ntable, of course\n", "text"],
    ["Markdown", "# Title\n\nA [link](x) and {braces}.\n", "text"],
    ["brackets that are no JSON", "[section]\nkey = 1\n", "text"],
    ["a word that begins a binary format", "ORChestra\n", "text"],
    ["bzip2's letters in text", "BZh is a prefix\n", "text"],
    ["umlauts and CJK", "Grüße 你好\n", "text"],
    ["an SVG", '<svg xmlns="http://www.w3.org/2000/svg"/>', "svg"],
    [
      "an SVG after prolog and comment",
      '<?xml version="1.0"?>\n<!-- made by hand -->\n<svg xmlns="http://www.w3.org/2000/svg"/>',
      "svg",
    ],
    ["an SVG after many comments", "<!-- a --->\n<!---->".repeat(50) + "<svg>", "svg"],
    ["HTML that holds an SVG", "<html><svg></svg></html>", "text"],
  ];
  for (const [name, text, kind] of cases) {
    it(`knows ${name}`, () => assertEquals(kindOf(utf8(text)), kind));
  }

  it("tells at once what begins with many comments", () => {
    // Each of them could end at the end of any that follows: 2^n ways, if all were tried.
    for (const comment of ["<!---->", "<!-- a -->\n", "<!--", "<!-- -"]) {
      const many = comment.repeat(60_000 / comment.length);
      assertEquals(kindOf(utf8(`<?xml version="1.0"?>\n${many}<html>`)), "text");
    }
  });

  it("knows real files", () => {
    for (
      const [name, kind] of [
        ["airports.csv", "csv"],
        ["unemployment.tsv", "csv"],
        ["species.csv", "csv"],
        ["cars.json", "json"],
        ["us-10m.json", "json"],
        ["flights-200k.json", "json"],
      ] as const
    ) {
      const bytes = head(name);
      assertEquals(kindOf(bytes, bytes.length < 64 * 1024), kind, name);
    }
  });

  it("takes a cut document for JSON only when more is to come", () => {
    const cut = utf8('{"a": [1, 2');
    assertEquals(kindOf(cut, false), "json");
    assertEquals(kindOf(cut, true), "text");
  });

  it("accepts a character cut in two at the end of a head, and nowhere else", () => {
    const bytes = utf8("Grü");
    assertEquals(kindOf(bytes.subarray(0, 3), false), "text");
    assertEquals(kindOf(bytes.subarray(0, 3), true), "binary");
    assertEquals(kindOf(latin1("Gr\xfc\xdfe"), false), "binary");
  });
});

describe("imageSize", () => {
  const cases: [string, ContentKind, Uint8Array, number, number][] = [
    ["PNG", "png", head("ffox.png"), 100, 100],
    ["JPEG", "jpeg", JPEG, 3, 2],
    ["GIF", "gif", GIF, 1, 1],
    ["AVIF", "avif", AVIF_HEAD, 3, 2],
    ["BMP", "bmp", BMP, 3, 2],
    ["icon", "ico", icon(head("ffox.png")), 100, 100],
    ["lossy WebP", "webp", WEBP, 3, 2],
    ["lossless WebP", "webp", WEBP_LOSSLESS, 3, 2],
    ["extended WebP", "webp", WEBP_EXTENDED, 3, 2],
  ];
  for (const [name, kind, bytes, width, height] of cases) {
    it(`reads ${name}`, () => assertEquals(imageSize(kind, bytes), { width, height }));
    it(`stays calm where a ${name} is cut`, () => {
      for (let length = 0; length < Math.min(bytes.length, 200); length++) {
        imageSize(kind, bytes.subarray(0, length));
      }
    });
  }
});
