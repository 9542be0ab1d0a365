// What users see, word for word. The plain text is the same that `Deno.inspect` shows; the HTML is
// checked against the snapshot without its style, which would drown the rest.

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { JUPYTER_DISPLAY, type MediaBundle } from "../../jupyter/media_bundle.ts";
import { describeBuckets, showBuckets } from "../../jupyter/show_buckets.ts";
import { describeDiagnosis, showDiagnosis } from "../../jupyter/show_diagnosis.ts";
import { describeTransfer, showTransfer } from "../../jupyter/show_transfer.ts";
import { describeUploads, showUploads } from "../../jupyter/show_uploads.ts";
import { describeUsage, type UsageLike } from "../../jupyter/usage_facts.ts";
import { showUsage } from "../../jupyter/show_usage.ts";
import { describeBytes } from "../../jupyter/bytes_facts.ts";
import { showBytes } from "../../jupyter/show_bytes.ts";
import { describeArray, showArray } from "../../jupyter/show_array.ts";
import { describeColumns, showColumns } from "../../jupyter/show_columns.ts";
import { describeElements, showElements } from "../../jupyter/show_elements.ts";
import { describeEntry, showEntry } from "../../jupyter/show_entry.ts";
import { describeHandle } from "../../jupyter/handle_facts.ts";
import { showHandle } from "../../jupyter/show_handle.ts";
import { describeNearest, showNearest } from "../../jupyter/show_nearest.ts";
import { describeEmbeddings } from "../../jupyter/embeddings_facts.ts";
import { showEmbeddings } from "../../jupyter/show_embeddings.ts";
import { describeError, showError } from "../../jupyter/show_error.ts";
import { showFile } from "../../jupyter/show_file.ts";
import { describeAddress, describeStat } from "../../jupyter/stat_facts.ts";
import { showStat } from "../../jupyter/show_stat.ts";
import { describeListing, type EntryLike, showListing } from "../../jupyter/show_listing.ts";
import { describeMemory } from "../../jupyter/memory_facts.ts";
import { showMemory } from "../../jupyter/show_memory.ts";
import { describeMetrics } from "../../jupyter/metrics_facts.ts";
import { showMetrics } from "../../jupyter/show_metrics.ts";
import { sampleDirectory } from "../../tools/sample_data.ts";
import { JPEG, utf8 } from "./samples.ts";

const MODIFIED = new Date("2024-03-01T12:34:56Z");
const STAT = {
  size: 1_234_567,
  lastModified: MODIFIED,
  etag: '"9b2cf535f27731c974343645a3985328"',
  contentType: "text/csv",
  storageClass: "STANDARD",
  metadata: { author: "Ada" },
};
const CARS = '{"name": "ford", "hp": 130, "tags": ["a", "b"]}\n{"name": "amc", "mpg": 16}\n';
const CSV = "city,people\nBerlin,3700000\nOslo,700000\n";
const USAGE: UsageLike = {
  uri: "s3://taxi/",
  complete: true,
  objects: 1003,
  bytes: 5_368_709_120,
  folders: [
    { uri: "s3://taxi/2024/", objects: 1000, bytes: 5_368_000_000 },
    { uri: "s3://taxi/", objects: 2, bytes: 700_000 },
    { objects: 1, bytes: 9_120 },
  ],
  extensions: [
    { extension: "csv.gz", objects: 1000, bytes: 5_368_000_000 },
    { extension: "", objects: 3, bytes: 709_120 },
  ],
  storageClasses: [
    { storageClass: "STANDARD", objects: 1000, bytes: 5_368_000_000 },
    { storageClass: "", objects: 3, bytes: 709_120 },
  ],
  ages: [
    { fromDays: 0, toDays: 1, objects: 3, bytes: 709_120 },
    { fromDays: 1, toDays: 7, objects: 0, bytes: 0 },
    { fromDays: 7, toDays: 30, objects: 500, bytes: 2_684_000_000 },
    { fromDays: 365, objects: 500, bytes: 2_684_000_000 },
  ],
  pages: 2,
  milliseconds: 1500,
};
const ENTRIES: EntryLike[] = [
  { uri: "s3://taxi/2024/", prefix: "2024/" },
  { uri: "s3://taxi/a.csv", key: "a.csv", size: 5_000_000, lastModified: MODIFIED },
  {
    uri: "s3://taxi/old.bin",
    key: "old.bin",
    size: 12,
    lastModified: MODIFIED,
    storageClass: "GLACIER",
  },
];

function bytesOf(content: string | Uint8Array): Parameters<typeof showBytes>[0] {
  const bytes = typeof content === "string" ? utf8(content) : content;
  return { bytes, state: "borrowed", address: "0x7f2a4c000000", className: "RustBuffer" };
}

const BUDGET = 2 ** 30;
const SHOWN: Record<string, { bundle: MediaBundle; twin: string }> = {
  "file with preview": shown(showFile, plain(showFile), {
    uri: "s3://taxi/people.csv",
    name: "people.csv",
    stat: { ...STAT, size: CSV.length },
    preview: utf8(CSV),
    note: "a note",
  }),
  "file that is missing": shown(showFile, plain(showFile), {
    uri: "s3://taxi/x",
    name: "x",
    note: "does not exist",
  }),
  "stat": shown(showStat, describeStat, { uri: "s3://taxi/people.csv", ...STAT }),
  "listing": shown(showListing, describeListing, {
    uri: "s3://taxi/",
    entries: ENTRIES,
    complete: true,
  }),
  "listing that goes on": shown(showListing, describeListing, {
    uri: 's3://taxi/say "hi"/',
    entries: ENTRIES.slice(1, 2),
    complete: false,
  }),
  "listing that is empty": shown(showListing, describeListing, {
    uri: "s3://taxi/",
    entries: [],
    complete: true,
  }),
  "buckets": shown(showBuckets, describeBuckets, [
    { name: "taxi", createdAt: MODIFIED, region: "eu-central-1" },
    { name: "archive" },
  ]),
  "no buckets": shown(showBuckets, describeBuckets, []),
  "diagnosis": shown(showDiagnosis, describeDiagnosis, {
    uri: "s3://taxi/2024.parquet",
    healthy: false,
    place: "AWS region eu-central-1",
    region: "eu-central-1",
    bucketRegion: "eu-west-1",
    provider: 'single sign-on of the profile "dev"',
    expiration: MODIFIED,
    caller: { account: "123456789012", arn: "arn:aws:sts::123456789012:assumed-role/reader/me" },
    clockSkew: -90_000,
    verdicts: [
      { request: "LIST", verdict: "allowed", uri: "s3://taxi/", milliseconds: 31.4 },
      {
        request: "HEAD",
        verdict: "allowed",
        uri: "s3://taxi/2024.parquet",
        milliseconds: 28,
        note: "storage class STANDARD_IA",
      },
      {
        request: "GET",
        verdict: "failed",
        uri: "s3://taxi/2024.parquet",
        milliseconds: 30,
        error: { code: "AccessDenied", message: "AWS refuses s3:GetObject" },
      },
    ],
    errors: [],
    remedy: "allow s3:GetObject",
  }),
  "diagnosis of what is not allowed": shown(showDiagnosis, describeDiagnosis, {
    uri: "s3://taxi/",
    healthy: false,
    place: "http://127.0.0.1:9000",
    verdicts: [],
    errors: [{ code: "PermissionDenied", message: "Deno's permissions do not allow diagnose" }],
    remedy: "run with --allow-net=127.0.0.1:9000",
  }),
  "transfer": shown(showTransfer, describeTransfer, {
    operation: "download",
    transferred: 3,
    bytes: 1_234_567,
    skipped: 1,
    deleted: 2,
    failures: [{
      uri: "s3://taxi/a//b",
      error: { code: "AccessDenied", message: "http://127.0.0.1:9000 refuses s3://taxi/a//b" },
    }],
    milliseconds: 1500,
    dryRun: false,
    steps: [],
    ignored: ["./taxi/link", "./taxi/pipe"],
  }),
  "transfer that would be": shown(showTransfer, describeTransfer, {
    operation: "sync",
    transferred: 1,
    bytes: 5_000_000,
    skipped: 0,
    deleted: 24,
    failures: [],
    milliseconds: 12,
    dryRun: true,
    steps: [
      {
        action: "upload",
        target: "s3://taxi/a.csv",
        source: "./taxi/a.csv",
        bytes: 5_000_000,
      },
      ...Array.from({ length: 24 }, (_, number) => ({
        action: "delete",
        target: `s3://taxi/old/${number}`,
        bytes: number,
      })),
    ],
    ignored: [],
  }),
  "transfer that changes nothing": shown(showTransfer, describeTransfer, {
    operation: "sync",
    transferred: 0,
    bytes: 0,
    skipped: 4,
    deleted: 0,
    failures: [],
    milliseconds: 12,
    dryRun: true,
    steps: [],
    ignored: [],
  }),
  "versions": shown(showListing, describeListing, {
    uri: "s3://taxi/",
    complete: true,
    entries: [
      {
        uri: "s3://taxi/a.csv",
        key: "a.csv",
        size: 0,
        lastModified: MODIFIED,
        versionId: "v2",
        isLatest: true,
        deleteMarker: true,
      },
      {
        uri: "s3://taxi/a.csv",
        key: "a.csv",
        size: 5_000_000,
        lastModified: MODIFIED,
        versionId: "v1",
        isLatest: false,
        deleteMarker: false,
      },
    ],
  }),
  "uploads": shown(showUploads, describeUploads, {
    uri: "s3://taxi/raw/",
    complete: false,
    uploads: Array.from({ length: 21 }, (_, number) => ({
      uri: `s3://taxi/raw/${number}.parquet`,
      key: `raw/${number}.parquet`,
      uploadId: `upload-${number}`,
      initiated: MODIFIED,
    })),
  }),
  "no uploads": shown(showUploads, describeUploads, {
    uri: "s3://taxi/",
    uploads: [],
    complete: true,
  }),
  "usage": shown(showUsage, describeUsage, USAGE),
  "usage that was stopped": shown(showUsage, describeUsage, {
    ...USAGE,
    complete: false,
    folders: Array.from({ length: 12 }, (_, number) => ({
      uri: `s3://taxi/${number}/`,
      objects: 1,
      bytes: 1,
    })),
  }),
  "usage of nothing": shown(showUsage, describeUsage, {
    uri: "s3://taxi/",
    complete: true,
    objects: 0,
    bytes: 0,
    folders: [],
    extensions: [],
    storageClasses: [],
    ages: [{ fromDays: 0, toDays: 1, objects: 0, bytes: 0 }],
    pages: 1,
    milliseconds: 3,
  }),
  "listing that matches nothing yet": shown(showListing, describeListing, {
    uri: "s3://taxi/",
    entries: [],
    complete: false,
    looked: 1000,
    options: { glob: "**/*.csv" },
  }),
  "listing that failed": shown(showListing, describeListing, {
    uri: "s3://missing/",
    entries: [],
    complete: false,
    note: "the bucket missing does not exist; check its name",
  }),
  "array of entries": shown(showListing, describeListing, {
    uri: "s3://taxi/",
    entries: Array.from({ length: 21 }, () => ENTRIES[1]!),
    complete: true,
    isArray: true,
  }),
  "entry": shown(showEntry, describeEntry, {
    uri: "s3://taxi/a.csv",
    key: "a.csv",
    size: 5_000_000,
    lastModified: MODIFIED,
    etag: '"1"',
    storageClass: "STANDARD",
    owner: { id: "1a2b", displayName: "Ada" },
  }),
  "entry of a version": shown(showEntry, describeEntry, {
    uri: "s3://taxi/a.csv",
    key: "a.csv",
    size: 0,
    lastModified: MODIFIED,
    versionId: "v2",
    isLatest: true,
    deleteMarker: true,
  }),
  "entry of a folder": shown(showEntry, describeEntry, { uri: "s3://taxi/a/", prefix: "a/" }),
  "entry of an upload": shown(showEntry, describeEntry, {
    uri: "s3://taxi/a.csv",
    key: "a.csv",
    uploadId: "upload-1",
    initiated: MODIFIED,
  }),
  "file that is a slice": shown(showFile, plain(showFile), {
    uri: "s3://taxi/people.csv",
    name: "people.csv",
    stat: STAT,
    slice: { start: 100, end: 109 },
    preview: utf8("Oslo,7000"),
  }),
  "table": shown(showColumns, describeColumns, {
    rows: 12_345,
    width: 3,
    bytes: 300_000,
    sampled: true,
    columns: () => [
      {
        name: "delay",
        type: "int64",
        numeric: true,
        nulls: 123,
        range: ["-54", "576"],
        histogram: [0, 1, 40, 100, 3],
      },
      { name: "<b>", type: "utf8", numeric: false, nulls: 0 },
      { name: "at", type: `struct<${"a: int8, ".repeat(20)}>`, numeric: false, nulls: 12_345 },
    ],
    row: (index) => [String(index), `row ${index}`, "null"],
  }),
  "table of few rows": shown(showColumns, describeColumns, {
    rows: 2,
    width: 1,
    sampled: false,
    columns: () => [{ name: "a", type: "bool", numeric: false, nulls: 0 }],
    row: (index) => [String(index === 0)],
  }),
  "table without rows": shown(showColumns, describeColumns, {
    rows: 0,
    width: 1,
    sampled: false,
    columns: () => [{ name: "a", type: "float64", numeric: true, nulls: 0 }],
    row: () => [],
  }),
  "table that is wide": shown(showColumns, describeColumns, {
    rows: 1,
    width: 10_000,
    sampled: false,
    columns: (count) =>
      Array.from({ length: count }, (_, at) => ({
        name: `c${at}`,
        type: "int8",
        numeric: true,
        nulls: 0,
      })),
    row: (_, count) => new Array(count).fill("7"),
  }),
  "nearest": shown(showNearest, describeNearest, {
    indices: new Uint32Array([7, 3, 9]),
    scores: new Float32Array([0.9, 0.5, NaN]),
    queries: 1,
    metric: "cosine",
  }),
  "nearest of two queries": shown(showNearest, describeNearest, {
    indices: Uint32Array.from({ length: 24 }, (_, at) => at),
    scores: Float32Array.from({ length: 24 }, (_, at) => 1 - (at % 12) / 10),
    queries: 2,
    metric: "dot",
  }),
  "nearest by distance": shown(showNearest, describeNearest, {
    indices: new Uint32Array([7, 3]),
    scores: new Float32Array([0.25, 4]),
    queries: 1,
    metric: "euclidean",
  }),
  "nearest of nothing": shown(showNearest, describeNearest, {
    indices: new Uint32Array(0),
    scores: new Float32Array(0),
    queries: 1,
    metric: "dot",
  }),
  "array": shown(showArray, describeArray, { data: new Int16Array([1, 2, 3, 4]), shape: [2, 2] }),
  "array of three dimensions": shown(showArray, describeArray, {
    data: Float64Array.from({ length: 2 * 9 * 11 }, (_, at) => at / 3),
    shape: [2, 9, 11],
  }),
  "array of nothing": shown(showArray, describeArray, { data: new Float32Array(0), shape: [0, 3] }),
  "elements": shown(showElements, describeElements, {
    name: "ByteBatch",
    noun: "element",
    length: 12,
    bytes: 48,
    at: (index) => index === 1 ? new Uint8Array([0, 1, 2, 255]) : utf8(`line ${index}\x1b`),
    use: "bytes.subarray(offsets[i], offsets[i + 1])",
  }),
  "four bytes": shown(showBytes, plain(showBytes), bytesOf(new Uint8Array([1, 2, 3, 4]))),
  "three hundred bytes": shown(
    showBytes,
    plain(showBytes),
    bytesOf(Uint8Array.from({ length: 300 }, (_, index) => index)),
  ),
  "no bytes": shown(showBytes, plain(showBytes), bytesOf("")),
  "text": shown(showBytes, plain(showBytes), bytesOf("Hello\n\tworld \x1b[31m<b>\n")),
  "CSV": shown(showBytes, plain(showBytes), bytesOf(CSV)),
  "NDJSON": shown(showBytes, plain(showBytes), bytesOf(CARS)),
  "JSON": shown(
    showBytes,
    plain(showBytes),
    bytesOf('{"id": 9007199254740993, "list": [1, 2, {"deep": true}], "none": {}}'),
  ),
  "image": shown(showBytes, plain(showBytes), bytesOf(JPEG)),
  "moved": shown(showBytes, plain(showBytes), {
    bytes: new Uint8Array(),
    state: "moved",
    className: "RustBuffer",
  }),
  "disposed": shown(showBytes, plain(showBytes), {
    bytes: new Uint8Array(),
    state: "disposed",
    className: "RustBuffer",
  }),
  "memory": shown(showMemory, describeMemory, {
    bytes: BUDGET / 4,
    buffers: 2,
    adopted: 1,
    operations: 3,
    pooled: 1,
    budget: BUDGET,
  }),
  "memory without a budget": shown(showMemory, describeMemory, {
    bytes: 7,
    buffers: 1,
    adopted: 0,
    operations: 0,
    pooled: 0,
    budget: 0,
  }),
  "embeddings": shown(showEmbeddings, describeEmbeddings, {
    length: 1000,
    dimension: 48,
    rows: [0, 1, 998, 999].map((index) => ({
      index,
      vector: Float32Array.from({ length: 48 }, (_, at) => Math.sin((index + at) / 8) / 3),
    })),
  }),
  "embeddings that are no numbers": shown(showEmbeddings, describeEmbeddings, {
    length: 2,
    dimension: 3,
    rows: [
      { index: 0, vector: new Float32Array([NaN, 1, -1]) },
      { index: 1, vector: new Float32Array([Infinity, 0, 0]) },
    ],
  }),
  "embeddings without rows": shown(showEmbeddings, describeEmbeddings, {
    length: 0,
    dimension: 768,
    rows: [],
  }),
  "embeddings that were disposed": shown(showEmbeddings, describeEmbeddings, {
    length: 0,
    dimension: 768,
    rows: [],
    disposed: true,
  }),
  "metrics": shown(showMetrics, describeMetrics, {
    bytes: 1_234_567,
    parts: 3,
    retries: 1,
    timeToFirstByte: 12.3,
    connectionsOpened: 2,
    requests: 5,
    estimatedCost: 2e-6,
    copies: 0,
    transport: "direct",
    verified: "crc64nvme",
  }),
  "metrics of a small read that was copied": shown(showMetrics, describeMetrics, {
    bytes: 4,
    parts: 1,
    retries: 0,
    timeToFirstByte: 0.4,
    connectionsOpened: 0,
    requests: 0,
    estimatedCost: 0,
    copies: 4,
    transport: "file",
    verified: "none",
  }),
  "error": shown(showError, describeError, {
    name: "NotFoundError",
    code: "NotFound",
    message: "s3://taxi/x does not exist\nat http://127.0.0.1:9000",
    operation: "get",
    uri: "s3://taxi/x",
    status: 404,
    requestId: "4442587FB7D0A2F9",
    hint: "List s3://taxi/ to see its keys.",
  }),
  "error whose message ends with the hint": shown(showError, describeError, {
    name: "NetworkError",
    code: "ConnectionFailed",
    message: "127.0.0.1:9000 refuses the connection; start the server",
    hint: "start the server",
    retryable: true,
    cause: new Error("while opening", { cause: "a thrown string" }),
  }),
  "error of a transfer": shown(showError, describeError, {
    name: "TransferError",
    code: "TransferFailed",
    message: "download: 1 of 4 failed: and so on",
    operation: "download",
    uri: "s3://taxi/a",
    hint: "the error's report names each",
    report: {
      operation: "download",
      transferred: 3,
      bytes: 300,
      skipped: 0,
      deleted: 0,
      failures: [{ uri: "s3://taxi/a", error: { code: "AccessDenied", message: "refused" } }],
      milliseconds: 1500,
      dryRun: false,
      steps: [],
      ignored: [],
    },
  }),
};

// What has a longer display in a notebook than in a terminal.
const HANDLES: Record<string, { bundle: MediaBundle; twin: string }> = {
  "client": shown(showHandle, describeHandle, {
    name: "S3Client",
    label: "Endpoint",
    of: "https://me:secret@host/",
    facts: [{ label: "Credentials", value: "given as an option" }],
    use: ['client.list("s3://bucket/")', "await client.buckets()"],
  }),
  "lines": shown(showHandle, describeHandle, {
    name: "lines",
    of: "s3://taxi/log\x1b",
    use: ["for await (const line of …)"],
  }),
};

/** The text of what shows more in a notebook than in a terminal. */
function plain<T>(show: (value: T) => MediaBundle): (value: T) => string {
  return (value) => String(show(value)["text/plain"]);
}

function shown<T>(
  show: (value: T) => MediaBundle,
  twin: (value: T) => string,
  value: T,
): { bundle: MediaBundle; twin: string } {
  return { bundle: show(value), twin: twin(value) };
}

for (const [name, { bundle, twin }] of Object.entries(HANDLES)) {
  Deno.test(`display of a handle: ${name}`, async (t) => {
    await t.assertSnapshot(twin);
    await t.assertSnapshot(bundle["text/plain"]);
    await t.assertSnapshot(String(bundle["text/html"]).replace(/<style>[^]*<\/style>/, ""));
  });
}

for (const [name, { bundle, twin }] of Object.entries(SHOWN)) {
  Deno.test(`display of ${name}`, async (t) => {
    assertEquals(Object.keys(bundle).sort(), ["text/html", "text/plain"]);
    assertEquals(bundle["text/plain"], twin);
    const source = String(bundle["text/html"]);
    assertMatch(source, /^<div class="dipper-view"><style>/);
    await t.assertSnapshot(twin);
    await t.assertSnapshot(source.replace(/<style>[^]*<\/style>/, ""));
  });
}

describe("the text of a terminal", () => {
  it("tells of bytes what they are without reading them, and the first ones", () => {
    const bytes = utf8("PAR1\x1b[31m<b>, and a good deal more");
    assertEquals(
      describeBytes({ bytes, state: "adopted", address: "0x10", className: "RustBuffer" }),
      `RustBuffer
  Size     34 bytes
  Address  0x10
  State    adopted (JavaScript owns the memory; freed with its last holder)
  Begins   50 41 52 31 1b 5b 33 31 6d 3c 62 3e 2c 20 61 6e |PAR1.[31m<b>, an|`,
    );
    const gone = { bytes, state: "disposed", className: "RustBuffer" } as const;
    assertEquals(
      describeBytes(gone),
      "RustBuffer: disposed\n  State  disposed (the memory is released)",
    );
  });

  it("tells of a file where it lies, without a secret", () => {
    assertEquals(
      describeAddress({ uri: "https://host/a?X-Amz-Signature=1", name: "a", slices: ".slice(2)" }),
      "a\n  URI    https://host/a?…\n  Slice  .slice(2)",
    );
  });
});

describe("displays of real files", () => {
  it("give shape and kind", () => {
    const kindOf = (name: string): string =>
      plain(showBytes)(bytesOf(Deno.readFileSync(`${sampleDirectory()}/${name}`))).split("\n")[0] ??
        "";
    assertEquals(kindOf("ffox.png"), "RustBuffer: PNG image, 100 × 100");
    assertEquals(kindOf("airports.csv"), "RustBuffer: CSV");
    assertEquals(kindOf("unemployment.tsv"), "RustBuffer: TSV");
    assertEquals(kindOf("anscombe.json"), "RustBuffer: JSON, 44 items");
  });

  it("look into gzip, as far as text goes and no bomb bursts", async () => {
    const first = (bytes: Uint8Array): string =>
      plain(showBytes)(bytesOf(bytes)).split("\n")[0] ?? "";
    const packed = async (bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> =>
      await new Response(new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip")))
        .bytes();
    const csv = await packed(Deno.readFileSync(`${sampleDirectory()}/airports.csv`));
    assertEquals(first(csv), "RustBuffer: CSV, gzip-compressed");
    assertStringIncludes(plain(showBytes)(bytesOf(csv)), "  iata  name ");
    assertEquals(first(await packed(utf8("Hello\n"))), "RustBuffer: UTF-8 text, gzip-compressed");
    const png = Deno.readFileSync(`${sampleDirectory()}/ffox.png`);
    assertEquals(first(await packed(png)), "RustBuffer: gzip-compressed");
    assertEquals(first(await packed(new Uint8Array(1e8))), "RustBuffer: gzip-compressed");
  });

  it("have the name the kernel calls", () => {
    assertEquals(JUPYTER_DISPLAY, Symbol.for("Jupyter.display"));
  });

  it("keep tables readable for screen readers and in narrow outputs", () => {
    const source = String(SHOWN["CSV"]?.bundle["text/html"]);
    assertStringIncludes(source, '<th scope="col"');
    assertStringIncludes(source, 'role="region" aria-label="Head of the CSV data" tabindex="0"');
    assertStringIncludes(source, '<th scope="row">Size</th>');
  });
});
