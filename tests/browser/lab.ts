/**
 * JupyterLab in headless Chromium, driven as a person drives it: one `deno task notebook`, one
 * browser, and one page at a time with a notebook in it.
 *
 * `DIPPER_TEST_JUPYTERLAB` and `DIPPER_TEST_CHROMIUM` say that both can be had, and where the browser
 * is; `deno task test` sets them. What is waited for is a condition, never a time.
 */

import { type Browser, chromium, type Page } from "playwright-core";
import { join } from "node:path";
import { root } from "../../tools/repository.ts";

/** The browser's program; without it and JupyterLab nothing can be looked at. */
export const browserProgram: string | undefined = Deno.env.get("DIPPER_TEST_JUPYTERLAB") &&
  Deno.env.get("DIPPER_TEST_CHROMIUM");

/** How long anything may take on a busy machine. */
const PATIENCE = 180_000;

/** How wide an output is: that of a wide window, and of one beside other windows. */
export const WIDTHS = { wide: 900, narrow: 420 } as const;

/** JupyterLab's themes, by what they are to the eye. */
export const THEMES = { light: "JupyterLab Light", dark: "JupyterLab Dark" } as const;

/** A theme. */
export type Theme = keyof typeof THEMES;

/** A code cell of a notebook. */
export interface Cell {
  id: string;
  code: string;
}

/** A running `deno task notebook` and a browser. */
export class Lab implements AsyncDisposable {
  readonly #running: AsyncDisposableStack;
  readonly #browser: Browser;
  readonly #process: Deno.ChildProcess;
  /** What JupyterLab wrote so far. */
  readonly #log: { text: string };

  private constructor(
    /** With a slash at its end. */
    readonly url: string,
    readonly token: string,
    /** JupyterLab's folder, inside the repository so that Deno finds its configuration. */
    readonly folder: string,
    /** The home of its user, empty at first. */
    readonly home: string,
    browser: Browser,
    process: Deno.ChildProcess,
    log: { text: string },
    running: AsyncDisposableStack,
  ) {
    this.#browser = browser;
    this.#process = process;
    this.#log = log;
    this.#running = running;
  }

  /** Starts both. */
  static async start(): Promise<Lab> {
    if (browserProgram === undefined) throw new Error("DIPPER_TEST_CHROMIUM is not set");
    await using undo = new AsyncDisposableStack();
    const temporary = async (dir?: string): Promise<string> => {
      const folder = await Deno.makeTempDir({ prefix: "dipper-browser-", ...(dir && { dir }) });
      undo.defer(() => Deno.remove(folder, { recursive: true }));
      return folder;
    };
    const folder = await temporary(join(root, ".cache"));
    const home = await temporary();
    await Deno.symlink(join(root, "notebooks"), join(folder, "notebooks"));

    const { denoDir } = JSON.parse(await outputOf(["info", "--json"])) as { denoDir: string };
    const process = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--allow-all", join(root, "tools", "notebook.ts")],
        ...["--no-browser", "--expose-app-in-browser", `--ServerApp.root_dir=${folder}`],
        join(folder, "notebooks", "01_tour.ipynb"),
      ],
      env: { HOME: home, DENO_DIR: denoDir },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const log = { text: "" };
    const reading = (async () => {
      for await (const piece of process.stderr.pipeThrough(new TextDecoderStream())) {
        log.text += piece;
      }
    })();
    let ended = false;
    const status = process.status.finally(() => ended = true);
    undo.defer(async () => {
      if (!ended) process.kill("SIGINT");
      await status;
      await reading;
    });

    const address = /(http:\/\/127\.0\.0\.1:\d+\/)lab\S*[?&]token=([0-9a-f]+)/;
    await until("JupyterLab says its address", () => {
      if (ended) throw new Error(`JupyterLab ended:\n${log.text}`);
      return address.test(log.text);
    });
    const [, url = "", token = ""] = address.exec(log.text) ?? [];

    const browser = await chromium.launch({
      executablePath: browserProgram,
      // Text in greys only: pictures are smaller, and alike on every machine.
      args: ["--disable-gpu", "--disable-lcd-text", "--font-render-hinting=none"],
      timeout: PATIENCE,
    });
    undo.defer(() => browser.close());
    const lab = new Lab(url, token, folder, home, browser, process, log, undo.move());
    try {
      // All cells are laid out, also those outside the window, and nothing is saved.
      await lab.#setting("notebook-extension:tracker", { windowingMode: "none" });
      await lab.#setting("docmanager-extension:plugin", { autosave: false });
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
    return lab;
  }

  async #setting(name: string, values: unknown): Promise<void> {
    const response = await fetch(`${this.url}lab/api/settings/@jupyterlab/${name}`, {
      method: "PUT",
      headers: { authorization: `token ${this.token}` },
      body: JSON.stringify({ raw: JSON.stringify(values) }),
    });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`JupyterLab refuses a setting: ${response.status}`);
  }

  /** What the server answers to a request of its API. */
  async api(path: string): Promise<unknown> {
    const response = await fetch(`${this.url}api/${path}`, {
      headers: { authorization: `token ${this.token}` },
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return await response.json();
  }

  /** Writes a notebook of these cells and opens it. */
  async open(name: string, cells: Cell[]): Promise<NotebookPage> {
    const notebook = {
      cells: cells.map(({ id, code }) => ({
        cell_type: "code",
        execution_count: null,
        id,
        metadata: {},
        outputs: [],
        source: code,
      })),
      metadata: { kernelspec: { display_name: "Deno", language: "typescript", name: "deno" } },
      nbformat: 4,
      nbformat_minor: 5,
    };
    await Deno.writeTextFile(join(this.folder, `${name}.ipynb`), JSON.stringify(notebook));
    return await this.openFile(`${name}.ipynb`);
  }

  /** Opens a notebook of JupyterLab's folder and waits for its kernel. */
  async openFile(path: string): Promise<NotebookPage> {
    const page = await this.#browser.newPage({ viewport: { width: WIDTHS.wide, height: 900 } });
    page.setDefaultTimeout(PATIENCE);
    const opened = new NotebookPage(page);
    await page.goto(`${this.url}lab/tree/${path}?reset&token=${this.token}`);
    await page.waitForSelector(".jp-Notebook .jp-Cell");
    await opened.settle();
    await opened.width(WIDTHS.wide);
    return opened;
  }

  /** Presses Ctrl-C and waits for the end; returns how it ended and what JupyterLab said. */
  async interrupt(): Promise<{ code: number; log: string }> {
    await this.#browser.close();
    this.#process.kill("SIGINT");
    const { code } = await this.#process.status;
    return { code, log: this.#log.text };
  }

  /** Ends both, and removes their folders. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running.disposeAsync();
  }
}

// What follows is evaluated in the page, whose types Deno does not know.
const PANEL = "jupyterapp.shell.currentWidget";
const KERNEL = `${PANEL}.sessionContext.session.kernel`;

/**
 * A timer of JupyterLab's that takes its splash screen away, alone on the stack. On a busy machine the
 * splash ends twice within 200 ms, and the second timer finds none. dipper's displays run no code.
 */
const SPLASH_GONE =
  /^NotFoundError: Failed to execute 'removeChild' on 'Node': [^\n]*\n +at \S+\/static\/lab\/jlab_core\.\S+$/;

/** An open notebook. */
export class NotebookPage implements AsyncDisposable {
  /** Errors on the page's console, exceptions and dialogs of JavaScript. */
  readonly complaints: string[] = [];

  constructor(readonly page: Page) {
    page.on("console", (message) => {
      // A connection that a busy machine lost and JupyterLab made anew is no error of ours.
      if (message.type() === "error" && !/WebSocket|net::ERR_/.test(message.text())) {
        this.complaints.push(`${message.text()} (${message.location().url})`);
      }
    });
    page.on("pageerror", (error) => {
      const complaint = String(error.stack ?? error);
      if (!SPLASH_GONE.test(complaint)) this.complaints.push(complaint);
    });
    page.on("dialog", async (dialog) => {
      this.complaints.push(`a dialog: ${dialog.message()}`);
      await dialog.dismiss();
    });
  }

  /** Waits until JupyterLab has restored itself and the kernel is idle. */
  async settle(): Promise<void> {
    await this.page.waitForFunction("globalThis.jupyterapp !== undefined");
    await this.page.evaluate("jupyterapp.restored.then(() => undefined)");
    await this.page.waitForFunction(
      `${PANEL}?.sessionContext?.isReady && ${PANEL}.context.isReady &&
       ${KERNEL}?.status === "idle"`,
    );
  }

  /** Runs a command of JupyterLab's. */
  async command(name: string, args: Record<string, unknown> = {}): Promise<void> {
    await this.page.evaluate(
      `jupyterapp.commands.execute(${JSON.stringify(name)}, ${JSON.stringify(args)})
        .then(() => undefined)`,
    );
  }

  /** Shows JupyterLab in a theme. */
  async theme(theme: Theme): Promise<void> {
    await this.command("apputils:change-theme", { theme: THEMES[theme] });
    await this.page.waitForFunction(
      `document.body.dataset.jpThemeLight === "${theme === "light"}"`,
    );
  }

  /** Only the notebook, without the panels beside it, in a window of this width. */
  async width(width: number): Promise<void> {
    await this.page.setViewportSize({ width, height: 900 });
    await this.page.evaluate("jupyterapp.shell.collapseLeft(); jupyterapp.shell.collapseRight();");
  }

  /** Starts a cell and does not wait for it. */
  async start(id: string): Promise<void> {
    const found = await this.page.evaluate(`(() => {
      const notebook = ${PANEL}.content;
      const index = notebook.widgets.findIndex((cell) => cell.model.id === ${JSON.stringify(id)});
      if (index === -1) return false;
      notebook.deselectAll();
      notebook.activeCellIndex = index;
      void jupyterapp.commands.execute("notebook:run-cell");
      return true;
    })()`);
    if (!found) throw new Error(`there is no cell "${id}"`);
  }

  /** Runs a cell to its end. */
  async run(id: string): Promise<void> {
    await this.start(id);
    await this.ended(id);
  }

  /** Waits until a cell has ended. */
  async ended(id: string): Promise<void> {
    await this.until(`the cell "${id}" ends`, async () => {
      const prompt = await this.page.evaluate(
        `${cell(id)}.node.querySelector(".jp-InputPrompt").textContent`,
      ) as string;
      return /\[\d+\]/.test(prompt) && await this.page.evaluate(`${KERNEL}.status`) === "idle";
    });
  }

  /** Runs all cells, as the menu does. */
  async runAll(): Promise<void> {
    await this.page.evaluate(`void jupyterapp.commands.execute("notebook:run-all-cells")`);
    await this.until("all cells end", async () => {
      const failed = await this.errors();
      // The cells behind it never run.
      if (failed.length > 0) throw new Error(`a cell failed: ${failed.join("\n")}`);
      return await this.page.evaluate(
        `${PANEL}.content.widgets.every((cell) => cell.model.type !== "code" ||
           /\\[\\d+\\]/.test(cell.node.querySelector(".jp-InputPrompt").textContent))`,
      ) === true;
    });
  }

  /**
   * Waits for a condition. Deno's kernel (2.9.6) loses a wake now and then, and sends what a cell put
   * out only when something reaches it: so it is asked for its name now and then.
   */
  async until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    let looked = 0;
    await until(what, async () => {
      if (++looked % 20 === 0) await this.page.evaluate(`void ${KERNEL}.requestKernelInfo()`);
      return await condition();
    });
  }

  /** What a cell put out, as text that a reader sees. */
  async shown(id: string): Promise<string> {
    return await this.page.evaluate(`${outputs(id)}?.innerText ?? ""`) as string;
  }

  /** How many outputs a cell has. */
  async outputCount(id: string): Promise<number> {
    return await this.page.evaluate(`${cell(id)}.outputArea.model.length`) as number;
  }

  /** The errors that cells ended with. */
  async errors(): Promise<string[]> {
    return await this.page.evaluate(
      `[...document.querySelectorAll('[data-mime-type="application/vnd.jupyter.stderr"],' +
        '[data-mime-type="application/vnd.jupyter.error"]')].map((node) => node.innerText)`,
    ) as string[];
  }

  /** A value of an expression about the element that holds a cell's outputs, which is `node`. */
  async ask<T>(id: string, expression: string): Promise<T> {
    return await this.page.evaluate(`((node) => ${expression})(${outputs(id)})`) as T;
  }

  /** A picture of a cell's outputs. */
  async picture(id: string, path: string): Promise<void> {
    // The pointer lies elsewhere: no row is marked, no tooltip shown.
    await this.page.mouse.move(0, 0);
    const selector = `[data-dipper-cell="${id}"]`;
    await this.page.evaluate(`${outputs(id)}.setAttribute("data-dipper-cell", "${id}")`);
    await this.page.locator(selector).screenshot({ path, animations: "disabled" });
  }

  /** A picture of the whole notebook, as high as it is. */
  async wholePicture(path: string): Promise<void> {
    const size = this.page.viewportSize() ?? { width: WIDTHS.wide, height: 900 };
    const height = await this.page.evaluate(
      `document.querySelector(".jp-WindowedPanel-outer").scrollHeight`,
    ) as number;
    await this.page.setViewportSize({ width: size.width, height: height + 120 });
    await this.page.evaluate(`document.querySelector(".jp-WindowedPanel-outer").scrollTop = 0`);
    await this.page.locator(".jp-NotebookPanel").screenshot({ path, animations: "disabled" });
    await this.page.setViewportSize(size);
  }

  /** Ends the notebook's kernel and closes the page. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.evaluate(`${PANEL}?.sessionContext?.shutdown()`).catch(() => {});
    await this.page.close({ runBeforeUnload: false });
  }
}

const cell = (id: string): string =>
  `${PANEL}.content.widgets.find((cell) => cell.model.id === ${JSON.stringify(id)})`;
const outputs = (id: string): string => `${cell(id)}.node.querySelector(".jp-Cell-outputArea")`;

/** Waits for a condition; fails by name after minutes. */
async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + PATIENCE; !await condition();) {
    if (Date.now() > deadline) throw new Error(`not after ${PATIENCE / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function outputOf(args: string[]): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args, stderr: "null" }).output();
  return new TextDecoder().decode(stdout);
}
