// A file of this machine.

import type { Location } from "../client/location.ts";
import { libraryNeeds } from "../ffi/library.ts";
import type { NativeUpload } from "../ffi/native_upload.ts";
import { ensure, type Need } from "../ffi/permissions.ts";
import type { Completed, SubmitOptions } from "../ffi/queue.ts";
import { readablePath } from "../ffi/readable_path.ts";
import type { ClientHandle, Request, UploadHandle, WrittenMessage } from "../ffi/symbols.ts";
import { writablePath } from "../ffi/writable_path.ts";
import { defined } from "../client/connection.ts";
import { watched, watchedSmall, watching } from "../client/watched.ts";
import { bodyOf, SizedPieces, type Writable } from "./body.ts";
import type { Slice } from "./byte_range.ts";
import { checkedCall } from "./call_options.ts";
import { destinationOf, requireWholeFile } from "./destination.ts";
import { type ObjectAt, objectAt, ObjectFile, slicedFurther, slicesOf } from "./object_file.ts";
import type { PumpOptions } from "./pump.ts";
import type { CallOptions } from "./read_options.ts";
import { targetOf, writeFromFile, written } from "./s3_write.ts";
import type { Stat } from "./stat.ts";
import { uploadWriter } from "./upload_writer.ts";
import { checkedLocalWrite } from "./checked_write.ts";
import type { LocalWriteOptions, WriteOptions } from "./write_options.ts";

/**
 * A lazy handle on a local file, or on a part of it. Made by `file()` from a `file:` URL or from a
 * path that starts with `/`, `./` or `../`; making one does no I/O. Reading needs
 * `--allow-read=<path>`, writing `--allow-write=<path>`. A relative path counts from the working
 * directory at the time of the call.
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

  /**
   * Writes the whole file. It appears whole or not at all: the bytes go to a file without a name in
   * the same folder, which takes the place of the old one when all of them are on the disk. What is
   * replaced keeps its permissions. A symbolic link is followed: the file that it leads to is
   * replaced, and the link stays; one that leads nowhere is refused. Folders are not made.
   *
   * Long data that JavaScript owns is read piece by piece: leave it as it is until the promise
   * settles.
   *
   * @param data What to write.
   * @throws {InvalidInputError} For what cannot be written, for a slice, a folder or a device, and
   * with `code` `"FileFailed"` for a full disk or a name that is too long.
   * @throws {NotFoundError} When its folder does not exist.
   * @throws {AccessDeniedError} When the system does not allow it.
   * @throws {PreconditionFailedError} When it exists and `ifNoneMatch` is `"*"`.
   *
   * @example
   * ```ts
   * import { file } from "dipper";
   * const folder = await Deno.makeTempDir();
   * const f = file(`${folder}/hello.txt` as `/${string}`);
   * await f.write("hello");
   * console.log(await f.text()); // hello
   * await Deno.remove(folder, { recursive: true });
   * ```
   */
  override async write(data: Writable, options: LocalWriteOptions = {}): Promise<Stat> {
    return await this.#write(data, options);
  }

  /**
   * A stream that writes the whole file, as {@linkcode LocalFile.write} does: it appears when the
   * stream is closed, and an abort leaves nothing of it.
   *
   * @throws {InvalidInputError} For a slice, and for options that a file has no place for.
   * @throws {PermissionError} Naming every missing flag.
   *
   * @example
   * ```ts
   * import { file } from "dipper";
   * const folder = await Deno.makeTempDir();
   * const f = file(`${folder}/hello.txt` as `/${string}`);
   * await new Blob(["hello"]).stream().pipeTo(f.writer());
   * console.log(await f.text()); // hello
   * await Deno.remove(folder, { recursive: true });
   * ```
   */
  override writer(options: LocalWriteOptions = {}): WritableStream<Uint8Array> {
    requireWholeFile(this, "writer");
    const { path } = this;
    const checked = checkedLocalWrite(options, "writer", path);
    const needs: Need[] = [{ name: "write", path }];
    ensure("writer", [...libraryNeeds(), ...needs], path);
    const told = checked.progress === false ? checked.onProgress : () => {};
    const writing = {
      ...this.#pumping("writer", checked),
      watch: () => watching("writer", this.uri, checked),
    };
    return uploadWriter(
      (signal) =>
        this.#open("writer", needs, { ...checked, ...defined({ onProgress: told }) }, signal),
      path,
      writing,
    );
  }

  /**
   * Copies the file, or the part of it that this handle is on, to another place of any kind: within
   * this machine without passing through this process, else by streaming.
   *
   * @param destination A path, `file:` or `s3://` URI, or a file.
   * @returns What is known of the copy.
   * @throws {InvalidInputError} When both are the same file.
   * @throws {PreconditionFailedError} When the file changes meanwhile.
   * @throws {DipperError} As `write` of the destination.
   *
   * @example
   * ```ts
   * import { file } from "dipper";
   * const folder = await Deno.makeTempDir();
   * const f = file(`${folder}/a` as `/${string}`);
   * await f.write("hello");
   * await f.copyTo(`${folder}/b`);
   * console.log(await file(`${folder}/b` as `/${string}`).text()); // hello
   * await Deno.remove(folder, { recursive: true });
   * ```
   */
  override async copyTo(
    destination: string | URL | ObjectFile,
    options: WriteOptions = {},
  ): Promise<Stat> {
    const to = destinationOf(this, destination, "copyTo");
    if (slicesOf(this).length > 0) {
      const { streamedCopy } = await import("./stream_copy.ts");
      return await streamedCopy(this, to, "copyTo", options);
    }
    return to instanceof LocalFile
      ? await this.#toFile(to, "copyTo", options)
      : await writeFromFile(targetOf(to), this.path, options, "copyTo");
  }

  /**
   * Moves the file: by a rename where both places are on one file system, else by a copy after which
   * the old one is deleted. A symbolic link is moved as the file that it leads to, and the link goes.
   * When the old one cannot be deleted the copy stays, and the call rejects.
   *
   * @param destination A path, `file:` or `s3://` URI, or a file.
   * @returns What is known of the moved file.
   * @throws {DipperError} As `copyTo`.
   */
  override async moveTo(
    destination: string | URL | ObjectFile,
    options: WriteOptions = {},
  ): Promise<Stat> {
    requireWholeFile(this, "moveTo");
    const to = destinationOf(this, destination, "moveTo");
    if (to instanceof LocalFile) return await this.#toFile(to, "moveTo", options);
    // Before anything is sent: what was sent could not be deleted here.
    ensure("moveTo", [...libraryNeeds(), { name: "write", path: this.path }], this.path);
    const asked = defined({ signal: options.signal });
    const before = await this.stat(asked);
    const stat = await writeFromFile(targetOf(to), this.path, options, "moveTo");
    // What somebody wrote into it meanwhile is nowhere else.
    const { unchanged } = await import("./stream_copy.ts");
    await unchanged(this, before, "moveTo", asked);
    await this.delete(asked);
    return stat;
  }

  /**
   * Deletes the file; of a symbolic link, the link. That there is none is no error.
   *
   * @throws {InvalidInputError} For a folder, and for a slice.
   * @throws {AccessDeniedError} When the system does not allow it.
   */
  override async delete(options: CallOptions = {}): Promise<void> {
    requireWholeFile(this, "delete");
    options = checkedCall(options, "delete", this.path, []);
    await this.#run("delete", [{ name: "write", path: this.path }], options, (client) => ({
      operation: "deleteFile",
      client,
      path: writablePath(this.path, "delete", this.path),
    }));
  }

  async #write(
    data: Writable | SizedPieces,
    options: LocalWriteOptions,
  ): Promise<Stat> {
    const operation = data instanceof SizedPieces ? data.operation : "write";
    requireWholeFile(this, operation);
    options = checkedLocalWrite(options, operation, this.path);
    options.signal?.throwIfAborted();
    const { path } = this;
    // Before the body is read: one error names all that is missing.
    const needs: Need[] = [{ name: "write", path }];
    ensure(operation, [...libraryNeeds(), ...needs], path);
    const { content } = await bodyOf(data, path);
    if (content.kind === "pieces") {
      const pumped = await watched(operation, this.uri, options, async (onProgress) => {
        const told = { ...options, ...defined({ onProgress }) };
        const open = () => this.#open(operation, needs, told, options.signal);
        const { pump } = await import("./pump.ts");
        return await pump(content, open, this.#pumping(operation, told));
      });
      return written(this.uri, pumped);
    }
    try {
      return await this.#written(this, operation, needs, options, (client, progress) => ({
        operation: "writeFile",
        client,
        path: writablePath(path, operation, path),
        exclusive: options.ifNoneMatch === "*",
        progress,
        ...defined({ buffer: content.handle }),
      }));
    } finally {
      content.release();
    }
  }

  async #toFile(to: LocalFile, operation: "copyTo" | "moveTo", given: WriteOptions): Promise<Stat> {
    const options = checkedLocalWrite(given, operation, to.path);
    const needs: Need[] = [
      { name: "read", path: this.path },
      ...(operation === "moveTo" ? [{ name: "write", path: this.path } as const] : []),
      { name: "write", path: to.path },
    ];
    return await this.#written(to, operation, needs, options, (client, progress) => ({
      operation: operation === "copyTo" ? "copyFile" : "moveFile",
      client,
      from: operation === "copyTo"
        ? readablePath(this.path, operation, this.path)
        : writablePath(this.path, operation, this.path),
      to: writablePath(to.path, operation, to.path),
      exclusive: options.ifNoneMatch === "*",
      progress,
    }));
  }

  /** Writes a file with one request, and shows how far it is. */
  async #written(
    to: LocalFile,
    operation: string,
    needs: readonly Need[],
    options: LocalWriteOptions,
    request: (client: ClientHandle, progress: boolean) => Request,
  ): Promise<Stat> {
    const { signal } = options;
    const { payload } = await watchedSmall(operation, this.uri, options, (onProgress) => {
      const one = (client: ClientHandle) => request(client, onProgress !== undefined);
      return this.#run(operation, needs, { signal, onProgress }, one);
    });
    return written(to.uri, payload as WrittenMessage);
  }

  async #open(
    operation: string,
    needs: readonly Need[],
    options: LocalWriteOptions,
    signal: AbortSignal | undefined,
  ): Promise<NativeUpload> {
    const { path } = this;
    const { value } = await this.#run(operation, needs, { signal }, (client) => ({
      operation: "openFile",
      client,
      path: writablePath(path, operation, path),
      exclusive: options.ifNoneMatch === "*",
      progress: options.onProgress !== undefined,
    }));
    const { NativeUpload } = await import("../ffi/native_upload.ts");
    return new NativeUpload(value as UploadHandle, []);
  }

  #pumping(operation: string, { signal, onProgress }: LocalWriteOptions): PumpOptions {
    const subject = { operation, uri: this.path };
    const onCancelled = () => objectAt(this).connection.gone(subject);
    return { operation, signal, onProgress, onCancelled };
  }

  async #run(
    operation: string,
    needs: readonly Need[],
    options: SubmitOptions,
    request: (client: ClientHandle) => Request,
  ): Promise<Completed> {
    options.signal?.throwIfAborted();
    ensure(operation, [...libraryNeeds(), ...needs], this.path);
    const { signal, onProgress } = options;
    const subject = { operation, uri: this.path };
    return await objectAt(this).connection.runHere(subject, request, { signal, onProgress });
  }
}
