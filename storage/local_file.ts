// A file of this machine.

import type { Location } from "../client/location.ts";
import type { Slice } from "./byte_range.ts";
import { type ObjectAt, objectAt, ObjectFile, slicedFurther } from "./object_file.ts";

/**
 * A lazy handle on a local file, or on a part of it. Made by `file()` from a `file:` URL or from a
 * path that starts with `/`, `./` or `../`; making one does no I/O. Reading needs
 * `--allow-read=<path>`. A relative path counts from the working directory at the time of reading.
 *
 * @example
 * ```ts
 * import { file } from "dipper";
 * const path = await Deno.makeTempFile();
 * await Deno.writeTextFile(path, "hello");
 * console.log(await file(path).text()); // hello
 * await Deno.remove(path);
 * ```
 */
export class LocalFile extends ObjectFile {
  /** @internal */
  constructor(at: ObjectAt, slices: readonly Slice[] = []) {
    super(at, slices);
  }

  /** The path, as it was given or as the URL says it. */
  get path(): string {
    return (objectAt(this).location as Location & { scheme: "file" }).path;
  }

  /** A part of it, lazily, as {@linkcode ObjectFile.slice} says. */
  override slice(start?: number, end?: number): LocalFile {
    return new LocalFile(objectAt(this), slicedFurther(this, start, end));
  }
}
