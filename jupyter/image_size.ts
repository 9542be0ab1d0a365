// Width and height of an image from its header, without decoding it: for the caption, and to refuse
// to show a small file that unfolds into a picture of gigabytes.

import type { ContentKind } from "./content_kind.ts";

/** Width and height in pixels. */
export interface ImageSize {
  /** Pixels from left to right. */
  readonly width: number;
  /** Pixels from top to bottom. */
  readonly height: number;
}

/** The size an image's header states, or `undefined` where the head does not hold it. */
export function imageSize(kind: ContentKind, head: Uint8Array): ImageSize | undefined {
  const data = new DataView(head.buffer, head.byteOffset, head.byteLength);
  switch (kind) {
    case "png":
      // IHDR is always the first chunk. https://www.w3.org/TR/png-3/#11IHDR
      if (head.length < 24) return undefined;
      return { width: data.getUint32(16), height: data.getUint32(20) };
    case "gif":
      if (head.length < 10) return undefined;
      return { width: data.getUint16(6, true), height: data.getUint16(8, true) };
    case "jpeg":
      return jpegSize(data);
    case "webp":
      return webpSize(data);
    case "avif":
      return avifSize(head, data);
    case "bmp":
      return bmpSize(data);
    case "ico":
      return iconSize(data);
    default:
      return undefined;
  }
}

// Markers until the start of a frame (SOF0 to SOF15 without DHT, JPG and DAC). ITU-T T.81, B.2.2
function jpegSize(data: DataView): ImageSize | undefined {
  let at = 2;
  while (at + 9 <= data.byteLength) {
    if (data.getUint8(at) !== 0xff) return undefined;
    const marker = data.getUint8(at + 1);
    if (marker === 0xff) {
      at++;
      continue;
    }
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return { width: data.getUint16(at + 7), height: data.getUint16(at + 5) };
    at += 2 + data.getUint16(at + 2);
  }
  return undefined;
}

// https://developers.google.com/speed/webp/docs/riff_container
function webpSize(data: DataView): ImageSize | undefined {
  if (data.byteLength < 30) return undefined;
  switch (data.getUint32(12)) {
    case 0x56503858: // "VP8X": 24 bits each, minus one
      return {
        width: (data.getUint32(24, true) & 0xffffff) + 1,
        height: (data.getUint32(26, true) >>> 8) + 1,
      };
    case 0x5650384c: { // "VP8L": 14 bits each, minus one, after a signature byte
      const bits = data.getUint32(21, true);
      return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
    }
    case 0x56503820: // "VP8 ": 14 bits each, after the frame tag and the start code
      return {
        width: data.getUint16(26, true) & 0x3fff,
        height: data.getUint16(28, true) & 0x3fff,
      };
    default:
      return undefined;
  }
}

// The largest "image spatial extents" property; thumbnails and alpha planes have theirs. ISO/IEC 23008-12
function avifSize(head: Uint8Array, data: DataView): ImageSize | undefined {
  let largest: ImageSize | undefined;
  for (let at = head.indexOf(0x69); at >= 0; at = head.indexOf(0x69, at + 1)) {
    if (at + 16 > data.byteLength) break;
    if (data.getUint32(at) !== 0x69737065) continue; // "ispe", a version, width and height
    const size = { width: data.getUint32(at + 8), height: data.getUint32(at + 12) };
    if (largest === undefined || size.width * size.height > largest.width * largest.height) {
      largest = size;
    }
  }
  return largest;
}

// A negative height means that the first row is the top one.
function bmpSize(data: DataView): ImageSize | undefined {
  if (data.byteLength < 26) return undefined;
  if (data.getUint32(14, true) === 12) {
    return { width: data.getUint16(18, true), height: data.getUint16(20, true) };
  }
  return {
    width: Math.abs(data.getInt32(18, true)),
    height: Math.abs(data.getInt32(22, true)),
  };
}

// The largest picture of the directory; 0 stands for 256.
function iconSize(data: DataView): ImageSize | undefined {
  if (data.byteLength < 22) return undefined;
  let width = 0;
  let height = 0;
  const count = data.getUint16(4, true);
  for (let at = 6; at + 16 <= Math.min(data.byteLength, 6 + 16 * count); at += 16) {
    width = Math.max(width, data.getUint8(at) || 256);
    height = Math.max(height, data.getUint8(at + 1) || 256);
  }
  return width > 0 ? { width, height } : undefined;
}
