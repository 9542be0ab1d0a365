/**
 * Finds the real data that the notebooks, the demo and some tests read: the data files of the npm
 * package `vega-datasets`. Deno has already fetched the package when this module is imported, so
 * nothing is downloaded here.
 *
 * Notebooks import this file as `"sample_data"` (see `imports` in deno.json), because a cell has no
 * `import.meta` and its relative imports depend on where the kernel was started.
 */

// The import is what makes Deno fetch the package before its path is asked for.
import "vega-datasets";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** One file of the sample data. */
export interface SampleFile {
  /** The file's name, such as `flights-200k.arrow`. */
  readonly name: string;
  /** Its absolute path on this machine. */
  readonly path: string;
  /** Its size in bytes. */
  readonly size: number;
}

/** The absolute path of the folder that holds the data files. */
export function sampleDirectory(): string {
  const entry = fileURLToPath(import.meta.resolve("vega-datasets"));
  return join(dirname(entry), "..", "data");
}

/** The data files, sorted by name. */
export async function sampleFiles(): Promise<SampleFile[]> {
  const directory = sampleDirectory();
  const files: SampleFile[] = [];
  for await (const entry of Deno.readDir(directory)) {
    if (!entry.isFile) continue;
    const path = join(directory, entry.name);
    files.push({ name: entry.name, path, size: (await Deno.stat(path)).size });
  }
  return files.sort((a, b) => a.name < b.name ? -1 : 1);
}
