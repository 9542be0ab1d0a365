/**
 * Runs a notebook through `execute_notebook.py` and gives access to what each cell put out.
 *
 * `DIPPER_TEST_PYTHON` names a Python with the packages of `tests/requirements.txt`; `deno task test`
 * sets it.
 */

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root. */
export const repository: string = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** The Python that drives the kernel; without one the notebooks cannot be executed. */
export const python: string | undefined = Deno.env.get("DIPPER_TEST_PYTHON");

interface Cell {
  id: string;
  cell_type: "markdown" | "code";
  source: string | string[];
  outputs?: Output[];
}

interface Output {
  output_type: "stream" | "display_data" | "execute_result" | "error";
  name?: "stdout" | "stderr";
  text?: string | string[];
  data?: Record<string, string | string[]>;
}

const joined = (text: string | string[] | undefined): string => [text ?? ""].flat().join("");

/** A notebook as it lies in a file, with or without outputs. */
export class Notebook {
  readonly #cells: Cell[];

  constructor(json: string) {
    this.#cells = JSON.parse(json).cells;
  }

  /** The code of all cells, in order, as one module. */
  get code(): string {
    return this.#cells.filter((cell) => cell.cell_type === "code")
      .map((cell) => joined(cell.source)).join("\n");
  }

  /** How many outputs all cells have together. */
  get outputCount(): number {
    return this.#cells.reduce((sum, cell) => sum + (cell.outputs?.length ?? 0), 0);
  }

  /** Everything that the cells put out, in all media types. */
  get outputs(): string {
    return JSON.stringify(this.#cells.map((cell) => cell.outputs ?? []));
  }

  /** What the cell wrote with `console.log`. */
  stdout(id: string): string {
    return this.#outputs(id).filter((output) => output.name === "stdout")
      .map((output) => joined(output.text)).join("");
  }

  /** What the cell displayed in one media type; fails when it displayed nothing of that type. */
  displayed(id: string, mediaType: string): string {
    const found = this.#outputs(id).map((output) => output.data?.[mediaType])
      .filter((data) => data !== undefined);
    if (found.length === 0) throw new Error(`cell "${id}" displayed no ${mediaType}`);
    return found.map(joined).join("\n");
  }

  #outputs(id: string): Output[] {
    const cell = this.#cells.find((cell) => cell.id === id);
    if (cell === undefined) throw new Error(`the notebook has no cell "${id}"`);
    return cell.outputs ?? [];
  }
}

/** Reads a notebook of the repository as it is committed. */
export async function readNotebook(name: string): Promise<Notebook> {
  return new Notebook(await Deno.readTextFile(join(repository, "notebooks", name)));
}

/** A notebook of code cells, by id, as a file holds it. Those in `throwing` may fail. */
export function notebookOf(
  cells: Record<string, string>,
  throwing: readonly string[] = [],
): string {
  return JSON.stringify({
    cells: Object.entries(cells).map(([id, source]) => ({
      cell_type: "code",
      execution_count: null,
      id,
      metadata: throwing.includes(id) ? { tags: ["raises-exception"] } : {},
      outputs: [],
      source,
    })),
    metadata: { kernelspec: { display_name: "Deno", language: "typescript", name: "deno" } },
    nbformat: 4,
    nbformat_minor: 5,
  });
}

/**
 * Executes a notebook in the real kernel; throws with the traceback when a cell fails.
 * `stopAtIdle` loses the outputs that come after the kernel said "idle", as JupyterLab does.
 */
export async function executeNotebook(path: string, stopAtIdle = false): Promise<Notebook> {
  if (python === undefined) throw new Error("DIPPER_TEST_PYTHON is not set");
  const output = await Deno.makeTempFile({ suffix: ".ipynb" });
  try {
    const { code, stderr } = await new Deno.Command(python, {
      args: [
        join(repository, "tests", "notebooks", "execute_notebook.py"),
        path,
        output,
        "--deno",
        Deno.execPath(),
        "--cwd",
        join(repository, "notebooks"),
        ...(stopAtIdle ? ["--stop-at-idle"] : []),
      ],
      stdout: "null",
      stderr: "piped",
    }).output();
    if (code !== 0) throw new Error(new TextDecoder().decode(stderr));
    return new Notebook(await Deno.readTextFile(output));
  } finally {
    await Deno.remove(output);
  }
}

/** The address after a label, as a number. */
export function address(text: string, label: string): number {
  const found = new RegExp(`${label}\\s*(0x[0-9a-f]+)`).exec(text);
  if (found?.[1] === undefined) throw new Error(`no address after "${label}" in:\n${text}`);
  return Number(found[1]);
}

/** The number after a label. */
export function figure(text: string, label: string): number {
  const found = new RegExp(`${label}\\s*(-?[0-9]+)`).exec(text);
  if (found?.[1] === undefined) throw new Error(`no number after "${label}" in:\n${text}`);
  return Number(found[1]);
}
