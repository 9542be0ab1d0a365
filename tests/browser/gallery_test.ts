/** The page of the gallery and its pictures are those of `gallery.ts`. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { join } from "node:path";
import { root } from "../../tools/repository.ts";
import { galleryPage, PICTURED, pictureName } from "./gallery.ts";

const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

describe("docs/gallery.md", () => {
  it("is what `deno task gallery` writes", async () => {
    assertEquals(await Deno.readTextFile(join(root, "docs", "gallery.md")), galleryPage());
  });

  it("names pictures that are there, and all of them", async () => {
    const folder = join(root, "docs", "gallery");
    const names = PICTURED.flatMap(({ id }) => [pictureName(id, "light"), pictureName(id, "dark")]);
    const there = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
    assertEquals(there.sort(), names.sort());
    let bytes = 0;
    for (const name of names) {
      const picture = await Deno.readFile(join(folder, name));
      assertEquals([...picture.subarray(0, 8)], PNG, name);
      bytes += picture.length;
    }
    assert(bytes < 1.5 * 2 ** 20, `${bytes} bytes of pictures`);
  });
});
