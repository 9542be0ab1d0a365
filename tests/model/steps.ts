/**
 * The reference model: what an S3 server and its client must do is what a `Map` does. A step is plain
 * data, so that a sequence can be made from a seed, shrunk, printed and pinned.
 */

import { assertEquals, fail } from "@std/assert";
import {
  type DipperError,
  InvalidInputError,
  NotFoundError,
  PreconditionFailedError,
  type S3Client,
  type S3File,
} from "dipper";
import { assertSameBytes, pattern } from "../storage/bytes.ts";

/** One operation. `match` asks for the ETag that the model has, or for one that nothing has. */
export type Step =
  | { do: "put"; key: string; size: number; seed: number; tag?: string; match?: Match | "none" }
  | { do: "delete"; key: string }
  | { do: "copy"; key: string; to: string }
  | { do: "get"; key: string; match?: Match }
  | { do: "into"; key: string; room: number }
  | { do: "stat"; key: string }
  | { do: "range"; key: string; start: number; end: number }
  | { do: "ranges"; key: string; ranges: [start: number, end: number][] }
  | { do: "stream"; key: string; chunk?: number }
  | { do: "getMany"; keys: string[]; ordered: boolean }
  | { do: "list"; prefix: string; delimiter?: string; startAfter?: string; limit?: number };
type Match = "right" | "wrong";

interface Held {
  data: Uint8Array<ArrayBuffer>;
  etag: string | undefined;
  metadata: Record<string, string>;
}

const KEYS = ["a", "b/1", "b/2", "b/c/3", "sp ace+", "ünï/🚰", "z?#%41", "z/z"];
const PREFIXES = ["", "b/", "z", "b/c/3", "nothing"];
/** Less than a part, parts and a bit, and edges of them, for clients with parts of 64 KiB. */
const SIZES = [0, 1, 100, 5000, 65_535, 65_536, 65_537, 200_000];

/** Numbers that look random and follow from a seed (mulberry32). */
export function dice(seed: number): (sides: number) => number {
  let state = seed >>> 0;
  return (sides) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides;
  };
}

/** A sequence that follows from a seed. */
export function sequenceOf(seed: number, length: number): Step[] {
  const roll = dice(seed);
  const one = <T>(choices: readonly T[]): T => choices[roll(choices.length)]!;
  const sizes = new Map<string, number>();
  const match = (): { match?: Match } =>
    [{}, {}, { match: "right" }, { match: "wrong" }][roll(4)] as {
      match?: Match;
    };
  return Array.from({ length }, (): Step => {
    const key = one(KEYS);
    const size = sizes.get(key) ?? 10;
    const kind = roll(16);
    switch (kind) {
      case 0:
      case 1:
      case 2:
      case 3: {
        const step: Step = { do: "put", key, size: one(SIZES), seed: roll(1 << 30) };
        if (roll(2)) step.tag = String(roll(1000));
        const condition = roll(8);
        if (condition < 3) step.match = (["right", "wrong", "none"] as const)[condition]!;
        else sizes.set(key, step.size);
        return step;
      }
      case 4:
        sizes.delete(key);
        return { do: "delete", key };
      case 5:
        return { do: "stat", key };
      case 6:
        return { do: "into", key, room: size + roll(10) };
      case 7:
      case 8: {
        const at = (): number => roll(2 * size + 3) - size - 1;
        return { do: "range", key, start: at(), end: at() };
      }
      case 9: {
        const ranges = Array.from({ length: roll(6) }, (): [number, number] => {
          const start = roll(size + 1);
          return [start, start + roll(size - start + (roll(8) ? 1 : 2))];
        });
        return { do: "ranges", key, ranges };
      }
      case 10:
        return { do: "stream", key, ...(roll(2) ? { chunk: 1 + roll(100_000) } : {}) };
      case 11: {
        const keys = Array.from({ length: roll(12) }, () => one(KEYS));
        return { do: "getMany", keys, ordered: roll(2) === 0 };
      }
      case 12: {
        const step: Step = { do: "list", prefix: one(PREFIXES) };
        const more = roll(4);
        if (more === 0) step.delimiter = "/";
        if (more === 1) step.startAfter = one(KEYS);
        if (roll(4) === 0) step.limit = roll(KEYS.length);
        return step;
      }
      case 13:
      case 14:
        return { do: "get", key, ...match() };
      default:
        sizes.set(key, size);
        return { do: "copy", key, to: one(KEYS) };
    }
  });
}

/**
 * Runs a sequence on an empty bucket.
 *
 * @throws {Error} At the first step whose result is not the model's, with the step.
 */
export async function run(client: S3Client, bucket: string, steps: readonly Step[]): Promise<void> {
  const model = new Map<string, Held>();
  for (const [index, step] of steps.entries()) {
    try {
      await take(step, client, bucket, model);
    } catch (error) {
      fail(`step ${index}, ${JSON.stringify(step)}:\n${Deno.inspect(error)}`);
    }
  }
}

async function take(
  step: Step,
  client: S3Client,
  bucket: string,
  model: Map<string, Held>,
): Promise<void> {
  const at = (key: string): S3File => client.file({ bucket, key });
  switch (step.do) {
    case "put": {
      const held = model.get(step.key);
      if (step.match === "right" && held?.etag === undefined) return;
      const data = pattern(step.size, step.seed);
      const metadata: Record<string, string> = step.tag === undefined ? {} : { tag: step.tag };
      const write = at(step.key).write(data, {
        metadata,
        ...(step.match === "none"
          ? { ifNoneMatch: "*" }
          : step.match === undefined
          ? {}
          : { ifMatch: etagOf(step.match, held) }),
      });
      if (step.match === "wrong") {
        // Without an object there is nothing that the ETag could be of: both answers are S3's.
        return held === undefined ? await oneOf(write, NOT_THERE) : await refused(write);
      }
      if (step.match === "none" && held !== undefined) return await refused(write);
      model.set(step.key, { data, etag: (await write).etag, metadata });
      return;
    }
    case "delete":
      await at(step.key).delete();
      model.delete(step.key);
      return;
    case "copy": {
      // S3 refuses to copy an object onto itself with nothing changed.
      if (step.key === step.to) return;
      const from = at(step.key);
      const held = model.get(step.key);
      if (held === undefined) return await missing(from.copyTo(at(step.to)));
      const { etag } = await from.copyTo(at(step.to));
      model.set(step.to, { ...held, etag });
      return;
    }
    case "stat": {
      const held = model.get(step.key);
      assertEquals(await at(step.key).exists(), held !== undefined);
      if (held === undefined) return;
      const { size, etag, metadata } = await at(step.key).stat();
      assertEquals({ size, metadata }, { size: held.data.length, metadata: held.metadata });
      if (held.etag !== undefined) assertEquals(etag, held.etag);
      return;
    }
    case "get": {
      const held = model.get(step.key);
      const ifMatch = step.match === undefined ? {} : { ifMatch: etagOf(step.match, held) };
      const read = at(step.key).bytes(ifMatch);
      if (held === undefined) return await missing(read);
      if (step.match === "wrong") return await refused(read);
      return assertSameBytes(await read, held.data);
    }
    case "into": {
      const held = model.get(step.key);
      const read = at(step.key).into(new Uint8Array(step.room));
      if (held === undefined) return await missing(read);
      if (held.data.length > step.room) return await invalid(read);
      return assertSameBytes(await read, held.data);
    }
    case "range": {
      const held = model.get(step.key);
      const { start, end } = step;
      const read = at(step.key).slice(start, end).bytes();
      if (held === undefined) {
        // A slice that is empty whatever the object holds need not be asked for.
        const empty = start >= 0 === end >= 0 && end <= start;
        return empty ? await oneOf(read, NOT_THERE, true) : await missing(read);
      }
      return assertSameBytes(await read, held.data.slice(start, end));
    }
    case "ranges": {
      const held = model.get(step.key);
      const read = at(step.key).ranges(step.ranges);
      if (step.ranges.length === 0) return assertEquals(await read, []);
      if (step.ranges.every(([start, end]) => start === end)) {
        // Ranges of no bytes need not be asked for; then nobody knows what they lie outside of.
        return await oneOf(read, [...NOT_THERE, InvalidInputError], true);
      }
      if (held === undefined) return await missing(read);
      if (step.ranges.some(([, end]) => end > held.data.length)) return await invalid(read);
      const parts = await read;
      assertEquals(parts.length, step.ranges.length);
      for (const [index, [start, end]] of step.ranges.entries()) {
        assertSameBytes(parts[index]!, held.data.slice(start, end), `range ${start} to ${end}`);
      }
      return;
    }
    case "stream": {
      const held = model.get(step.key);
      const read = collected(at(step.key).stream(), step.chunk);
      if (held === undefined) return await missing(read);
      return assertSameBytes(await read, held.data);
    }
    case "getMany": {
      const uris: string[] = [];
      for await (const result of client.getMany(step.keys.map(at), { ordered: step.ordered })) {
        const index = step.keys.findIndex((key) => at(key).uri === result.uri);
        const held = model.get(step.keys[index]!);
        uris.push(result.uri);
        if ("error" in result) {
          if (held === undefined && result.error instanceof NotFoundError) continue;
          throw result.error;
        }
        assertSameBytes(result.bytes, held?.data ?? fail(`${result.uri} does not exist`));
      }
      const expected = step.keys.map((key) => at(key).uri);
      assertEquals(
        step.ordered ? uris : uris.toSorted(),
        step.ordered ? expected : expected.toSorted(),
      );
      return;
    }
    case "list": {
      const { prefix, do: _, ...options } = step;
      const entries = await client.list({ bucket, key: prefix }, options).toArray();
      const found = entries.map((entry) => "key" in entry ? [entry.key, entry.size] : [entry.uri]);
      assertEquals(found, expectedEntries(step, bucket, model));
      return;
    }
  }
}

function expectedEntries(
  { prefix, delimiter, startAfter, limit }: Extract<Step, { do: "list" }>,
  bucket: string,
  model: Map<string, Held>,
): unknown[][] {
  const entries = new Map<string, unknown[]>();
  for (const key of [...model.keys()].sort()) {
    if (!key.startsWith(prefix) || (startAfter !== undefined && key <= startAfter)) continue;
    const cut = delimiter === undefined ? -1 : key.indexOf(delimiter, prefix.length);
    if (cut === -1) entries.set(key, [key, model.get(key)!.data.length]);
    else entries.set(key.slice(0, cut + 1), [`s3://${bucket}/${key.slice(0, cut + 1)}`]);
  }
  return [...entries].sort(([one], [other]) => one < other ? -1 : 1).map(([, entry]) => entry)
    .slice(0, limit);
}

function etagOf(match: Match, held: Held | undefined): string {
  return match === "right" ? held?.etag ?? '"none"' : '"0123456789abcdef0123456789abcdef"';
}

/** All that a stream gives; with `chunk`, read into memory of that size. */
async function collected(
  stream: ReadableStream<Uint8Array>,
  chunk: number | undefined,
): Promise<Uint8Array> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  if (chunk === undefined) {
    for await (const piece of stream) pieces.push(new Uint8Array(piece));
  } else {
    const reader = stream.getReader({ mode: "byob" });
    let memory = new ArrayBuffer(chunk);
    while (true) {
      const { value, done } = await reader.read(new Uint8Array(memory));
      if (done || value === undefined) break;
      pieces.push(value.slice());
      memory = value.buffer;
    }
  }
  return await new Blob(pieces).bytes();
}

type ErrorType = new (...args: never[]) => DipperError;
const NOT_THERE: readonly ErrorType[] = [NotFoundError, PreconditionFailedError];

const missing = (call: Promise<unknown>): Promise<void> => oneOf(call, [NotFoundError]);
const refused = (call: Promise<unknown>): Promise<void> => oneOf(call, [PreconditionFailedError]);
const invalid = (call: Promise<unknown>): Promise<void> => oneOf(call, [InvalidInputError]);

async function oneOf(
  call: Promise<unknown>,
  classes: readonly ErrorType[],
  orDone = false,
): Promise<void> {
  const told = await call.then(() => undefined, (reason: unknown) => reason);
  if (told === undefined ? orDone : classes.some((one) => told instanceof one)) return;
  const names = classes.map(({ name }) => name).join(" or ");
  fail(`expected ${names}, got ${told === undefined ? "a result" : Deno.inspect(told)}`);
}
