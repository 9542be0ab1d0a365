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
