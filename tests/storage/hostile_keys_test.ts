// Keys that try to be something else: paths, queries, encodings, markup.
//
// S3 takes any 1,024 bytes of UTF-8 as a key. The embedded server does so too. versitygw keeps
// objects as files under their keys, so some keys cannot exist there; for those it is enough that
// it refuses them and dipper tells so, or that they are kept as they are: never another object.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { it } from "@std/testing/bdd";
import { DipperError, InvalidInputError } from "dipper";
import { bucketName, everyWay } from "./servers.ts";

/** Keys that any S3 server takes, a file system too. */
const KEYS = [
  "pl+us",
  "sp ace",
  " leading and trailing ",
  "%41",
  "%2e%2e%2fx",
  "%",
  "%zz",
  "?q#f",
  "#",
  "?versionId=1",
  "key?uploads",
  "new\nline",
  "tab\there",
  "carriage\rreturn",
  "quote\"apostrophe'",
  "<script>alert(1)</script>",
  "&amp;&lt;",
  "]]>",
  "delete\u007f",
  "🚰/💧",
  "e\u0301 is not é",
  "\u202Eright to left",
  "\uFEFFmark",
  "back\\slash",
  "C:\\windows",
  "a:b|c*d",
  "~/x",
  "...",
  ".hidden",
  "..x",
  "x..",
  "trailing.",
  "=+-@,;!$'()[]{}^`",
];

/** Keys that a file system reads as a path. */
const PATHS = [
  "../x",
  "../../../../etc/passwd",
  "a/../b",
  "/abs",
  "//double",
  "a//b",
  ".",
  "..",
  "./x",
  "a/./b",
  "a/.",
  "a/..",
  "tr/",
  "tr//",
  "/",
  "é".repeat(512),
  "k".repeat(1024),
  `${"d/".repeat(511)}xx`,
  "s3://other/key",
  "http://127.0.0.1/x",
];

/** Keys that XML cannot hold, and that versitygw lists without the encoding that is asked for. */
const CONTROLS = ["bell\u0007", "escape\u001b[31m", "start\u0001of", "\u0000nul"];

everyWay("hostile keys", (at) => {
  it("name one object each, as they stand", async () => {
    const { client, server } = at();
    const bucket = bucketName();
    await client.createBucket(bucket);
    const keys = server === "LocalS3" ? [...KEYS, ...PATHS, ...CONTROLS] : KEYS;
    for (const key of keys) await client.file({ bucket, key }).write(`content of ${key}`);
    for (const key of keys) {
      const file = client.file({ bucket, key });
      assertEquals(file.key, key);
      assertEquals(await file.text(), `content of ${key}`, JSON.stringify(key));
      assertEquals((await file.stat()).size, new TextEncoder().encode(`content of ${key}`).length);
      assertEquals(await client.file(`s3://${bucket}/${key}`).slice(0, 7).text(), "content", key);
    }
    const listed = await client.list(`s3://${bucket}/`).toArray();
    assertEquals(
      listed.map((entry) => "key" in entry ? entry.key : "").sort(),
      keys.toSorted(),
    );
    for (const key of keys) await client.file({ bucket, key }).delete();
    assertEquals(await client.list(`s3://${bucket}/`).toArray(), []);
    await client.deleteBucket(bucket);
  });

  it("never reach another object, whatever the server makes of them", async () => {
    const { client } = at();
    const bucket = bucketName();
    await client.createBucket(bucket);
    const plain = ["x", "b", "abs", "a/b", "double"];
    for (const key of plain) await client.file({ bucket, key }).write("mine").catch(() => {});
    const held = (await client.list(`s3://${bucket}/`).toArray()).length;
    assert(held >= 4);
    for (const key of [...PATHS, ...CONTROLS]) {
      const file = client.file({ bucket, key });
      try {
        await file.write(`hostile ${key}`);
        assertEquals(await file.text(), `hostile ${key}`);
        await file.delete();
      } catch (error) {
        assert(error instanceof DipperError && error.code !== "Internal", `${key}: ${error}`);
      }
    }
    for (const key of plain.filter((key) => key !== "b")) {
      const file = client.file({ bucket, key });
      if (await file.exists()) assertEquals(await file.text(), "mine", key);
    }
  });

  it("longer than S3 allows are refused before anything is sent", async () => {
    const { client, bucket } = at();
    for (const key of ["k".repeat(1025), "é".repeat(513), "🚰".repeat(257)]) {
      const file = () => Promise.resolve(client.file({ bucket, key }));
      const error = await assertRejects(async () => await file(), InvalidInputError, "1024");
      assertStringIncludes(error.message, "use a shorter key");
    }
    await client.file({ bucket, key: "🚰".repeat(63) }).write("fits");
  });

  it("that are not well-formed text are refused", async () => {
    const { client, bucket } = at();
    for (const key of ["lone \uD800", "\uDC00 lone"]) {
      await assertRejects(
        async () => await client.file({ bucket, key }).bytes(),
        InvalidInputError,
        "surrogates",
      );
    }
  });

  it("with NUL are kept or refused, never cut", async () => {
    const { client, bucket } = at();
    await client.file({ bucket, key: "cut" }).write("short");
    const file = client.file({ bucket, key: "cut\0off" });
    try {
      await file.write("long");
      assertEquals(await file.text(), "long");
    } catch (error) {
      assert(error instanceof DipperError && error.code !== "Internal", String(error));
    }
    assertEquals(await client.file({ bucket, key: "cut" }).text(), "short");
  });
});
