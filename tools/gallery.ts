/**
 * Makes `docs/gallery.md` and its pictures anew: `deno task gallery`. The tests in the browser take
 * the pictures; when one of them fails, nothing is changed.
 *
 * @module
 */
import { join } from "node:path";
import { galleryPage, PICTURED, pictureName } from "../tests/browser/gallery.ts";
import { run, Unavailable } from "./commands.ts";
import { cachePath, deno, root } from "./repository.ts";
import { TestSupplies } from "./test_supplies.ts";

const ended = new AbortController();
const signal = ended.signal;
Deno.addSignalListener("SIGINT", () => ended.abort(new Error("interrupted")));
try {
  await using supplies = new TestSupplies(signal);
  const pictures = cachePath("pictures");
  const env = {
    DIPPER_TEST_JUPYTERLAB: await supplies.jupyterLab(),
    DIPPER_TEST_CHROMIUM: await supplies.chromium(),
    DIPPER_TEST_PICTURES: pictures,
  };
  const flags = await supplies.moduleFlags();
  const test = ["test", "--allow-all", ...flags, join("tests", "browser", "jupyterlab_test.ts")];
  if (!(await run(deno, test, { signal, env })).success) Deno.exit(1);

  const gallery = join(root, "docs", "gallery");
  await Deno.remove(gallery, { recursive: true }).catch(() => {});
  await Deno.mkdir(gallery);
  for (const { id } of PICTURED) {
    for (const theme of ["light", "dark"] as const) {
      const name = pictureName(id, theme);
      await Deno.copyFile(join(pictures, name), join(gallery, name));
    }
  }
  await Deno.writeTextFile(join(root, "docs", "gallery.md"), galleryPage());
  console.log(`docs/gallery.md has ${PICTURED.length} displays; all pictures are in ${pictures}`);
} catch (error) {
  if (!(error instanceof Unavailable)) throw error;
  console.error(error.message);
  Deno.exit(1);
}
Deno.exit(0);
