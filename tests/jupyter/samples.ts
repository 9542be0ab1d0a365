// Small real files, made by the programs that own the formats (Chromium, gzip, zstd, xz, bzip2, lz4,
// zip), for the tests that tell formats apart. Each picture is 3 × 2 pixels of red, each archive holds
// the line "hello dipper".

import type { UsageLike } from "../../jupyter/show_usage.ts";

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
