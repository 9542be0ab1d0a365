/** What the notebooks' measurements say of calls whose cost is known. */
import { assert, assertEquals } from "@std/assert";
import { memory } from "dipper";
import { madeBy, measure } from "measure";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

Deno.test("a call that makes nothing is told to make nothing", async () => {
  const { heap, buffers, rust, calls } = await measure("nothing", () => {});
  assertEquals({ heap, buffers, rust, calls }, { heap: 0, buffers: 0, rust: 0, calls: 40 });
});

Deno.test("objects on the heap, and buffers, are counted as what they are", async () => {
  // An array of ten numbers is 16 bytes, and 16 + 10 * 8 for its elements or half of that.
  const objects = await measure("objects", () => Array.from({ length: 10_000 }, () => Array(10)));
  assert(objects.heap > 500_000 && objects.heap < 4_000_000, String(objects.heap));
  const buffer = await measure("a buffer", () => new Uint8Array(1 << 20));
  assert(buffer.buffers >= 1 << 20 && buffer.buffers < 2 << 20, String(buffer.buffers));
  assert(buffer.heap < 100_000, String(buffer.heap));
  assertEquals(madeBy(() => new Uint8Array(5000)), 5000);
});
