// What a run of bytes holds, told from the bytes alone: names and declared types in buckets are
// often wrong. Binary formats are known by their magic bytes; text is told apart by reading it:
// JSON by parsing its head, CSV by counting the fields of its first records.

import { type JsonHead, readJsonHead } from "./json_head.ts";
import { guessDelimiter } from "./delimited_head.ts";

/** The kinds of content that {@linkcode sniffContent} tells apart. */
export type ContentKind =
  | "empty"
  | "png"
  | "jpeg"
  | "gif"
  | "webp"
  | "avif"
  | "bmp"
  | "ico"
  | "svg"
  | "parquet"
  | "arrow-file"
  | "arrow-stream"
  | "feather-v1"
  | "avro"
  | "orc"
  | "hdf5"
  | "numpy"
  | "sqlite"
  | "wasm"
  | "gzip"
  | "zstd"
  | "bzip2"
  | "xz"
  | "lz4"
  | "zip"
  | "tar"
  | "pdf"
  | "json"
  | "ndjson"
  | "csv"
  | "text"
  | "binary";

/** What {@linkcode sniffContent} found. `text` is the head decoded, for kinds that are text. */
export interface Content {
  /** The format. */
  readonly kind: ContentKind;
  /** A name for people, such as `PNG image`. */
  readonly label: string;
  /** The head as text; set for `svg`, `json`, `ndjson`, `csv` and `text`. */
  readonly text?: string;
  /** The document as far as it goes; set for `json`. */
  readonly json?: JsonHead;
  /** What separates the fields; set for `csv`. */
  readonly delimiter?: string;
}

// What a browser draws, and the media type it wants for it.
const DRAWN: Partial<Record<ContentKind, string>> = {
  png: "image/png",
  jpeg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp",
  avif: "image/avif",
  bmp: "image/bmp",
  ico: "image/x-icon",
  svg: "image/svg+xml",
};

/** The media type of what a browser draws; `undefined` for everything else. */
export function drawnAs(kind: ContentKind): string | undefined {
  return DRAWN[kind];
}

const LABELS: Record<ContentKind, string> = {
  "empty": "empty",
  "png": "PNG image",
  "jpeg": "JPEG image",
  "gif": "GIF image",
  "webp": "WebP image",
  "avif": "AVIF image",
  "bmp": "BMP image",
  "ico": "icon",
  "svg": "SVG image",
  "parquet": "Parquet",
  "arrow-file": "Arrow file",
  "arrow-stream": "Arrow stream",
  "feather-v1": "Feather version 1",
  "avro": "Avro",
  "orc": "ORC",
  "hdf5": "HDF5",
  "numpy": "NumPy array",
  "sqlite": "SQLite database",
  "wasm": "WebAssembly",
  "gzip": "gzip-compressed",
  "zstd": "Zstandard-compressed",
  "bzip2": "bzip2-compressed",
  "xz": "xz-compressed",
  "lz4": "LZ4-compressed",
  "zip": "ZIP archive",
  "tar": "tar archive",
  "pdf": "PDF document",
  "json": "JSON",
  "ndjson": "NDJSON",
  "csv": "CSV",
  "text": "UTF-8 text",
  "binary": "binary",
};

// Where a format's signature lies. Latin-1 strings: each character is one byte.
const SIGNATURES: readonly { kind: ContentKind; at: number; magic: string }[] = [
  { kind: "png", at: 0, magic: "\x89PNG\r\n\x1a\n" },
  { kind: "jpeg", at: 0, magic: "\xff\xd8\xff" },
  { kind: "gif", at: 0, magic: "GIF87a" },
  { kind: "gif", at: 0, magic: "GIF89a" },
  { kind: "parquet", at: 0, magic: "PAR1" },
  { kind: "parquet", at: 0, magic: "PARE" },
  { kind: "arrow-file", at: 0, magic: "ARROW1" },
  { kind: "feather-v1", at: 0, magic: "FEA1" },
  { kind: "avro", at: 0, magic: "Obj\x01" },
  { kind: "orc", at: 0, magic: "ORC" },
  { kind: "hdf5", at: 0, magic: "\x89HDF\r\n\x1a\n" },
  { kind: "numpy", at: 0, magic: "\x93NUMPY" },
  { kind: "sqlite", at: 0, magic: "SQLite format 3\0" },
  { kind: "wasm", at: 0, magic: "\0asm" },
  { kind: "gzip", at: 0, magic: "\x1f\x8b" },
  { kind: "zstd", at: 0, magic: "\x28\xb5\x2f\xfd" },
  { kind: "bzip2", at: 0, magic: "BZh" },
  { kind: "xz", at: 0, magic: "\xfd7zXZ\0" },
  { kind: "lz4", at: 0, magic: "\x04\x22\x4d\x18" },
  { kind: "zip", at: 0, magic: "PK\x03\x04" },
  { kind: "zip", at: 0, magic: "PK\x05\x06" },
  { kind: "zip", at: 0, magic: "PK\x07\x08" },
  { kind: "pdf", at: 0, magic: "%PDF-" },
  { kind: "tar", at: 257, magic: "ustar" },
];

// Signatures that are words: text that begins with them is text, not the format.
const NEEDS_BINARY: ReadonlySet<ContentKind> = new Set(["orc", "bzip2", "parquet", "feather-v1"]);

// All but backspace, tab, line feed, form feed, carriage return, and the escape that colours a
// terminal.
// deno-lint-ignore no-control-regex
const CONTROLS = /[\x00-\x07\x0b\x0e-\x1a\x1c-\x1f]/g;

/** A comment ends at its first end: were it to try others, many comments would take for ever. */
const SVG =
  /^\s*(?:<\?xml[^>]*>\s*)?(?:<!--(?:[^-]|-(?!->))*-->\s*)*(?:<!DOCTYPE svg[^>]*>\s*)?<svg[\s>]/;

/** So many values are read of a document that goes on; nobody sees more of them. */
const JSON_VALUES = 400;
/** So many characters are looked at for controls. */
const CONTROLS_SAMPLE = 8 * 1024;

function hasAt(bytes: Uint8Array, at: number, magic: string): boolean {
  if (bytes.length < at + magic.length) return false;
  for (let i = 0; i < magic.length; i++) if (bytes[at + i] !== magic.charCodeAt(i)) return false;
  return true;
}

/**
 * Tells what bytes hold.
 *
 * @param head The first bytes; 64 KiB are plenty, and all of them are read.
 * @param complete Whether `head` is everything; a cut-off head is judged more leniently.
 *
 * @example
 * ```ts
 * sniffContent(new TextEncoder().encode('{"a": 1}'), true).kind; // "json"
 * ```
 */
export function sniffContent(head: Uint8Array, complete: boolean): Content {
  if (head.length === 0) return found("empty");
  const text = decodeText(head, complete);
  for (const { kind, at, magic } of SIGNATURES) {
    if (hasAt(head, at, magic) && !(text !== undefined && NEEDS_BINARY.has(kind))) {
      return found(kind);
    }
  }
  if (hasAt(head, 0, "RIFF") && hasAt(head, 8, "WEBP")) return found("webp");
  if (isAvif(head)) return found("avif");
  if (isBmp(head)) return found("bmp");
  if (isIcon(head)) return found("ico");
  if (isArrowStream(head)) return found("arrow-stream");
  if (text === undefined) return found("binary");
  return sniffText(text, complete);
}

function found(kind: ContentKind): Content {
  return { kind, label: LABELS[kind] };
}

// A file type box that names AVIF first or among the brands it is compatible with. ISO/IEC 14496-12
function isAvif(head: Uint8Array): boolean {
  if (head.length < 16 || !hasAt(head, 4, "ftyp")) return false;
  const end = Math.min(head.length, (head[2] ?? 0) * 256 + (head[3] ?? 0), 256);
  for (let at = 8; at + 4 <= end; at += 4) {
    // Behind the first brand stands its version.
    if (at !== 12 && (hasAt(head, at, "avif") || hasAt(head, at, "avis"))) return true;
  }
  return false;
}

// Two letters are no signature; with them the length of the header that follows is one.
function isBmp(head: Uint8Array): boolean {
  if (head.length < 26 || !hasAt(head, 0, "BM") || !hasAt(head, 15, "\0\0\0")) return false;
  return [12, 40, 52, 56, 64, 108, 124].includes(head[14] ?? 0);
}

// A directory of pictures: how many, and the first one's data behind the directory.
function isIcon(head: Uint8Array): boolean {
  if (head.length < 22 || !hasAt(head, 0, "\0\0\x01\0")) return false;
  const words = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const count = words.getUint16(4, true);
  return count >= 1 && count <= 64 && head[9] === 0 && words.getUint32(18, true) === 6 + 16 * count;
}

// An encapsulated Arrow message: 0xFFFFFFFF, the length of its metadata (a multiple of 8), then a
// FlatBuffer whose root offset lies inside. https://arrow.apache.org/docs/format/Columnar.html
function isArrowStream(head: Uint8Array): boolean {
  if (head.length < 12 || !hasAt(head, 0, "\xff\xff\xff\xff")) return false;
  const words = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const length = words.getInt32(4, true);
  const root = words.getUint32(8, true);
  return length >= 16 && length % 8 === 0 && root >= 4 && root < length;
}

/** The head as UTF-8, or `undefined` if it is not text. A character cut off at the end is dropped. */
function decodeText(head: Uint8Array, complete: boolean): string | undefined {
  // Small integers would decode as control characters; text has next to none, and no NUL.
  if (head.includes(0)) return undefined;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(head, { stream: !complete });
  } catch {
    return undefined;
  }
  const sample = text.slice(0, CONTROLS_SAMPLE);
  // A pattern, not a loop: the first display runs before anything of it is compiled.
  const controls = sample.match(CONTROLS)?.length ?? 0;
  return controls * 50 > sample.length ? undefined : text;
}

function sniffText(text: string, complete: boolean): Content {
  if (SVG.test(text)) {
    return { ...found("svg"), text };
  }
  if (/^\s*[[{]/.test(text)) {
    const first = readJsonHead(text, 0, complete ? Infinity : JSON_VALUES);
    if (first.state === "cut" && !complete) return { ...found("json"), text, json: first };
    if (first.state === "whole") {
      const rest = text.slice(first.end);
      if (/^\s*$/.test(rest)) return { ...found("json"), text, json: first };
      if (/^[ \t]*\r?\n\s*[[{]/.test(rest)) return { ...found("ndjson"), text };
    }
  }
  const delimiter = guessDelimiter(text, complete);
  if (delimiter !== undefined) {
    const label = delimiter === "\t" ? "TSV" : LABELS.csv;
    return { kind: "csv", label, text, delimiter };
  }
  return { ...found("text"), text };
}
