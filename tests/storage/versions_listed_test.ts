// Versions and delete markers in listings, on the embedded server, which keeps them.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { DipperError, type Entry, LocalS3, memory, type ObjectEntry } from "dipper";
import { signedFetch } from "./signed_request.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const objects = (entries: Entry[]): ObjectEntry[] => entries.filter((entry) => "key" in entry);

for (const transport of ["direct", "sdk"] as const) {
  describe(`a listing of versions, ${transport}`, () => {
    it("has every version, the latest first, and each can be read", async () => {
      await using server = await LocalS3.start();
      using client = server.client({ transport });
      await client.createBucket("versions");
      await signedFetch(server, {
        method: "PUT",
        bucket: "versions",
        query: { versioning: "" },
        body: "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
      });
      for (const text of ["one", "two!", "three"]) {
        await client.file("s3://versions/a b").write(text);
      }
      await client.file("s3://versions/a b").delete();
      await client.file("s3://versions/c/d").write("c");
      assertEquals((await client.list("s3://versions/").toArray()).length, 1);

      const all = objects(await client.list("s3://versions/", { versions: true }).toArray());
      assertEquals(
        all.map(({ key, size, isLatest, deleteMarker }) => [key, size, isLatest, deleteMarker]),
        [
          ["a b", 0, true, true],
          ["a b", 5, false, false],
          ["a b", 4, false, false],
          ["a b", 3, false, false],
          ["c/d", 1, true, false],
        ],
      );
      assertEquals(new Set(all.map(({ versionId }) => versionId)).size, 5);
      assertEquals(await client.file(all[3]!).text(), "one");
      assertEquals(await client.file(all[1]!).text(), "three");
      const read: string[] = [];
      for await (const { bytes, error } of client.getMany(all.slice(1), { ordered: true })) {
        assert(error === undefined, String(error));
        read.push(new TextDecoder().decode(bytes));
      }
      assertEquals(read, ["three", "two!", "one", "c"]);
      await assertRejects(() => client.file(all[0]!).text(), DipperError);

      for (let count = 1; count < all.length; count++) {
        const options = { versions: true, limit: count };
        const first = client.list("s3://versions/", options);
        const seen = await first.toArray();
        const rest = client.list("s3://versions/", { versions: true, token: first.token! });
        seen.push(...await rest.toArray());
        assertEquals(seen, all, `${count} and the rest`);
      }
      const grouped = await client.list("s3://versions/", { versions: true, delimiter: "/" })
        .toArray();
      assertEquals(grouped.at(-1), { uri: "s3://versions/c/", prefix: "c/" });
      const after = await client.list("s3://versions/", { versions: true, startAfter: "a b" })
        .toArray();
      assertEquals(after, all.slice(4));
      const some = await client.list("s3://versions/", { versions: true, glob: "a*" }).toArray();
      assertEquals(some, all.slice(0, 4));
    });

    it("walks pages of one object's versions", async () => {
      await using server = await LocalS3.start();
      using client = server.client({ transport });
      await client.createBucket("versions");
      await signedFetch(server, {
        method: "PUT",
        bucket: "versions",
        query: { versioning: "" },
        body: "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
      });
      const count = 1100;
      for (let at = 0; at < count; at += 50) {
        await Promise.all(
          Array.from({ length: 50 }, () => client.file("s3://versions/k").write("x")),
        );
      }
      const all = objects(await client.list("s3://versions/", { versions: true }).toArray());
      assertEquals(all.length, count);
      assertEquals(new Set(all.map(({ versionId }) => versionId)).size, count);
      assertEquals(all.map(({ isLatest }) => isLatest).lastIndexOf(true), 0);
    });
  });
}
