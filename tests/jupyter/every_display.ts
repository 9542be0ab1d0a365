// Every display of one text, in every place where a text can come from: for the tests of what hostile
// and what endless text does to displays.

import type { MediaBundle } from "../../jupyter/media_bundle.ts";
import { showBuckets } from "../../jupyter/show_buckets.ts";
import { showBytes } from "../../jupyter/show_bytes.ts";
import { showColumns } from "../../jupyter/show_columns.ts";
import { showDiagnosis } from "../../jupyter/show_diagnosis.ts";
import { showElements } from "../../jupyter/show_elements.ts";
import { showEntry } from "../../jupyter/show_entry.ts";
import { showError } from "../../jupyter/show_error.ts";
import { showFile } from "../../jupyter/show_file.ts";
import { showStat } from "../../jupyter/show_stat.ts";
import { showHandle } from "../../jupyter/show_handle.ts";
import { showListing } from "../../jupyter/show_listing.ts";
import { showTransfer, type TransferLike } from "../../jupyter/show_transfer.ts";
import { showUploads } from "../../jupyter/show_uploads.ts";
import { showUsage } from "../../jupyter/show_usage.ts";
import { usageOf, utf8 } from "./samples.ts";

/** Every display of a string, in every place a string can come from. */
export function displaysOf(text: string): [string, MediaBundle][] {
  const stat = {
    size: 3,
    etag: text,
    contentType: text,
    storageClass: text,
    metadata: Object.fromEntries(Array.from({ length: 50 }, (_, at) => [`${at}${text}`, text])),
  };
  const bytes = (content: string): MediaBundle =>
    showBytes({ bytes: utf8(content), state: "adopted", address: text, className: text });
  const cell = text.replaceAll('"', '""');
  const json = JSON.stringify(text);
  return [
    ["file", showFile({ uri: `s3://b/${text}`, name: text, stat, note: text })],
    ["preview", showFile({ uri: "s3://b/k", name: "k", stat, preview: utf8(text) })],
    ["stat", showStat({ uri: `s3://b/${text}`, ...stat })],
    [
      "listing",
      showListing({
        uri: `s3://b/${text}`,
        complete: false,
        entries: [
          {
            uri: `s3://b/${text}`,
            key: text,
            size: 1,
            lastModified: new Date(0),
            storageClass: text,
          },
          { uri: `s3://b/${text}`, prefix: text },
        ],
      }),
    ],
    [
      "versions",
      showListing({
        uri: text,
        complete: true,
        entries: [{ uri: text, key: text, size: 1, lastModified: new Date(0), versionId: text }],
      }),
    ],
    [
      "uploads",
      showUploads({
        uri: `s3://b/${text}`,
        complete: true,
        uploads: Array(30).fill({
          uri: `s3://b/${text}`,
          key: text,
          uploadId: text,
          initiated: new Date(0),
        }),
      }),
    ],
    ["listing that failed", showListing({ uri: text, entries: [], complete: false, note: text })],
    [
      "listing that goes on",
      showListing({
        uri: text,
        entries: Array(30).fill({ uri: text, key: text, size: 1, lastModified: new Date(0) }),
        complete: false,
        looked: 1,
        options: { glob: text, delimiter: text },
      }),
    ],
    ["object entry", showEntry({ uri: text, key: text, size: 1, etag: text, owner: { id: text } })],
    ["version entry", showEntry({ uri: text, key: text, size: 1, versionId: text })],
    ["folder entry", showEntry({ uri: text, prefix: text })],
    ["upload entry", showEntry({ uri: text, key: text, uploadId: text, storageClass: text })],
    [
      "handle",
      showHandle({
        name: text,
        label: text,
        of: text,
        facts: [{ label: text, value: text }],
        use: [],
      }),
    ],
    [
      "elements",
      showElements({
        name: text,
        noun: "element",
        length: 3,
        bytes: 3 * text.length,
        at: () => utf8(text),
        use: "batch[0]",
      }),
    ],
    [
      "uploads that failed",
      showUploads({ uri: text, uploads: [], complete: false, note: text }),
    ],
    ["usage", showUsage(usageOf(text))],
    ["buckets", showBuckets(Array(60).fill({ name: text, region: text }))],
    [
      "a diagnosis",
      showDiagnosis({
        uri: text,
        healthy: false,
        place: text,
        region: text,
        bucketRegion: text,
        provider: text,
        caller: { account: text, arn: text },
        verdicts: Array(3).fill({
          request: text,
          verdict: text,
          uri: text,
          milliseconds: 1,
          note: text,
          error: { code: text, message: text },
        }),
        errors: [{ code: text, message: text }],
        remedy: text,
      }),
    ],
    [
      "transfer",
      showTransfer(reportOf(text)),
    ],
    [
      "error",
      showError({
        name: text,
        code: text,
        message: text,
        operation: text,
        uri: text,
        requestId: text,
        hint: text,
        cause: new Error(text, { cause: text }),
      }),
    ],
    [
      "error of a transfer",
      showError({ name: text, code: text, message: text, hint: text, report: reportOf(text) }),
    ],
    [
      "table",
      showColumns({
        rows: 1e6,
        width: 1e4,
        sampled: true,
        columns: (count) =>
          new Array(count).fill({
            name: text,
            type: text,
            numeric: true,
            nulls: 1,
            range: [text, text],
            histogram: [1, 0],
          }),
        row: (_, count) => new Array(count).fill(text),
      }),
    ],
    ["text", bytes(text)],
    ["CSV", bytes(`"${cell}","b"\n"${cell}","1"\n"${cell}","2"\n"${cell}","3"\n`)],
    ["JSON", bytes(`{${json}: [${json}, {${json}: ${json}}]}`)],
    ["NDJSON", bytes(`{${json}: ${json}}\n{${json}: [${json}]}\n`)],
    ["SVG", bytes(`<svg xmlns="http://www.w3.org/2000/svg"><title>${text}</title></svg>`)],
  ];
}

/** A report of which every name is a text. */
function reportOf(text: string): TransferLike {
  return {
    operation: text,
    transferred: 1,
    bytes: 1,
    skipped: 0,
    deleted: 0,
    failures: Array(1000).fill({ uri: text, error: { code: text, message: text } }),
    milliseconds: 1,
    dryRun: false,
    steps: Array(1000).fill({ action: text, target: text, source: text, bytes: 1 }),
    ignored: Array(1000).fill(text),
  };
}
