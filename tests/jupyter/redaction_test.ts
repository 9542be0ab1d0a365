// No credential reaches an output, whatever it is hidden in.

import { assert, assertEquals, assertFalse } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { MediaBundle } from "../../jupyter/media_bundle.ts";
import { shownUri, withoutSecrets } from "../../jupyter/redaction.ts";
import { showError } from "../../jupyter/show_error.ts";
import { showFile } from "../../jupyter/show_file.ts";
import { showStat } from "../../jupyter/show_stat.ts";
import { showListing } from "../../jupyter/show_listing.ts";

const CANARY = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY";

describe("shownUri", () => {
  const cases: [string, string][] = [
    ["s3://bucket/a b?c#d.csv", "s3://bucket/a b?c#d.csv"],
    ["s3://bucket/mail@host:1/x", "s3://bucket/mail@host:1/x"],
    ["s3://me:secret@bucket/key", "s3://bucket/key"],
    ["s3://me:sec/ret@bucket/key", "s3://bucket/key"],
    ["s3://token@bucket/key", "s3://bucket/key"],
    ["https://me:secret@host/a", "https://host/a"],
    ["http://127.0.0.1:9000/pkg@1.0/a", "http://127.0.0.1:9000/pkg@1.0/a"],
    ["https://host/a?b=1", "https://host/a?…"],
    ["https://host/a#token", "https://host/a#…"],
    ["HTTPS://host/a?X-Amz-Signature=1f", "HTTPS://host/a?…"],
    ["s3://bucket/key?X-Amz-Signature=1f&x=2", "s3://bucket/key?X-Amz-Signature=…&x=2"],
    ["s3://bucket/key?x%2Damz%2Dsignature=1f", "s3://bucket/key?x%2Damz%2Dsignature=…"],
    ["file:///home/me/a.csv", "file:///home/me/a.csv"],
  ];
  for (const [uri, shown] of cases) it(`shows ${uri}`, () => assertEquals(shownUri(uri), shown));
});

describe("withoutSecrets", () => {
  it("cleans addresses and access key ids inside sentences", () => {
    assertEquals(
      withoutSecrets("GET https://u:p@host/a?sig=abc&b=1 failed for AKIAIOSFODNN7EXAMPLE"),
      "GET https://host/a?sig=…&b=1 failed for AKIA…",
    );
  });

  it("leaves ordinary text alone", () => {
    const text =
      "NotFound: s3://taxi/2024.parquet does not exist at http://127.0.0.1:9000 (request 44)";
    assertEquals(withoutSecrets(text), text);
  });

  it("takes no quadratic time on text made to hurt", () => {
    const started = performance.now();
    for (const text of ["a://b:c".repeat(200_000), "a.".repeat(500_000), "?sig".repeat(300_000)]) {
      withoutSecrets(text);
    }
    assert(performance.now() - started < 20_000, `${performance.now() - started} ms`);
  });
});

describe("displays", () => {
  const uris = [
    `https://AKIAIOSFODNN7EXAMPLE:${CANARY}@host/key`,
    `s3://AKIAIOSFODNN7EXAMPLE:${CANARY}@bucket/key`,
    `https://host/key?X-Amz-Credential=AKIAIOSFODNN7EXAMPLE&X-Amz-Signature=${CANARY}`,
    `s3://bucket/key?X-Amz-Security-Token=${CANARY}&X-Amz-Signature=${CANARY}`,
  ];
  const stat = { size: 1, metadata: {} };
  for (const uri of uris) {
    it(`hide the secret of ${uri.slice(0, 12)}…`, () => {
      const shown: MediaBundle[] = [
        showFile({ uri, name: uri, stat, note: `cannot read ${uri}` }),
        showStat({ uri, ...stat, metadata: { source: uri } }),
        showListing({
          uri,
          complete: false,
          entries: [{ uri, key: "key", size: 1, lastModified: new Date(0) }, { uri, prefix: "p/" }],
        }),
        showError({ name: "E", code: "C", message: `at ${uri}`, uri, hint: `open ${uri}` }),
      ];
      for (const bundle of shown) {
        assertFalse(JSON.stringify(bundle).includes(CANARY));
        assertFalse(JSON.stringify(bundle).includes("AKIAIOSFODNN7EXAMPLE"));
      }
    });
  }
});
