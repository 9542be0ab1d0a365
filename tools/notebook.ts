/**
 * Opens a notebook in JupyterLab: `deno task notebook [NOTEBOOK] [flags of jupyter-lab]`, the tour by
 * default. Ctrl-C ends it, without a question, and the kernels with it.
 *
 * JupyterLab is the one that `notebooks/requirements.txt` pins, installed at the first time. The
 * kernel, the settings and what JupyterLab writes are in a temporary folder that goes with it.
 *
 * @module
 */
import { join } from "node:path";
import { Unavailable } from "./commands.ts";
import { jupyterLabPython, startJupyterLab } from "./jupyterlab.ts";
import { root } from "./repository.ts";

const WITHOUT = `Visual Studio Code opens notebooks/ as well: run "deno task kernel" once and choose
the kernel "Deno (dipper)".`;

/** What JupyterLab is told: the tour where no notebook is named, and the repository as its folder. */
export function argumentsOf(args: string[]): string[] {
  const named = args.some((arg) => arg.endsWith(".ipynb"));
  // Links of a notebook to documents lead out of its folder.
  const folder = args.some((arg) => /^--(ServerApp\.root_dir|notebook-dir)\b/.test(arg));
  return [
    ...(folder ? [] : [`--ServerApp.root_dir=${root}`]),
    ...args,
    ...(named ? [] : [join(root, "notebooks", "01_tour.ipynb")]),
  ];
}

/** Runs JupyterLab to its end and returns the exit code. */
async function openNotebook(python: string, args: string[]): Promise<number> {
  const signals: Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT", "SIGBREAK"]
    : ["SIGINT", "SIGTERM", "SIGHUP"];
  let stopped = false;
  let end = (): void => {};
  const stop = (): void => {
    stopped = true;
    end();
  };
  // Before it starts: what ends us must not leave it running, or its folder.
  for (const signal of signals) Deno.addSignalListener(signal, stop);
  try {
    await using jupyterLab = await startJupyterLab(python, argumentsOf(args));
    end = jupyterLab.end;
    if (stopped) end();
    const { code } = await jupyterLab.status;
    return stopped ? 0 : code;
  } finally {
    for (const signal of signals) Deno.removeSignalListener(signal, stop);
  }
}

if (import.meta.main) {
  try {
    Deno.exit(await openNotebook(await jupyterLabPython(), Deno.args));
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    console.error(`JupyterLab cannot be had: ${error.message}\n\n${WITHOUT}`);
    Deno.exit(1);
  }
}
