// The kernel's own functions, where Deno keeps them: behind a symbol, and only inside the kernel.
// Outside, reading `Deno.jupyter` throws, so nothing here touches it.

/** What dipper uses of them. */
export interface KernelFunctions {
  /** Shows the value of a cell. The kernel reports the end of the cell once it has returned. */
  broadcastResult(...args: unknown[]): Promise<unknown>;
  /** Sends a message of Jupyter's to the front end. */
  broadcast?(
    type: string,
    content: Record<string, unknown>,
    extra?: { metadata?: Record<string, unknown> },
  ): Promise<void>;
}

/** The kernel's functions; `undefined` outside a kernel, in its Workers too. */
export function kernelFunctions(): KernelFunctions | undefined {
  const deno = Deno as unknown as Record<PropertyKey, unknown>;
  const internals = deno[deno.internal as symbol] as { jupyter?: KernelFunctions } | undefined;
  const kernel = internals?.jupyter;
  return typeof kernel?.broadcastResult === "function" ? kernel : undefined;
}

const listeners = new Set<() => void>();

/** Calls a function whenever a cell has ended well; returns what takes that back. */
export function onCellEnd(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Tells that a cell has ended well. */
export function cellEnded(): void {
  for (const listener of listeners) listener();
}
