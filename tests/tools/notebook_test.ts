/**
 * `deno task notebook` without JupyterLab: what it would be told, and what a user reads where it cannot
 * be had. `tests/browser/` opens the real one.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { join } from "node:path";
import { argumentsOf } from "../../tools/notebook.ts";
import { root } from "../../tools/repository.ts";

const TOUR = join(root, "notebooks", "01_tour.ipynb");

describe("tools/notebook.ts", () => {
  it("opens the tour, in the repository's folder", () => {
    assertEquals(argumentsOf(["--no-browser"]), [
      `--ServerApp.root_dir=${root}`,
      "--no-browser",
      TOUR,
    ]);
  });

  it("opens the notebook and the folder that are named", () => {
    assertEquals(argumentsOf(["notebooks/02_zero_copy.ipynb"]), [
      `--ServerApp.root_dir=${root}`,
      "notebooks/02_zero_copy.ipynb",
    ]);
    for (const flag of ["--ServerApp.root_dir=/x", "--notebook-dir=/x"]) {
      assertEquals(argumentsOf([flag]), [flag, TOUR]);
    }
  });

  it("pins every package", async () => {
    const text = await Deno.readTextFile(join(root, "notebooks", "requirements.txt"));
    const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    assert(lines.length > 20);
    for (const line of lines) assert(/^[A-Za-z0-9_.-]+==[0-9][0-9A-Za-z.]*$/.test(line), line);
  });

  it({
    name: "says what to do where there is no Python",
    ignore: Deno.build.os === "windows",
    fn: async () => {
      // A clone of its own: this one may have JupyterLab already.
      const clone = await Deno.makeTempDir({ prefix: "dipper-notebook-test-" });
      try {
        for (const part of ["tools", "notebooks", "deno.json"]) {
          if (part === "deno.json") {
            await Deno.writeTextFile(join(clone, part), "{}");
          } else {
            await Deno.mkdir(join(clone, part));
            for await (const { name, isFile } of Deno.readDir(join(root, part))) {
              if (isFile) await Deno.copyFile(join(root, part, name), join(clone, part, name));
            }
          }
        }
        const { code, stderr } = await new Deno.Command(Deno.execPath(), {
          args: ["run", "--no-lock", "--allow-all", join(clone, "tools", "notebook.ts")],
          env: { PATH: clone },
        }).output();
        const said = new TextDecoder().decode(stderr);
        assertEquals(code, 1, said);
        assertStringIncludes(said, "Python 3.10 or newer");
        assertStringIncludes(said, "deno task kernel");
      } finally {
        await Deno.remove(clone, { recursive: true });
      }
    },
  });
});
