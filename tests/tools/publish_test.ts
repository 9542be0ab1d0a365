/** What `deno publish` would send to JSR: dipper's own modules, whose public types are all written. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { it } from "@std/testing/bdd";
import { fileURLToPath } from "node:url";
import { root } from "../../tools/repository.ts";

const BESIDE = ["CHANGELOG.md", "LICENSE", "README.md", "deno.json"];
const ROOMS = /^(?:mod\.ts|(?:bridges|client|ffi|jupyter|storage|table)\/[a-z0-9_]+\.(?:ts|json))$/;

it("a dry run of publishing checks all that is public, and would send nothing else", async () => {
  // Slow types, and modules that are needed and left out, make it fail.
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["publish", "--dry-run", "--allow-dirty"],
    cwd: root,
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assertEquals(code, 0, text);
  assertStringIncludes(text, "Dry run complete");
  const files = [...text.matchAll(/^ {3}(file:\S+) \(/gm)].map(([, url]) =>
    fileURLToPath(url!).slice(root.length + 1)
  );
  assertEquals(files.filter((name) => !ROOMS.test(name)).sort(), BESIDE);
  for (const name of ["mod.ts", "jupyter/plugin.ts", "storage/help_pages.json"]) {
    assert(files.includes(name), `${name} is left out`);
  }
});
