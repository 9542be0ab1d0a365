/**
 * Objects that lie: subclasses that tell other lengths, proxies, getters that answer differently,
 * throw, detach or dispose. What counts is what the engine says; whatever is refused is refused by
 * a typed error; and what a getter throws is the caller's own.
 */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  checksumBytes,
  contiguous,
  EmbeddingTable,
  InvalidInputError,
  memory,
  normalizeInplace,
  RustBuffer,
  scaleBuffer,
  scaleInplace,
} from "dipper";
import { memoryTest } from "../memory/settled.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

/** Tells another length, place and buffer than it has. */
class Liar extends Float32Array<ArrayBuffer> {
  override get length(): number {
    return 1 << 30;
  }
  override get byteLength(): number {
    return 12;
  }
  override get byteOffset(): number {
    return 4;
  }
  override get buffer(): ArrayBuffer {
    return new ArrayBuffer(12);
  }
  override subarray(): never {
    throw new Error("subarray was called");
  }
  static get [Symbol.species](): never {
    throw new Error("the species was asked for");
  }
}

const liar = (...numbers: number[]): Liar => new Liar(new Float32Array(numbers).buffer);

class LongLiar extends Float64Array<ArrayBuffer> {
  override get length(): number {
    return 1 << 30;
  }
}

function refused(call: () => unknown, ...parts: string[]): void {
  const error = assertThrows(call, InvalidInputError);
  for (const part of parts) assertStringIncludes(error.message, part);
  assert(error.hint, error.message);
}

function three(): EmbeddingTable {
  const table = new EmbeddingTable(3);
  table.addMany([[1, 2, 3], [4, 5, 6]]);
  return table;
}

memoryTest("the vectors of a table are those that the engine has", () => {
  using table = three();
  const honest = new Float32Array([7, 8, 9]);
  for (
    const vector of [
      liar(7, 8, 9),
      { data: liar(0, 7, 8, 9), shape: [3], offset: 1 },
      new Proxy([7, 8, 9], {}),
    ]
  ) {
    const index = table.add(vector as never);
    assertEquals(table.row(index), honest);
    assertEquals(table.dot(index, vector as never), 194);
  }
  const { length } = table;
  refused(() => table.add(liar(1, 2, 3, 4, 5, 6)), "6", "3");
  refused(() => table.addMany({ data: liar(1, 2, 3), shape: [2, 3] }), "6", "3");
  refused(() => table.add(new Proxy(new Float32Array(3), {})), "an Object");
  assertEquals(table.length, length, "nothing of what was refused is there");
});

memoryTest("values that cannot be written as a text are refused as any other", () => {
  using table = three();
  const mute = Object.create(null) as never;
  const query = [1, 2, 3];
  refused(() => new EmbeddingTable(mute), "an Object");
  refused(() => new EmbeddingTable("3" as never), '"3"');
  refused(() => new RustBuffer(mute), "no number of");
  refused(() => new RustBuffer("3" as never), "no number of");
  refused(() => table.row(mute), "an Object");
  refused(() => table.row("0" as never), '"0"');
  refused(() => table.topK(query, mute), "an Object");
  refused(() => table.topK(query, "2" as never), '"2"');
  refused(() => table.topK(query, 1, { metric: mute }), "an Object");
  refused(() => normalizeInplace(new Float64Array(3), { kind: mute }), "an Object");
});

Deno.test("what only looks as if it had bytes is refused", () => {
  const numbers = new Float32Array(2);
  for (
    const lookalike of [
      new Proxy(numbers, {}),
      new Proxy(new DataView(numbers.buffer), {}),
      Object.create(Uint8Array.prototype),
      Object.create(RustBuffer.prototype),
    ]
  ) {
    refused(() => checksumBytes(lookalike as never), "has no bytes of its own");
    refused(() => scaleBuffer(lookalike as never, 2), "has no bytes of its own");
  }
});

memoryTest("lengths and shapes that nobody has are refused and not counted through", () => {
  using table = three();
  const endless = { length: 2 ** 50 };
  const data = new Float32Array(6);
  for (
    const matrix of [
      { length: 3 * 2 ** 40, 0: 1 },
      { length: 2 ** 40, 0: [1, 2, 3] },
      { data, shape: endless },
      { data, shape: [2, 3], strides: endless },
      { data, shape: [2 ** 52, 3] },
      { data, shape: [2 ** 1000, 3] },
      { data: { length: 2 ** 52 }, shape: [2 ** 50, 3] },
      { data, shape: [2, 3], offset: 2 ** 53 - 1 },
      { data, shape: [2, 3], offset: "0" },
      { data, shape: [2, 3], offset: [0] },
      { data, shape: ["2", "3"] },
      { data, shape: [2, 3], strides: 5 },
      { data, shape: [2, 3], strides: [12, 4] },
      { data, shape: [2, 3], strides: [-3, 1], offset: 3 },
      { data, shape: [2, 3], strides: [1] },
      new BigInt64Array(0),
      new BigInt64Array(3),
    ]
  ) refused(() => table.addMany(matrix as never));
  assertEquals(table.length, 2);
});

memoryTest("a property is read once, and what a getter does is noticed", () => {
  using table = three();
  let reads = 0;
  const shifty = {
    get data(): ArrayLike<number> | null {
      return reads++ === 0 ? new Float32Array([7, 8, 9]) : null;
    },
    get shape(): number[] | null {
      return reads === 1 ? [1, 3] : null;
    },
  };
  assertEquals(table.addMany(shifty as never), 2);
  assertEquals([reads, table.row(2)[2]], [1, 9]);

  const moved = new Float32Array(3);
  refused(() =>
    table.addMany({
      data: moved,
      get shape() {
        moved.buffer.transfer();
        return [1, 3];
      },
    }), "detached");
  const mine = new Error("mine");
  const throws = {
    length: 3,
    get 0(): number {
      throw mine;
    },
  };
  assertEquals(assertThrows(() => table.addMany(throws as never)), mine);
  assertEquals(table.length, 3);
});

memoryTest("a table that is disposed while its arguments are read is a disposed one", () => {
  const disposing = (table: EmbeddingTable) => ({
    length: 3,
    get 0(): number {
      table.dispose();
      return 1;
    },
    1: 1,
    2: 1,
  });
  for (
    const call of [
      (table: EmbeddingTable) => table.add(disposing(table)),
      (table: EmbeddingTable) => table.addMany(disposing(table)),
      (table: EmbeddingTable) => table.scores(disposing(table)),
      (table: EmbeddingTable) => table.dot(0, disposing(table)),
      (table: EmbeddingTable) => table.topK(disposing(table), 1),
      (table: EmbeddingTable) =>
        table.topK([1, 2, 3], 1, {
          get metric() {
            table.dispose();
            return "dot" as const;
          },
        }),
    ]
  ) refused(() => call(three()), "was disposed");
});

memoryTest("queries that later ones take away were copied before", () => {
  using table = three();
  const query = new Float32Array([0, 0, 1]);
  const other = {
    length: 3,
    get 0(): number {
      query.buffer.transfer();
      return 1;
    },
    1: 0,
    2: 0,
  };
  const { scores } = table.topK([query, other], 1);
  assertEquals([...scores], [6, 4]);
});

memoryTest("more results than fit into memory are refused", () => {
  using table = new EmbeddingTable(1);
  table.addMany(new Float32Array(200_000));
  const queries = { data: new Float32Array(100_000), shape: [100_000, 1] };
  refused(() => table.topK(queries, 200_000), "200000", "100000");
});

memoryTest("options that are none, or that nobody knows, are refused", () => {
  using table = three();
  for (const odd of [5, "dot", () => {}]) {
    refused(() => table.topK([1, 2, 3], 1, odd as never), "options");
    refused(() => normalizeInplace(new Float64Array(2), odd as never), "options");
  }
  refused(() => table.topK([1, 2, 3], 1, { metrics: "dot" } as never), "metrics", "metric");
  refused(
    () => normalizeInplace(new Float64Array(2), { dimensions: 1 } as never),
    "dimensions",
    "kind, dimension",
  );
});

Deno.test("an array of several dimensions has the elements that the engine has", () => {
  const whole = new Float64Array(100).fill(1);
  const two = new LongLiar(whole.buffer, 0, 2);
  for (const shape of [[50], [500]]) {
    for (const call of [scaleInplace as (nd: never, by: number) => void, contiguous]) {
      refused(() => call({ data: two, shape, stride: [1] } as never, 2), "has 2");
    }
  }
  assert(whole.every((x) => x === 1), "its neighbours are not changed");
  for (const stride of [[2, 1], [1, 2]]) {
    const { data } = contiguous({ data: liar(1, 2, 3, 4), shape: [2, 2], stride });
    assertEquals([...data], stride[0] === 2 ? [1, 2, 3, 4] : [1, 3, 2, 4]);
    assertEquals(data.constructor, Float32Array);
  }
  refused(() => scaleInplace(new Proxy(new Float64Array(3), {}), 2), "an Object");
  const nd = new Proxy({ data: whole, shape: [3], stride: [1] }, {});
  scaleInplace(nd, 2);
  assertEquals([whole[2], whole[3]], [2, 1]);
});

Deno.test("memory that a getter takes away is refused", () => {
  const mine = new Error("mine");
  const buffer = new ArrayBuffer(16);
  const shrinking = new ArrayBuffer(16, { maxByteLength: 32 });
  const x = new Float64Array(4);
  const y = new Float64Array(4);
  refused(() =>
    checksumBytes({
      buffer,
      byteOffset: 0,
      get byteLength() {
        buffer.transfer();
        return 16;
      },
    }), "detached");
  refused(() =>
    scaleBuffer({
      buffer: shrinking,
      byteOffset: 0,
      get byteLength() {
        shrinking.resize(4);
        return 16;
      },
    }, 2), "4 bytes");
  refused(() =>
    normalizeInplace(x, {
      get kind() {
        x.buffer.transfer();
        return "l2" as const;
      },
    }), "detached");
  refused(() =>
    scaleInplace({
      data: y,
      get shape() {
        y.buffer.transfer();
        return [4];
      },
      stride: [1],
    }, 2)
  );
  const throws = {
    get buffer(): ArrayBuffer {
      throw mine;
    },
    byteOffset: 0,
    byteLength: 0,
  };
  assertEquals(assertThrows(() => checksumBytes(throws)), mine);
});
