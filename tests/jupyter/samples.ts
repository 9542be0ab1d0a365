// Small real files, made by the programs that own the formats (Chromium, gzip, zstd, xz, bzip2, lz4,
// zip), for the tests that tell formats apart. Each picture is 3 × 2 pixels of red, each archive holds
// the line "hello dipper".

import type { UsageLike } from "../../jupyter/usage_facts.ts";

function decode(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromBase64(base64);
}

/** Text as UTF-8. */
export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** Bytes of a Latin-1 string: one byte for each character. */
export function latin1(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

export const JPEG: Uint8Array<ArrayBuffer> = decode(
  "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAFA3PEY8MlBGQUZaVVBfeMiCeG5uePWvuZHI" + "/".repeat(52) +
    "2wBDAVVaWnhpeOuCguv" + "/".repeat(73) +
    "wAARCAACAAMDASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAP/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/8QAFQEBAQAAAAAAAAAAAAAAAAAAAwT/xAAUEQEAAAAAAAAAAAAAAAAAAAAA/9oADAMBAAIRAxEAPwCQA1j/2Q==",
);
export const GIF: Uint8Array<ArrayBuffer> = decode(
  "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7",
);
/** WebP with loss. */
export const WEBP: Uint8Array<ArrayBuffer> = decode(
  "UklGRjQAAABXRUJQVlA4ICgAAACQAQCdASoDAAIAB0CWJaACdLoAA5gA/uUK+Cepco/+N48CvJdjoAAA",
);
/** WebP without loss. */
export const WEBP_LOSSLESS: Uint8Array<ArrayBuffer> = decode(
  "UklGRhwAAABXRUJQVlA4TA8AAAAvAkAAAAcQ/Y/+ByKi/wEA",
);
/** WebP in the extended container. */
export const WEBP_EXTENDED: Uint8Array<ArrayBuffer> = decode(
  "UklGRkYAAABXRUJQVlA4WAoAAAAAAAAAAgAAAQAAVlA4ICgAAACQAQCdASoDAAIAB0CWJaACdLoAA5gA/uUK+Cepco/+N48CvJdjoAAA",
);
export const GZIP: Uint8Array<ArrayBuffer> = decode(
  "H4sICLUhA2sAA3QudHh0AMtIzcnJV0jJLChILeICAB0V43ENAAAA",
);
export const ZSTD: Uint8Array<ArrayBuffer> = decode("KLUv/SQNaQAAaGVsbG8gZGlwcGVyCv+nHXw=");
export const XZ: Uint8Array<ArrayBuffer> = decode(
  "/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQAMaGVsbG8gZGlwcGVyCgAAAABsZeN31bUIFgABJQ1xGcS2H7bzfQEAAAAABFla",
);
export const BZIP2: Uint8Array<ArrayBuffer> = decode(
  "QlpoOTFBWSZTWQ3TCBUAAALRgAAQQAAGZNAAIAAiBoHqEAMDlheaNQvF3JFOFCQDdMIFQA==",
);
export const LZ4: Uint8Array<ArrayBuffer> = decode(
  "BCJNGGRApw0AAIBoZWxsbyBkaXBwZXIKAAAAAEGjkeY=",
);
export const ZIP: Uint8Array<ArrayBuffer> = decode(
  "UEsDBAoAAAAAACWJdl0dFeNxDQAAAA0AAAAFABwAdC50eHRVVAkAA7UhA2u1IQNrdXgLAAEEAAAAAAQAAAAAaGVsbG8gZGlwcGVyClBLAQIeAwoAAAAAACWJdl0dFeNxDQAAAA0AAAAFABgAAAAAAAEAAACkgQAAAAB0LnR4dFVUBQADtSEDa3V4CwABBAAAAAAEAAAAAFBLBQYAAAAAAQABAEsAAABMAAAAAAA=",
);

/** A count of which every name is a text. */
export function usageOf(text: string): UsageLike {
  const count = { objects: 1, bytes: 1 };
  return {
    uri: `s3://b/${text}`,
    complete: false,
    ...count,
    folders: Array(100).fill({ uri: `s3://b/${text}`, ...count }),
    extensions: Array(100).fill({ extension: text, ...count }),
    storageClasses: Array(100).fill({ storageClass: text, ...count }),
    ages: [{ fromDays: 0, ...count }],
    pages: 1,
    milliseconds: 1,
  };
}

/** A bitmap of 3 × 2 red pixels, rows of three bytes a pixel, each filled up to 12 bytes. */
export const BMP: Uint8Array<ArrayBuffer> = ((bytes) => {
  const words = new DataView(bytes.buffer);
  bytes.set(latin1("BM"));
  words.setUint32(2, bytes.length, true);
  words.setUint32(10, 54, true);
  words.setUint32(14, 40, true);
  words.setInt32(18, 3, true);
  words.setInt32(22, -2, true);
  words.setUint16(26, 1, true);
  words.setUint16(28, 24, true);
  for (const row of [54, 66]) {
    for (let pixel = 0; pixel < 3; pixel++) bytes.set([0, 0, 255], row + 3 * pixel);
  }
  return bytes;
})(new Uint8Array(54 + 2 * 12));

/** An icon that holds a PNG of 100 × 100 pixels. */
export function icon(png: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(22 + png.length);
  const words = new DataView(bytes.buffer);
  words.setUint16(2, 1, true);
  words.setUint16(4, 1, true);
  bytes.set([100, 100], 6);
  words.setUint16(10, 1, true);
  words.setUint16(12, 32, true);
  words.setUint32(14, png.length, true);
  words.setUint32(18, 22, true);
  bytes.set(png, 22);
  return bytes;
}

/** The boxes at the beginning of an AVIF file that tell what it is and how large; no picture. */
export const AVIF_HEAD: Uint8Array<ArrayBuffer> = latin1(
  "\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf" +
    "\0\0\0\x28meta\0\0\0\0\0\0\0\x1ciprp\0\0\0\x14ipco" +
    "\0\0\0\x14ispe\0\0\0\0\0\0\0\x03\0\0\0\x02",
);
