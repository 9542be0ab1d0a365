// What a web address leads to.

import { shownLocation } from "../client/location.ts";
import { UnsupportedError } from "../ffi/errors.ts";
import type { Writable } from "./body.ts";
import type { Slice } from "./byte_range.ts";
import { destinationOf } from "./destination.ts";
import { type ObjectAt, objectAt, ObjectFile, slicedFurther } from "./object_file.ts";
import type { CallOptions } from "./read_options.ts";
import type { Stat } from "./stat.ts";
import type { WriteOptions } from "./write_options.ts";

/**
 * A lazy handle on what an `http:` or `https:` address leads to, or on a part of it. Made by
 * `file()`; making one does no I/O. Reading needs `--allow-net=<host>`. Errors and displays show
 * the address up to its path, because a query may hold a signature. It can be read and copied from;
 * what would change it is an `UnsupportedError`.
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

  /**
   * Copies what the address leads to, or the part of it that this handle is on, to a file or to S3,
   * by streaming. Its media type goes along.
   *
   * @param destination A path, `file:` or `s3://` URI, or a file.
   * @throws {DipperError} As `stream`, and as `write` of the destination.
   *
   * @example
   * ```ts
   * import { file } from "dipper";
   * await using server = Deno.serve({ hostname: "127.0.0.1", port: 0 }, () => new Response("hello"));
   * const folder = await Deno.makeTempDir();
   * await file(`http://127.0.0.1:${server.addr.port}/greeting`).copyTo(`${folder}/greeting`);
   * console.log(await Deno.readTextFile(`${folder}/greeting`)); // hello
   * await Deno.remove(folder, { recursive: true });
   * ```
   */
  override async copyTo(
    destination: string | URL | ObjectFile,
    options: WriteOptions = {},
  ): Promise<Stat> {
    const to = destinationOf(this, destination, "copyTo");
    const { streamedCopy } = await import("./stream_copy.ts");
    return await streamedCopy(this, to, "copyTo", options);
  }

  /** Web addresses are read only. @throws {UnsupportedError} Always. */
  override write(_data: Writable, _options?: WriteOptions): Promise<never> {
    return Promise.reject(this.#readOnly("write", "write to a path or to an s3:// URI"));
  }

  /** Web addresses are read only. @throws {UnsupportedError} Always. */
  override writer(_options?: WriteOptions): never {
    throw this.#readOnly("writer", "write to a path or to an s3:// URI");
  }

  /** Web addresses are read only. @throws {UnsupportedError} Always. */
  override moveTo(_to: string | URL | ObjectFile, _options?: WriteOptions): Promise<never> {
    return Promise.reject(this.#readOnly("moveTo", "copyTo() leaves the source as it is"));
  }

  /** Web addresses are read only. @throws {UnsupportedError} Always. */
  override delete(_options?: CallOptions): Promise<never> {
    return Promise.reject(this.#readOnly("delete", "ask who runs the server"));
  }

  #readOnly(operation: string, hint: string): UnsupportedError {
    const uri = shownLocation(objectAt(this).location);
    return new UnsupportedError(`${operation}: web addresses are only read, as ${uri}`, {
      code: "Unsupported",
      operation,
      uri,
      hint,
    });
  }
}
