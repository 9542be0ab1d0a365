// A display is short and quick whatever it shows: at most 1 MiB, under 20 ms for 1 GiB of bytes and
// under 50 ms for 10,000 entries.

import { assert, assertFalse, assertLess, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { markup } from "../../jupyter/html.ts";
import { MAX_BUNDLE_BYTES, type MediaBundle, mediaBundle } from "../../jupyter/media_bundle.ts";
import { showBuckets } from "../../jupyter/show_buckets.ts";
import { showDiagnosis } from "../../jupyter/show_diagnosis.ts";
import { showTransfer } from "../../jupyter/show_transfer.ts";
import { showUploads } from "../../jupyter/show_uploads.ts";
import { showUsage } from "../../jupyter/show_usage.ts";
import { describeBytes, showBytes } from "../../jupyter/show_bytes.ts";
import { showError } from "../../jupyter/show_error.ts";
import { showFile, showStat } from "../../jupyter/show_file.ts";
import { type EntryLike, showListing } from "../../jupyter/show_listing.ts";
import { sampleDirectory } from "../../tools/sample_data.ts";
import { latin1, usageOf, utf8 } from "./samples.ts";

function sizeOf(bundle: MediaBundle): number {
  return utf8(JSON.stringify(bundle)).length;
}

/** The best of five runs: the first ones pay for compilation. */
function milliseconds(work: () => unknown): number {
  let best = Infinity;
  for (let run = 0; run < 5; run++) {
    const started = performance.now();
    work();
    best = Math.min(best, performance.now() - started);
  }
  return best;
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
    ["a name of 1 MB", () => showFile({ uri: megabyte, name: megabyte, note: megabyte })],
    ["1 MB in every property", () =>
      showStat({
        uri: megabyte,
        size: 1,
        etag: megabyte,
        contentType: megabyte,
        storageClass: megabyte,
        metadata: Object.fromEntries(Array(500).keys().map((i) => [`${i}${megabyte}`, megabyte])),
      })],
    ["keys of 1 MB", () => {
      const entry = { uri: megabyte, key: megabyte, size: 1, lastModified: new Date(0) };
      return showListing({ uri: megabyte, entries: Array(100).fill(entry), complete: false });
    }],
    ["a diagnosis of 1 MB", () =>
      showDiagnosis({
        uri: megabyte,
        healthy: false,
        place: megabyte,
        region: megabyte,
        bucketRegion: megabyte,
        provider: megabyte,
        caller: { account: megabyte, arn: megabyte },
        verdicts: Array(3).fill({
          request: megabyte,
          verdict: megabyte,
          uri: megabyte,
          milliseconds: 1,
          note: megabyte,
          error: { code: megabyte, message: megabyte },
        }),
        errors: [{ code: megabyte, message: megabyte }],
        remedy: megabyte,
      })],
    ["failures of 1 MB", () =>
      showTransfer({
        operation: megabyte,
        transferred: 1,
        bytes: 1,
        skipped: 0,
        deleted: 0,
        failures: Array(1000).fill({ uri: megabyte, error: { code: megabyte, message: megabyte } }),
        milliseconds: 1,
        dryRun: false,
        steps: [],
        ignored: [],
      })],
    ["steps of 1 MB", () => {
      const step = { action: megabyte, target: megabyte, source: megabyte, bytes: 1 };
      const none = { transferred: 0, bytes: 0, skipped: 0, deleted: 0, failures: [] };
      const steps = Array(1000).fill(step);
      const ignored = Array(1000).fill(megabyte);
      const more = { milliseconds: 1, dryRun: true, steps, ignored };
      return showTransfer({ operation: "sync", ...none, ...more });
    }],
    ["uploads of 1 MB", () => {
      const upload = { uri: megabyte, key: megabyte, uploadId: megabyte, initiated: new Date(0) };
      return showUploads({ uri: megabyte, uploads: Array(1000).fill(upload), complete: false });
    }],
    ["usage of 1 MB", () => showUsage(usageOf(megabyte))],
    ["buckets of 1 MB", () => showBuckets(Array(1000).fill({ name: megabyte, region: megabyte }))],
    ["an error of 1 MB", () => showError({ name: megabyte, code: megabyte, message: megabyte })],
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
    const text = describeBytes({ bytes, state: "disposed", className: "RustBuffer" });
    assertStringIncludes(text, "disposed");
  });
});

describe("the time of a display", () => {
  it("is under 20 ms for 1 GiB", () => {
    const bytes = new Uint8Array(1024 ** 3);
    assertLess(milliseconds(() => ofBytes(bytes)), 20);
    bytes.set(latin1("[1, "));
    assertLess(milliseconds(() => ofBytes(bytes)), 20);
  });

  it("is under 20 ms for text, CSV and JSON of any length", () => {
    const data = sampleDirectory();
    for (const name of ["zipcodes.csv", "flights-200k.json", "movies.json"]) {
      const bytes = Deno.readFileSync(`${data}/${name}`);
      assertLess(milliseconds(() => ofBytes(bytes)), 20, name);
    }
  });

  it("is under 50 ms for a listing of 10,000 entries", () => {
    const entries: EntryLike[] = Array.from({ length: 10_000 }, (_, index) => {
      const key = `year=2024/part-${index}.parquet`;
      return { uri: `s3://taxi/${key}`, key, size: index, lastModified: new Date(index) };
    });
    const show = (): MediaBundle => showListing({ uri: "s3://taxi/", entries, complete: true });
    assertLess(milliseconds(show), 50);
    assert(String(show()["text/html"]).split("<tr>").length === 22, "a header and 20 rows");
  });
});
