/**
 * Runs cells in the real kernel through `kernel_session.py`: one kernel, cell after cell, with Stop
 * pressed amid them.
 */

import { join } from "node:path";
import { python, repository } from "./executed_notebook.ts";

/** A cell, or a restart of the kernel. */
export type Step = {
  code: string;
  /** When Stop is pressed, in seconds from the start of the cell. */
  stops?: number[];
  /** Stop is pressed once the cell has printed this. */
  stopAt?: string;
  /** Sent without waiting for the cell before. */
  together?: boolean;
  timeout?: number;
} | { restart: true };

/** What a cell put out: a message of Jupyter's. */
export interface Message {
  type: "stream" | "error" | "execute_result" | "display_data" | "update_display_data";
  name?: string;
  text?: string;
  ename?: string;
  evalue?: string;
  traceback?: string[];
  data?: Record<string, string>;
  transient?: { display_id?: string };
}

/** How a step went. */
export interface Told {
  outputs: Message[];
  /** Whether the kernel reported the end of the cell. */
  ended: boolean;
  /** Whether the kernel lived afterwards. */
  alive: boolean;
  seconds: number;
  /** From the last Stop to the end of the cell. */
  secondsAfterStop: number | null;
}

/** Runs the steps in one kernel; ends early when the kernel ends. */
export async function runInKernel(
  steps: Step[],
  { kernel = null, env = {} }: { kernel?: string | null; env?: Record<string, string> } = {},
): Promise<Told[]> {
  if (python === undefined) throw new Error("DIPPER_TEST_PYTHON is not set");
  const script = await Deno.makeTempFile({ suffix: ".json" });
  try {
    await Deno.writeTextFile(
      script,
      JSON.stringify({ kernel, cwd: join(repository, "notebooks"), steps }),
    );
    const { code, stdout, stderr } = await new Deno.Command(python, {
      args: [
        join(repository, "tests", "notebooks", "kernel_session.py"),
        script,
        "--deno",
        Deno.execPath(),
      ],
      env,
      stdout: "piped",
      stderr: "piped",
    }).output();
    if (code !== 0) throw new Error(new TextDecoder().decode(stderr));
    return JSON.parse(new TextDecoder().decode(stdout));
  } finally {
    await Deno.remove(script);
  }
}

/** What a step printed. */
export function printed({ outputs }: Told, name: "stdout" | "stderr" = "stdout"): string {
  return outputs.filter((output) => output.type === "stream" && output.name === name)
    .map(({ text }) => text ?? "").join("");
}

/** The error that a step ended with, if it did. */
export function errorOf({ outputs }: Told): Message | undefined {
  return outputs.find(({ type }) => type === "error");
}
