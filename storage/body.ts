// What can be written, brought to one of two forms: native memory as a whole, or pieces that come
// one after the other. What is short is copied at once into native memory, so that its owner may
// change it as soon as the call has returned; what is long goes piece by piece.

import { invalidInput } from "../ffi/errors.ts";
import { releaseBuffer } from "../ffi/memory.ts";
import { holdBuffer, RustBuffer, stagingBuffer } from "../ffi/rust_buffer.ts";
import type { BufferHandle } from "../ffi/symbols.ts";
import { bytePieces, isOutOfBounds, type Pieces, piecesOf, textPieces } from "./pieces.ts";

/** What `write` takes. */
export type Writable =
  | string
  | ArrayBufferView
  | ArrayBufferLike
  | Blob
  | Response
  | ReadableStream<Uint8Array | string>
  | AsyncIterable<Uint8Array | string>
  | RustBuffer;

/** A source of pieces whose length is known; for the rooms' own use. */
export class SizedPieces {
  /** Takes over the pieces. */
  constructor(
    readonly pieces: Pieces,
    readonly size: number | undefined,
    /** What the user called. */
    readonly operation: string,
    /** Runs after the last piece; what it throws ends the write. */
    readonly check: () => Promise<void> = () => Promise.resolve(),
  ) {}
}

/** A body in native memory, kept alive until `release`, whatever the caller does to its source. */
export interface HeldBody {
  readonly kind: "held";
  /** Undefined for an empty one. */
  readonly handle: BufferHandle | undefined;
  readonly size: number;
  release(): void;
}

/** A body that comes in pieces. */
export interface PiecesBody {
  readonly kind: "pieces";
  readonly pieces: Pieces;
  readonly size: number | undefined;
  check?(): Promise<void>;
}

/** What is written, and what it says of itself. */
export interface Body {
  readonly content: HeldBody | PiecesBody;
  readonly contentType: string | undefined;
  /** It is text that was encoded here, as UTF-8. */
  readonly isText: boolean;
}

/** What is no longer is copied as a whole. */
const SHORT = 8 * 1024 * 1024;

/**
 * Brings data to a form that can be written.
 *
 * @throws {InvalidInputError} For what cannot be written, and for a detached buffer.
 */
export async function bodyOf(data: Writable | SizedPieces, uri: string): Promise<Body> {
  if (data instanceof SizedPieces) {
    const { pieces, size } = data;
    const content = { kind: "pieces", pieces, size, check: () => data.check() } as const;
    return { content, contentType: undefined, isText: false };
  }
  if (data instanceof RustBuffer) return untyped(held(data));
  if (typeof data === "string") return { ...untyped(ofText(data)), isText: true };
  if (
    data instanceof ArrayBuffer || data instanceof SharedArrayBuffer || ArrayBuffer.isView(data)
  ) {
    return untyped(ofBytes(viewOf(data, uri), () => viewOf(data, uri)));
  }
  if (data instanceof Blob) {
    const content = data.size <= SHORT
      ? copied(new Uint8Array(await data.arrayBuffer()))
      : inPieces(piecesOf(data.stream(), uri), data.size);
    return { content, contentType: data.type || undefined, isText: false };
  }
  if (data instanceof Response) {
    if (data.bodyUsed || data.body?.locked === true) {
      throw invalidInput("write", "the Response was read already", "pass response.clone()", uri);
    }
    const contentType = data.headers.get("content-type") ?? undefined;
    const content = data.body === null
      ? copied(new Uint8Array(0))
      : inPieces(piecesOf(data.body, uri), undefined);
    return { content, contentType, isText: false };
  }
  if (yieldsLater(data)) {
    if (data instanceof ReadableStream && data.locked) {
      throw invalidInput("write", "the stream is read by somebody else", "release its reader", uri);
    }
    return untyped(inPieces(piecesOf(data, uri), undefined));
  }
  throw invalidInput(
    "write",
    `${data === null ? "null" : typeof data} cannot be written`,
    "pass a string, BufferSource, Blob, Response, stream, async iterable or RustBuffer; " +
      "JSON.stringify() objects first",
    uri,
  );
}

/** Whether it is a stream or an async iterable, and not merely looks so. */
function yieldsLater(data: unknown): data is AsyncIterable<unknown> {
  return typeof data === "object" && data !== null &&
    typeof (data as Partial<AsyncIterable<unknown>>)[Symbol.asyncIterator] === "function";
}

function untyped(content: Body["content"]): Body {
  return { content, contentType: undefined, isText: false };
}

function inPieces(pieces: Pieces, size: number | undefined): PiecesBody {
  return { kind: "pieces", pieces, size };
}

function ofText(text: string): Body["content"] {
  // One unit of UTF-16 becomes three bytes at most. Lone surrogates become U+FFFD.
  return text.length <= SHORT / 3
    ? copied(new TextEncoder().encode(text))
    : inPieces(textPieces(text), undefined);
}

function ofBytes(bytes: Uint8Array, again: () => Uint8Array): Body["content"] {
  return bytes.byteLength <= SHORT
    ? copied(bytes)
    : inPieces(bytePieces(bytes.byteLength, again), bytes.byteLength);
}

function viewOf(data: ArrayBufferView | ArrayBufferLike, uri: string): Uint8Array {
  const buffer = ArrayBuffer.isView(data) ? data.buffer : data;
  if (buffer instanceof ArrayBuffer && buffer.detached) {
    throw invalidInput(
      "write",
      "the data's buffer is detached: it was transferred elsewhere",
      "write it before transferring it, and transfer it when the write is done",
      uri,
    );
  }
  if (!ArrayBuffer.isView(data)) return new Uint8Array(data);
  if (isOutOfBounds(data)) {
    throw invalidInput(
      "write",
      "the data's buffer was resized, and the view lies outside of it",
      "make the view anew, or write the buffer before it shrinks",
      uri,
    );
  }
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function copied(bytes: Uint8Array): HeldBody {
  using staging = stagingBuffer(bytes.byteLength);
  // V8 refuses immutable memory as the source of set(), but not of a copy.
  const readOnly = (bytes.buffer as ArrayBuffer & { immutable?: boolean }).immutable === true;
  staging.view().set(readOnly ? new Uint8Array(bytes) : bytes);
  return held(staging);
}

function held(buffer: RustBuffer): HeldBody {
  const size = buffer.byteLength;
  const handle = holdBuffer(buffer, "write");
  const release = () => {
    if (handle !== undefined) releaseBuffer(handle);
  };
  return { kind: "held", handle, size, release };
}
