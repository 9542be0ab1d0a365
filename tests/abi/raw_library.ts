/**
 * The library below `ffi/`, as only a broken caller would use it: raw symbols, and an own queue.
 *
 * Loads the library when it is imported. Within a test, Deno would count that as a leak.
 */
import { library } from "../../ffi/library.ts";
import { KIND, type QueueHandle, RECORD, STATUS, symbols } from "../../ffi/symbols.ts";

/** The library as `ffi/` loads it. */
export const loaded = library();

/** The exported functions, unchecked. */
export const raw = Deno.dlopen(loaded.path, symbols).symbols;

/** Every exported function by name, with whatever arguments. */
export const anyhow = raw as unknown as Record<string, (...args: unknown[]) => number>;

let woken = (): void => {};

/** A queue of this test's own. */
export const queue = loaded.checked(loaded.node.open(() => woken())) as QueueHandle;

/** A completion record. */
export interface Completion {
  operation: number;
  value: number;
  extent: number;
  kind: number;
  status: number;
  payload: string;
}

/** Text as bytes. */
export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** A message as bytes. */
export function json(message: unknown): Uint8Array<ArrayBuffer> {
  return utf8(JSON.stringify(message));
}

/** The details of the last error, and that there are none any more. */
export function lastError(): { status: number; message: string; operation: string } | undefined {
  const room = new Uint8Array(65536);
  const length = raw.dipper_last_error(room, room.length);
  return length === 0
    ? undefined
    : JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(room.subarray(0, length)));
}

/** The code behind a negative answer. */
export function codeOf(answer: number): string {
  const known: Record<number, { code: string } | undefined> = STATUS;
  return answer >= 0 ? "none" : known[-answer]?.code ?? `unknown status ${-answer}`;
}

/** Submits operations and returns their handles. */
export function submit(requests: readonly unknown[]): number[] {
  const handles = new Float64Array(requests.length);
  const message = json(requests.map((request) => ({ granted: [], request })));
  loaded.checked(
    raw.dipper_submit(
      queue,
      message,
      message.byteLength,
      new Uint8Array(handles.buffer),
      handles.byteLength,
    ),
  );
  return [...handles];
}

/** All records that are ready. */
export function drain(room: Uint8Array<ArrayBuffer> = new Uint8Array(1 << 20)): Completion[] {
  const completions: Completion[] = [];
  while (true) {
    const written = loaded.checked(raw.dipper_drain(queue, room, room.byteLength));
    if (written === 0) return completions;
    const data = new DataView(room.buffer, room.byteOffset, written);
    for (let at = 0; at < written;) {
      const length = data.getUint32(at + RECORD.payload, true);
      completions.push({
        operation: data.getFloat64(at + RECORD.operation, true),
        value: data.getFloat64(at + RECORD.value, true),
        extent: data.getFloat64(at + RECORD.extent, true),
        kind: data.getUint32(at + RECORD.kind, true),
        status: data.getUint32(at + RECORD.status, true),
        payload: new TextDecoder().decode(
          room.subarray(at + RECORD.size, at + RECORD.size + length),
        ),
      });
      at += RECORD.size + Math.ceil(length / 8) * 8;
    }
  }
}

/** Waits, woken by the library alone, until so many operations have ended. */
export async function ended(count: number): Promise<Completion[]> {
  const completions: Completion[] = [];
  // Keeps the event loop alive: nothing else waits.
  const alive = setInterval(() => {}, 1000);
  const deadline = performance.now() + 20_000;
  try {
    while (true) {
      const wake = new Promise<void>((resolve) => woken = resolve);
      const late = Promise.withResolvers<void>();
      const timer = setTimeout(late.resolve, 5_000);
      completions.push(...drain());
      const ends = completions.filter(({ kind }) => kind < KIND.Progress);
      if (ends.length >= count) {
        clearTimeout(timer);
        return completions;
      }
      await Promise.race([wake, late.promise]);
      clearTimeout(timer);
      if (performance.now() > deadline) throw new Error(`${ends.length} of ${count} ended`);
    }
  } finally {
    woken = () => {};
    clearInterval(alive);
  }
}
