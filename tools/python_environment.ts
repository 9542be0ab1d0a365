/**
 * The Python that runs boto3 and drives the kernel: a virtual environment in `.cache/venv` with the
 * versions that `tests/requirements.txt` pins. Nothing outside the clone is touched.
 *
 * @module
 */
import { join, relative } from "node:path";
import { type CommandOptions, exists, run, say, Unavailable } from "./commands.ts";
import { root } from "./repository.ts";

const requirements = join(root, "tests", "requirements.txt");

/** The environment's folder. */
export const environmentFolder: string = join(root, ".cache", "venv");

/** The path of a program in the environment, whether or not it exists. */
export function environmentProgram(name: string): string {
  return programIn(environmentFolder, name);
}

function programIn(folder: string, name: string): string {
  return Deno.build.os === "windows"
    ? join(folder, "Scripts", `${name}.exe`)
    : join(folder, "bin", name);
}

/**
 * The path of a Python that has the tests' packages.
 *
 * @throws {Unavailable} when Python or a package cannot be had.
 */
export function pythonEnvironment(options: CommandOptions = {}): Promise<string> {
  return virtualEnvironment(environmentFolder, requirements, options);
}

/**
 * The path of the Python of a virtual environment that has the packages of a requirements file, made
 * if it is not there.
 *
 * @throws {Unavailable} when Python or a package cannot be had.
 */
export async function virtualEnvironment(
  folder: string,
  requirements: string,
  { signal }: CommandOptions = {},
): Promise<string> {
  const python = programIn(folder, "python");
  const wanted = await Deno.readTextFile(requirements);
  const mark = join(folder, "installed-requirements.txt");
  const installed = await Deno.readTextFile(mark).catch(() => undefined);
  if (installed === wanted && await exists(python, "--version")) return python;

  say(`Setting up Python in ${relative(root, folder)}; this takes about a minute, once.`);
  const options = { signal };
  const base = await findPython();
  // `--clear` only when it is broken: the user may have added JupyterLab to it.
  const clear = await exists(python, "--version") ? [] : ["--clear"];
  if (!(await run(base, ["-m", "venv", ...clear, folder], options)).success) {
    throw new Unavailable("python -m venv failed; on Debian or Ubuntu install python3-venv");
  }
  const install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
  if (!(await run(python, [...install, "--requirement", requirements], options)).success) {
    throw new Unavailable(`pip could not install ${relative(root, requirements)}; see above`);
  }
  await Deno.writeTextFile(mark, wanted);
  return python;
}

async function findPython(): Promise<string> {
  for (const name of ["python3", "python"]) {
    if (await exists(name, "-c", "import sys; sys.exit(sys.version_info < (3, 10))")) return name;
  }
  throw new Unavailable("Python 3.10 or newer is not on PATH; install it from https://python.org");
}
