/**
 * Files of Parquet whose footer tells other numbers. The footer is Thrift's compact protocol:
 * https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md.
 */

/** The file with another number at a place of its footer: ids of fields, and places in lists. */
export function withNumber(
  file: Uint8Array,
  path: readonly number[],
  value: bigint,
): Uint8Array<ArrayBuffer> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const end = file.length - 8;
  const start = end - view.getUint32(end, true);
  const cursor = { bytes: file, at: start };
  find(cursor, path);
  const from = cursor.at;
  varint(cursor);
  const written: number[] = [];
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
  for (; rest > 127n; rest >>= 7n) written.push(Number(rest & 127n) | 128);
  written.push(Number(rest));
  const footer = [...file.subarray(start, from), ...written, ...file.subarray(cursor.at, end)];
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, footer.length, true);
  return Uint8Array.of(...file.subarray(0, start), ...footer, ...length, ...file.subarray(end + 4));
}

interface Cursor {
  readonly bytes: Uint8Array;
  at: number;
}

const STRUCT = 12;
const LIST = 9;
const INTEGERS = [4, 5, 6];

/** Goes to the number at a path within a struct. */
function find(cursor: Cursor, [id, ...rest]: readonly number[]): void {
  for (let field = 0;;) {
    const head = cursor.bytes[cursor.at++]!;
    if (head === 0) throw new Error(`there is no field ${id}`);
    const kind = head & 15;
    const step = head >> 4;
    field = step === 0 ? zigzag(varint(cursor)) : field + step;
    if (field !== id) {
      skip(cursor, kind);
      continue;
    }
    if (rest.length === 0) {
      if (!INTEGERS.includes(kind)) throw new Error(`field ${id} is no number`);
      return;
    }
    if (kind === STRUCT) return find(cursor, rest);
    if (kind !== LIST) throw new Error(`field ${id} has no parts`);
    const [place, ...inside] = rest;
    const [, element] = list(cursor);
    for (let index = 0; index < place!; index++) skip(cursor, element);
    return find(cursor, inside);
  }
}

function list(cursor: Cursor): [length: number, kind: number] {
  const head = cursor.bytes[cursor.at++]!;
  const short = head >> 4;
  return [short === 15 ? Number(varint(cursor)) : short, head & 15];
}

function skip(cursor: Cursor, kind: number): void {
  switch (kind) {
    case 1:
    case 2:
      return;
    case 3:
      cursor.at++;
      return;
    case 4:
    case 5:
    case 6:
      varint(cursor);
      return;
    case 7:
      cursor.at += 8;
      return;
    case 8: {
      const length = Number(varint(cursor));
      cursor.at += length;
      return;
    }
    case LIST:
    case 10: {
      const [length, element] = list(cursor);
      // Truth values have a byte each in lists.
      for (let index = 0; index < length; index++) skip(cursor, element < 3 ? 3 : element);
      return;
    }
    case STRUCT:
      for (;;) {
        const head = cursor.bytes[cursor.at++]!;
        if (head === 0) return;
        if (head >> 4 === 0) varint(cursor);
        skip(cursor, head & 15);
      }
    default:
      throw new Error(`there is a value of kind ${kind}`);
  }
}

function varint(cursor: Cursor): bigint {
  let value = 0n;
  for (let shift = 0n;; shift += 7n) {
    const byte = cursor.bytes[cursor.at++]!;
    value |= BigInt(byte & 127) << shift;
    if (byte < 128) return value;
  }
}

function zigzag(value: bigint): number {
  return Number((value >> 1n) ^ -(value & 1n));
}
