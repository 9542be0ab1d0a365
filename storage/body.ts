// What can be written, brought into native memory: what JavaScript owns is copied once.

import { invalidInput } from "../ffi/errors.ts";
import { releaseBuffer } from "../ffi/memory.ts";
import { holdBuffer, RustBuffer } from "../ffi/rust_buffer.ts";
import type { BufferHandle } from "../ffi/symbols.ts";

/** What `write` takes. */
export type Writable =
  | string
  | BufferSource
  | Blob
  | Response
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>
  | RustBuffer;

/** A body in native memory, kept alive until `release`, whatever the caller does to its source. */
export interface Body {
  readonly handle: BufferHandle | undefined;
  readonly contentType: string | undefined;
  release(): void;
}

/**
 * Brings a body into native memory.
 *
 * @throws {InvalidInputError} For what cannot be written, and for a detached buffer.
 */
export async function bodyOf(data: Writable, uri: string, signal?: AbortSignal): Promise<Body> {
  if (data instanceof RustBuffer) {
    return held(data, undefined);
  }
  if (typeof data === "string") return encoded(data);
  if (
    data instanceof ArrayBuffer || data instanceof SharedArrayBuffer || ArrayBuffer.isView(data)
  ) {
    return copied([viewOf(data, uri)], undefined);
  }
  if (data instanceof Blob) {
    return copied([new Uint8Array(await data.arrayBuffer())], data.type || undefined);
  }
  if (data instanceof Response) {
    if (data.bodyUsed) {
      throw invalidInput("write", "the Response was read already", "pass response.clone()", uri);
    }
    const type = data.headers.get("content-type") ?? undefined;
    return data.body === null
      ? copied([], type)
      : copied(await gather(data.body, uri, signal), type);
  }
  if (typeof data === "object" && data !== null && Symbol.asyncIterator in data) {
    return copied(await gather(data, uri, signal), undefined);
  }
  throw invalidInput(
    "write",
    `${data === null ? "null" : typeof data} cannot be written`,
    "pass a string, BufferSource, Blob, Response, stream, async iterable or RustBuffer; " +
      "JSON.stringify() objects first",
    uri,
  );
}

function encoded(text: string): Body {
  if (text === "") return copied([], undefined);
  return copied([new TextEncoder().encode(text)], undefined);
}

function viewOf(data: BufferSource | SharedArrayBuffer, uri: string): Uint8Array {
  const buffer = ArrayBuffer.isView(data) ? data.buffer : data;
  if (buffer instanceof ArrayBuffer && buffer.detached) {
    throw invalidInput(
      "write",
      "the data's buffer is detached: it was transferred elsewhere",
      "write it before transferring it",
      uri,
    );
  }
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
}

/** Collects a stream's chunks; each is copied, as its producer may use it again. */
async function gather(
  source: AsyncIterable<Uint8Array>,
  uri: string,
  signal: AbortSignal | undefined,
): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) {
    signal?.throwIfAborted();
    if (!ArrayBuffer.isView(chunk)) {
      throw invalidInput("write", "the stream yields no bytes", "yield Uint8Arrays", uri);
    }
    chunks.push(new Uint8Array(viewOf(chunk as BufferSource, uri)));
  }
  return chunks;
}

function copied(chunks: readonly Uint8Array[], contentType: string | undefined): Body {
  const length = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
  using staging = new RustBuffer(length);
  const view = staging.view();
  let offset = 0;
  for (const chunk of chunks) {
    // V8 refuses immutable memory as the source of set(), but not of a copy.
    const readOnly = (chunk.buffer as ArrayBuffer & { immutable?: boolean }).immutable === true;
    view.set(readOnly ? new Uint8Array(chunk) : chunk, offset);
    offset += chunk.byteLength;
  }
  return held(staging, contentType);
}

function held(buffer: RustBuffer, contentType: string | undefined): Body {
  const handle = holdBuffer(buffer, "write");
  const release = () => {
    if (handle !== undefined) releaseBuffer(handle);
  };
  return { handle, contentType, release };
}
