// The part of a display that shows content: an image as an image, the columns of Parquet and Arrow,
// the head of CSV and NDJSON as a table, JSON folded, the head of text, and otherwise bytes in
// hexadecimal. Only the first 64 KiB are looked at, whatever the size, except for an image that is
// shown whole and for the footer of a Parquet file.
// The head is copied before it is read: memory that native code still writes to could change
// between two looks, and 64 KiB cost microseconds.

import { arrowSchema } from "./arrow_schema.ts";
import { type Content, type ContentKind, drawnAs, sniffContent } from "./content_kind.ts";
import { readRecords } from "./delimited_head.ts";
import { gunzipHead } from "./gzip_head.ts";
import { Html, joined, markedText, markup, preformatted } from "./html.ts";
import { type ImageSize, imageSize } from "./image_size.ts";
import { type JsonNode, readJsonHead } from "./json_head.ts";
import { parquetSchema } from "./parquet_schema.ts";
import { type Cell, type Column, plainTable } from "./plain_view.ts";
import { countOf, formatBytes, formatCount } from "./quantities.ts";
import type { TableSchema } from "./table_schema.ts";
import { box, dataTable, noteLine } from "./view.ts";
import { cutEnd, cutMiddle, visibleLines, visibleText } from "./visible_text.ts";

const HEAD_BYTES = 64 * 1024;
/** Base64 makes four characters of three bytes; with this the bundle stays under 1 MiB. */
const MAX_IMAGE_BYTES = 720 * 1024;
const MAX_IMAGE_PIXELS = 64_000_000;

const TABLE_ROWS = 8;
const TABLE_COLUMNS = 16;
const CELL_CHARACTERS = 60;
const SCHEMA_COLUMNS = 30;
const TEXT_LINES = 24;
const LINE_CHARACTERS = 400;
const HEX_BYTES = 256;
const JSON_LINES = 32;
const JSON_CHILDREN = 20;
const JSON_OPEN_DEPTH = 1;
const JSON_DEPTH = 5;
const JSON_NODES = 150;
const GIST_CHARACTERS = 100;

const NO_FOOTER = "The columns are in the footer at its end, which is not here.";
const UNREADABLE_FOOTER =
  "The columns are not shown: the footer is longer than what a preview reads, encrypted or damaged.";
const NO_SCHEMA = "The columns are not shown: the schema is not whole, or damaged.";

/** Content ready to be shown: what it is, and its preview as HTML and as text. */
export interface ContentPreview {
  /** The format. */
  readonly kind: ContentKind;
  /** What it is, such as `PNG image, 640 × 480`. */
  readonly label: string;
  /** Renders the preview for a notebook. */
  readonly html: () => Html;
  /** Renders the preview for a terminal; empty where there is nothing to add. */
  readonly text: () => string;
}

/**
 * Looks at the head of `bytes` and prepares its preview.
 *
 * @param bytes The content, or its beginning.
 * @param size The size of the whole content in bytes.
 * @param tail The end of the content, where `bytes` is only its beginning.
 */
export function previewContent(
  bytes: Uint8Array,
  size: number,
  tail?: Uint8Array,
): ContentPreview {
  const head = bytes.slice(0, HEAD_BYTES);
  const complete = head.length >= size;
  const content = sniffContent(head, complete);
  const mediaType = drawnAs(content.kind);
  if (mediaType !== undefined) return previewImage(content, mediaType, bytes, head, size);
  switch (content.kind) {
    case "empty":
      return { kind: "empty", label: content.label, html: () => joined(), text: () => "" };
    case "parquet": {
      const end = tail ?? (bytes.length >= size ? bytes : undefined);
      const schema = end && parquetSchema(end);
      const missing = end === undefined ? NO_FOOTER : UNREADABLE_FOOTER;
      return previewSchema(content, schema, head, size, missing);
    }
    case "arrow-file":
    case "arrow-stream":
      return previewSchema(content, arrowSchema(head), head, size, NO_SCHEMA);
    case "gzip":
      return previewGzip(head) ?? previewHex(content, head, size);
    default:
      return previewWords(content, complete) ?? previewHex(content, head, size);
  }
}

/** The preview of what is text; `undefined` for everything else. */
function previewWords(content: Content, complete: boolean): ContentPreview | undefined {
  switch (content.kind) {
    case "csv":
      return previewTable(content, delimitedTable(content, complete));
    case "ndjson":
      return previewTable(content, ndjsonTable(content.text ?? "", complete));
    case "json":
      return previewJson(content, complete);
    case "text":
      return previewText(content, complete);
    default:
      return undefined;
  }
}

/** The preview of the text that a gzip stream begins with; `undefined` where it holds none. */
function previewGzip(head: Uint8Array): ContentPreview | undefined {
  const unpacked = gunzipHead(head)?.subarray(0, HEAD_BYTES);
  const inner = unpacked && previewWords(sniffContent(unpacked, false), false);
  return inner && { ...inner, kind: "gzip", label: `${inner.label}, gzip-compressed` };
}

// -- images ----------------------------------------------------------------------------------------

function previewImage(
  content: Content,
  mediaType: string,
  bytes: Uint8Array,
  head: Uint8Array,
  size: number,
): ContentPreview {
  const pixels = imageSize(content.kind, head);
  const label = pixels === undefined
    ? content.label
    : `${content.label}, ${pixels.width} × ${pixels.height}`;
  const fallback = content.text === undefined
    ? previewHex(content, head, size)
    : previewText(content, head.length >= size);
  const obstacle = imageObstacle(content, pixels, bytes.length, size);
  if (obstacle !== undefined) {
    return {
      kind: content.kind,
      label,
      html: () => joined(fallback.html(), noteLine(obstacle)),
      text: () => `${fallback.text()}\n  ${obstacle}`,
    };
  }
  return {
    kind: content.kind,
    label,
    html: () => {
      // Base64 holds nothing that HTML would read as markup.
      const data = new Html(`data:${mediaType};base64,${bytes.slice(0, size).toBase64()}`);
      return box(label, markup`<img class="dipper-image" alt="${label}" src="${data}">`);
    },
    // A terminal shows no picture, and the header's bytes say less than the line above them.
    text: () => content.text === undefined ? "" : fallback.text(),
  };
}

/** Why an image is not shown as an image, in words, or `undefined` if it can be. */
function imageObstacle(
  content: Content,
  pixels: ImageSize | undefined,
  available: number,
  size: number,
): string | undefined {
  if (size > MAX_IMAGE_BYTES) {
    return `Not drawn: an image of more than ${
      formatBytes(MAX_IMAGE_BYTES)
    } would swell the notebook.`;
  }
  if (available < size) return "Not drawn: only the beginning of the image is here.";
  if (pixels !== undefined && pixels.width * pixels.height > MAX_IMAGE_PIXELS) {
    return `Not drawn: ${formatCount(pixels.width * pixels.height)} pixels are too many.`;
  }
  if (content.kind === "svg" && !content.text?.includes("http://www.w3.org/2000/svg")) {
    return "Not drawn: the SVG names no namespace (xmlns).";
  }
  return undefined;
}

// -- tables ----------------------------------------------------------------------------------------

interface HeadTable {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
  readonly note: string;
}

function previewTable(content: Content, table: HeadTable): ContentPreview {
  return {
    kind: content.kind,
    label: content.label,
    html: () =>
      joined(
        dataTable(`Head of the ${content.label} data`, table.columns, table.rows),
        noteLine(table.note),
      ),
    text: () => `${plainTable(table.columns, table.rows)}\n  ${table.note}`,
  };
}

/** The columns of a columnar file; its first bytes where they cannot be read. */
function previewSchema(
  content: Content,
  schema: TableSchema | undefined,
  head: Uint8Array,
  size: number,
  missing: string,
): ContentPreview {
  if (schema === undefined) {
    const hex = previewHex(content, head, size);
    return {
      ...hex,
      html: () => joined(hex.html(), noteLine(missing)),
      text: () => `${hex.text()}\n  ${missing}`,
    };
  }
  const shown = schema.columns.slice(0, SCHEMA_COLUMNS);
  const columns: Column[] = [{ name: "Column" }, { name: "Type" }, { name: "Null" }];
  const rows = shown.map(({ name, type, nullable }) => [
    { text: cutMiddle(name, CELL_CHARACTERS) },
    { text: cutEnd(type, CELL_CHARACTERS) },
    { text: nullable ? "yes" : "no" },
  ]);
  const shape = [
    schema.rows === undefined ? undefined : countOf(schema.rows, "row"),
    countOf(schema.columns.length, "column"),
    schema.parts === undefined ? undefined : countOf(schema.parts, schema.partName),
  ].filter((part) => part !== undefined).join(", ");
  const label = `${content.label}, ${shape}`;
  const hidden = schema.columns.length - shown.length;
  const note = hidden > 0 ? `${countOf(hidden, "more column")}.` : undefined;
  return {
    kind: content.kind,
    label,
    html: () =>
      joined(dataTable(`Columns of the ${content.label}`, columns, rows), note && noteLine(note)),
    text: () => plainTable(columns, rows) + (note === undefined ? "" : `\n  ${note}`),
  };
}

function delimitedTable(content: Content, complete: boolean): HeadTable {
  const records = readRecords(
    content.text ?? "",
    content.delimiter ?? ",",
    TABLE_ROWS + 2,
    complete,
  );
  const first = records[0] ?? [];
  const hasHeader = first.every((name) => name.trim() !== "" && !isNumber(name));
  const rows = hasHeader ? records.slice(1) : records;
  const names = hasHeader ? first : first.map((_, index) => `column ${index + 1}`);
  return headTable(names, rows, complete && rows.length <= TABLE_ROWS);
}

function ndjsonTable(text: string, complete: boolean): HeadTable {
  const rows: JsonNode[] = [];
  let at = 0;
  while (rows.length <= TABLE_ROWS) {
    const { node, state, end } = readJsonHead(text, at);
    if (state !== "whole" || node === undefined) break;
    rows.push(node);
    at = end;
  }
  const names = new Set<string>();
  for (const row of rows.slice(0, TABLE_ROWS)) {
    if (row.type === "object") { for (const { key } of row.entries) names.add(key); }
    else names.add("value");
  }
  const list = [...names];
  const records = rows.map((row) => {
    if (row.type !== "object") return list.map((name) => name === "value" ? row.source : "");
    const values = new Map(row.entries.map(({ key, value }) => [key, cellOfJson(value)]));
    return list.map((name) => values.get(name) ?? "");
  });
  return headTable(list, records, complete && rows.length <= TABLE_ROWS);
}

function cellOfJson(node: JsonNode): string {
  return node.type === "string" ? JSON.parse(node.source) : node.source;
}

function headTable(names: readonly string[], records: string[][], whole: boolean): HeadTable {
  const shown = records.slice(0, TABLE_ROWS);
  const columns = names.slice(0, TABLE_COLUMNS).map((name, index) => ({
    name: cutEnd(name, CELL_CHARACTERS),
    numeric: shown.some((row) => isNumber(row[index] ?? "")) &&
      shown.every((row) => row[index] === undefined || row[index] === "" || isNumber(row[index])),
  }));
  const rows = shown.map((row) =>
    columns.map((_, index) => {
      const value = row[index] ?? "";
      const text = cutEnd(value, CELL_CHARACTERS);
      return text === value ? { text } : { text, title: cutEnd(value, 1000) };
    })
  );
  const hidden = names.length - columns.length;
  return {
    columns,
    rows,
    note: [
      whole ? `All ${countOf(rows.length, "row")}` : `First ${countOf(rows.length, "row")}`,
      hidden > 0
        ? `${columns.length} of ${formatCount(names.length)} columns`
        : countOf(names.length, "column"),
    ].join(", ") + ".",
  };
}

function isNumber(text: string): boolean {
  return /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$/.test(text);
}

// -- text and JSON ---------------------------------------------------------------------------------

function previewText(content: Content, complete: boolean): ContentPreview {
  const all = (content.text ?? "").replace(/^\ufeff/, "").split("\n");
  if (all.at(-1) === "") all.pop();
  const lines = all.slice(0, TEXT_LINES).map((line) => cutEnd(line, LINE_CHARACTERS));
  const whole = complete && all.length <= TEXT_LINES;
  const shown = lines.join("\n");
  const note = whole ? undefined : `First ${countOf(lines.length, "line")}.`;
  return {
    kind: content.kind,
    label: content.label,
    html: () => {
      const text = markup`<pre class="dipper-pre">${preformatted(shown)}</pre>`;
      return joined(box(`Head of the ${content.label}`, text), note && noteLine(note));
    },
    text: () => indent(visibleLines(shown)) + (note === undefined ? "" : `\n  ${note}`),
  };
}

function previewJson(content: Content, complete: boolean): ContentPreview {
  const { node, state, end } = content.json ?? readJsonHead(content.text ?? "", 0);
  const note = complete && state === "whole"
    ? undefined
    : `Counts are of what was read: the first ${formatBytes(end)}.`;
  return {
    kind: content.kind,
    label: node?.type === "array" || node?.type === "object"
      ? `${content.label}, ${jsonCount(node, note !== undefined)}`
      : content.label,
    html: () => {
      const tree = node && jsonTree(node, undefined, 0, { left: JSON_NODES });
      const folded = markup`<div class="dipper-json">${tree}</div>`;
      return joined(box("JSON, folded", folded), note && noteLine(note));
    },
    text: () => {
      const lines: string[] = [];
      if (node !== undefined) jsonLines(node, "", "", lines, 0);
      const shown = lines.slice(0, JSON_LINES);
      if (lines.length > shown.length) shown.push("…");
      return indent(shown.join("\n")) + (note === undefined ? "" : `\n  ${note}`);
    },
  };
}

function jsonCount(node: JsonNode & { count: number }, cut: boolean): string {
  const count = countOf(node.count, node.type === "array" ? "item" : "member");
  return cut ? `${formatCount(node.count)} or more ${count.replace(/^\S+ /, "")}` : count;
}

function jsonChildren(node: JsonNode): { key: string | undefined; value: JsonNode }[] {
  if (node.type === "object") return node.entries;
  if (node.type === "array") return node.items.map((value) => ({ key: undefined, value }));
  return [];
}

/** A value as a tree that folds; what is folded shows its beginning. */
function jsonTree(
  node: JsonNode,
  key: string | undefined,
  depth: number,
  nodes: { left: number },
): Html {
  nodes.left--;
  const name = key === undefined
    ? undefined
    : markup`<span class="dipper-weak">${markedText(cutEnd(key, CELL_CHARACTERS))}:</span> `;
  if ((node.type !== "object" && node.type !== "array") || node.count === 0) {
    const value = markedText(cutEnd(node.source || "…", LINE_CHARACTERS));
    return markup`<div class="dipper-leaf">${name}<span class="dipper-${node.type}">${value}</span></div>`;
  }
  const count = markup`<span class="dipper-weak">${jsonCount(node, false)}</span>`;
  const gist = markedText(jsonGist(node, GIST_CHARACTERS));
  const summary = markup`<summary>${name}${depth < JSON_OPEN_DEPTH ? count : gist}</summary>`;
  const open = depth < JSON_OPEN_DEPTH ? new Html(" open") : undefined;
  const kept = jsonChildren(node).slice(0, depth === 0 ? JSON_CHILDREN : JSON_CHILDREN / 2);
  const children: Html[] = [];
  for (const child of depth < JSON_DEPTH ? kept : []) {
    if (nodes.left <= 0) break;
    children.push(jsonTree(child.value, child.key, depth + 1, nodes));
  }
  const hidden = node.count - children.length;
  const more = hidden > 0
    ? markup`<div class="dipper-leaf dipper-weak">… ${formatCount(hidden)} more</div>`
    : undefined;
  return markup`<details${open}>${summary}${children}${more}</details>`;
}

/** A value on one line, shortened from the end: `{id: 1, name: "Ada", …}`. */
function jsonGist(node: JsonNode, room: number): string {
  if (node.type !== "object" && node.type !== "array") return cutEnd(node.source, 40);
  const [open, close] = node.type === "array" ? ["[", "]"] : ["{", "}"];
  const parts: string[] = [];
  let left = room;
  for (const { key, value } of jsonChildren(node)) {
    const part = (key === undefined ? "" : `${cutEnd(key, 30)}: `) + jsonGist(value, left / 3);
    left -= part.length + 2;
    if (left < 0) break;
    parts.push(part);
  }
  if (parts.length < node.count) parts.push("…");
  return open + parts.join(", ") + close;
}

/** Indented lines of JSON, shortened: small values on one line, long lists by their beginning. */
function jsonLines(
  node: JsonNode,
  margin: string,
  prefix: string,
  lines: string[],
  depth: number,
): void {
  if (lines.length > JSON_LINES) return;
  if (node.type !== "object" && node.type !== "array") {
    lines.push(margin + prefix + visibleText(cutEnd(node.source, 100)));
    return;
  }
  const compact = visibleText(node.source.slice(0, 80).replace(/\s+/g, " "));
  if (node.source !== "" && node.source.length <= 72 && (depth > 0 || node.count === 0)) {
    lines.push(margin + prefix + compact);
    return;
  }
  const [open, close] = node.type === "array" ? ["[", "]"] : ["{", "}"];
  if (depth >= 6) {
    lines.push(`${margin}${prefix}${open} … ${close}`);
    return;
  }
  lines.push(margin + prefix + open);
  const children = jsonChildren(node).slice(0, depth === 0 ? 16 : 6);
  for (const { key, value } of children) {
    const name = key === undefined ? "" : `${visibleText(JSON.stringify(cutEnd(key, 60)))}: `;
    jsonLines(value, margin + "  ", name, lines, depth + 1);
  }
  const hidden = node.count - children.length;
  if (hidden > 0) lines.push(`${margin}  … ${formatCount(hidden)} more`);
  lines.push(margin + close);
}

// -- bytes -----------------------------------------------------------------------------------------

function previewHex(content: Content, head: Uint8Array, size: number): ContentPreview {
  const dump = hexDump(head.subarray(0, HEX_BYTES));
  const note = size > HEX_BYTES ? `First ${HEX_BYTES} of ${countOf(size, "byte")}.` : undefined;
  return {
    kind: content.kind,
    label: content.label,
    html: () => {
      const lines = dump.map(({ offset, hex, ascii }, index) =>
        joined(index > 0 ? new Html("\n") : undefined, weak(offset), `  ${hex}  `, weak(ascii))
      );
      const text = markup`<pre class="dipper-pre">${lines}</pre>`;
      return joined(box("Bytes in hexadecimal and ASCII", text), note && noteLine(note));
    },
    text: () =>
      indent(dump.map(({ offset, hex, ascii }) => `${offset}  ${hex}  |${ascii}|`).join("\n")) +
      (note === undefined ? "" : `\n  ${note}`),
  };
}

/** Sixteen bytes a line, in two groups of eight; what is not printable ASCII is a dot. */
function hexDump(bytes: Uint8Array): { offset: string; hex: string; ascii: string }[] {
  const lines = [];
  const width = bytes.length < 16 ? bytes.length * 3 - (bytes.length <= 8 ? 1 : 0) : 48;
  for (let at = 0; at < bytes.length; at += 16) {
    const line = bytes.subarray(at, at + 16);
    const pairs = Array.from(line, (byte) => byte.toString(16).padStart(2, "0"));
    const groups = [pairs.slice(0, 8).join(" "), pairs.slice(8).join(" ")];
    lines.push({
      offset: at.toString(16).padStart(8, "0"),
      hex: groups.join("  ").trimEnd().padEnd(width),
      ascii: Array.from(
        line,
        (byte) => byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".",
      )
        .join(""),
    });
  }
  return lines;
}

function weak(text: string): Html {
  return markup`<span class="dipper-weak">${text}</span>`;
}

function indent(text: string): string {
  return text.split("\n").map((line) => line === "" ? line : `  ${line}`).join("\n");
}
