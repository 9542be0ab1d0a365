// Functions of the program that the native side may run: one that gives credentials, one that looks
// at what the credential chain may see. A function crosses as a number; what it gives goes down as
// a message.

/** What a function gave, or why it failed. */
export type ProgramAnswer = { given: unknown } | { failed: string };

const functions = new Map<number, () => unknown>();
let last = 0;

/** Gives a function a number until it is forgotten. */
export function nameFunction(run: () => unknown): number {
  functions.set(++last, run);
  return last;
}

/** Forgets a function; whoever waits for it still gets its answer. */
export function forgetFunction(name: number): void {
  functions.delete(name);
}

/** Runs a function. Never rejects: what it throws becomes part of the answer. */
export async function runFunction(name: number): Promise<ProgramAnswer> {
  const run = functions.get(name);
  if (run === undefined) return { failed: "the client that it belongs to was disposed" };
  try {
    return { given: await run() };
  } catch (error) {
    return { failed: reasonOf(error) };
  }
}

function reasonOf(error: unknown): string {
  try {
    const text = String(error instanceof Error ? error.message || error.name : error);
    return (text.length > 500 ? `${text.slice(0, 500)}\u2026` : text).toWellFormed();
  } catch {
    return "it threw something that cannot be shown";
  }
}
