/**
 * Sequences that once failed, or that sit where failures are likely. They are replayed before any
 * random one. When `model_test.ts` prints a shrunk sequence, it belongs here, with what was wrong.
 */

import type { Step } from "./steps.ts";

/** A sequence, and why it is kept. */
export interface Pinned {
  /** What was wrong, or might be. */
  why: string;
  /** The steps, on an empty bucket. */
  steps: Step[];
}

/** All of them. */
export const PINNED: readonly Pinned[] = [
  {
    why: "an empty object has no byte that a first range could be of",
    steps: [
      { do: "put", key: "a", size: 0, seed: 1 },
      { do: "get", key: "a" },
      { do: "into", key: "a", room: 0 },
      { do: "stream", key: "a" },
      { do: "getMany", keys: ["a", "a"], ordered: true },
      { do: "stat", key: "a" },
      { do: "list", prefix: "" },
    ],
  },
  {
    why: "objects that end at, before and behind the edge of a part of 64 KiB",
    steps: [65_535, 65_536, 65_537, 131_072, 131_073].flatMap((size): Step[] => [
      { do: "put", key: "a", size, seed: size },
      { do: "get", key: "a", match: "right" },
      { do: "range", key: "a", start: 65_535, end: 65_537 },
      { do: "range", key: "a", start: -1, end: size },
      { do: "ranges", key: "a", ranges: [[65_534, 65_535], [0, size], [size, size], [0, 1]] },
      { do: "ranges", key: "a", ranges: [[0, 1], [0, size + 1]] },
      { do: "stream", key: "a", chunk: 65_536 },
      { do: "into", key: "a", room: size },
    ]),
  },
  {
    why: "a shorter object takes the place of a longer one",
    steps: [
      { do: "put", key: "a", size: 200_000, seed: 1 },
      { do: "get", key: "a" },
      { do: "put", key: "a", size: 100, seed: 2, match: "right" },
      { do: "get", key: "a", match: "right" },
      { do: "get", key: "a", match: "wrong" },
      { do: "range", key: "a", start: 100, end: 200 },
      { do: "range", key: "a", start: 99, end: 200_000 },
      { do: "into", key: "a", room: 99 },
    ],
  },
  {
    why: "an object that is gone is missed by every read, each in its place",
    steps: [
      { do: "put", key: "a", size: 10, seed: 1 },
      { do: "put", key: "z/z", size: 10, seed: 2 },
      { do: "delete", key: "a" },
      { do: "get", key: "a" },
      { do: "range", key: "a", start: 1, end: 3 },
      { do: "range", key: "a", start: 3, end: 1 },
      { do: "ranges", key: "a", ranges: [[0, 1]] },
      { do: "stream", key: "a" },
      { do: "getMany", keys: ["z/z", "a", "z/z"], ordered: true },
      { do: "delete", key: "a" },
      { do: "put", key: "a", size: 1, seed: 3, match: "none" },
      { do: "put", key: "a", size: 1, seed: 4, match: "none" },
      { do: "get", key: "a" },
    ],
  },
  {
    why: "a copy keeps what it was made of, and nothing is copied from nothing",
    steps: [
      { do: "put", key: "a", size: 65_537, seed: 1, tag: "first" },
      { do: "copy", key: "a", to: "ünï/🚰" },
      { do: "put", key: "a", size: 5, seed: 2 },
      { do: "get", key: "ünï/🚰", match: "right" },
      { do: "stat", key: "ünï/🚰" },
      { do: "copy", key: "ünï/🚰", to: "z?#%41" },
      { do: "delete", key: "ünï/🚰" },
      { do: "range", key: "z?#%41", start: 65_530, end: 65_540 },
      { do: "copy", key: "ünï/🚰", to: "a" },
      { do: "get", key: "a" },
      { do: "list", prefix: "" },
    ],
  },
  {
    why: "groups, limits and starts of listings",
    steps: [
      ...["a", "b/1", "b/2", "b/c/3", "sp ace+", "ünï/🚰", "z?#%41", "z/z"].map((
        key,
        index,
      ): Step => ({
        do: "put",
        key,
        size: index,
        seed: index,
      })),
      { do: "list", prefix: "", delimiter: "/" },
      { do: "list", prefix: "b/", delimiter: "/" },
      { do: "list", prefix: "", delimiter: "/", limit: 2 },
      { do: "list", prefix: "", startAfter: "b/c/3" },
      { do: "list", prefix: "z", startAfter: "z/z", limit: 1 },
      { do: "list", prefix: "nothing" },
      { do: "list", prefix: "", limit: 0 },
    ],
  },
];
