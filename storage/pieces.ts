// Bytes that come one after the other, whatever they come from, pulled one piece at a time.

import { invalidInput } from "../ffi/errors.ts";
import type { NativeUpload, UploadOptions } from "../ffi/native_upload.ts";

/** What brings its bytes to an upload by itself, so that they never pass through JavaScript. */
export interface Bringing {
  /** Brings them, as fast as they are taken. */
  bring(upload: NativeUpload, options: UploadOptions): Promise<void>;
}

/** A source of bytes, read by one reader. */
export interface Pieces {
  /** The next bytes; undefined at the end. They may be changed after the next call. */
  next(): Promise<Uint8Array | Bringing | undefined>;
  /** Tells the source that no more is wanted. Never waits, and never fails. */
  cancel(reason: unknown): void;
}

const encoder = new TextEncoder();

/** The pieces of a stream or of anything that yields bytes or text. */
export function piecesOf(source: AsyncIterable<unknown>, uri: string): Pieces {
  return source instanceof ReadableStream ? ofStream(source, uri) : ofIterable(source, uri);
}

/** How much of a long memory is one piece. */
const PIECE = 1024 * 1024;

/** Memory in pieces. It is looked up again for each, as its owner may have moved it. */
export function bytePieces(length: number, bytes: () => Uint8Array): Pieces {
  let at = 0;
  return {
    next(): Promise<Uint8Array | undefined> {
      try {
        if (at >= length) return Promise.resolve(undefined);
        const piece = bytes().subarray(at, Math.min(length, at + PIECE));
        at += PIECE;
        return Promise.resolve(plain(piece));
      } catch (error) {
        return Promise.reject(error);
      }
    },
    cancel() {},
  };
}

/** Text in pieces, as UTF-8. */
export function textPieces(text: string): Pieces {
  let at = 0;
  return {
    next(): Promise<Uint8Array | undefined> {
      if (at >= text.length) return Promise.resolve(undefined);
      let end = Math.min(text.length, at + PIECE);
      // Not between the halves of a pair.
      const last = text.charCodeAt(end - 1);
      if (end < text.length && last >= 0xd800 && last < 0xdc00) end--;
      const piece = encoder.encode(text.slice(at, end));
      at = end;
      return Promise.resolve(piece);
    },
    cancel() {},
  };
}

function ofStream(stream: ReadableStream<unknown>, uri: string): Pieces {
  const reader = stream.getReader();
  const next = async () => {
    const result = await reader.read();
    if (result.done) reader.releaseLock();
    return result;
  };
  return { next: encoded(next, uri), cancel: (reason) => void reader.cancel(reason).catch(ignore) };
}

function ofIterable(source: AsyncIterable<unknown>, uri: string): Pieces {
  const iterator = source[Symbol.asyncIterator]();
  return {
    next: encoded(() => iterator.next(), uri),
    cancel() {
      // A generator that waits for something runs its `finally` when that has come.
      try {
        Promise.resolve(iterator.return?.()).catch(ignore);
      } catch {
        // It was asked to end, and that is all.
      }
    },
  };
}

function ignore(): void {}

/** Pieces as bytes. A character of text may lie across two of them. */
function encoded(
  next: () => Promise<{ done?: boolean; value?: unknown }>,
  uri: string,
): Pieces["next"] {
  let half = "";
  let ended = false;
  return async () => {
    if (ended) return undefined;
    const { done, value } = await next();
    ended = done === true;
    if (ended && half === "") return undefined;
    const text = half + (typeof value === "string" ? value : "");
    half = "";
    if (typeof value !== "string") {
      if (text === "") return bytesOf(value, uri);
      return done ? encoder.encode(text) : joined(encoder.encode(text), bytesOf(value, uri));
    }
    const last = text.charCodeAt(text.length - 1);
    if (last < 0xd800 || last >= 0xdc00) return encoder.encode(text);
    half = text.slice(-1);
    return encoder.encode(text.slice(0, -1));
  };
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/**
 * The bytes of one piece that a source gave.
 *
 * @throws {InvalidInputError} For what is no memory, and for memory that is gone.
 */
export function bytesOf(piece: unknown, uri: string): Uint8Array {
  if (typeof piece === "string") return encoder.encode(piece);
  const isBuffer = piece instanceof ArrayBuffer || piece instanceof SharedArrayBuffer;
  if (!isBuffer && !ArrayBuffer.isView(piece)) {
    throw invalidInput(
      "write",
      `the source yields ${piece === null ? "null" : typeof piece}, and not bytes`,
      "yield Uint8Arrays or strings",
      uri,
    );
  }
  const buffer = isBuffer ? piece : piece.buffer;
  if (buffer instanceof ArrayBuffer && buffer.detached) {
    throw invalidInput(
      "write",
      "a piece of the source is detached: it was transferred elsewhere",
      "hand over memory that stays until the next piece is asked for",
      uri,
    );
  }
  if (!isBuffer && isOutOfBounds(piece)) {
    throw invalidInput(
      "write",
      "a piece of the source lies outside of its buffer, which was resized",
      "hand over memory that stays until the next piece is asked for",
      uri,
    );
  }
  const bytes = isBuffer
    ? new Uint8Array(piece)
    : new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength);
  return plain(bytes);
}

/**
 * Whether the buffer shrank below a view, which then says that it is empty (or, a `DataView`,
 * throws).
 */
export function isOutOfBounds(view: ArrayBufferView): boolean {
  try {
    // Typed arrays check where they are before they look for an element.
    if (view instanceof DataView) view.byteLength;
    else (view as Uint8Array).at(0);
    return false;
  } catch {
    return true;
  }
}

/** Native calls take neither shared nor immutable memory. */
function plain(bytes: Uint8Array): Uint8Array {
  const { buffer } = bytes;
  const odd = !(buffer instanceof ArrayBuffer) ||
    (buffer as ArrayBuffer & { immutable?: boolean }).immutable === true;
  return odd ? new Uint8Array(bytes) : bytes;
}
