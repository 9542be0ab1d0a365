/**
 * Installs the kernel "Deno (dipper)" for the user who asks for it: `deno task kernel`, and
 * `deno task kernel --remove` takes it back. Nothing else is touched.
 *
 * It is Deno's own kernel, started with what dipper can use: the absolute path of this Deno, V8's
 * immutable buffers for `adopt({ immutable: true })`, and the place of dipper's library.
 * Jupyter finds it in its data folder: `JUPYTER_DATA_DIR` where that is set, as for Jupyter itself.
 *
 * @module
 */
import { join } from "node:path";
import { deno, root } from "./repository.ts";

/** The kernel's name, which notebooks may ask for. */
export const KERNEL = "dipper";

/** The file name of the library on this system. */
export const LIBRARY: string = {
  linux: "libdipper.so",
  darwin: "libdipper.dylib",
  windows: "dipper.dll",
}[Deno.build.os as string] ?? "libdipper.so";

/** The folder of the user's Jupyter, as Jupyter itself finds it. */
export function jupyterData(get: (name: string) => string | undefined = Deno.env.get): string {
  const given = get("JUPYTER_DATA_DIR");
  if (given) return given;
  const home = get(Deno.build.os === "windows" ? "USERPROFILE" : "HOME") ?? ".";
  if (Deno.build.os === "windows") {
    return join(get("APPDATA") ?? join(home, "AppData", "Roaming"), "jupyter");
  }
  if (Deno.build.os === "darwin") return join(home, "Library", "Jupyter");
  return join(get("XDG_DATA_HOME") || join(home, ".local", "share"), "jupyter");
}

/** The kernelspec. */
export function kernelSpec(program: string, library: string): Record<string, unknown> {
  return {
    argv: [program, "jupyter", "--kernel", "--conn", "{connection_file}"],
    display_name: "Deno (dipper)",
    language: "typescript",
    env: { DENO_V8_FLAGS: "--js-immutable-arraybuffer", DIPPER_LIBRARY: library },
  };
}

/** Writes the kernelspec; returns its folder. */
export async function installKernel(): Promise<string> {
  const folder = join(jupyterData(), "kernels", KERNEL);
  await Deno.mkdir(folder, { recursive: true });
  const spec = kernelSpec(deno, join(root, "build", LIBRARY));
  await Deno.writeTextFile(join(folder, "kernel.json"), `${JSON.stringify(spec, undefined, 2)}\n`);
  return folder;
}

/** Removes the kernelspec; returns its folder, or nothing when it was not there. */
export async function removeKernel(): Promise<string | undefined> {
  const folder = join(jupyterData(), "kernels", KERNEL);
  try {
    await Deno.remove(folder, { recursive: true });
    return folder;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

if (import.meta.main) {
  const [flag, ...more] = Deno.args;
  if (more.length > 0 || (flag !== undefined && flag !== "--remove")) {
    console.error("usage: deno task kernel [--remove]");
    Deno.exit(2);
  }
  if (flag === "--remove") {
    const removed = await removeKernel();
    console.log(removed === undefined ? "There was no such kernel." : `Removed ${removed}`);
  } else {
    console.log(`Installed the kernel "Deno (dipper)" in ${await installKernel()}`);
    console.log("Choose it in JupyterLab or VS Code; deno task kernel --remove takes it back.");
  }
}
