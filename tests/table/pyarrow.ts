// pyarrow, which writes and reads files that dipper is compared with.

import { assert } from "@std/assert";
import type { Told } from "./plain_values.ts";

/** The interpreter of the tests' environment. */
export const PYTHON = Deno.env.get("DIPPER_TEST_PYTHON");

async function run<T>(...args: string[]): Promise<T> {
  const program = decodeURIComponent(new URL("arrow_files.py", import.meta.url).pathname);
  const command = new Deno.Command(PYTHON ?? "python3", { args: [program, ...args] });
  const { success, stdout, stderr } = await command.output();
  assert(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout)) as T;
}

/** Files of every type, and what is in them. */
export function writtenFiles(folder: string): Promise<Told[]> {
  return run("write", folder);
}

/** What pyarrow finds in files. */
export function readByPyarrow(...paths: string[]): Promise<Omit<Told, "name">[]> {
  return run("read", ...paths);
}

/** The columns that polars finds in files of text. */
export function readByPolars(...paths: string[]): Promise<Record<string, unknown[]>[]> {
  return run("polars", ...paths);
}
