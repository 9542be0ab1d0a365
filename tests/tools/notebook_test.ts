/** `deno task notebook` with a stand-in for JupyterLab that writes down how it was started. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { join } from "node:path";
import { root } from "../../tools/repository.ts";

describe({
  name: "tools/notebook.ts",
  ignore: Deno.build.os === "windows", // the stand-in is a shell script
  fn: () => {
    let folder: string;

    beforeEach(async () => {
      folder = await Deno.makeTempDir({ prefix: "dipper-notebook-test-" });
      await Deno.mkdir(join(folder, "bin"));
      await Deno.mkdir(join(folder, "tmp"));
    });

    afterEach(async () => {
      await Deno.remove(folder, { recursive: true });
    });

    /** A `jupyter-lab` that runs this after answering `--version`. */
    async function jupyterLab(script: string): Promise<void> {
      const path = join(folder, "bin", "jupyter-lab");
      await Deno.writeTextFile(
        path,
        `#!/bin/sh\n[ "$1" = --version ] && exit 0\ncd "${folder}" || exit 9\n${script}\n`,
      );
      await Deno.chmod(path, 0o755);
    }

    function start(...args: string[]): Deno.ChildProcess {
      return new Deno.Command(Deno.execPath(), {
        args: ["run", "--no-lock", "--allow-all", join(root, "tools/notebook.ts"), ...args],
        env: {
          PATH: `${join(folder, "bin")}:/usr/bin:/bin`,
          TMPDIR: join(folder, "tmp"),
          JUPYTER_PATH: "/of/the/user",
          HOME: folder,
        },
        stdout: "piped",
        stderr: "piped",
      }).spawn();
    }

    const left = (): string[] =>
      Array.from(Deno.readDirSync(join(folder, "tmp")), (entry) => entry.name);

    const writesDown = `echo "$@" > args; env > env
cp "\${JUPYTER_PATH%%:*}/kernels/deno/kernel.json" kernel.json`;

    it("opens the tour with a kernel of its own, and cleans up", async () => {
      await jupyterLab(writesDown);
      const { code, stderr } = await start("--no-browser").output();
      assertEquals(code, 0, new TextDecoder().decode(stderr));
      assertEquals(
        (await Deno.readTextFile(join(folder, "args"))).trim(),
        "--no-browser notebooks/01_tour.ipynb",
      );
      assertEquals(JSON.parse(await Deno.readTextFile(join(folder, "kernel.json"))), {
        argv: [Deno.execPath(), "jupyter", "--kernel", "--conn", "{connection_file}"],
        display_name: "Deno",
        language: "typescript",
      });
      const env = await Deno.readTextFile(join(folder, "env"));
      const temporary = join(folder, "tmp");
      for (
        const pattern of [
          `JUPYTER_PATH=${temporary}/[^:]*:/of/the/user$`,
          `JUPYTER_RUNTIME_DIR=${temporary}/`,
          `JUPYTERLAB_WORKSPACES_DIR=${temporary}/`,
        ]
      ) {
        assert(new RegExp(`^${pattern}`, "m").test(env), pattern);
      }
      assertEquals(left(), []);
    });

    it("opens the notebook that is named", async () => {
      await jupyterLab(writesDown);
      await start("notebooks/02_zero_copy.ipynb").output();
      assertEquals(
        (await Deno.readTextFile(join(folder, "args"))).trim(),
        "notebooks/02_zero_copy.ipynb",
      );
    });

    it("ends as JupyterLab does", async () => {
      await jupyterLab("exit 7");
      assertEquals((await start().output()).code, 7);
      assertEquals(left(), []);
    });

    it("cleans up when it is ended from outside", async () => {
      await jupyterLab(`trap 'echo ended > ended; exit 0' TERM; touch started
while :; do sleep 0.05; done`);
      const child = start();
      const started = join(folder, "started");
      for (let i = 0; i < 200 && !await Deno.stat(started).catch(() => undefined); i++) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      child.kill("SIGTERM");
      await child.output();
      assertEquals((await Deno.readTextFile(join(folder, "ended"))).trim(), "ended");
      assertEquals(left(), []);
    });

    it({
      name: "says how to get JupyterLab where there is none",
      ignore: [
        "/usr/bin/jupyter-lab",
        "/usr/bin/jupyter",
        join(root, ".cache", "venv", "bin", "jupyter-lab"),
      ].some((path) => existsSync(path)),
      fn: async () => {
        const { code, stderr } = await start().output();
        assertEquals(code, 1);
        assertStringIncludes(new TextDecoder().decode(stderr), "install jupyterlab");
      },
    });
  },
});

function existsSync(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
