// Which keys can be files, and which are both a file and a folder, as keys come in order.

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { FoldersAhead, problemOf } from "../../storage/tree_paths.ts";
import { isDownloaded, isUploaded } from "../../storage/tree_options.ts";

/** Which of some paths are folders of others. */
function foldersAmong(paths: string[]): { folders: string[]; order: string[] } {
  const ahead = new FoldersAhead<string>();
  const [folders, order]: [string[], string[]] = [[], []];
  const settle = (path: string, isFolder: boolean) => {
    order.push(path);
    if (isFolder) folders.push(path);
  };
  for (const path of paths) ahead.next(path, path, settle);
  ahead.end(settle);
  return { folders, order: order.sort() };
}

describe("keys in order", () => {
  it("are folders of others or not, whatever comes between", () => {
    const keys = ["a", "a b", "a!", "a-", "a-/x", "a.b", "a/b", "a/b/c", "a0", "b", "b\u{1F6B0}"];
    assertEquals(foldersAmong(keys), { folders: ["a-", "a", "a/b"], order: [...keys].sort() });
  });

  it("are as many as came", () => {
    const keys = Array.from({ length: 300 }, (_, index) => "x".repeat(index + 1));
    assertEquals(foldersAmong(keys), { folders: [], order: keys });
    assertEquals(foldersAmong([...keys, `${keys.at(-1)}/y`]).folders, [keys.at(-1)]);
    assertEquals(foldersAmong([]), { folders: [], order: [] });
  });

  it("that mark a folder stand beside what is in it", () => {
    assertEquals(foldersAmong(["a/", "a/b"]).folders, []);
    assertEquals(foldersAmong(["a", "a/"]).folders, ["a"]);
  });
});

describe("a path", () => {
  it("is a file's, unless it could lead elsewhere or no file has it", () => {
    for (const path of ["a", "a/b", "...", "..a", "a/", " ", "a\n", "é".repeat(127), "-"]) {
      assertEquals(problemOf(path), undefined, path);
    }
    const refused = ["/", "/a", "a//b", "a//", ".", "..", "../a", "a/..", "a/../b", "a\0", "./a"];
    for (const path of [...refused, "é".repeat(128), ".dipper-0123456789abcdef.part"]) {
      assertEquals(typeof problemOf(path), "string", path);
    }
  });
});

describe("a copy", () => {
  const object = { size: 1, modified: 1_700_000_000_000 };

  it("that was downloaded has the object's time, to the second where the disk has no more", () => {
    const verdict = (modified: number, compare: "time" | "size" | "checksum", size = 1) =>
      isDownloaded({ size, modified }, { ...object, modified: 1_700_000_000_123 }, compare);
    assertEquals(verdict(1_700_000_000_123, "time"), "same");
    assertEquals(verdict(1_700_000_000_000, "time"), "same");
    assertEquals(verdict(1_700_000_000_124, "time"), "different");
    assertEquals(verdict(1_700_000_000_123, "time", 2), "different");
    assertEquals(verdict(0, "size"), "same");
    assertEquals(verdict(0, "checksum"), "unknown");
    assertEquals(verdict(0, "checksum", 2), "different");
  });

  it("that was uploaded is not older than its source; within a second, nobody knows", () => {
    const verdict = (modified: number, compare: "time" | "size" | "checksum" = "time") =>
      isUploaded(object, { size: 1, modified }, compare);
    assertEquals(verdict(1_600_000_000_000), "same");
    assertEquals(verdict(1_700_000_000_000), "same");
    assertEquals(verdict(1_700_000_000_999), "unknown");
    assertEquals(verdict(1_700_000_001_000), "different");
    assertEquals(verdict(1_800_000_000_000, "size"), "same");
  });
});
