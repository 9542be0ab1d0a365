// What a web address leads to.

import type { Slice } from "./byte_range.ts";
import { type ObjectAt, objectAt, ObjectFile, slicedFurther } from "./object_file.ts";

/**
 * A lazy handle on what an `http:` or `https:` address leads to, or on a part of it. Made by
 * `file()`; making one does no I/O. Reading needs `--allow-net=<host>`. Errors and displays show
 * the address up to its path, because a query may hold a signature.
 *
 * @example
 * ```ts
 * import { file } from "dipper";
 * await using server = Deno.serve({ hostname: "127.0.0.1", port: 0 }, () => new Response("hello"));
 * console.log(await file(`http://127.0.0.1:${server.addr.port}/greeting`).text()); // hello
 * ```
 */
export class HttpFile extends ObjectFile {
  /** @internal */
  constructor(at: ObjectAt, slices: readonly Slice[] = []) {
    super(at, slices);
  }

  /** A part of it, lazily, as {@linkcode ObjectFile.slice} says. */
  override slice(start?: number, end?: number): HttpFile {
    return new HttpFile(objectAt(this), slicedFurther(this, start, end));
  }
}
