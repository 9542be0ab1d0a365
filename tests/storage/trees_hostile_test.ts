// Keys that no file can have, or that would write where they must not: reported, never lost, never
// written. LocalS3 takes any key; versitygw keeps objects as files and cannot hold most of these.

import { DipperError } from "dipper";
import { assert, assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { it } from "@std/testing/bdd";
import { everyWay } from "./servers.ts";
import { inDirectory, put, treeOf, write } from "./trees.ts";

/** Keys below the prefix, and a part of the reason why each is no file. */
const REFUSED: Record<string, string> = {
  "../x": "cannot be called ..",
  "../../../../../../tmp/dipper-escaped": "cannot be called ..",
  "/abs": "empty name",
  "a//b": "empty name",
  "//": "empty name",
  ".": "cannot be called .",
  "..": "cannot be called ..",
  "./x": "cannot be called .",
  "a/./b": "cannot be called .",
  "a/../../x": "cannot be called ..",
  "nul\0byte": "NUL",
  [`${"n".repeat(256)}`]: "255 bytes",
  [`${"☃".repeat(86)}/x`]: "255 bytes",
  "both": "other keys have it as their folder",
  ".dipper-0123456789abcdef.part": "kept for files",
};

/** Keys that are unusual, and files all the same. */
const WRITTEN = [
  "both/inner",
  "both-",
  "new\nline",
  "🚰/💧",
  "...",
  " ",
  "back\\slash",
  "C:\\windows",
  "-rf",
  "*",
  "~",
  "Case",
  "case",
  "e\u0301",
  "\u00e9",
  "n".repeat(255),
  Array.from({ length: 4 }, () => "d".repeat(250)).join("/"),
];

everyWay("hostile keys", (at) => {
  it("are reported or written, each of them, and never outside", () =>
    inDirectory(async (path) => {
      const { client, bucket, server } = at();
      if (server !== "LocalS3") return;
      const expected: Record<string, string> = {};
      for (const key of [...Object.keys(REFUSED), ...WRITTEN]) {
        if (new TextEncoder().encode(`h/${key}`).length > 1024) continue;
        await put(client, bucket, { [`h/${key}`]: key });
      }
      for (const key of WRITTEN) expected[key] = key;
      await Deno.mkdir(`${path}/in`);
      const report = await client.download(at().uri("h"), `${path}/in`, { onError: "collect" });
      const told = Object.fromEntries(
        report.failures.map(({ uri, error }) => [uri.slice(at().uri("h/").length), error]),
      );
      assertEquals(Object.keys(told).sort(), Object.keys(REFUSED).sort());
      for (const [key, why] of Object.entries(REFUSED)) {
        assertInstanceOf(told[key], DipperError);
        assertStringIncludes(told[key].message, why, key);
      }
      assertEquals(report.transferred, WRITTEN.length);
      const files = Object.entries(await treeOf(`${path}/in`)).filter(([, text]) => text !== null);
      assertEquals(Object.fromEntries(files), expected);
      assertEquals(Object.keys(await treeOf(path)).filter((name) => !name.startsWith("in")), []);
      // The same again: nothing new is written, nothing less is reported.
      const again = await client.download(at().uri("h"), `${path}/in`, { onError: "collect" });
      assertEquals([again.transferred, again.skipped], [0, WRITTEN.length]);
      assertEquals(again.failures.length, Object.keys(REFUSED).length);
    }));

  it("of 1,024 bytes are files where the file system takes them", () =>
    inDirectory(async (path) => {
      const { client, bucket, server } = at();
      if (server !== "LocalS3") return;
      const key = Array.from({ length: 512 }, () => "k").join("/") + "k";
      assertEquals(key.length, 1024);
      await put(client, bucket, { [key]: "deep" });
      const report = await client.download({ bucket, key: "k/k" }, path);
      assertEquals(report.transferred, 1);
      assertEquals(await Deno.readTextFile(`${path}/${key.slice(4)}`), "deep");
      const up = await client.upload(path, { bucket, key: "up" }, { onError: "collect" });
      assertEquals([up.transferred, up.failures.length], [1, 0]);
      const far = `far-${"x".repeat(20)}`;
      const tooLong = await client.upload(path, { bucket, key: far }, { onError: "collect" });
      assertEquals([tooLong.transferred, tooLong.failures.length], [0, 1]);
      assertStringIncludes(tooLong.failures[0]!.error.message, "more than 1024 bytes");
    }));

  it("do not lead through links that are there, whatever they lead to", () =>
    inDirectory(async (path) => {
      const { client, bucket } = at();
      await put(client, bucket, {
        "l/dir/x": "x",
        "l/dir/deeper/y": "y",
        "l/file": "f",
        "l/dangling": "d",
      });
      await write(`${path}/out`, { "x": "kept", "victim": "kept" });
      await Deno.mkdir(`${path}/in`);
      await Deno.symlink(`${path}/out`, `${path}/in/dir`);
      await Deno.symlink(`${path}/out/victim`, `${path}/in/file`);
      await Deno.symlink(`${path}/out/none`, `${path}/in/dangling`);
      for (const more of [{}, { delete: true }]) {
        const report = await client.download(at().uri("l"), `${path}/in`, {
          onError: "collect",
          ...more,
        });
        assertEquals(report.transferred, 0);
        assertEquals(report.failures.length, 4);
        assert(report.failures.every(({ error }) => error.message.includes("place")));
      }
      assertEquals(await treeOf(`${path}/out`), { "x": "kept", "victim": "kept" });
    }));
});
