/**
 * Runs the notebooks in JupyterLab, as a user does with "Run All Cells", and takes pictures to look
 * at. Tests compare what cells put out; only eyes see whether it looks right.
 *
 *     deno run --allow-all tools/screenshot_notebooks.ts FOLDER [NOTEBOOK ...]
 *
 * It needs JupyterLab and Chromium. `JUPYTER` and `CHROMIUM` name their programs when they are not
 * `jupyter` and `chromium` on the path. The files stay as they are: JupyterLab does not save them.
 */

import { type Browser, chromium, type Page } from "npm:playwright-core@1.65.1";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const repository = join(dirname(fileURLToPath(import.meta.url)), "..");
const WIDTH = 1200;
const PICTURE_HEIGHT = 1400;
const PATIENCE = 120_000;

/** JupyterLab on a free port of 127.0.0.1, with a Deno kernel and settings of its own. */
class JupyterLab implements AsyncDisposable {
  private constructor(
    readonly url: string,
    private readonly process: Deno.ChildProcess,
    private readonly folder: string,
  ) {}

  static async start(): Promise<JupyterLab> {
    const folder = await Deno.makeTempDir({ prefix: "dipper-lab-" });
    const kernel = join(folder, "kernels", "deno");
    await Deno.mkdir(kernel, { recursive: true });
    const argv = [Deno.execPath(), "jupyter", "--kernel", "--conn", "{connection_file}"];
    const spec = { argv, display_name: "Deno", language: "typescript" };
    await Deno.writeTextFile(join(kernel, "kernel.json"), JSON.stringify(spec));

    await writeSettings(join(folder, "settings"));

    const port = freePort();
    const process = new Deno.Command(Deno.env.get("JUPYTER") ?? "jupyter", {
      args: [
        "lab",
        "--no-browser",
        "--allow-root",
        "--ip=127.0.0.1",
        `--port=${port}`,
        "--ServerApp.port_retries=0",
        `--ServerApp.root_dir=${repository}`,
        "--IdentityProvider.token=", // the port is local and closes with this program
      ],
      env: {
        JUPYTER_PATH: folder,
        JUPYTER_CONFIG_DIR: join(folder, "config"),
        JUPYTER_RUNTIME_DIR: join(folder, "runtime"),
        JUPYTERLAB_SETTINGS_DIR: join(folder, "settings"),
        JUPYTERLAB_WORKSPACES_DIR: join(folder, "workspaces"),
      },
      stdout: "null",
      stderr: "null",
    }).spawn();
    const lab = new JupyterLab(`http://127.0.0.1:${port}`, process, folder);
    await lab.#answers();
    return lab;
  }

  async #answers(): Promise<void> {
    const deadline = Date.now() + PATIENCE;
    while (Date.now() < deadline) {
      try {
        const response = await fetch(`${this.url}/api`);
        await response.body?.cancel();
        if (response.ok) return;
      } catch {
        // Nothing listens yet.
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    await this[Symbol.asyncDispose]();
    throw new Error(`JupyterLab did not answer at ${this.url}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill("SIGTERM");
    await this.process.status;
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** No question about news, no saving, and every cell laid out, also those outside the window. */
async function writeSettings(folder: string): Promise<void> {
  const settings = {
    "apputils-extension/notification": { fetchNews: "false", checkForUpdates: false },
    "docmanager-extension/plugin": { autosave: false },
    "notebook-extension/tracker": { windowingMode: "none" },
  };
  for (const [name, values] of Object.entries(settings)) {
    const path = join(folder, "@jupyterlab", `${name}.jupyterlab-settings`);
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.writeTextFile(path, JSON.stringify(values));
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function openNotebook(browser: Browser, lab: JupyterLab, path: string): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: WIDTH, height: 1000 } });
  await page.goto(`${lab.url}/lab/tree/${path}?reset`);
  await page.waitForSelector(".jp-Notebook .jp-Cell", { timeout: PATIENCE });
  await page.waitForSelector('.jp-Notebook-ExecutionIndicator[data-status="idle"]', {
    timeout: PATIENCE,
  });
  return page;
}

// What follows is evaluated in the page, whose types Deno does not know.
const prompts = `[...document.querySelectorAll(".jp-CodeCell .jp-InputPrompt")]
  .map((prompt) => prompt.textContent)`;
const started = `${prompts}.some((prompt) => /\\[(\\*|\\d+)\\]/.test(prompt))`;
const finished = `${prompts}.every((prompt) => /\\[\\d+\\]/.test(prompt))`;

async function runAll(page: Page): Promise<void> {
  // JupyterLab ignores the menu until its extensions have settled.
  for (let attempt = 0; attempt < 10 && !(await page.evaluate(started)); attempt++) {
    await page.locator(".jp-Notebook .jp-Cell").first().click();
    await page.click('.lm-MenuBar-itemLabel:has-text("Run")');
    await page.click('.lm-Menu-itemLabel:has-text("Run All Cells")');
    await page.waitForTimeout(2000);
  }
  await page.waitForFunction(finished, undefined, { timeout: PATIENCE });
}

/** Makes the window as high as the notebook. */
async function unroll(page: Page): Promise<void> {
  const height = await page.evaluate(
    `document.querySelector(".jp-WindowedPanel-outer").scrollHeight`,
  ) as number;
  await page.setViewportSize({ width: WIDTH, height: height + 120 });
  await page.evaluate(`document.querySelector(".jp-WindowedPanel-outer").scrollTop = 0`);
  await page.waitForTimeout(1000); // for the layout to settle
}

async function takePictures(page: Page, folder: string, name: string): Promise<void> {
  const panel = await page.locator(".jp-NotebookPanel:visible").boundingBox();
  if (panel === null) throw new Error(`${name} is not visible`);
  for (let top = 0, part = 1; top < panel.height; top += PICTURE_HEIGHT, part++) {
    const height = Math.min(PICTURE_HEIGHT, panel.height - top);
    const path = join(folder, `${name}_${part}.png`);
    await page.screenshot({
      path,
      clip: { x: panel.x, y: panel.y + top, width: panel.width, height },
    });
    console.log(path);
  }
}

async function main([folder, ...chosen]: string[]): Promise<void> {
  if (folder === undefined) {
    console.error("usage: screenshot_notebooks.ts FOLDER [NOTEBOOK ...]");
    Deno.exit(2);
  }
  await Deno.mkdir(folder, { recursive: true });
  const all = [...Deno.readDirSync(join(repository, "notebooks"))]
    .filter((entry) => entry.name.endsWith(".ipynb"))
    .map((entry) => `notebooks/${entry.name}`).sort();
  await using lab = await JupyterLab.start();
  const browser = await chromium.launch({
    executablePath: await program(Deno.env.get("CHROMIUM") ?? "chromium"),
    args: ["--no-sandbox"],
  });
  try {
    for (const path of chosen.length > 0 ? chosen : all) {
      const page = await openNotebook(browser, lab, path);
      await runAll(page);
      await unroll(page);
      await takePictures(page, folder, basename(path, ".ipynb"));
      await page.close();
    }
  } finally {
    await browser.close();
  }
}

/** The absolute path of a program: Playwright looks nothing up on the path. */
async function program(name: string): Promise<string> {
  if (name.includes("/")) return name;
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    const path = join(folder, name);
    const found = await Deno.stat(path).then((info) => info.isFile, () => false);
    if (found) return path;
  }
  throw new Error(`${name} is not on the path; set CHROMIUM to Chromium's program`);
}

await main(Deno.args);
