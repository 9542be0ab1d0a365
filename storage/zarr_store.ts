// A folder of objects as `zarrita` reads one: values of keys, or parts of them.

import { NotFoundError } from "../ffi/errors.ts";
import type { ObjectFile } from "./object_file.ts";
import type { ReadOptions } from "./read_options.ts";

/** What `zarrita` opens: its type `AsyncReadable`. */
export interface ZarrStore {
  /** All of a value; `undefined` where there is none. */
  get(key: `/${string}`, options?: ReadOptions): Promise<Uint8Array | undefined>;
  /** A part of a value; `undefined` where there is none. */
  getRange(
    key: `/${string}`,
    range: { offset: number; length: number } | { suffixLength: number },
    options?: ReadOptions,
  ): Promise<Uint8Array | undefined>;
}

/** The objects below a prefix as a store. */
export function zarrStoreOf(at: (key: string) => ObjectFile, given: ReadOptions): ZarrStore {
  const found = async (read: Promise<Uint8Array>): Promise<Uint8Array | undefined> => {
    try {
      return await read;
    } catch (error) {
      // A chunk that is not there holds the fill value; a store that is not there holds none.
      if (error instanceof NotFoundError && error.code !== "NoSuchBucket") return undefined;
      throw error;
    }
  };
  const reading = (options: ReadOptions | undefined): ReadOptions => {
    const signal = options?.signal ?? given.signal;
    return signal === undefined ? given : { ...given, signal };
  };
  return {
    get: (key, options) => found(at(key).bytes(reading(options))),
    getRange(key, range, options) {
      const file = at(key);
      let part: ObjectFile;
      if (!("suffixLength" in range)) part = file.slice(range.offset, range.offset + range.length);
      // From minus zero on is all of it.
      else part = range.suffixLength === 0 ? file.slice(0, 0) : file.slice(-range.suffixLength);
      return found(part.bytes(reading(options)));
    },
  };
}
