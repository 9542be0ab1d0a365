// Bytes as text: decompressed where they are compressed, decoded as UTF-8.

import { LONGEST_STRING } from "./longest_string.ts";
import type { Connection } from "../client/connection.ts";
import { defined } from "../client/connection.ts";
import { invalidInput } from "../ffi/errors.ts";
import { NativeLines } from "../ffi/native_lines.ts";
import type { BufferHandle, FeedMessage, StreamHandle } from "../ffi/symbols.ts";

/** How compressed bytes begin: gzip, zstd, bzip2, xz. The native side looks closer. */
const MAGIC: readonly (readonly number[])[] = [
  [0x1f, 0x8b],
  [0x28, 0xb5, 0x2f, 0xfd],
  [0x42, 0x5a, 0x68],
  [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00],
];
const STEP = 1024 * 1024;

/** What is known of the bytes, for telling their encoding. */
export interface TextSource {
  readonly connection: Connection;
  /** The native buffer that holds the bytes, which is mapped already. */
  readonly buffer: BufferHandle;
  readonly uri: string;
  readonly contentEncoding: string | undefined;
  readonly operation: string;
  readonly signal: AbortSignal | undefined;
}

/**
 * Decodes text.
 *
 * @throws {IntegrityError} For compressed data that are damaged or cut short.
 * @throws {UnsupportedError} For brotli.
 * @throws {InvalidInputError} When the text is longer than V8 holds.
 */
export async function decodeText(
  bytes: Uint8Array<ArrayBuffer>,
  source: TextSource,
): Promise<string> {
  if (mayBeCompressed(bytes, source)) return await decompressed(source);
  return new TextDecoder().decode(bytes);
}

function mayBeCompressed(bytes: Uint8Array, { contentEncoding }: TextSource): boolean {
  if (bytes.length === 0) return false;
  return MAGIC.some((magic) => magic.every((byte, index) => bytes[index] === byte)) ||
    /\b(?:deflate|br)\b/i.test(contentEncoding ?? "");
}

/** What the bytes hold, decompressed piece by piece. */
async function decompressed(source: TextSource): Promise<string> {
  const { connection, buffer, uri, contentEncoding, operation, signal } = source;
  const feed: FeedMessage = {
    kind: "memory",
    buffer,
    shown: uri,
    ...defined({ encoding: contentEncoding }),
  };
  const cut = { kind: "not" } as const;
  const opened = await connection.runHere(
    { operation, uri },
    (client) => ({ operation: "openLines", client, feed, cut, progress: false }),
    { signal },
  );
  const lines = new NativeLines(opened.value as StreamHandle, [], operation, false);
  try {
    const decoder = new TextDecoder();
    const memory = new Uint8Array(STEP);
    const pieces: string[] = [];
    let length = 0;
    while (true) {
      const { filled, batch } = await lines.read(memory, { signal });
      const piece = decoder.decode(memory.subarray(0, filled), { stream: !batch.ended });
      length += piece.length;
      if (length > LONGEST_STRING) {
        throw invalidInput(
          operation,
          `${uri} is decompressed to more than V8 holds as one string`,
          "read it line by line with lines()",
          uri,
        );
      }
      pieces.push(piece);
      if (batch.ended) return pieces.join("");
    }
  } finally {
    lines.release();
  }
}
