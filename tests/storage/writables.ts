/** One of every kind of data that can be written, with the bytes that it stands for. */

import { RustBuffer, type Writable } from "dipper";
import { pattern } from "./bytes.ts";

const data = pattern(1024);
const text = "größe 🚰";

async function* yielded(...chunks: Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) {
    await Promise.resolve();
    yield chunk;
  }
}

/** Yields the same memory again and again, as a producer may. */
async function* reused(): AsyncGenerator<Uint8Array> {
  const chunk = new Uint8Array(4);
  for (let value = 1; value <= 3; value++) {
    await Promise.resolve();
    yield chunk.fill(value);
  }
}

const floats = new Float64Array([1.5, -2, NaN]);
/** A name, what makes the data, and its bytes. */
export const everyKind: readonly [name: string, make: () => Writable, expected: Uint8Array][] = [
  ["a string", () => text, new TextEncoder().encode(text)],
  ["an empty string", () => "", new Uint8Array(0)],
  ["a Uint8Array", () => data, data],
  ["an empty Uint8Array", () => new Uint8Array(0), new Uint8Array(0)],
  ["a part of a Uint8Array", () => data.subarray(3, 20), data.subarray(3, 20)],
  ["an Int8Array", () => new Int8Array([-1, 2]), new Uint8Array([255, 2])],
  ["a Uint16Array", () => new Uint16Array([0x0102]), new Uint8Array([2, 1])],
  ["a Float64Array", () => floats, new Uint8Array(floats.buffer)],
  [
    "a BigInt64Array",
    () => new BigInt64Array([-1n]),
    new Uint8Array(8).fill(255),
  ],
  ["a DataView", () => new DataView(data.buffer, 5, 7), data.subarray(5, 12)],
  ["an ArrayBuffer", () => data.buffer, data],
  ["a Blob", () => new Blob(["ab", data]), new Uint8Array([97, 98, ...data])],
  ["an empty Blob", () => new Blob([]), new Uint8Array(0)],
  ["a Response", () => new Response(data), data],
  ["a Response without a body", () => new Response(null), new Uint8Array(0)],
  ["a ReadableStream", () => new Blob([data]).stream(), data],
  ["an empty ReadableStream", () => new Blob([]).stream(), new Uint8Array(0)],
  [
    "an async iterable",
    () => yielded(data.subarray(0, 10), new Uint8Array(0), data.subarray(10)),
    data,
  ],
  [
    "an async iterable that uses its memory again",
    reused,
    new Uint8Array([1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]),
  ],
  ["a string with half a pair", () => "a\ud83d", new Uint8Array([97, 0xef, 0xbf, 0xbd])],
  ["shared memory", () => shared(), data],
  ["a RustBuffer", () => inRust(), data],
  ["an empty RustBuffer", () => new RustBuffer(0), new Uint8Array(0)],
  [
    "a stream of strings",
    () => ReadableStream.from(["größe", "", " 🚰"]),
    new TextEncoder().encode(text),
  ],
  [
    "strings that part a pair",
    () => ReadableStream.from(["a\ud83d", "\udeb0b", "\ud83d"]),
    new TextEncoder().encode("a🚰b\ufffd"),
  ],
  [
    "strings and bytes in turn",
    () => mixed("é", new Uint8Array([1, 2]), "\ud83d", new Uint8Array([3])),
    new Uint8Array([0xc3, 0xa9, 1, 2, 0xef, 0xbf, 0xbd, 3]),
  ],
  [
    "pieces that are no Uint8Arrays",
    () => ReadableStream.from([data.buffer, new Uint16Array([0x0102]), shared()]) as Pieces,
    new Uint8Array([...data, 2, 1, ...data]),
  ],
  ["a byte stream", () => bytes(), data],
];

type Pieces = ReadableStream<Uint8Array>;

async function* mixed(...pieces: (Uint8Array | string)[]): AsyncGenerator<Uint8Array | string> {
  for (const piece of pieces) {
    await Promise.resolve();
    yield piece;
  }
}

function shared(): Uint8Array<SharedArrayBuffer> {
  const view = new Uint8Array(new SharedArrayBuffer(data.length));
  view.set(data);
  return view;
}

function inRust(): RustBuffer {
  const buffer = new RustBuffer(data.length);
  buffer.view().set(data);
  return buffer;
}

function bytes(): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    type: "bytes",
    pull(controller) {
      controller.enqueue(data.slice(at, at += 100));
      if (at >= data.length) controller.close();
    },
  });
}
