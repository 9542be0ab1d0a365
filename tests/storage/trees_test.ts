/** `download`, `upload` and `sync`: whole trees, on both servers. */

import { InvalidInputError, NotFoundError, TransferError, type TransferReport } from "dipper";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { everyWay, onBothServers, type Place } from "./servers.ts";
import { inDirectory, put, treeOf, write } from "./trees.ts";

async function keysOf(at: Place, prefix: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const entry of at.client.list(at.uri(prefix))) {
    if ("key" in entry) found[entry.key.slice(prefix.length)] = await at.client.file(entry).text();
  }
  return found;
}

function counts({ transferred, skipped, deleted, failures }: TransferReport): number[] {
  return [transferred, skipped, deleted, failures.length];
}

everyWay("a tree that is downloaded", (at) => {
  it("has every object as a file, with its time", () =>
    inDirectory(async (path) => {
      const { client, bucket } = at();
      const files = {
        "one/a.txt": "hello",
        "one/b/c d.txt": "",
        "one/b/e/ünï-☃": "x".repeat(100),
        "one/new\nline": "n",
      };
      await put(client, bucket, { ...files, "oneself": "no", "two/a": "no" });
      const report = await client.download(at().uri("one"), `${path}/made/here`);
      assertEquals(counts(report), [4, 0, 0, 0]);
      assertEquals(report.bytes, 106);
      assertEquals(await treeOf(`${path}/made/here`), {
        "a.txt": "hello",
        "b": null,
        "b/c d.txt": "",
        "b/e": null,
        "b/e/ünï-☃": "x".repeat(100),
        "new\nline": "n",
      });
      const listed = await client.list(at().uri("one/a")).toArray();
      const [entry] = listed;
      const { mtime } = await Deno.stat(`${path}/made/here/a.txt`);
      assert(entry !== undefined && "lastModified" in entry);
      assertEquals(mtime?.getTime(), entry.lastModified.getTime());
      assertEquals(counts(await client.download(at().uri("one/"), `${path}/made/here`)), [
        0,
        4,
        0,
        0,
      ]);
    }));

  it("comes back whole when it is large", () =>
    inDirectory(async (path) => {
      const { client } = at();
      const bytes = new Uint8Array(20_000_003);
      for (let index = 0; index < bytes.length; index += 4093) bytes[index] = index % 251;
      await client.file(at().uri("large/20 MB")).write(bytes);
      const seen: number[] = [];
      await client.download(at().uri("large"), path, {
        onProgress: ({ bytes, files, totalFiles }) => seen.push(bytes, files, totalFiles),
      });
      assertEquals(seen.slice(-3), [20_000_003, 1, 1]);
      const read = await Deno.readFile(`${path}/20 MB`);
      assert(read.length === bytes.length && read.every((byte, at) => byte === bytes[at]));
    }));
});

onBothServers("trees", (at) => {
  it("are uploaded, and come down again", () =>
    inDirectory(async (path) => {
      const { client } = at();
      const files = { "a": "1", "b/c": "22", "b/d/e f": "", "z☃": "x".repeat(70_000) };
      await write(`${path}/up`, files);
      await Deno.mkdir(`${path}/up/empty`);
      const report = await client.upload(`${path}/up`, at().uri("updown"));
      assertEquals(counts(report), [4, 0, 0, 0]);
      assertEquals(await keysOf(at(), "updown/"), files);
      await client.download(at().uri("updown/"), `${path}/down`);
      const { empty: _, ...expected } = await treeOf(`${path}/up`);
      assertEquals(await treeOf(`${path}/down`), expected);
    }));

  it("say of every object what they are told to, and what its name says", () =>
    inDirectory(async (path) => {
      const { client } = at();
      await write(path, { "a.csv": "1", "b": "2" });
      const metadata = { by: "test" };
      await client.upload(path, at().uri("said"), { metadata, cacheControl: "no-store" });
      const csv = await client.file(at().uri("said/a.csv")).stat();
      assertEquals([csv.contentType, csv.metadata], ["text/csv", metadata]);
      await client.sync(path, at().uri("said-2"), { contentType: "text/x-test" });
      assertEquals((await client.file(at().uri("said-2/a.csv")).stat()).contentType, "text/x-test");
      const refused = (call: () => Promise<unknown>, text: string) =>
        assertRejects(call, InvalidInputError, text);
      await refused(() => client.sync(at().uri("said"), path, { metadata }), "metadata");
      await refused(
        () => client.upload(path, at().uri("x"), { ifMatch: "x" } as object),
        "ifMatch",
      );
      await refused(
        () => client.upload(path, at().uri("x"), { colour: "red" } as object),
        "colour",
      );
    }));

  it("are deleted where the source has nothing, and only told with dryRun", () =>
    inDirectory(async (path) => {
      const { client, bucket } = at();
      await put(client, bucket, { "del/a": "a", "del/b/c": "c" });
      await write(path, { "a": "different", "x": "x", "y/z/w": "w", "b/keep": "k" });
      const before = await treeOf(path);
      const plan = await client.download(at().uri("del"), path, { delete: true, dryRun: true });
      assertEquals(counts(plan), [2, 0, 3, 0]);
      assert(plan.dryRun);
      assertEquals(await treeOf(path), before);
      const done = await client.download(at().uri("del"), path, { delete: true });
      assertEquals(counts(done), [2, 0, 3, 0]);
      assertEquals(await treeOf(path), { "a": "a", "b": null, "b/c": "c" });

      await write(path, { "new": "n" });
      await Deno.remove(`${path}/a`);
      const up = await client.upload(path, at().uri("del"), { delete: true, dryRun: true });
      assertEquals(up.deleted, 1);
      assertEquals(Object.keys(await keysOf(at(), "del/")), ["a", "b/c"]);
      assertEquals(up.steps.map(({ action }) => action), ["upload", "delete"]);
      await client.upload(path, at().uri("del"), { delete: true });
      assertEquals(await keysOf(at(), "del/"), { "b/c": "c", "new": "n" });
    }));

  it("never follow a link out of the directory", () =>
    inDirectory(async (path) => {
      const { client, bucket } = at();
      await put(client, bucket, { "links/away/x": "x", "links/file": "f", "links/fine": "ok" });
      await write(`${path}/outside`, { "secret": "s" });
      await Deno.mkdir(`${path}/in`);
      await Deno.symlink("../outside", `${path}/in/away`);
      await Deno.symlink("../outside/secret", `${path}/in/file`);
      const report = await client.download(at().uri("links"), `${path}/in`, {
        onError: "collect",
        delete: true,
      });
      assertEquals(counts(report), [1, 0, 0, 2]);
      assertEquals(await treeOf(path), {
        "outside": null,
        "outside/secret": "s",
        "in": null,
        "in/away": "-> ../outside",
        "in/file": "-> ../outside/secret",
        "in/fine": "ok",
      });
      const up = await client.upload(`${path}/in`, at().uri("linked"));
      assertEquals(counts(up), [1, 0, 0, 0]);
      assertEquals(up.ignored, [`${path}/in/away`, `${path}/in/file`]);
      assertEquals(await keysOf(at(), "linked/"), { "fine": "ok" });
    }));

  it("make way for what takes the place of something deleted", () =>
    inDirectory(async (path) => {
      const { client, bucket } = at();
      await put(client, bucket, { "way/a/b": "b", "way/c": "c" });
      await write(path, { "a": "a file", "c/d": "in a folder" });
      const options = { delete: true, onError: "collect" } as const;
      const plan = await client.download(at().uri("way"), path, { ...options, dryRun: true });
      assertEquals(counts(plan), [2, 0, 2, 0]);
      const report = await client.download(at().uri("way"), path, options);
      assertEquals(counts(report), [2, 0, 2, 0]);
      assertEquals(await treeOf(path), { "a": null, "a/b": "b", "c": "c" });
    }));

  it("do not begin once the signal was given", () =>
    inDirectory(async (path) => {
      const { client, bucket } = at();
      await put(client, bucket, { "given/a": "a" });
      const signal = AbortSignal.abort(new Error("enough"));
      const refused = (call: () => Promise<unknown>) => assertRejects(call, Error, "enough");
      await refused(() => client.download(at().uri("given"), `${path}/new`, { signal }));
      await refused(() => client.upload(path, at().uri("x"), { signal }));
      await refused(() => client.sync(at().uri("given"), at().uri("x"), { signal }));
      assertEquals(await treeOf(path), {});
    }));

  it("reject with a report of what failed", () =>
    inDirectory(async (path) => {
      const { client, bucket } = at();
      await put(client, bucket, { "bad/a": "a", "bad/b": "b" });
      await Deno.mkdir(`${path}/a`);
      const error = await assertRejects(
        () => client.download(at().uri("bad"), path),
        TransferError,
        "a folder is in its place",
      );
      assertEquals(counts(error.report!), [1, 0, 0, 1]);
      assertEquals(error.report!.failures[0]?.uri, at().uri("bad/a"));
      assertEquals(await treeOf(path), { "a": null, "b": "b" });
    }));
});

onBothServers("what counts as unchanged", (at) => {
  /** What a second transfer does after a change, in both directions. */
  async function again(compare: "size" | "time" | "checksum"): Promise<Record<string, number[]>> {
    const seen: Record<string, number[]> = {};
    await inDirectory(async (path) => {
      const { client, bucket } = at();
      const prefix = at().uri(`same-${compare}`);
      await write(`${path}/up`, { "a": "1", "b/c": "22" });
      await client.upload(`${path}/up`, prefix);
      seen["up, unchanged"] = counts(await client.upload(`${path}/up`, prefix, { compare }));
      // Another content of the same size, and of a later time.
      await Deno.writeTextFile(`${path}/up/a`, "2");
      const later = new Date(Date.now() + 5000);
      await Deno.utime(`${path}/up/a`, later, later);
      seen["up, rewritten"] = counts(await client.upload(`${path}/up`, prefix, { compare }));
      await client.download(prefix, `${path}/down`);
      seen["down, unchanged"] = counts(await client.download(prefix, `${path}/down`, { compare }));
      await Deno.writeTextFile(`${path}/down/b/c`, "xx");
      seen["down, rewritten"] = counts(await client.download(prefix, `${path}/down`, { compare }));
      await put(client, bucket, { [`same-${compare}/a`]: "longer" });
      seen["down, longer"] = counts(await client.download(prefix, `${path}/down`, { compare }));
      await client.sync(prefix, at().uri(`copy-${compare}`), { compare });
      const copies = await client.sync(prefix, at().uri(`copy-${compare}`), { compare });
      seen["copied, unchanged"] = counts(copies);
    });
    return seen;
  }

  it("is told by size", async () =>
    assertEquals(await again("size"), {
      "up, unchanged": [0, 2, 0, 0],
      "up, rewritten": [0, 2, 0, 0],
      "down, unchanged": [0, 2, 0, 0],
      "down, rewritten": [0, 2, 0, 0],
      "down, longer": [1, 1, 0, 0],
      "copied, unchanged": [0, 2, 0, 0],
    }));

  for (const compare of ["time", "checksum"] as const) {
    it(`is told by ${compare}`, async () =>
      assertEquals(await again(compare), {
        "up, unchanged": [0, 2, 0, 0],
        "up, rewritten": [1, 1, 0, 0],
        "down, unchanged": [0, 2, 0, 0],
        "down, rewritten": [1, 1, 0, 0],
        "down, longer": [1, 1, 0, 0],
        "copied, unchanged": [0, 2, 0, 0],
      }));
  }
});

onBothServers("which files take part", (at) => {
  it("is told by globs, for what is deleted too", () =>
    inDirectory(async (path) => {
      const { client, bucket } = at();
      const keys = {
        "glob/a.csv": "1",
        "glob/x/b.csv": "2",
        "glob/x/c.txt": "3",
        "glob/y/d.csv": "4",
      };
      await put(client, bucket, keys);
      await write(path, { "old.csv": "o", "old.txt": "o", "y/old.csv": "o" });
      const report = await client.sync(at().uri("glob"), path, {
        include: ["**/*.csv"],
        exclude: "y/**",
        delete: true,
      });
      assertEquals(counts(report), [2, 0, 1, 0]);
      const left = { "old.txt": "o", "y": null, "y/old.csv": "o" };
      assertEquals(await treeOf(path), { ...left, "a.csv": "1", "x": null, "x/b.csv": "2" });
      const up = await client.sync(path, at().uri("globbed"), { include: "*.{csv,txt}" });
      assertEquals(counts(up), [2, 0, 0, 0]);
      assertEquals(Object.keys(await keysOf(at(), "globbed/")), ["a.csv", "old.txt"]);
    }));

  it("is refused when a glob or another option cannot be meant", () =>
    inDirectory(async (path) => {
      const { client } = at();
      const refused = (options: object, text: string) =>
        assertRejects(() => client.sync(at().uri("x"), path, options), InvalidInputError, text);
      await refused({ include: "[a" }, "does not end");
      await refused({ include: 3 }, "include is no glob");
      await refused({ compare: "mood" }, "compare is not one of");
      await refused({ delete: "yes" }, "delete is not true or false");
      await refused({ onError: "ignore" }, "onError");
      await assertRejects(() => client.sync(path, path), InvalidInputError, "neither place");
      await assertRejects(
        () => client.sync(at().uri("a"), at().uri("a/b")),
        InvalidInputError,
        "hold each other",
      );
      await assertRejects(() => client.upload(`${path}/none`, at().uri("x")), NotFoundError);
      await Deno.writeTextFile(`${path}/file`, "");
      await assertRejects(
        () => client.download(at().uri("x"), `${path}/file`),
        InvalidInputError,
        "is no directory",
      );
      await assertRejects(() => client.download("s3://no-such-bucket-here/", path), NotFoundError);
    }));
});

onBothServers("a sync between two prefixes", (at) => {
  it("copies what differs and deletes what is too much", async () => {
    const { client, bucket } = at();
    await put(client, bucket, { "from/a": "1", "from/b/c": "2", "to/b/c": "old one", "to/z": "z" });
    const [from, to] = [at().uri("from"), at().uri("to")];
    const plan = await client.sync(from, to, { delete: true, dryRun: true });
    assertEquals(plan.steps.map(({ action, target }) => `${action} ${target}`), [
      `copy ${to}/a`,
      `copy ${to}/b/c`,
      `delete ${to}/z`,
    ]);
    const report = await client.sync(from, to, { delete: true });
    assertEquals(counts(report), [2, 0, 1, 0]);
    assertEquals(await keysOf(at(), "to/"), { "a": "1", "b/c": "2" });
  });
});

describe("what a killed download left behind", () => {
  onBothServers("is removed by the next", (at) => {
    it("and nothing else is", () =>
      inDirectory(async (path) => {
        const { client, bucket } = at();
        await put(client, bucket, { "again/a": "a" });
        await write(path, {
          ".dipper-0123456789abcdef.part": "half",
          "b/.dipper-fedcba9876543210.part": "half",
          ".dipper-mine.part": "mine",
        });
        await client.download(at().uri("again"), path, { dryRun: true });
        assertEquals(Object.keys(await treeOf(path)).length, 4);
        await client.download(at().uri("again"), path);
        assertEquals(await treeOf(path), { "a": "a", "b": null, ".dipper-mine.part": "mine" });
      }));
  });
});
