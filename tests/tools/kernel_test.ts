/**
 * `deno task kernel` in a data folder of its own: what it writes, that a notebook runs with it, and that its
 * removal leaves nothing.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { python, repository } from "../notebooks/executed_notebook.ts";
import { printed, runInKernel } from "../notebooks/kernel_session.ts";

async function kernelTask(folder: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--no-lock", join(repository, "tools", "kernel.ts"), ...args],
    env: { JUPYTER_DATA_DIR: folder },
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

Deno.test("deno task kernel writes a kernelspec, and its removal takes that away", async () => {
  const folder = await Deno.makeTempDir();
  try {
    assertStringIncludes(await kernelTask(folder), "Deno (dipper)");
    const spec = JSON.parse(
      await Deno.readTextFile(join(folder, "kernels", "dipper", "kernel.json")),
    );
    assertEquals(spec.display_name, "Deno (dipper)");
    assert(spec.argv[0].startsWith("/") || /^[A-Z]:/.test(spec.argv[0]), spec.argv[0]);
    assert((await Deno.stat(spec.env.DIPPER_LIBRARY)).isFile);
    await kernelTask(folder);
    await kernelTask(folder, "--remove");
    assertEquals((await Array.fromAsync(Deno.readDir(join(folder, "kernels")))).length, 0);
    assertStringIncludes(await kernelTask(folder, "--remove"), "no such kernel");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test({
  name: "a notebook runs in the kernel that was installed, with immutable buffers",
  ignore: python === undefined,
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      await kernelTask(folder);
      const told = await runInKernel([
        {
          code: `import { RustBuffer } from "../mod.ts";
            const made = new RustBuffer(8);
            const fixed = made.adopt({ immutable: true });
            console.log(fixed.immutable, Deno.env.get("DIPPER_LIBRARY").startsWith("/"));`,
        },
      ], { kernel: "dipper", env: { JUPYTER_DATA_DIR: folder } });
      assertEquals(printed(told[0]!), "true true\n", JSON.stringify(told));
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
