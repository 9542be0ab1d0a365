// Tables in other libraries, and what docs/tables.md says of copies: by pointers.

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import {
  asyncBuffer,
  file,
  type LocalFile,
  LocalS3,
  memory,
  NotFoundError,
  PreconditionFailedError,
  type S3Client,
  writeTable,
  zarrStore,
} from "dipper";
import { DuckDBInstance } from "@duckdb/node-api";
import * as Plot from "@observablehq/plot";
import { type Table, tableToIPC } from "@uwdata/flechette";
import * as apache from "apache-arrow";
import * as aq from "arquero";
import { parquetReadObjects } from "hyparquet";
import { parseHTML } from "linkedom";
import pl from "nodejs-polars";
import { Buffer } from "node:buffer";
import * as zarr from "zarrita";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

let folder: string;
let s3: LocalS3;
let client: S3Client;
let numbers: LocalFile;
const rows = 1000;
const sum = (values: Iterable<number>) => [...values].reduce((a, b) => a + b, 0);
const expected = sum(Array.from({ length: rows }, (_, index) => index / 2));

describe("other libraries", () => {
  beforeAll(async () => {
    folder = await Deno.makeTempDir();
    s3 = await LocalS3.start();
    client = s3.client();
    await client.createBucket("bucket");
    numbers = file(`${folder}/numbers.parquet` as `/${string}`);
    await writeTable(numbers, {
      id: Int32Array.from({ length: rows }, (_, index) => index),
      half: Float64Array.from({ length: rows }, (_, index) => index / 2),
      name: Array.from({ length: rows }, (_, index) => `row ${index}`),
    });
  });
  afterAll(async () => {
    client[Symbol.dispose]();
    await s3[Symbol.asyncDispose]();
    await Deno.remove(folder, { recursive: true });
  });

  function local(name: string): LocalFile {
    return file(`${folder}/${name}` as `/${string}`);
  }

  /** The memory that Rust filled for a column. */
  function memoryOf(table: Table, name: string): ArrayBufferLike {
    return table.getChild(name).data[0]!.values!.buffer;
  }

  describe("apache-arrow", () => {
    it("takes numbers where they lie", async () => {
      const table = await numbers.table({ columns: ["half"] });
      const vector = apache.makeVector(table.getChild("half").toArray() as Float64Array);
      assertStrictEquals(vector.data[0]!.values.buffer, memoryOf(table, "half"));
      assertEquals(sum(vector as Iterable<number>), expected);
    });

    it("takes everything as Arrow IPC, with one copy", async () => {
      const batches: apache.RecordBatch[] = [];
      for await (const batch of numbers.batches()) {
        batches.push(...apache.tableFromIPC(tableToIPC(batch, { format: "stream" })!).batches);
      }
      const table = new apache.Table(batches);
      assertEquals(table.numRows, rows);
      assertEquals(table.get(7)!.toJSON(), { id: 7, half: 3.5, name: "row 7" });
    });
  });

  describe("arquero", () => {
    it("takes a table where it lies", async () => {
      const table = await numbers.table();
      const dt = aq.fromArrow(table as never);
      const column = dt.column("half") as unknown as { data: { values: Float64Array }[] };
      assertStrictEquals(column.data[0]!.values.buffer, memoryOf(table, "half"));
      assertEquals(dt.rollup({ sum: aq.op.sum("half") }).objects(), [{ sum: expected }]);
    });
  });

  describe("Observable Plot", () => {
    it("takes a table, and reads its columns where they lie", async () => {
      const table = await numbers.table();
      const { document } = parseHTML("<html></html>") as unknown as { document: unknown };
      let seen: unknown;
      const marks = Plot.dot(table as never, {
        x: "id",
        y: "half",
        initializer(data, facets, channels) {
          seen = (channels as { y: { value: Float64Array } }).y.value;
          return { data, facets, channels: {} } as never;
        },
      });
      const svg = Plot.plot({ document: document as never, marks: [marks] });
      assertEquals(svg.querySelectorAll("circle").length, rows);
      assertStrictEquals((seen as Float64Array).buffer, memoryOf(table, "half"));
    });
  });

  describe("Observable Plot, of columns with nulls", () => {
    it("takes them in one batch and in several, of any type", async () => {
      const { document } = parseHTML("<html></html>") as unknown as { document: unknown };
      const some = local("some.parquet");
      await writeTable(some, {
        x: [1, null, 3, 4],
        name: ["a", null, "b", "a"],
        when: [new Date(0), new Date(1), null, null],
      }, { rowGroupSize: 2 });
      const table = await some.table();
      assertEquals(table.getChild("x").data.length, 2);
      assertEquals(JSON.stringify(table.getChild("name")), '["a",null,"b","a"]');
      const y = (_: unknown, at: number) => at;
      const drawn = (data: unknown, x: unknown): string[] => {
        const marks = [Plot.dot(data as never, { x, y } as never)];
        const svg = Plot.plot({ document: document as never, marks });
        const circles = svg.querySelectorAll("circle") as Iterable<{
          getAttribute(name: string): string;
        }>;
        return Array.from(circles, (circle) => circle.getAttribute("cx"));
      };
      const none = await some.table({ where: "x > 9" });
      for (const part of [table, await some.table({ limit: 2 }), none]) {
        for (const x of ["x", "name"]) {
          assertEquals(drawn(part, x), drawn({ length: part.numRows }, [...part.getChild(x)]), x);
        }
        const there = [...part.getChild("when")].filter((value) => value !== null);
        assertEquals(drawn(part, "when").length, there.length);
      }
    });
  });

  describe("nodejs-polars", () => {
    it("takes Arrow IPC, with copies", async () => {
      const table = await numbers.table();
      const frame = pl.readIPCStream(Buffer.from(tableToIPC(table, { format: "stream" })!));
      assertEquals(frame.height, rows);
      assertEquals(frame.getColumn("half").sum(), expected);
    });
  });

  describe("DuckDB", () => {
    it("reads a file that dipper writes", async () => {
      const path = `${folder}/for_duckdb.parquet` as `/${string}`;
      await writeTable(path, await numbers.table(), { compression: "none" });
      const instance = await DuckDBInstance.create();
      const connection = await instance.connect();
      const reader = await connection.runAndReadAll(`SELECT sum(half), count(*) FROM '${path}'`);
      assertEquals(reader.getRows(), [[expected, BigInt(rows)]]);
      connection.closeSync();
      instance.closeSync();
    });
  });

  describe("hyparquet", () => {
    it("reads through dipper, a version that does not change under it", async () => {
      await numbers.copyTo(client.file("s3://bucket/numbers.parquet"));
      const buffer = await asyncBuffer("s3://bucket/numbers.parquet", { client });
      const read: unknown[] = await parquetReadObjects({ file: buffer, columns: ["half", "name"] });
      assertEquals(read.length, rows);
      assertEquals(read[9], { half: 4.5, name: "row 9" });
      assertEquals((await buffer.slice(-4)).byteLength, 4);
      await client.file("s3://bucket/numbers.parquet").write("another");
      await assertRejects(async () => await buffer.slice(0, 4), PreconditionFailedError);
    });
  });

  describe("zarrita", () => {
    it("reads an array through dipper; chunks that are not there hold the fill value", async () => {
      const at = (key: string) => client.file({ bucket: "bucket", key: `data.zarr/${key}` });
      await at("zarr.json").write(JSON.stringify({
        zarr_format: 3,
        node_type: "array",
        shape: [2, 4],
        data_type: "float64",
        chunk_grid: { name: "regular", configuration: { chunk_shape: [2, 2] } },
        chunk_key_encoding: { name: "default", configuration: { separator: "/" } },
        codecs: [{ name: "bytes", configuration: { endian: "little" } }],
        fill_value: 7,
        attributes: {},
      }));
      await at("c/0/0").write(Float64Array.of(0, 1, 2, 3));
      const store = zarrStore("s3://bucket/data.zarr/", { client });
      const array = await zarr.open.v3(store, { kind: "array" });
      const { data, shape } = await zarr.get(array);
      assertEquals(shape, [2, 4]);
      assertEquals(data as unknown, Float64Array.of(0, 1, 7, 7, 2, 3, 7, 7));
      assertEquals(
        await store.getRange("/c/0/0", { suffixLength: 8 }),
        new Uint8Array(Float64Array.of(3).buffer),
      );
      assertEquals(await store.getRange("/c/0/0", { suffixLength: 0 }), new Uint8Array(0));
      assert(await store.getRange("/nothing", { offset: 0, length: 1 }) === undefined);
    });

    it("tells a bucket that is not there from a chunk that is not", async () => {
      const store = zarrStore("s3://no-such-bucket/data.zarr/", { client });
      const error = await assertRejects(() => store.get("/c/0/0"), NotFoundError);
      assertEquals(error.code, "NoSuchBucket");
    });
  });
});
