/**
 * JupyterLab of the version that `notebooks/requirements.txt` pins, in a virtual environment in
 * `.cache/jupyterlab`, with a "Deno (dipper)" kernel and with settings of its own. What it writes lies
 * in a temporary folder that goes with it: the user's Jupyter is neither read nor changed.
 *
 * @module
 */
import { join } from "node:path";
import type { CommandOptions } from "./commands.ts";
import { kernelSpec, LIBRARY } from "./kernel.ts";
import { virtualEnvironment } from "./python_environment.ts";
import { cachePath, deno, root } from "./repository.ts";

/**
 * The Python that has JupyterLab, installed if it is not there.
 *
 * @throws {Unavailable} when it cannot be had.
 */
export function jupyterLabPython(options: CommandOptions = {}): Promise<string> {
  const requirements = join(root, "notebooks", "requirements.txt");
  return virtualEnvironment(cachePath("jupyterlab"), requirements, options);
}

/** A running JupyterLab; disposing it ends it and its kernels. */
export interface JupyterLab extends AsyncDisposable {
  /** How it ended. */
  status: Promise<Deno.CommandStatus>;
  /** Asks it to end. */
  end(): void;
}

/** Starts JupyterLab with its own flags; what it says goes to our terminal. */
export async function startJupyterLab(python: string, args: string[]): Promise<JupyterLab> {
  const folder = await Deno.makeTempDir({ prefix: "dipper-jupyterlab-" });
  try {
    // The notebooks ask for a kernel of this name.
    const kernel = join(folder, "data", "kernels", "deno");
    await Deno.mkdir(kernel, { recursive: true });
    const spec = kernelSpec(deno, join(root, "build", LIBRARY));
    await Deno.writeTextFile(join(kernel, "kernel.json"), JSON.stringify(spec));
    await noQuestions(join(folder, "settings"));
    const child = new Deno.Command(python, {
      args: [
        ...[join(root, "tools", "run_jupyterlab.py"), folder],
        ...["--allow-root", "--ip=127.0.0.1"],
        // It would look for language servers through npm, which writes into the user's home.
        ...["--LanguageServerManager.autodetect=False", ...args],
      ],
      cwd: root,
      env: {
        IPYTHONDIR: join(folder, "ipython"),
        JUPYTER_CONFIG_DIR: join(folder, "config"),
        JUPYTER_DATA_DIR: join(folder, "data"),
        JUPYTER_PATH: "",
        JUPYTER_RUNTIME_DIR: join(folder, "runtime"),
        JUPYTERLAB_SETTINGS_DIR: join(folder, "settings"),
        JUPYTERLAB_WORKSPACES_DIR: join(folder, "workspaces"),
      },
      stdin: "piped",
      // A group of its own: the terminal's Ctrl-C comes to us, and we end it without a question.
      detached: Deno.build.os !== "windows",
    }).spawn();
    let ended = false;
    const status = child.status.finally(() => ended = true);
    const end = (): void => {
      if (!ended) child.kill("SIGTERM");
    };
    return {
      status,
      end,
      async [Symbol.asyncDispose]() {
        end();
        const insist = setTimeout(() => ended || child.kill("SIGKILL"), 20_000);
        await status;
        clearTimeout(insist);
        await child.stdin.close().catch(() => {});
        // It removed the folder itself, unless it was killed.
        await Deno.remove(folder, { recursive: true }).catch(() => {});
      },
    };
  } catch (error) {
    await Deno.remove(folder, { recursive: true });
    throw error;
  }
}

/** JupyterLab asks at its first start whether it shall fetch news; ours is always at its first. */
async function noQuestions(settings: string): Promise<void> {
  const folder = join(settings, "@jupyterlab", "apputils-extension");
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(
    join(folder, "notification.jupyterlab-settings"),
    JSON.stringify({ fetchNews: "false", checkForUpdates: false }),
  );
}
