/**
 * The notebooks and the displays in JupyterLab under headless Chromium: what a person sees and
 * presses, from one `deno task notebook`.
 *
 * `DIPPER_TEST_PICTURES` names a folder that keeps the pictures.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { join } from "node:path";
import { root } from "../../tools/repository.ts";
import { EXHIBITS, openGallery, PICTURED, pictureName, PROGRESS } from "./gallery.ts";
import { browserProgram, Lab, type NotebookPage, type Theme, WIDTHS } from "./lab.ts";
import { type Flaw, FLAWS } from "./legibility.ts";

const THEMES = ["light", "dark"] as const;

/** Text that is dangerous wherever it is taken for something else than text. */
const HOSTILE = [
  "<script>window.dipperExecuted = 1</script>",
  `"><img src=x onerror="window.dipperExecuted = 1">`,
  `' onmouseover='window.dipperExecuted = 1' x='`,
  "</pre></style></textarea><svg onload=window.dipperExecuted=1>",
  "[x](javascript:window.dipperExecuted=1) \u0001\u0007\u001b[31m\u202egnp.exe",
];

/** Cells that show hostile text in every place that a name or a content can be. */
const HOSTILE_CELLS = Object.entries({
  keys: `const hostile = ${JSON.stringify(HOSTILE)};
    for (const text of hostile) await s3.file("s3://bucket/" + text).write(text + "\\n" + text);
    s3.list("s3://bucket/")`,
  file: `s3.file("s3://bucket/" + hostile[0])`,
  error: `await s3.file("s3://bucket/missing" + hostile[1]).bytes().catch((error) => error)`,
  thrown: `await s3.file("s3://bucket/missing" + hostile[1]).bytes()`,
  text: `await s3.file("s3://bucket/" + hostile[3]).bytes()`,
  csv: `await s3.file("s3://bucket/x.csv").write(
      hostile.map((text) => '"' + text.replaceAll('"', '""') + '",1').join("\\n"));
    await s3.file("s3://bucket/x.csv").bytes()`,
  json: `await s3.file("s3://bucket/x.json").write(
      JSON.stringify(Object.fromEntries(hostile.map((text) => [text, text]))));
    await s3.file("s3://bucket/x.json").bytes()`,
  svg: `await s3.file("s3://bucket/x.svg").write(
      '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>' +
      'window.parent.dipperExecuted = window.dipperExecuted = 1</script></svg>');
    await s3.file("s3://bucket/x.svg").bytes()`,
  html: `await s3.file("s3://bucket/x.html").write("<!doctype html><html>" + hostile.join(""));
    await s3.file("s3://bucket/x.html").bytes()`,
  megabyte: `await s3.file("s3://bucket/long").write(hostile.join(" ").repeat(4000));
    await s3.file("s3://bucket/long").bytes()`,
  metadata: `await s3.file("s3://bucket/m").write("m", {
      metadata: { note: hostile[0] + hostile[1] },
      contentType: "text/plain; x=" + hostile[0],
    }).catch((error) => error);
    await s3.file("s3://bucket/m").stat()`,
  failures: `await s3.deleteMany(hostile.map((text) => "s3://no-such-bucket/" + text),
      { onError: "collect" })`,
  progress: `(await file("http://127.0.0.1:" + slow.addr.port + "/" +
      encodeURIComponent(hostile[0])).bytes()).length;`,
}).map(([name, code]) => ({ id: `hostile-${name}`, code }));

// No leak sanitizers: the driver of the browser keeps timers and pipes of its own.
describe("JupyterLab under Chromium", {
  ignore: browserProgram === undefined,
  sanitizeOps: false,
  sanitizeResources: false,
}, () => {
  let lab: Lab;
  let pictures: string;
  let page: NotebookPage;
  let goOn: () => Promise<void>;

  beforeAll(async () => {
    pictures = Deno.env.get("DIPPER_TEST_PICTURES") ?? await Deno.makeTempDir();
    await Deno.mkdir(pictures, { recursive: true });
    lab = await Lab.start();
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
    if (!Deno.env.has("DIPPER_TEST_PICTURES")) await Deno.remove(pictures, { recursive: true });
  });

  it("opens a notebook with a kernel of its own", async () => {
    const specs = await lab.api("kernelspecs") as {
      kernelspecs: Record<string, { spec: { display_name: string; argv: string[] } }>;
    };
    assertEquals(specs.kernelspecs.deno?.spec.display_name, "Deno (dipper)");
    assertEquals(specs.kernelspecs.deno?.spec.argv[0], Deno.execPath());
    ({ page, goOn } = await openGallery(lab, [
      ...HOSTILE_CELLS,
      {
        id: "planted",
        code: `Deno.jupyter.html\`<script>window.dipperPlanted = 1</script>\``,
      },
      {
        id: "stopped",
        code: `const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
          await file("http://127.0.0.1:" + silent.addr.port + "/silence.bin").bytes();`,
      },
      { id: "next", code: `silent.close(); console.log(6 * 7, memory().operations);` },
    ]));
  });

  it("moves one bar in one output, and says at the end what was done", async () => {
    await page.ask(
      PROGRESS.id,
      `void (() => {
      window.dipperSeen = [];
      const look = () => {
        const bar = node.querySelector("[role=progressbar]");
        if (bar) dipperSeen.push([node.innerText, Number(bar.ariaValueNow), node.querySelectorAll(".jp-OutputArea-child").length]);
      };
      new MutationObserver(look).observe(node, { childList: true, subtree: true });
    })()`,
    );
    await page.start(PROGRESS.id);
    await page.until(
      "the bar stands at 60 %",
      async () => (await page.shown(PROGRESS.id)).includes("60 %"),
    );
    await takePictures(PROGRESS.id);
    assertEquals(await page.outputCount(PROGRESS.id), 1);
    await goOn();
    await page.ended(PROGRESS.id);
    await page.until(
      "the bar says what was done",
      async () => / in [\d.]+ m?s/.test(await page.shown(PROGRESS.id)),
    );
    const seen = await page.page.evaluate("dipperSeen") as [string, number, number][];
    const widths = seen.map(([, width]) => width);
    assert(new Set(widths).size >= 3, `the bar had ${new Set(widths).size} widths`);
    assertEquals(widths, widths.toSorted((a, b) => a - b));
    // The bar, and at the end the value of the cell.
    assert(await page.outputCount(PROGRESS.id) <= 2);
    assert(seen.every(([, , outputs]) => outputs <= 2));
  });

  it("ends a cell by the mouse on the Stop button, and runs the next", async () => {
    await page.start("stopped");
    await page.until(
      "the bar is there",
      async () => (await page.shown("stopped")).includes("silence.bin"),
    );
    await page.page.locator('.jp-NotebookPanel-toolbar [data-jp-item-name="interrupt"]').click();
    await page.ended("stopped");
    await page.until(
      "the cell says that it was stopped",
      async () => (await page.shown("stopped")).includes("the cell was stopped"),
    );
    assertStringIncludes(await page.shown("stopped"), "AbortError");
    await page.run("next");
    await page.until(
      "the next cell has its answer",
      async () => (await page.shown("next")).includes("42 0"),
    );
  });

  it("shows each display, with what a reader looks for", async () => {
    for (const { id, shows } of EXHIBITS) {
      await page.run(id);
      await page.until(`"${id}" shows itself`, async () => await page.outputCount(id) > 0);
      const text = await page.shown(id);
      for (const part of shows) assertStringIncludes(text, part, id);
    }
    const [width, height] = await page.ask<number[]>(
      "image",
      `(({ naturalWidth, naturalHeight }) => [naturalWidth, naturalHeight])(node.querySelector("img"))`,
    );
    assertEquals([width, height], [100, 100]);
  });

  for (const theme of THEMES) {
    for (const width of ["wide", "narrow"] as const) {
      it(`is legible in the ${theme} theme, ${width}`, async () => {
        await page.theme(theme);
        await page.width(WIDTHS[width]);
        const flaws: Record<string, Flaw[]> = {};
        for (const { id } of PICTURED) {
          const found = await page.ask<Flaw[]>(id, FLAWS);
          if (found.length > 0) flaws[id] = found;
          const name = width === "wide" ? pictureName(id, theme) : `${id}_${theme}_${width}.png`;
          if (id !== PROGRESS.id) await page.picture(id, join(pictures, name));
        }
        assertEquals(flaws, {});
      });
    }
  }

  it("shows hostile names and contents as text, and executes nothing", async () => {
    await page.theme("light");
    await page.width(WIDTHS.wide);
    // Such a page does execute scripts: what follows can fail.
    await page.run("planted");
    await page.until(
      "the planted script runs",
      async () => await page.page.evaluate("window.dipperPlanted") === 1,
    );

    for (const { id } of HOSTILE_CELLS) {
      await page.run(id);
      await page.until(`"${id}" shows something`, async () => await page.outputCount(id) > 0);
      const foreign = await page.ask<string[]>(
        id,
        `[...node.querySelectorAll("script, [onerror], [onload], [onmouseover], svg:not([data-icon]), iframe, ` +
          `a[href^='javascript']")]` +
          `.map((e) => e.outerHTML.slice(0, 200))`,
      );
      assertEquals(foreign, [], id);
      const html = await page.ask<number>(id, "node.innerHTML.length");
      assert(html < 1_200_000, `${id}: ${html} characters of HTML`);
    }
    // An image shows nothing of its source; everything else shows the text.
    for (const { id } of HOSTILE_CELLS.filter(({ id }) => id !== "hostile-svg")) {
      assertStringIncludes(await page.shown(id), "window.dipperExecuted", id);
    }
    assertStringIncludes(await page.shown("hostile-keys"), "\\u202e");
    for (const { id } of HOSTILE_CELLS) await page.picture(id, join(pictures, `${id}.png`));
    assertEquals(await page.page.evaluate("window.dipperExecuted"), undefined);
  });

  it("has nothing to complain about on the console", async () => {
    assertEquals(page.complaints, []);
    await page[Symbol.asyncDispose]();
  });

  for (const name of ["01_tour", "02_zero_copy", "03_bridges", "04_streaming", "05_tables"]) {
    it(`runs ${name} from top to bottom`, async () => {
      const before = await Deno.readTextFile(join(root, "notebooks", `${name}.ipynb`));
      await using notebook = await lab.openFile(`notebooks/${name}.ipynb`);
      await notebook.runAll();
      assertEquals(await notebook.errors(), []);
      for (const theme of THEMES) {
        await notebook.theme(theme);
        await notebook.wholePicture(join(pictures, `${name}_${theme}.png`));
      }
      assertEquals(notebook.complaints, []);
      assertEquals(await Deno.readTextFile(join(root, "notebooks", `${name}.ipynb`)), before);
    });
  }

  it("ends with Ctrl-C and leaves nothing: no server, no folder, no change of the home", async () => {
    const { code, log } = await lab.interrupt();
    assertEquals(code, 0, log);
    // Somebody else may have taken the port meanwhile, but does not know the token.
    assert(!await lab.api("kernelspecs").then(() => true, () => false), "the server still answers");
    const folder = /file:\/\/(\S+)\/runtime\/jpserver/.exec(log)?.[1];
    assert(folder !== undefined, log);
    assertEquals(await Deno.stat(folder).catch(() => undefined), undefined);
    assertEquals(await Array.fromAsync(Deno.readDir(lab.home)), []);
  });

  /** Pictures of what will not stay as it is. */
  async function takePictures(id: string): Promise<void> {
    for (const theme of THEMES as readonly Theme[]) {
      await page.theme(theme);
      await page.picture(id, join(pictures, pictureName(id, theme)));
    }
    await page.theme("light");
  }
});
