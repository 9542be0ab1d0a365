// Lines and messages as bytes go straight into the other bridges: the memory that was read is the
// memory that is summed and scaled.

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { checksumBytes, frames, lines, scaleBuffer } from "dipper";
import { bytesOf, withFile } from "./line_files.ts";

describe("byte lines", () => {
  it("are summed where they lie", async () => {
    const text = Array.from({ length: 30_000 }, (_, at) => `line ${at}`).join("\r\n");
    await withFile(text, async (path) => {
      const expected = text.split("\r\n").map((line) => checksumBytes(bytesOf(line)));
      let at = 0;
      const memories = new Set<ArrayBuffer>();
      for await (const line of lines(path, { as: "bytes" })) {
        assertEquals(checksumBytes(line), expected[at++]);
        memories.add(line.buffer);
      }
      assertEquals(at, expected.length);
      // Views of a batch's memory, not copies.
      assert(memories.size < 5, `${memories.size} memories`);
      at = 0;
      for await (const { bytes, offsets } of lines(path, { as: "bytes", batch: true })) {
        for (let one = 0; one + 1 < offsets.length; one++) {
          const line = bytes.subarray(offsets[one], offsets[one + 1]);
          assertEquals(checksumBytes(line), expected[at++]);
        }
      }
    });
  });

  it("and messages of whole floats are scaled in place", async () => {
    const floats = Array.from({ length: 1000 }, (_, at) => new Float32Array(64).fill(at));
    const file = new Uint8Array(1000 * 260);
    floats.forEach((values, at) => {
      new DataView(file.buffer).setUint32(at * 260, 256);
      file.set(new Uint8Array(values.buffer), at * 260 + 4);
    });
    await withFile(file, async (path) => {
      let at = 0;
      for await (const frame of frames(path, { length: "u32be" })) {
        scaleBuffer(frame, 2);
        const values = new Float32Array(frame.buffer, frame.byteOffset, 64);
        assertEquals([values[0], values[63]], [2 * at, 2 * at]);
        at++;
      }
      assertEquals(at, 1000);
      // A whole batch at once.
      for await (const { bytes } of frames(path, { length: "u32be", batch: true })) {
        scaleBuffer(bytes, 3);
        assertEquals(new Float32Array(bytes.buffer, bytes.byteOffset, 65)[64], 3);
        break;
      }
    });
    // A line of 32 bytes that starts its batch.
    const line = new Uint8Array(new Float32Array(8).fill(1.5).buffer);
    await withFile(new Uint8Array([...line, 10, ...line]), async (path) => {
      for await (const { bytes } of lines(path, { as: "bytes", batch: true })) {
        scaleBuffer(bytes, 2);
        const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
        assertEquals([...values], new Array(16).fill(3));
      }
    });
  });
});
