// Slices mean what a Blob's slices mean, for every combination of offsets, on both servers.

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { it } from "@std/testing/bdd";
import { InvalidInputError, PreconditionFailedError, type S3File } from "dipper";
import { assertSameBytes, pattern } from "./bytes.ts";
import { everyWay } from "./servers.ts";

const OMITTED = undefined;

/** Offsets around every edge of an object: inside, at the ends, beyond them, from both sides. */
function edges(size: number): number[] {
  const near = [0, 1, 2, size >> 1, size - 1, size, size + 1, size * 3 + 7];
  return [...new Set(near.flatMap((offset) => [offset, -offset]))].map((offset) => offset + 0);
}

/** Calls for all, some at a time. */
async function each<T>(all: readonly T[], call: (one: T) => Promise<void>): Promise<void> {
  for (let start = 0; start < all.length; start += 32) {
    await Promise.all(all.slice(start, start + 32).map(call));
  }
}

everyWay("slices", (at) => {
  for (const size of [0, 1, 2, 10, 70_001]) {
    it(`of ${size} bytes are a Blob's, for all starts and ends`, async () => {
      const { client, uri } = at();
      const data = pattern(size, 3);
      const file = client.file(uri(`sliced-${size}`));
      await file.write(data);
      const model = new Blob([data]);
      const offsets = edges(size);
      const cases: [number | undefined, number | undefined][] = [
        [OMITTED, OMITTED],
        ...offsets.map((start) => [start, OMITTED] as [number, undefined]),
        ...offsets.flatMap((start) => offsets.map((end) => [start, end] as [number, number])),
      ];
      await each(cases, async ([start, end]) => {
        const expected = new Uint8Array(await model.slice(start, end).arrayBuffer());
        const bytes = await file.slice(start, end).bytes();
        assertSameBytes(bytes, expected, `slice(${start}, ${end})`);
      });
    });
  }

  it("of slices are a Blob's", async () => {
    const { client, uri } = at();
    const size = 20;
    const data = pattern(size, 5);
    const file = client.file(uri("nested"));
    await file.write(data);
    const model = new Blob([data]);
    const offsets = [0, 3, 10, 25, -1, -4, -30];
    const slices = offsets.flatMap((start) =>
      [OMITTED, ...offsets].map((end) => [start, end] as const)
    );
    // Each slice inside some others, deterministically chosen; the full product is too many.
    const cases = slices.flatMap((outer, index) =>
      [1, 7, 19, 31, 43].map((step) => [outer, slices[(index * step + step) % slices.length]!])
    );
    await each(cases, async ([outer, inner]) => {
      const expected = model.slice(...outer!).slice(...inner!);
      const bytes = await file.slice(...outer!).slice(...inner!).bytes();
      const what = `slice(${outer}).slice(${inner})`;
      assertSameBytes(bytes, new Uint8Array(await expected.arrayBuffer()), what);
    });
    const deep = (from: Blob | S3File) => from.slice(1).slice(0, -1).slice(2, 12).slice(-5, -1);
    assertSameBytes(
      await (deep(file) as S3File).bytes(),
      new Uint8Array(await (deep(model) as Blob).arrayBuffer()),
      "four deep",
    );
  });

  it("are read in every form", async () => {
    const { client, uri } = at();
    const file = client.file(uri("forms"));
    await file.write('xx{"a":1}yy', { contentType: "application/json" });
    const slice = file.slice(2, -2);
    assertEquals(await slice.text(), '{"a":1}');
    assertEquals(await slice.json(), { a: 1 });
    assertEquals((await slice.arrayBuffer()).byteLength, 7);
    assertEquals(await (await slice.blob()).text(), '{"a":1}');
    {
      using buffer = await slice.buffer();
      assertEquals(buffer.byteLength, 7);
    }
    assertEquals((await slice.into(new Uint8Array(7))).length, 7);
    assertEquals([slice.uri, slice.name, slice.key], [file.uri, "forms", "forms"]);
    assertEquals(await slice.exists(), true);
  });

  it("of a handle leave the handle as it is", async () => {
    const { client, uri } = at();
    const file = client.file(uri("kept"));
    await file.write("0123456789");
    const slice = file.slice(2, 8);
    slice.slice(1, 2);
    assertEquals([await file.text(), await slice.text()], ["0123456789", "234567"]);
  });

  it("hold the condition of the read", async () => {
    const { client, uri } = at();
    const file = client.file(uri("conditional"));
    const { etag } = await file.write("0123456789");
    assertEquals(await file.slice(2, -2).text({ ifMatch: etag! }), "234567");
    await file.write("another text");
    for (const slice of [file.slice(2, 4), file.slice(-3), file.slice(2, -2)]) {
      await assertRejects(() => slice.text({ ifMatch: etag! }), PreconditionFailedError);
    }
  });

  it("take whole numbers only", () => {
    const file = at().client.file(at().uri("never-read"));
    const wrong: unknown[] = [1.5, NaN, Infinity, -Infinity, "1", 1n, {}, 2 ** 53];
    for (const value of wrong) {
      for (
        const call of [() => file.slice(value as number), () => file.slice(0, value as number)]
      ) {
        const error = assertThrows(call, InvalidInputError, "not a whole number of bytes");
        assertEquals([error.code, error.operation, error.uri], ["InvalidInput", "slice", file.uri]);
      }
    }
  });
});
