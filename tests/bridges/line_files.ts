// What tests of lines share: files that go away, and lines gathered in every form.

import { frames, type FramesOptions, lines, type LinesOptions, memory, type Source } from "dipper";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The bytes of a text, or bytes as they are. */
export function bytesOf(content: string | Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return typeof content === "string" ? encoder.encode(content) : content;
}

/** Runs with a file that is gone afterwards. */
export async function withFile<T>(
  content: string | Uint8Array<ArrayBuffer>,
  run: (path: string) => Promise<T>,
  suffix = "",
): Promise<T> {
  const path = await Deno.makeTempFile({ prefix: "dipper_lines_", suffix });
  try {
    await Deno.writeFile(path, bytesOf(content));
    return await run(path);
  } finally {
    await Deno.remove(path);
  }
}

/** The lines of a source as text. */
export async function textOf(source: Source, options: LinesOptions = {}): Promise<string[]> {
  return await Array.fromAsync(lines(source, { ...options, as: "text", batch: false }));
}

/** The forms in which lines come. */
export const FORMS: readonly LinesOptions[] = [
  {},
  { batch: true },
  { as: "bytes" },
  { as: "bytes", batch: true },
  { encoding: "lossy", batch: true },
];

/** The lines of a source in one form, each as text; they are also put where one says. */
export async function gathered(
  source: Source,
  options: LinesOptions,
  found: string[] = [],
): Promise<string[]> {
  for await (const one of lines(source, options) as AsyncIterable<unknown>) {
    if (typeof one === "string") found.push(one);
    else if (Array.isArray(one)) { for (const line of one) found.push(line); }
    else if (one instanceof Uint8Array) found.push(decoder.decode(one));
    else {
      const { bytes, offsets } = one as { bytes: Uint8Array; offsets: Uint32Array };
      for (let at = 0; at + 1 < offsets.length; at++) {
        found.push(decoder.decode(bytes.subarray(offsets[at], offsets[at + 1])));
      }
    }
  }
  return found;
}

/** The messages of a source. */
export async function messagesOf(source: Source, options: FramesOptions): Promise<Uint8Array[]> {
  return await Array.fromAsync(frames(source, { ...options, batch: false } as FramesOptions));
}

/** What lines are, by the plainest means. */
export function plainSplit(text: string): string[] {
  const parts = text.split("\n");
  const last = parts.pop()!;
  const found = parts.map((part) => part.endsWith("\r") ? part.slice(0, -1) : part);
  return last === "" ? found : [...found, last];
}

/** Numbers that look random and are the same each time. */
export function* pseudoRandom(seed: number): Generator<number, never> {
  let state = seed >>> 0 || 1;
  while (true) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    yield state / 2 ** 32;
  }
}
