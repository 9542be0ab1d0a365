// Lines and messages of random bytes that come in random pieces, beside the plainest splitter there
// is.

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { DipperError, frames, lines, type LinesOptions } from "dipper";
import { bytesOf, pseudoRandom, withFile } from "./line_files.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Lines by definition: what stands between line feeds, without a return before one. */
function referenceLines(data: Bytes): Bytes[] {
  const found: Bytes[] = [];
  let start = 0;
  for (let at = 0; at < data.length; at++) {
    if (data[at] !== 10) continue;
    found.push(data.slice(start, at > start && data[at - 1] === 13 ? at - 1 : at));
    start = at + 1;
  }
  if (start < data.length) found.push(data.slice(start));
  return found;
}

/** What one loop brings: the elements, and the code of the error that ended it. */
async function outcome(source: AsyncIterable<unknown>): Promise<{ found: Bytes[]; code?: string }> {
  const found: Bytes[] = [];
  try {
    for await (const one of source) {
      if (typeof one === "string") found.push(bytesOf(one));
      else if (one instanceof Uint8Array) found.push(one.slice() as Bytes);
      else if (Array.isArray(one)) one.forEach((line) => found.push(bytesOf(line)));
      else {
        const { bytes, offsets } = one as { bytes: Bytes; offsets: Uint32Array };
        for (let at = 0; at + 1 < offsets.length; at++) {
          found.push(bytes.slice(offsets[at], offsets[at + 1]));
        }
      }
    }
    return { found };
  } catch (error) {
    if (!(error instanceof DipperError)) throw error;
    return { found, code: error.code };
  }
}

function same(found: readonly Bytes[], wanted: readonly Bytes[], what: string): void {
  assertEquals(found.length, wanted.length, what);
  found.forEach((line, index) => {
    const other = wanted[index]!;
    const equal = line.length === other.length && line.every((byte, at) => byte === other[at]);
    assert(equal, `${what}: element ${index} differs`);
  });
}

/** Sends the bytes of each connection in pieces of these lengths. */
async function inPieces<T>(
  data: Bytes,
  lengths: () => number,
  run: (uri: string) => Promise<T>,
): Promise<T> {
  const server = createServer(async (socket) => {
    socket.on("error", () => {});
    socket.setNoDelay(true);
    for (let at = 0; at < data.length && !socket.destroyed;) {
      const piece = data.subarray(at, at += lengths());
      await new Promise((resolve) => socket.write(piece, resolve));
    }
    socket.end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    return await run(`tcp://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

/** Bytes that are mostly text, with many ends of all kinds, and sometimes bytes that are none. */
function randomBytes(random: () => number, size: number, broken: boolean): Bytes {
  const parts = ["\n", "\r\n", "\r", "a", "bc", "é", "日本", "\u{1F600}", " ", "\n\n", "\r\r\n"];
  const pieces: Bytes[] = [];
  for (let length = 0; length < size;) {
    const choice = Math.floor(random() * (parts.length + 3));
    const piece = choice < parts.length
      ? bytesOf(parts[choice]!)
      : choice === parts.length && broken
      ? new Uint8Array([0x80 + Math.floor(random() * 0x80)])
      : bytesOf("x".repeat(Math.floor(random() ** 6 * size)));
    pieces.push(piece);
    length += piece.length;
  }
  return new Uint8Array(pieces.flatMap((piece) => [...piece]));
}

const FORMS: readonly LinesOptions[] = [
  { as: "bytes" },
  { as: "bytes", batch: true },
  {},
  { batch: true },
  { encoding: "lossy" },
  { encoding: "lossy", batch: true },
];

describe("random lines in random pieces", () => {
  for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
    it(`are those of the plainest splitter, seed ${seed}`, async () => {
      const numbers = pseudoRandom(seed);
      const random = (): number => numbers.next().value;
      const size = [20, 300, 5000, 60_000][seed % 4]!;
      const broken = seed % 2 === 0;
      const data = randomBytes(random, size, broken);
      const wanted = referenceLines(data);
      const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
      let good = wanted.length;
      for (let at = 0; at < good; at++) {
        try {
          strict.decode(wanted[at]);
        } catch {
          good = at;
        }
      }
      const lossy = new TextDecoder("utf-8", { ignoreBOM: true });
      const replaced = wanted.map((line) => bytesOf(lossy.decode(line)));
      const longest = Math.max(1, Math.floor(random() * 40));
      const short = wanted.findIndex((line) => line.length > longest);
      const most = size > 1000 ? 9000 : 7;
      const lengths = () => 1 + Math.floor(random() ** 3 * most);

      const check = async (source: string, where: string): Promise<void> => {
        for (const options of FORMS) {
          const what = `${where} ${JSON.stringify(options)}`;
          const { found, code } = await outcome(lines(source, options) as AsyncIterable<unknown>);
          if (options.as === "bytes") same(found, wanted, what);
          else if (options.encoding === "lossy") same(found, replaced, what);
          else {
            same(found, wanted.slice(0, good), what);
            assertEquals(code, good < wanted.length ? "InvalidText" : undefined, what);
            continue;
          }
          assertEquals(code, undefined, what);
        }
        const limited = await outcome(lines(source, { as: "bytes", maxLineLength: longest }));
        same(limited.found, short < 0 ? wanted : wanted.slice(0, short), `${where}, limited`);
        assertEquals(limited.code, short < 0 ? undefined : "TooLong");
      };
      await withFile(data, (path) => check(path, "a file"));
      await inPieces(data, lengths, (uri) => check(uri, "a socket"));
    });
  }

  it("of a file that is read ahead are, at every seam of its blocks", async () => {
    const numbers = pseudoRandom(99);
    for (const length of ["é", "日", "\u{1F600}"]) {
      // Ends and characters fall on either side of each multiple of 64 KiB.
      const pieces: string[] = [];
      let size = 0;
      while (size < 3 << 20) {
        const rest = (64 << 10) - size % (64 << 10);
        const line = rest < 200
          ? length.repeat(40) + "\r\n"
          : "y".repeat(1 + Math.floor(numbers.next().value * Math.min(rest - 150, 30_000))) +
            "\r\n";
        pieces.push(line);
        size += bytesOf(line).length;
      }
      const data = bytesOf(pieces.join(""));
      const wanted = referenceLines(data);
      await withFile(data, async (path) => {
        for (const options of FORMS) {
          const { found, code } = await outcome(lines(path, options) as AsyncIterable<unknown>);
          assertEquals(code, undefined);
          same(found, wanted, `${length} ${JSON.stringify(options)}`);
        }
      });
    }
  });
});

describe("random messages in random pieces", () => {
  for (const length of ["u32be", "u32le", "varint"] as const) {
    it(`behind ${length} are those that were written, or end with an error`, async () => {
      for (const seed of [11, 12, 13]) {
        const numbers = pseudoRandom(seed);
        const random = (): number => numbers.next().value;
        const messages = Array.from({ length: 200 }, () => {
          const message = new Uint8Array(Math.floor(random() ** 4 * 3000));
          return message.map(() => Math.floor(random() * 256));
        });
        const written = new Uint8Array(messages.flatMap((message) => [
          ...lengthOf(message.length, length),
          ...message,
        ]));
        const lengths = () => 1 + Math.floor(random() ** 3 * 5000);
        for (const cut of [written.length, written.length - 1, Math.floor(written.length / 3)]) {
          const data = written.slice(0, cut);
          let whole = 0;
          for (let at = 0; whole < messages.length; whole++) {
            const size = messages[whole]!.length;
            at += lengthOf(size, length).length + size;
            if (at > cut) break;
          }
          const check = async (source: string): Promise<void> => {
            for (const batch of [false, true]) {
              const { found, code } = await outcome(frames(source, { length, batch } as never));
              same(found, messages.slice(0, whole), `${length} ${batch}, ${cut}`);
              if (whole === messages.length) assertEquals(code, undefined);
            }
          };
          await withFile(data, check);
          await inPieces(data, lengths, check);
        }
      }
    });
  }
});

function lengthOf(length: number, written: "u32be" | "u32le" | "varint"): number[] {
  const bytes = [24, 16, 8, 0].map((shift) => length >>> shift & 255);
  if (written === "u32be") return bytes;
  if (written === "u32le") return bytes.reverse();
  const varint: number[] = [];
  for (; length > 127; length >>>= 7) varint.push(length & 127 | 128);
  return [...varint, length];
}
