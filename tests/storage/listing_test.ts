// Listings, on both servers.

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { it } from "@std/testing/bdd";
import { type Entry, InvalidInputError, type S3Client } from "dipper";
import { bucketName, onBothServers } from "./servers.ts";
import { signedFetch } from "./signed_request.ts";

const nameOf = (entry: Entry): string => "key" in entry ? entry.key : `${entry.prefix} …`;

/** Writes many objects, some at a time. */
async function fill(client: S3Client, bucket: string, keys: readonly string[]): Promise<void> {
  for (let start = 0; start < keys.length; start += 64) {
    await Promise.all(
      keys.slice(start, start + 64).map((key) => client.file({ bucket, key }).write(key)),
    );
  }
}

/** The order of S3: by the bytes of UTF-8. */
function byBytes(one: string, other: string): number {
  const [left, right] = [one, other].map((text) => new TextEncoder().encode(text).toHex());
  return left! < right! ? -1 : left! > right! ? 1 : 0;
}

onBothServers("listing", (at) => {
  it("tells key, size, time and ETag of each object", async () => {
    const { client } = at();
    const bucket = bucketName();
    await client.createBucket(bucket);
    const before = Date.now();
    const { etag } = await client.file(`s3://${bucket}/a/b.txt`).write("hello");
    const [entry, ...more] = await client.list(`s3://${bucket}/`).toArray();
    assertEquals(more, []);
    assert(entry !== undefined && "key" in entry);
    assertEquals([entry.uri, entry.key, entry.size], [`s3://${bucket}/a/b.txt`, "a/b.txt", 5]);
    assertEquals(entry.etag, etag);
    assert(entry.lastModified instanceof Date);
    assert(Math.abs(entry.lastModified.getTime() - before) < 60_000);
    assertEquals(await client.file(entry).text(), "hello");
    using buffer = await client.get(entry);
    assertEquals(buffer.byteLength, 5);
  });

  it("of an empty bucket is empty", async () => {
    const { client } = at();
    const bucket = bucketName();
    await client.createBucket(bucket);
    assertEquals(await client.list(`s3://${bucket}/`).toArray(), []);
    assertEquals(await client.list(`s3://${bucket}`).toArray(), []);
    for await (const entry of client.list(`s3://${bucket}/any`)) assert(false, nameOf(entry));
  });

  it("takes prefix, delimiter, startAfter and limit", async () => {
    const { client } = at();
    const bucket = bucketName();
    await client.createBucket(bucket);
    const keys = ["a", "a/1", "a/2", "a/b/1", "a/b/2", "ab", "b/1", "c"];
    // On a file system a name is a file or a folder.
    const held = keys.filter((key) => key !== "a");
    await fill(client, bucket, held);
    const names = async (prefix: string, options = {}): Promise<string[]> =>
      (await client.list(`s3://${bucket}/${prefix}`, options).toArray()).map(nameOf);
    const delimiter = "/";

    assertEquals(await names(""), held);
    assertEquals(await names("a"), ["a/1", "a/2", "a/b/1", "a/b/2", "ab"]);
    assertEquals(await names("a/"), ["a/1", "a/2", "a/b/1", "a/b/2"]);
    assertEquals(await names("nothing/"), []);
    assertEquals(await names("", { delimiter }), ["a/ …", "ab", "b/ …", "c"]);
    assertEquals(await names("a", { delimiter }), ["a/ …", "ab"]);
    assertEquals(await names("a/", { delimiter }), ["a/1", "a/2", "a/b/ …"]);
    assertEquals(await names("", { startAfter: "a/b/1" }), ["a/b/2", "ab", "b/1", "c"]);
    assertEquals(await names("a/", { startAfter: "a/1" }), ["a/2", "a/b/1", "a/b/2"]);
    assertEquals(await names("", { startAfter: "zzz" }), []);
    assertEquals(await names("", { limit: 3 }), held.slice(0, 3));
    assertEquals(await names("", { limit: 0 }), []);
    assertEquals(await names("", { limit: 100 }), held);
    assertEquals(await names("", { delimiter, limit: 2 }), ["a/ …", "ab"]);
    assertEquals(await names("", { startAfter: "a/2", limit: 2 }), ["a/b/1", "a/b/2"]);
  });

  it("names groups by a URI that lists them", async () => {
    const { client } = at();
    const bucket = bucketName();
    await client.createBucket(bucket);
    await fill(client, bucket, ["top", "folder/in", "folder/deep/er"]);
    const entries = await client.list(`s3://${bucket}/`, { delimiter: "/" }).toArray();
    const group = entries.find((entry) => "prefix" in entry);
    assertEquals(group, { uri: `s3://${bucket}/folder/`, prefix: "folder/" });
    assertEquals(
      (await client.list(group!.uri).toArray()).map(nameOf),
      ["folder/deep/er", "folder/in"],
    );
  });

  it("walks pages: 2,345 keys in order, each once", async () => {
    const { client } = at();
    const bucket = bucketName();
    await client.createBucket(bucket);
    const keys = Array.from({ length: 2345 }, (_, n) => `page/${String(n).padStart(5, "0")}`);
    await fill(client, bucket, keys);

    const listing = client.list(`s3://${bucket}/page/`);
    assertEquals((await listing.toArray()).map(nameOf), keys);
    const seen: string[] = [];
    for await (const entry of listing) seen.push(nameOf(entry));
    assertEquals(seen, keys, "a listing can be walked again");

    const limited = await client.list(`s3://${bucket}/`, { limit: 1500 }).toArray();
    assertEquals(limited.map(nameOf), keys.slice(0, 1500));
    const after = await client.list(`s3://${bucket}/`, { startAfter: keys[1199]! }).toArray();
    assertEquals(after.map(nameOf), keys.slice(1200));

    let first: Entry | undefined;
    for await (const entry of client.list(`s3://${bucket}/`)) {
      first = entry;
      break;
    }
    assertEquals(first && nameOf(first), keys[0], "leaving early");
  });

  it("walks pages of groups", async () => {
    const { client } = at();
    const bucket = bucketName();
    await client.createBucket(bucket);
    const groups = Array.from({ length: 1100 }, (_, n) => `g${String(n).padStart(4, "0")}`);
    await fill(client, bucket, groups.map((group) => `${group}/x`));
    const names = (await client.list(`s3://${bucket}/`, { delimiter: "/" }).toArray()).map(nameOf);
    assertEquals(names, groups.map((group) => `${group}/ …`));
  });

  it("brings odd keys as they are, sorted by their bytes", async () => {
    const { client } = at();
    const bucket = bucketName();
    await client.createBucket(bucket);
    const keys = [
      "sp ace",
      "pl+us",
      "per%41cent",
      "per%cent",
      "q?u#e",
      "amp&er<sand>",
      "quo\"te's",
      "back\\slash",
      "ünï",
      "日本",
      "🚰",
      "\uFFFD\u{10000}",
      "tab\tbed",
      "comma,semi;",
    ].sort(byBytes);
    await fill(client, bucket, keys);
    const entries = await client.list(`s3://${bucket}/`).toArray();
    assertEquals(entries.map(nameOf), keys);
    for (const entry of entries) assertEquals(await client.file(entry).text(), nameOf(entry));
    for (const key of keys) {
      const [found] = await client.list({ bucket, key }).toArray();
      assertEquals(found && nameOf(found), key, "as a prefix");
      const after = await client.list({ bucket, key: "" }, { startAfter: key }).toArray();
      assertEquals(after.map(nameOf), keys.slice(keys.indexOf(key) + 1), `after ${key}`);
    }
    const grouped = await client.list(`s3://${bucket}/`, { delimiter: " " }).toArray();
    assert(grouped.some((entry) => "prefix" in entry && entry.prefix === "sp "));
  });

  it("takes globs, and a key that looks like one as it is", async () => {
    const { client } = at();
    const bucket = bucketName();
    await client.createBucket(bucket);
    const keys = [
      "logs/2025/a.csv",
      "logs/2026/01/b.csv",
      "logs/2026/01/b.parquet",
      "logs/2026/02/c.csv",
      "logs/2026/d.csv",
      "other/2026/e.csv",
      "star*/x",
      "starry/x",
    ];
    await fill(client, bucket, keys);
    const names = async (prefix: string, options = {}): Promise<string[]> =>
      (await client.list(`s3://${bucket}/${prefix}`, options).toArray()).map(nameOf);
    assertEquals(await names("", { glob: "**" }), keys);
    assertEquals(await names("", { glob: "logs/2026/**/*.csv" }), [
      "logs/2026/01/b.csv",
      "logs/2026/02/c.csv",
      "logs/2026/d.csv",
    ]);
    assertEquals(await names("logs/", { glob: "*/*.csv" }), ["logs/2025/a.csv", "logs/2026/d.csv"]);
    assertEquals(await names("logs/", { glob: "**/{b,c}.{csv,json}", limit: 1 }), [
      "logs/2026/01/b.csv",
    ]);
    assertEquals(await names("", { glob: "*/2026", delimiter: "/" }), []);
    assertEquals(await names("", { glob: "{logs,other}", delimiter: "/" }), [
      "logs/ …",
      "other/ …",
    ]);
    assertEquals(await names("", { glob: "l*/", delimiter: "/" }), ["logs/ …"]);
    assertEquals(await names("star*"), ["star*/x"], "in a URI a star is a character");
    assertEquals(await names("", { glob: "star*/*" }), ["star*/x", "starry/x"]);
    assertEquals(await names("", { glob: "star\\*/*" }), ["star*/x"]);
    assertEquals(await names("", { glob: "other/2026/e.csv" }), ["other/2026/e.csv"]);
  });

  it("goes on from its token, entry by entry and page by page, groups too", async () => {
    const { client } = at();
    const bucket = bucketName();
    await client.createBucket(bucket);
    await fill(client, bucket, ["a/1", "a/2", "b", "c d/1", "e", "ü+/1", "ü+/2", "z"]);
    for (const options of [{}, { delimiter: "/" }]) {
      const all = (await client.list(`s3://${bucket}/`, options).toArray()).map(nameOf);
      assertEquals(all.length, options.delimiter === undefined ? 8 : 6);
      for (let count = 1; count <= all.length; count++) {
        const listing = client.list(`s3://${bucket}/`, options);
        const seen: string[] = [];
        for await (const entry of listing) if (seen.push(nameOf(entry)) === count) break;
        const { token } = listing;
        if (token !== undefined) {
          // As another process has it: a client of its own, and nothing but the text.
          using other = at().connect();
          const rest = other.list(`s3://${bucket}/`, { ...options, token });
          seen.push(...(await rest.toArray()).map(nameOf));
          assertEquals(rest.token, undefined);
        }
        assertEquals(seen, all, `after ${count}`);
      }
      const pages: string[][] = [];
      let token: string | undefined;
      do {
        const page = client.list(`s3://${bucket}/`, {
          ...options,
          limit: 3,
          ...(token && { token }),
        });
        pages.push((await page.toArray()).map(nameOf));
        token = page.token;
      } while (token !== undefined);
      assertEquals(pages.flat(), all, "by limit");
    }
  });

  it("tells whose an object is", async () => {
    const { client } = at();
    const bucket = bucketName();
    await client.createBucket(bucket);
    await fill(client, bucket, ["mine"]);
    const [owned] = await client.list(`s3://${bucket}/`, { owner: true }).toArray();
    assert(owned !== undefined && "key" in owned);
    assert(owned.owner !== undefined && owned.owner.id !== "", JSON.stringify(owned));
    const [entry] = await client.list(`s3://${bucket}/`).toArray();
    assert(entry !== undefined && "key" in entry && entry.owner === undefined);
  });

  it("finds uploads that are not complete, and ends one or the old ones", async () => {
    const { client, signedFor } = at();
    const bucket = bucketName();
    await client.createBucket(bucket);
    const begin = async (key: string): Promise<string> => {
      const text = await signedFetch(signedFor, {
        method: "POST",
        bucket,
        key,
        query: { uploads: "" },
      });
      return /<UploadId>([^<]+)</.exec(text)![1]!;
    };
    assertEquals(await client.incompleteUploads(`s3://${bucket}/`).toArray(), []);
    const before = Date.now() - 60_000;
    const keys = ["p/a b+ü%", "p/c", "q/d"];
    const ids: string[] = [];
    for (const key of keys) ids.push(await begin(key));
    const all = await client.incompleteUploads(`s3://${bucket}/`).toArray();
    assertEquals(all.map(({ uri, key, uploadId }) => ({ uri, key, uploadId })), [
      ...keys.map((key, index) => ({ uri: `s3://${bucket}/${key}`, key, uploadId: ids[index]! })),
    ]);
    for (const { initiated } of all) {
      assert(initiated.getTime() > before && initiated.getTime() < Date.now() + 60_000);
    }
    const inP = client.incompleteUploads(`s3://${bucket}/p/`, { limit: 1 });
    assertEquals((await inP.toArray()).map(({ key }) => key), [keys[0]]);
    const rest = client.incompleteUploads(`s3://${bucket}/p/`, { token: inP.token! });
    assertEquals((await rest.toArray()).map(({ key }) => key), [keys[1]]);

    await client.abortUpload(all[0]!);
    await client.abortUpload(all[0]!); // It is gone already.
    const young = await client.abortIncompleteUploads(`s3://${bucket}/`, { olderThan: before });
    assertEquals([young.deleted, young.skipped, young.operation], [0, 2, "abortIncompleteUploads"]);
    const old = await client.abortIncompleteUploads(`s3://${bucket}/q/`, {
      olderThan: new Date(Date.now() + 120_000),
    });
    assertEquals([old.deleted, old.skipped, old.failures.length], [1, 0, 0]);
    const left = await client.incompleteUploads(`s3://${bucket}/`).toArray();
    assertEquals(left.map(({ key }) => key), ["p/c"]);
    await client.abortIncompleteUploads({ bucket, key: "" });
    assertEquals(await client.incompleteUploads(`s3://${bucket}/`).toArray(), []);
    for (
      const upload of [null, {}, { uri: "s3://b-b/k", uploadId: "" }, { uri: "x", uploadId: "y" }]
    ) {
      await assertRejects(() => client.abortUpload(upload as never), InvalidInputError);
    }
    for (const olderThan of [NaN, "yesterday", new Date("x")]) {
      await assertRejects(
        () => client.abortIncompleteUploads(`s3://${bucket}/`, { olderThan: olderThan as never }),
        InvalidInputError,
        "olderThan",
      );
    }
  });

  it("takes the rest of its options seriously", async () => {
    const { client, bucket } = at();
    for (const limit of [-1, 1.5, NaN, Infinity, "3", null]) {
      const error = assertThrows(
        () => client.list(`s3://${bucket}/`, { limit: limit as number }),
        InvalidInputError,
        "limit is not a number of entries",
      );
      assertStringIncludes(error.message, "whole number");
    }
    const reason = new Error("enough");
    const signal = AbortSignal.abort(reason);
    const listing = client.list(`s3://${bucket}/`, { signal });
    assertEquals(await assertRejects(() => listing.toArray()), reason);
  });
});
