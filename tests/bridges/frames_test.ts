// Messages behind their lengths: every way to write one, seams, limits and damage.

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { gzipSync } from "node:zlib";
import {
  type DipperError,
  file,
  frames,
  type FramesOptions,
  IntegrityError,
  InvalidInputError,
} from "dipper";
import { messagesOf, pseudoRandom, withFile } from "./line_files.ts";

const LENGTHS = ["u32be", "u32le", "varint"] as const;

/** Messages as a file holds them. */
function written(
  length: FramesOptions["length"],
  messages: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  for (const message of messages) {
    const head = new Uint8Array(4);
    if (length !== "varint") {
      new DataView(head.buffer).setUint32(0, message.length, length === "u32le");
      parts.push(head, message);
      continue;
    }
    const digits: number[] = [];
    let left = message.length;
    for (; left > 127; left = Math.floor(left / 128)) digits.push(left % 128 + 128);
    parts.push(new Uint8Array([...digits, left]), message);
  }
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function madeUp(seed: number, longest: number, count: number): Uint8Array[] {
  const random = pseudoRandom(seed);
  return Array.from({ length: count }, (_, at) => {
    const size = Math.floor(random.next().value ** 3 * longest);
    return new Uint8Array(size).fill(at & 255);
  });
}

for (const length of LENGTHS) {
  describe(`messages behind ${length}`, () => {
    it("come whole, one by one and in batches, compressed or not", async () => {
      for (const [longest, count] of [[200, 20_000], [300_000, 40], [3_000_000, 4]] as const) {
        const messages = madeUp(count, longest, count);
        const bytes = written(length, messages);
        for (const content of [bytes, new Uint8Array(gzipSync(bytes, { level: 1 }))]) {
          await withFile(content, async (path) => {
            const found = await messagesOf(path, { length });
            assertEquals(found.length, count);
            const same = (one: Uint8Array, other: Uint8Array) =>
              one.length === other.length && one[0] === other[0] && one.at(-1) === other.at(-1);
            assert(found.every((frame, at) => same(frame, messages[at]!)));
            let at = 0;
            for await (const batch of frames(path, { length, batch: true })) {
              for (let one = 0; one + 1 < batch.offsets.length; one++, at++) {
                const [start, end] = batch.offsets.subarray(one, one + 2);
                assert(same(batch.bytes.subarray(start, end), messages[at]!));
              }
            }
            assertEquals(at, count);
          });
        }
      }
    });

    it("of nothing are none, and empty ones come", async () => {
      await withFile("", async (path) => assertEquals(await messagesOf(path, { length }), []));
      const empty = written(length, [new Uint8Array(0), new Uint8Array(0)]);
      await withFile(empty, async (path) => {
        assertEquals((await messagesOf(path, { length })).map((one) => one.length), [0, 0]);
      });
    });

    it("that break off are an IntegrityError behind the whole ones, with its place", async () => {
      const first = written(length, [new Uint8Array(10)]);
      const whole = written(length, [new Uint8Array(10), new Uint8Array(300)]);
      for (const end of [first.length + 1, first.length + 50, whole.length - 1]) {
        await withFile(whole.slice(0, end), async (path) => {
          const found: Uint8Array[] = [];
          const error = await assertRejects(async () => {
            for await (const frame of frames(path, { length })) found.push(frame);
          }, IntegrityError);
          assertEquals([error.code, found.length], ["DamagedData", 1]);
          assertStringIncludes(error.message, `byte ${first.length} `);
          assertStringIncludes(error.message, `byte ${end}`);
          assertEquals(error.operation, "frames");
        });
      }
    });

    it("that are longer than allowed are refused before they are read", async () => {
      const bytes = written(length, [new Uint8Array(8), new Uint8Array(9)]);
      await withFile(bytes, async (path) => {
        assertEquals((await messagesOf(path, { length, maxFrameLength: 9 })).length, 2);
        const error = await assertRejects(
          () => messagesOf(path, { length, maxFrameLength: 8 }),
          InvalidInputError,
        );
        assertEquals(error.code, "TooLong");
        assertStringIncludes(error.message, "maxFrameLength");
      });
      // A length of 2^31 - 1 bytes that never come.
      const lie = length === "varint"
        ? new Uint8Array([0xff, 0xff, 0xff, 0xff, 0x07])
        : written(length, []).length === 0 && length === "u32be"
        ? new Uint8Array([0x7f, 0xff, 0xff, 0xff])
        : new Uint8Array([0xff, 0xff, 0xff, 0x7f]);
      await withFile(lie, async (path) => {
        const error = await assertRejects(() => messagesOf(path, { length }));
        assertEquals((error as DipperError).code, "TooLong");
        const short = await assertRejects(
          () => messagesOf(path, { length, maxFrameLength: 2 ** 31 - 1 }),
          IntegrityError,
        );
        assertEquals(short.code, "DamagedData");
      });
    });
  });
}

describe("frames", () => {
  it("refuse a varint that never ends", async () => {
    await withFile(new Uint8Array(20).fill(0xff), async (path) => {
      const error = await assertRejects(() => messagesOf(path, { length: "varint" }));
      assert(error instanceof IntegrityError);
      assertStringIncludes(error.message, "byte 0");
    });
  });

  it("refuse options that cannot be meant, at once", () => {
    for (
      const options of [
        undefined,
        {},
        { length: "u16" },
        { length: "u32be", batch: 2 },
        { length: "u32be", maxFrameLength: 0 },
        { length: "u32be", encoding: "utf-8" },
        { length: "u32be", as: "bytes" },
      ]
    ) {
      assertThrows(() => frames("/tmp/x", options as never), InvalidInputError);
    }
  });

  it("are read by a file's handle", async () => {
    await withFile(new Uint8Array([1, 7, 0, 2, 8, 9]), async (path) => {
      const found = file(path as `/${string}`).slice(2).frames({ length: "varint" });
      assertEquals((await Array.fromAsync(found)).map((one) => [...one]), [[], [8, 9]]);
    });
  });

  it("of floats lie aligned when all are whole floats", async () => {
    const floats = [new Float32Array([1, 2, 3]), new Float32Array([4]), new Float32Array(70_000)];
    const bytes = written("u32le", floats.map(({ buffer }) => new Uint8Array(buffer)));
    await withFile(bytes, async (path) => {
      const found: number[] = [];
      for await (const { buffer, byteOffset, byteLength } of frames(path, { length: "u32le" })) {
        found.push(...new Float32Array(buffer, byteOffset, byteLength / 4).slice(0, 3));
      }
      assertEquals(found, [1, 2, 3, 4, 0, 0, 0]);
    });
  });
});
