// Bytes as text: decompressed where they are compressed, decoded as UTF-8.

import { InvalidInputError, UnsupportedError } from "../ffi/errors.ts";

/** The longest string that V8 holds, in UTF-16 units; text has at least as many bytes. */
export const LONGEST_STRING: number = 2 ** 29 - 24;

type Encoding = "gzip" | "deflate";

/** Compression that is recognised but not undone. */
const OTHERS: readonly [name: string, suffix: string, magic: readonly number[]][] = [
  ["zstd", ".zst", [0x28, 0xb5, 0x2f, 0xfd]],
  ["bzip2", ".bz2", [0x42, 0x5a, 0x68]],
  ["xz", ".xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
];

/** What is known of the bytes, for telling their encoding. */
export interface TextSource {
  readonly uri: string;
  readonly contentEncoding: string | undefined;
  readonly operation: string;
}

/**
 * Decodes text.
 *
 * @throws {UnsupportedError} For a compression that is not gzip or deflate.
 * @throws {InvalidInputError} For compressed data that is damaged.
 */
export async function decodeText(
  bytes: Uint8Array<ArrayBuffer>,
  source: TextSource,
): Promise<string> {
  const encoding = encodingOf(bytes, source);
  const plain = encoding === undefined ? bytes : await decompress(bytes, encoding, source);
  return new TextDecoder().decode(plain);
}

function startsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, index) => bytes[index] === byte);
}

function encodingOf(bytes: Uint8Array, source: TextSource): Encoding | undefined {
  const declared = source.contentEncoding?.toLowerCase().split(",").map((name) => name.trim())
    .filter((name) => name !== "" && name !== "identity" && name !== "aws-chunked");
  if (startsWith(bytes, [0x1f, 0x8b])) return "gzip";
  if (declared?.[0] === "deflate") return "deflate";
  for (const [name, suffix, magic] of OTHERS) {
    if (startsWith(bytes, magic) && (source.uri.endsWith(suffix) || declared?.[0] === name)) {
      throw unsupported(name, source);
    }
  }
  // A name or header that claims gzip over bytes that are none: some HTTP stacks decode early.
  if (declared?.[0] === "br") throw unsupported("brotli", source);
  return undefined;
}

function unsupported(name: string, { uri, operation }: TextSource): UnsupportedError {
  return new UnsupportedError(`${uri} is compressed with ${name}`, {
    code: "Unsupported",
    operation,
    uri,
    hint: "read its bytes() and decompress them; gzip and deflate are undone by text()",
  });
}

async function decompress(
  bytes: Uint8Array<ArrayBuffer>,
  encoding: Encoding,
  { uri, operation }: TextSource,
): Promise<ArrayBuffer> {
  try {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream(encoding));
    return await new Response(stream).arrayBuffer();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new InvalidInputError(`${uri} is damaged ${encoding} data: ${why}`, {
      code: "InvalidInput",
      operation,
      uri,
      hint: "read its bytes() to see what is there",
    });
  }
}
