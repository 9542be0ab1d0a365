// The columns of Parquet and Arrow, against what the files are known to hold and what another reader
// says, and against bytes that were broken on purpose.

import { assert, assertEquals, assertLess } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  dateDay,
  dictionary,
  fixedSizeBinary,
  float64,
  int32,
  list,
  struct,
  tableFromArrays,
  tableFromIPC,
  tableToIPC,
  timestamp,
  uint8,
  utf8,
} from "@uwdata/flechette";
import { arrowSchema } from "../../jupyter/arrow_schema.ts";
import { parquetSchema } from "../../jupyter/parquet_schema.ts";
import { showFile } from "../../jupyter/show_file.ts";
import { sampleDirectory } from "../../tools/sample_data.ts";

const PARQUET = Deno.readFileSync(`${sampleDirectory()}/flights-3m.parquet`);
const ARROW = Deno.readFileSync(`${sampleDirectory()}/flights-200k.arrow`);

describe("parquetSchema", () => {
  it("reads columns, rows and row groups of three million flights", () => {
    const schema = parquetSchema(PARQUET);
    assertEquals(schema?.rows, 3_000_000);
    assertEquals(schema?.parts, 11);
    assertEquals(schema?.columns.map(({ name, type }) => `${name}: ${type}`), [
      "date: timestamp",
      "delay: int64",
      "distance: int64",
      "origin: string",
      "destination: string",
    ]);
  });

  it("needs the footer only, and says nothing where it is not whole", () => {
    assertEquals(parquetSchema(PARQUET.subarray(-65_536)), parquetSchema(PARQUET));
    for (const length of [0, 1, 8, 12, 200]) {
      const tail = PARQUET.subarray(PARQUET.length - length);
      assertEquals(parquetSchema(tail), undefined, `${length} bytes`);
    }
    assertEquals(parquetSchema(PARQUET.subarray(0, 65_536)), undefined);
  });

  it("shows in a file's display when its end was fetched", () => {
    const display = showFile({
      uri: "s3://taxi/flights.parquet",
      name: "flights.parquet",
      stat: { size: PARQUET.length, metadata: {} },
      preview: PARQUET.slice(0, 65_536),
      tail: PARQUET.slice(-65_536),
    });
    assert(
      String(display["text/plain"]).startsWith(
        "flights.parquet: Parquet, 3,000,000 rows, 5 columns, 11 row groups\n",
      ),
    );
  });
});

describe("arrowSchema", () => {
  it("reads the columns of a real file", () => {
    assertEquals(arrowSchema(ARROW)?.columns, [
      { name: "delay", type: "int16", nullable: true },
      { name: "distance", type: "int16", nullable: true },
      { name: "time", type: "float32", nullable: true },
    ]);
    assertEquals(
      arrowSchema(ARROW)?.columns.map(({ name }) => name),
      tableFromIPC(ARROW).schema.fields.map(({ name }) => name),
    );
  });

  for (const format of ["stream", "file"] as const) {
    it(`names the types of a ${format}`, () => {
      const table = tableFromArrays({
        i: [1],
        u: [1],
        f: [0.5],
        s: ["a"],
        d: [new Date(0)],
        t: [0],
        k: ["x"],
        l: [[1]],
        o: [{ a: 1, b: "x" }],
        x: [new Uint8Array(4)],
      }, {
        types: {
          i: int32(),
          u: uint8(),
          f: float64(),
          s: utf8(),
          d: dateDay(),
          t: timestamp(2, "UTC"),
          k: dictionary(utf8()),
          l: list(int32()),
          o: struct({ a: int32(), b: utf8() }),
          x: fixedSizeBinary(4),
        },
      });
      const bytes = tableToIPC(table, { format });
      assert(bytes !== null);
      assertEquals(arrowSchema(bytes)?.columns.map(({ name, type }) => `${name}: ${type}`), [
        "i: int32",
        "u: uint8",
        "f: float64",
        "s: string",
        "d: date[day]",
        "t: timestamp[µs, UTC]",
        "k: dictionary<string>",
        "l: list<int32>",
        "o: struct<a: int32, b: string>",
        "x: fixed binary[4]",
      ]);
    });
  }
});

describe("schemas of broken bytes", () => {
  // A small generator with a fixed seed (mulberry32), so that a failure can be repeated.
  function numbers(seed: number): () => number {
    let state = seed;
    return () => {
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return (t ^ (t >>> 14)) >>> 0;
    };
  }

  const sources: [string, Uint8Array, (bytes: Uint8Array) => unknown][] = [
    ["Parquet", PARQUET.slice(-4096), parquetSchema],
    ["Arrow", ARROW.slice(0, 600), arrowSchema],
  ];
  for (const [name, whole, read] of sources) {
    it(`never throw and never hang: ${name}`, () => {
      // The footer of the real file is longer than what is broken here; its length is adapted.
      if (name === "Parquet") {
        const footer = new DataView(PARQUET.buffer).getUint32(PARQUET.length - 8, true);
        whole.set(PARQUET.slice(PARQUET.length - 8 - footer, PARQUET.length - 8 - footer + 4088));
        new DataView(whole.buffer).setUint32(4088, 4088, true);
        assert(read(whole) !== undefined);
      }
      const next = numbers(7);
      let refused = 0;
      const started = performance.now();
      for (let round = 0; round < 5000; round++) {
        const bytes = whole.slice();
        const region = Math.min(400, bytes.length - 8);
        for (let count = 1 + next() % 4; count > 0; count--) {
          bytes[next() % region] = [0, 0xff, 0x7f, 0x80, next() & 0xff][next() % 5]!;
        }
        if (read(bytes) === undefined) refused++;
      }
      assert(refused > 0, "some of them must be beyond reading");
      assertLess(performance.now() - started, 120_000);
    });
  }

  // Fields that all have the same children, level after level: 200 fields in a few hundred bytes
  // become 200 to the power of the levels. The one Field table is copied behind each vector.
  function sharedChildren(levels: number): Uint8Array {
    const data = new DataView(new ArrayBuffer(8192));
    const point = (at: number, target: number): void => data.setUint32(at, target - at, true);
    data.setUint32(0, 0xffffffff);
    data.setInt32(4, 8184, true);
    // Message at 64, its vtable at 40: slot 1 is the kind of message, slot 2 the schema.
    point(8, 64);
    data.setUint16(40, 10, true);
    data.setUint16(46, 4, true);
    data.setUint16(48, 8, true);
    data.setInt32(64, 64 - 40, true);
    data.setUint8(68, 1);
    point(72, 128);
    // Schema at 128, its vtable at 100: slot 1 is the vector of fields.
    data.setUint16(100, 8, true);
    data.setUint16(106, 4, true);
    data.setInt32(128, 128 - 100, true);
    point(132, 300);
    // The vtable of every field at 160: slot 2 is the type (13, struct), slot 5 the children.
    data.setUint16(160, 16, true);
    data.setUint16(168, 4, true);
    data.setUint16(174, 8, true);
    for (let level = 0; level <= levels; level++) {
      const vector = 300 + level * 820;
      const field = vector + 804;
      data.setUint32(vector, 200, true);
      for (let index = 0; index < 200; index++) point(vector + 4 + index * 4, field);
      data.setInt32(field, field - 160, true);
      data.setUint8(field + 4, 13);
      point(field + 8, vector + 820);
    }
    return new Uint8Array(data.buffer);
  }

  it("are refused when fields multiply by sharing their children", () => {
    assertEquals(arrowSchema(sharedChildren(0))?.columns.length, 200);
    const started = performance.now();
    assertEquals(arrowSchema(sharedChildren(5)), undefined);
    assertLess(performance.now() - started, 20_000);
  });
});
