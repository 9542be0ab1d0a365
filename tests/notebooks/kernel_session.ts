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
  /** And so many seconds later. */
  stopDelay?: number;
  /** How long, in seconds, no output comes before the cell is over. Default: 0.3. */
  quiet?: number;
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
  /** What the kernel answered, if it did. */
  reply: { status: "ok" | "error"; ename: string | null; evalue: string | null } | null;
  /** Whether the kernel reported the end of the cell. */
  ended: boolean;
  /** Whether the kernel lived afterwards. */
  alive: boolean;
  seconds: number;
  /** From the last Stop to the end of the cell. */
  secondsAfterStop: number | null;
}

/**
 * Runs the steps in one kernel; ends early when the kernel ends.
 *
 * @throws When a cell does not end in its time, though the kernel lives.
 */
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
    const told = JSON.parse(new TextDecoder().decode(stdout)) as Told[];
    const index = told.findIndex(({ ended, alive }) => alive && !ended);
    if (index !== -1) throw new Error(unended(told[index]!, steps[index]!));
    return told;
  } finally {
    await Deno.remove(script);
  }
}

function unended({ seconds, outputs }: Told, step: Step): string {
  const code = "code" in step ? step.code.trim() : "";
  return `the kernel lives, but a cell did not end in ${seconds.toFixed(1)} s:\n${code}\n` +
    `it put out ${JSON.stringify(outputs)}`;
}

/** Why a step did not end well, for a message: whether the kernel ended, or was not there any more. */
export function whyNot(told: Told | undefined): string {
  if (told === undefined) return "it was not run: the kernel had ended before";
  const { alive, seconds, outputs } = told;
  const state = alive ? "the kernel lives" : `the kernel ended after ${seconds.toFixed(1)} s`;
  return `${state}; outputs: ${JSON.stringify(outputs)}`;
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
