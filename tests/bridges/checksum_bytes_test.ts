/** `checksumBytes`: published vectors, every length and offset, and that nothing is copied. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { checksumBytes, InvalidInputError, memory, RustBuffer } from "dipper";
import { everyWidth, noise } from "./kernels.ts";
import { fnv1a64, fnv1a64ByDefinition, PUBLISHED } from "./fnv1a.ts";
import { held, memoryTest } from "../memory/settled.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const encoder = new TextEncoder();

Deno.test("the loop that the tests compare with is the definition", () => {
  for (const length of [0, 1, 2, 255, 256, 1000]) {
    const bytes = noise(length, length);
    assertEquals(fnv1a64(bytes), fnv1a64ByDefinition(bytes));
  }
});

everyWidth("the published vectors are reached", () => {
  for (const [text, sum] of PUBLISHED) {
    assertEquals(checksumBytes(encoder.encode(text)), sum, JSON.stringify(text));
    assertEquals(fnv1a64ByDefinition(encoder.encode(text)), sum, JSON.stringify(text));
  }
});

everyWidth("every length from 0 to 4,096 gives the loop's sum", () => {
  const bytes = noise(4096, 1);
  for (let length = 0; length <= 4096; length++) {
    const part = bytes.subarray(0, length);
    assertEquals(checksumBytes(part), fnv1a64(part), `${length} bytes`);
  }
});

everyWidth("every offset gives the loop's sum of that part", () => {
  const bytes = noise(4096, 2);
  for (let offset = 0; offset <= 600; offset++) {
    for (const length of [0, 1, 255, 256, 257, 511, 512, 1025, 3000]) {
      const part = bytes.subarray(offset, offset + length);
      assertEquals(checksumBytes(part), fnv1a64(part), `${length} bytes from ${offset}`);
    }
  }
});

everyWidth("bytes that are all the same give the loop's sum", () => {
  for (let byte = 0; byte < 256; byte++) {
    const bytes = new Uint8Array(1300).fill(byte);
    assertEquals(checksumBytes(bytes), fnv1a64(bytes), String(byte));
  }
});

memoryTest(
  "the bytes are borrowed: no native memory is reserved, and they stay the caller's",
  () => {
    const bytes = noise(4 << 20, 3);
    const copy = bytes.slice();
    const before = memory();
    const sum = checksumBytes(bytes);
    const after = memory();
    assertEquals(sum, fnv1a64(copy));
    assertEquals(
      [after.bytes, after.buffers, after.adopted, after.pooled],
      [before.bytes, before.buffers, before.adopted, before.pooled],
    );
    assertEquals([bytes.length, bytes.buffer.detached], [4 << 20, false]);
    assertEquals(bytes, copy);
  },
);

memoryTest("a RustBuffer is summed where it lies, in every state that it can be in", () => {
  using buffer = new RustBuffer(1000);
  buffer.view().set(noise(1000, 4));
  const sum = fnv1a64(buffer.view());
  assertEquals(checksumBytes(buffer), sum);
  const view = buffer.view();
  const unsafe = buffer.unsafeView();
  assertEquals([checksumBytes(buffer), view.length], [sum, 0]);
  assertEquals(checksumBytes(unsafe), sum, "the unsafe view is not taken away");
  assertEquals(checksumBytes(buffer.view()), sum);
  assertEquals(held().buffers, 1);
  const adopted = buffer.adopt();
  assertEquals(checksumBytes(adopted), sum);
  const error = assertThrows(() => checksumBytes(buffer), InvalidInputError);
  assertEquals([error.code, error.operation], ["BufferGone", "checksumBytes"]);
  assert(error.message.includes("adopt"));
  adopted.transfer(0);
});

Deno.test("it returns a bigint of 64 bits", () => {
  for (let seed = 0; seed < 50; seed++) {
    const sum = checksumBytes(noise(300, seed));
    assertEquals(typeof sum, "bigint");
    assert(sum >= 0n && sum < 2n ** 64n);
  }
});
