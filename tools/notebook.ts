/**
 * Opens a notebook in JupyterLab: `deno task notebook [NOTEBOOK] [flags of jupyter-lab]`, the tour by
 * default.
 *
 * The kernel, the workspace and what the server writes at run time are in a temporary folder that
 * is removed when JupyterLab ends. The user's configuration is read and not changed.
 *
 * @module
 */
import { delimiter, join } from "node:path";
import { environmentProgram } from "./python_environment.ts";
import { deno, root } from "./repository.ts";

const TOUR = join("notebooks", "01_tour.ipynb");

const NO_JUPYTERLAB = `There is no JupyterLab on this machine. Any of these gets one:

  uv tool install jupyterlab
  pipx install jupyterlab
  python3 -m venv .cache/venv && .cache/venv/bin/pip install jupyterlab

Then run this again. Visual Studio Code opens notebooks/ as well: run "deno jupyter --install" once
and choose the kernel "Deno".`;

/** JupyterLab's command, on PATH or in the tests' environment. */
async function findJupyterLab(): Promise<string[] | undefined> {
  const candidates = [
    ["jupyter-lab"],
    ["jupyter", "lab"],
    [environmentProgram("jupyter-lab")],
  ];
  for (const [program = "", ...args] of candidates) {
    try {
      const { success } = await new Deno.Command(program, {
        args: [...args, "--version"],
        stdout: "null",
        stderr: "null",
      }).output();
      if (success) return [program, ...args];
    } catch {
      // It is not there.
    }
  }
  return undefined;
}

/** Runs JupyterLab to its end and returns its exit code. */
async function openNotebook(jupyterLab: string[], args: string[]): Promise<number> {
  const folder = await Deno.makeTempDir({ prefix: "dipper-notebook-" });
  // JupyterLab gets Ctrl-C from the terminal itself and asks before it ends; we wait for it.
  const wait = (): void => {};
  Deno.addSignalListener("SIGINT", wait);
  try {
    const kernel = join(folder, "kernels", "deno");
    await Deno.mkdir(kernel, { recursive: true });
    await Deno.writeTextFile(
      join(kernel, "kernel.json"),
      JSON.stringify({
        argv: [deno, "jupyter", "--kernel", "--conn", "{connection_file}"],
        display_name: "Deno",
        language: "typescript",
      }),
    );
    const [program = "", ...first] = jupyterLab;
    const named = args.some((arg) => arg.endsWith(".ipynb"));
    const child = new Deno.Command(program, {
      args: [...first, ...args, ...(named ? [] : [TOUR])],
      cwd: root,
      env: {
        JUPYTER_PATH: [folder, Deno.env.get("JUPYTER_PATH")].filter(Boolean).join(delimiter),
        JUPYTER_RUNTIME_DIR: join(folder, "runtime"),
        JUPYTERLAB_WORKSPACES_DIR: join(folder, "workspaces"),
      },
    }).spawn();
    const end = (): void => child.kill("SIGTERM");
    if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", end);
    try {
      return (await child.status).code;
    } finally {
      if (Deno.build.os !== "windows") Deno.removeSignalListener("SIGTERM", end);
    }
  } finally {
    Deno.removeSignalListener("SIGINT", wait);
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) {
  const jupyterLab = await findJupyterLab();
  if (!jupyterLab) {
    console.error(NO_JUPYTERLAB);
    Deno.exit(1);
  }
  Deno.exit(await openNotebook(jupyterLab, Deno.args));
}
