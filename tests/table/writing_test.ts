// Tables that dipper writes, read back by dipper and by pyarrow.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import {
  file,
  InvalidInputError,
  type LocalFile,
  LocalS3,
  memory,
  metricsOf,
  type S3Client,
  UnsupportedError,
  type WritableTable,
  writeTable,
} from "dipper";
import * as apache from "apache-arrow";
import * as flechette from "@uwdata/flechette";
import { collectUntil, held } from "../memory/settled.ts";
import { EXACT, plainColumns } from "./plain_values.ts";
import { PYTHON, readByPolars, readByPyarrow, writtenFiles } from "./pyarrow.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

function local(path: string): LocalFile {
  return file(path as `/${string}`);
}

let folder: string;
let s3: LocalS3;
let client: S3Client;
describe("writing tables", () => {
  beforeAll(async () => {
    folder = await Deno.makeTempDir();
    s3 = await LocalS3.start();
    client = s3.client();
    await client.createBucket("tables");
  });
  afterAll(async () => {
    client[Symbol.dispose]();
    await s3[Symbol.asyncDispose]();
    await Deno.remove(folder, { recursive: true });
  });

  const PLAIN = {
    id: Int32Array.of(1, 2, 3),
    big: BigInt64Array.of(2n ** 60n, -1n, 0n),
    ratio: Float64Array.of(0.5, Number.NaN, -0),
    name: ["one", null, "drei 🦢"],
    flag: [true, false, null],
    when: [new Date(0), new Date(1_732_320_000_123), null],
    mixed: [1, 2.5, null],
  };

  describe("writeTable", () => {
    it("writes columns to S3, and tells what it wrote", async () => {
      const f = client.file("s3://tables/plain.parquet");
      const stat = await client.writeTable(f, PLAIN);
      assertEquals(stat.size, (await f.stat()).size);
      const table = await f.table({ useBigInt: true, useDate: true });
      assertEquals(table.toColumns(), {
        ...PLAIN,
        name: ["one", null, "drei 🦢"],
      });
      // The copies that were made are those into the upload: of encoded bytes, and once.
      assertEquals(metricsOf(stat)?.copies, stat.size);
    });

    it("writes rows, whose names may differ", async () => {
      const f = local(`${folder}/rows.parquet`);
      await writeTable(f, [{ a: 1, b: "x" }, { b: "y", c: [1, 2] }]);
      assertEquals((await f.table()).toArray(), [
        { a: 1, b: "x", c: null },
        { a: null, b: "y", c: [1, 2] },
      ] as never);
    });

    it("takes types for plain values", async () => {
      const f = local(`${folder}/types.parquet`);
      const types = {
        id: flechette.int64(),
        score: flechette.float32(),
        tag: flechette.dictionary(flechette.utf8()),
      };
      await writeTable(f, { id: [1, 2], score: [1, 2], tag: ["x", "x"] }, { types });
      const { schema } = await f.table();
      assertEquals(schema.fields.map(({ type }) => type.typeId), [
        flechette.Type.Int,
        flechette.Type.Float,
        flechette.Type.Dictionary,
      ]);
    });

    it("writes a series of tables as one file, batch by batch", async () => {
      const f = client.file("s3://tables/series.parquet");
      async function* series() {
        for (let batch = 0; batch < 20; batch++) {
          await Promise.resolve();
          yield { batch: new Int32Array(1000).fill(batch), value: Array(1000).fill(batch + 0.5) };
        }
      }
      await client.writeTable(f, series(), { rowGroupSize: 5000 });
      const sizes: number[] = [];
      let sum = 0;
      for await (const table of f.batches()) {
        sizes.push(table.numRows);
        for (const value of table.getChild("value")) sum += value as number;
      }
      assertEquals(sizes, [5000, 5000, 5000, 5000]);
      assertEquals(sum, 1000 * (190 + 10));
    });

    it("keeps to a few batches in memory, however long the series is", async () => {
      const f = local(`${folder}/long.parquet`);
      const rows = 1 << 20;
      const values = Float64Array.from({ length: rows }, (_, index) => index * 1.1);
      let peak = 0;
      function* series() {
        for (let batch = 0; batch < 40; batch++) {
          peak = Math.max(peak, memory().bytes);
          yield { values };
        }
      }
      const stat = await writeTable(f, series(), { compression: "none" });
      assert(stat.size > 40 * rows * 8 * 0.9, `${stat.size} bytes`);
      assert(peak < 160 * 1024 ** 2, `${peak} bytes at once`);
    });

    it("keeps the dictionaries of each batch apart", async () => {
      const batches = [["a", "b", "a"], ["c", "a", null]];
      const series = batches.map((tag) =>
        flechette.tableFromArrays({ tag }, {
          types: { tag: flechette.dictionary(flechette.utf8()) },
        })
      );
      for (const name of ["dictionaries.parquet"]) {
        const f = local(`${folder}/${name}`);
        await writeTable(f, series);
        assertEquals([...(await f.table()).getChild("tag")], batches.flat());
        // A table of several batches with dictionaries of their own, as dipper reads them.
        const again = local(`${folder}/again_${name}`);
        await writeTable(again, await f.table());
        assertEquals([...(await again.table()).getChild("tag")], batches.flat());
      }
    });

    it("does not mix the dictionaries of columns that share a type", async () => {
      const f = local(`${folder}/shared.parquet`);
      const tag = flechette.dictionary(flechette.utf8());
      const table = { a: ["x", "y"], b: ["p", "q"], c: [["u"], ["v", "u"]] };
      const types = { a: tag, b: tag, c: flechette.list(tag) };
      await writeTable(f, table, { types });
      assertEquals((await f.table()).toColumns(), table as never);
    });

    it("writes CSV and NDJSON", async () => {
      const table = { a: [1, 2, null], b: ['x "quoted", y', "line\nfeed", null] };
      await writeTable(`${folder}/t.csv` as `/${string}`, table);
      assertEquals(
        await Deno.readTextFile(`${folder}/t.csv`),
        'a,b\n1,"x ""quoted"", y"\n2,"line\nfeed"\n,\n',
      );
      await writeTable(`${folder}/t.tsv` as `/${string}`, table, {
        header: false,
        nullValue: "NA",
      });
      assertEquals(
        await Deno.readTextFile(`${folder}/t.tsv`),
        '1\t"x ""quoted"", y"\n2\t"line\nfeed"\nNA\tNA\n',
      );
      await writeTable(`${folder}/t.ndjson` as `/${string}`, table);
      assertEquals(
        (await Deno.readTextFile(`${folder}/t.ndjson`)).trimEnd().split("\n").map((line) =>
          JSON.parse(line)
        ),
        [{ a: 1, b: 'x "quoted", y' }, { a: 2, b: "line\nfeed" }, { a: null, b: null }],
      );
      await writeTable(`${folder}/none.csv` as `/${string}`, { a: [] });
      assertEquals(await Deno.readTextFile(`${folder}/none.csv`), "a\n");
    });

    it("tells empty texts from nulls in CSV", async () => {
      const table = { a: ["", null, "x"], b: [1, null, 3], c: ["", "", null] };
      const f = local(`${folder}/empty.csv`);
      await writeTable(f, table);
      assertEquals(await f.text(), 'a,b,c\n"",1,""\n,,""\nx,3,\n');
      assertEquals((await f.table()).toColumns(), table as never);
      const some = await f.table({ columns: ["c", "a"], where: "b IS NULL" });
      assertEquals(some.toArray(), [{ c: "", a: null }] as never);
      const tags = await f.table({ types: { a: "dictionary" } });
      assertEquals([...tags.getChild("a")], table.a);
      // Whoever wants to can have them as before.
      const nulls = await f.table({ nullValues: [""] });
      assertEquals([...nulls.getChild("a")], [null, null, "x"]);
      // A line of nothing would be no row.
      const single = local(`${folder}/single.csv`);
      await writeTable(single, { a: ["", null, "x"] }, { nullValue: "NA" });
      assertEquals(await single.text(), 'a\n""\nNA\nx\n');
      const read = await single.table({ nullValues: ["NA"] });
      assertEquals([...read.getChild("a")], ["", null, "x"]);
      await writeTable(single, { a: [1, null, 3] });
      assertEquals([...(await single.table()).getChild("a")], [1, null, 3]);
    });

    it("refuses a time without a date in text, and writes nothing", async () => {
      const first = new Date("2024-02-29T12:00:00.5Z");
      // The last moment of JavaScript is behind the last day of the writers.
      const last = new Date(8.64e15);
      const tables = { plain: { at: [first, last] }, nested: { at: [[first], [], [first, last]] } };
      for (const format of ["csv", "ndjson", "json"]) {
        for (const [name, table] of Object.entries(tables)) {
          const f = local(`${folder}/${name}-times.${format}`);
          await assertRejects(() => writeTable(f, table), UnsupportedError);
          assertEquals(await f.exists(), false, `${name} ${format}`);
        }
      }
      const f = local(`${folder}/times.ndjson`);
      await writeTable(f, { at: [first, null], all: [[first, null], []] });
      const text = "2024-02-29T12:00:00.500";
      assertEquals(
        await f.text(),
        `{"at":"${text}","all":["${text}",null]}\n{"at":null,"all":[]}\n`,
      );
    });

    it("writes moments of UTC as text, and tells what has no year of four digits", async () => {
      const { timestamp, TimeUnit } = flechette;
      const types = { at: timestamp(TimeUnit.MILLISECOND, "UTC") };
      const f = local(`${folder}/utc.csv`);
      await writeTable(f, { at: [new Date("2024-02-29T12:00:00Z"), null] }, { types });
      assertEquals(await f.text(), 'at\n2024-02-29T12:00:00Z\n""\n');
      const lines = local(`${folder}/utc.ndjson`);
      await writeTable(lines, { at: [new Date("1969-12-31T23:59:59.9Z")] }, { types });
      assertEquals(await lines.text(), '{"at":"1969-12-31T23:59:59.900Z"}\n');
      const far = { at: [new Date(8.64e15)] };
      await assertRejects(() => writeTable(f, far, { types }), UnsupportedError);
    });

    it("writes an array of JSON", async () => {
      const rows = [{ a: 1, b: { c: ["x", null] } }, { a: null, b: { c: [] } }];
      const f = client.file("s3://tables/rows.json");
      await client.writeTable(f, rows);
      assertEquals(await f.json(), rows);
      assertEquals((await f.table()).toArray(), rows as never);
      await client.writeTable(f, { a: new Int32Array() });
      assertEquals(await f.json(), []);
      function* series() {
        for (let batch = 0; batch < 3; batch++) yield { batch: new Int32Array(70_000).fill(batch) };
      }
      await client.writeTable(f, series());
      const all = await f.json() as { batch: number }[];
      assertEquals([all.length, all.at(0), all.at(-1)], [210_000, { batch: 0 }, { batch: 2 }]);
    });

    for (const ending of ["csv", "tsv", "ndjson", "json"] as const) {
      it(`writes compressed text: ${ending}`, async () => {
        const rows = 150_000;
        const n = Int32Array.from({ length: rows }, (_, row) => row);
        const t = Array.from({ length: rows }, (_, row) => `row ${row % 100}`);
        const plain = client.file(`s3://tables/long.${ending}`);
        await client.writeTable(plain, { n, t });
        const magic = { gz: [0x1f, 0x8b], zst: [0x28, 0xb5] };
        for (const [end, compression] of [["gz", "gzip"], ["zst", "zstd"]] as const) {
          const f = client.file(`s3://tables/long.${ending}.${end}`);
          const { size } = await client.writeTable(f, { n, t });
          assert(size < (await plain.stat()).size / 3, `${size}`);
          assertEquals([...await f.slice(0, 2).bytes()], magic[end]);
          const table = await f.table();
          assertEquals([table.numRows, table.at(rows - 1)], [rows, { n: rows - 1, t: "row 99" }]);
          // By the option, and a series.
          const other = client.file(`s3://tables/other_${end}`);
          const series = [{ n, t }, { n, t }].values();
          await client.writeTable(other, series, { format: ending, compression });
          const both = await other.table({ format: ending });
          assertEquals([both.numRows, both.at(2 * rows - 1)], [2 * rows, {
            n: rows - 1,
            t: "row 99",
          }]);
          // Whoever says so gets the text itself.
          await client.writeTable(f, { n, t }, { compression: "none" });
          assertEquals((await f.stat()).size, (await plain.stat()).size);
        }
      });
    }
  });

  describe("batches", () => {
    it("come one by one; leaving the loop ends the reading", async () => {
      const f = client.file("s3://tables/many.parquet");
      await client.writeTable(f, { a: new Float64Array(100_000) }, { rowGroupSize: 1000 });
      const before = held().operations;
      let seen = 0;
      for await (const batch of f.batches({ columns: ["a"] })) {
        assertEquals(batch.numRows, 1000);
        if (++seen === 3) break;
      }
      assert(await collectUntil(() => held().operations === before), "nothing goes on");
      const ending = new AbortController();
      const reading = f.batches({ signal: ending.signal })[Symbol.asyncIterator]();
      assertEquals((await reading.next()).done, false);
      ending.abort(new Error("enough"));
      await assertRejects(() => reading.next(), Error, "enough");
      assert(await collectUntil(() => held().operations === before), "nothing goes on");
    });
  });

  describe("what is no table", () => {
    const wrong: [string, unknown, RegExp, object?][] = [
      ["columns of different lengths", { a: [1, 2], b: [1] }, /"b" has 1 values, and "a" has 2/],
      ["no columns", {}, /no columns/],
      ["no rows to tell the columns", [], /no columns/],
      ["a number", 1, /number is no table/],
      ["null", null, /null is no table/],
      ["a column that is no array", { a: 1 }, /"a" is a number/],
      ["a row that is no object", [{ a: 1 }, 2], /row 1 is no object/],
      ["values of several types", { a: [1, "x"] }, /"a" cannot be made/],
      ["a series of nothing", (function* () {})(), /no table to write/],
      ["a type for a column that is not there", { a: [1] }, /"b", which is not there/, {
        types: { b: flechette.int8() },
      }],
      ["an unknown format", { a: [1] }, /no format/, { format: "xlsx" }],
      ["an unknown compression", { a: [1] }, /not compressed with "rar"/, { compression: "rar" }],
      ["an option of another format", { a: [1] }, /has no delimiter/, { delimiter: ";" }],
      ["a row group of nothing", { a: [1] }, /rowGroupSize/, { rowGroupSize: 0 }],
      ["an unknown option", { a: [1] }, /no option colour/, { colour: 1 }],
      [
        "names that repeat",
        new flechette.Table(
          flechette.tableFromArrays({ a: [1], b: [2] }).selectAt([0, 0]).schema,
          flechette.tableFromArrays({ a: [1], b: [2] }).children,
        ),
        /two columns have the name "a"/,
      ],
      [
        "a later table with other columns",
        [{ a: [1] }, { b: [1] }].values(),
        /other columns than the first/,
      ],
      [
        "a later table with other types",
        [{ a: [1] }, { a: ["x"] }].values(),
        /other columns than the first: a .* instead of a/,
      ],
    ];
    for (const [what, value, message, options] of wrong) {
      it(`is refused, and what was there stays: ${what}`, async () => {
        const path = `${folder}/wrong.parquet`;
        await Deno.writeTextFile(path, "what was there");
        const error = await assertRejects(
          () => writeTable(local(path), value as WritableTable, { ...options } as never),
          InvalidInputError,
        );
        assert(message.test((error as Error).message), (error as Error).message);
        assertEquals(await Deno.readTextFile(path), "what was there");
      });
    }

    const names: [string, RegExp, object?][] = [
      ["table.csv.bz2", /csv is not written as \.bz2/],
      ["table.ndjson.xz", /ndjson is not written as \.xz/],
      ["table.parquet.gz", /parquet is not written as \.gz/],
      ["table.gz", /does not say which format/],
      ["table.csv", /csv is not compressed with "brotli"/, { compression: "brotli" }],
      ["table.json", /json is not compressed with "lz4"/, { compression: "lz4" }],
      ["table.json", /json has no delimiter/, { delimiter: ";" }],
    ];
    for (const [name, message, options] of names) {
      it(`is refused for what is not written: ${name}, ${Deno.inspect(options ?? {})}`, async () => {
        const error = await assertRejects(
          () => writeTable(local(`${folder}/${name}`), { a: [1] }, options as never),
          InvalidInputError,
        );
        assert(message.test((error as Error).message), (error as Error).message);
      });
    }

    it("is refused for a name without a format", async () => {
      await assertRejects(
        () => writeTable(local(`${folder}/table.bin`), { a: [1] }),
        InvalidInputError,
        "does not say which format",
      );
    });

    it("is refused with the column that a format has no place for", async () => {
      const table = { list: [[1], [2, 3]] };
      await assertRejects(
        () => writeTable(local(`${folder}/lists.csv`), table),
        UnsupportedError,
        '"list"',
      );
    });
  });

  describe("a write that ends early", () => {
    it("names a column that went to a Worker, before anything is sent and amid the batches", async () => {
      const f = client.file("s3://tables/transferred.parquet");
      await client.writeTable(f, { id: [1, 2], name: ["a", "b"], list: [[1], [2, 3]] });
      for (const [at, name] of ["id", "name", "list"].entries()) {
        const table = await f.table();
        const { values, children } = table.getChildAt(at).data[0] as never as {
          values?: Float64Array<ArrayBuffer>;
          children: { values: Float64Array<ArrayBuffer> }[];
        };
        structuredClone(null, { transfer: [(values ?? children[0]!.values).buffer] });
        await assertRejects(
          () => client.writeTable("s3://tables/not.parquet", table),
          InvalidInputError,
          `"${name}" is detached`,
        );
      }
      const later = Float64Array.from({ length: 400_000 }, Math.random);
      const writing = client.writeTable("s3://tables/not.parquet", { later });
      const ended = assertRejects(() => writing, InvalidInputError, `"later" is detached`);
      structuredClone(null, { transfer: [later.buffer] });
      await ended;
      assertEquals(await client.file("s3://tables/not.parquet").exists(), false);
    });

    it("builds no columns of values for a call that was ended", async () => {
      const ending = new AbortController();
      let looked = 0;
      const values = new Proxy([1, 2, 3], {
        get: (array, name) => (looked += Number(name === "1"), Reflect.get(array, name)),
      });
      const writing = client.writeTable("s3://tables/not.parquet", { values }, {
        signal: ending.signal,
      });
      ending.abort(new Error("enough"));
      await assertRejects(() => writing, Error, "enough");
      assertEquals(looked, 0);
    });

    it("leaves what was there when the series throws", async () => {
      const f = client.file("s3://tables/kept.parquet");
      await client.writeTable(f, { a: [1] });
      function* series() {
        yield { a: new Int32Array(1 << 20) };
        throw new RangeError("the source broke");
      }
      await assertRejects(() => client.writeTable(f, series()), RangeError, "the source broke");
      assertEquals((await f.table()).toArray(), [{ a: 1 }] as never);
      assertEquals(await client.incompleteUploads("s3://tables/").toArray(), []);
    });

    it("leaves nothing of a local file that is aborted, whatever the format", async () => {
      const rows = 1_000_000;
      const number = Float64Array.from({ length: rows }, (_, row) => row / 7);
      const table = { number, whole: new Int32Array(rows).fill(7) };
      const inside = await Deno.makeTempDir({ dir: folder });
      for (const format of ["parquet", "arrow", "arrows", "csv", "ndjson", "json"]) {
        const f = local(`${inside}/t.${format}`);
        const { size } = await writeTable(f, table);
        await f.delete();
        for (const after of [0, 5, 20]) {
          const ending = new AbortController();
          const writing = writeTable(f, table, { signal: ending.signal });
          const timer = setTimeout(() => ending.abort(new Error("enough")), after);
          await writing.catch(({ message }) => assertEquals(message, "enough"));
          clearTimeout(timer);
          // It may have had its name already; then it is whole.
          const left = [...Deno.readDirSync(inside)].map(({ name }) => name);
          assertEquals(left.filter((name) => name !== f.name), [], `${format} after ${after} ms`);
          if (left.length > 0) assertEquals((await f.stat()).size, size);
          await f.delete();
        }
      }
    });

    it("leaves what was there when it is aborted, and rejects with the reason", async () => {
      const f = client.file("s3://tables/aborted.parquet");
      await client.writeTable(f, { a: [1] });
      const ending = new AbortController();
      let closed = false;
      async function* series() {
        try {
          for (let batch = 0;; batch++) {
            if (batch === 3) ending.abort(new Error("enough"));
            await Promise.resolve();
            yield { a: Float64Array.from({ length: 1 << 18 }, Math.random) };
          }
        } finally {
          closed = true;
        }
      }
      await assertRejects(
        () => client.writeTable(f, series(), { signal: ending.signal }),
        Error,
        "enough",
      );
      assertEquals((await f.table()).toArray(), [{ a: 1 }] as never);
      assertEquals(await client.incompleteUploads("s3://tables/").toArray(), []);
      assert(closed, "the source is told");
    });
  });

  describe("tables of apache-arrow", () => {
    it("are written with their types", async () => {
      const table = new apache.Table({
        i: apache.vectorFromArray([1, null, 3], new apache.Int16()),
        u: apache.makeVector(BigUint64Array.of(1n, 2n, 2n ** 64n - 1n)),
        f: apache.vectorFromArray([0.5, null, -1], new apache.Float32()),
        b: apache.vectorFromArray([true, null, false], new apache.Bool()),
        s: apache.vectorFromArray(["x", null, "äöü"], new apache.Utf8()),
        d: apache.vectorFromArray(["p", "q", "p"]),
        l: apache.vectorFromArray(
          [[1, 2], null, []],
          new apache.List(new apache.Field("item", new apache.Int32(), true)),
        ),
        t: apache.vectorFromArray(
          [new Date(0), null, new Date(5)],
          new apache.TimestampMillisecond(),
        ),
        r: apache.vectorFromArray(
          [{ a: 1 }, null, { a: 3 }],
          new apache.Struct([new apache.Field("a", new apache.Int8(), true)]),
        ),
      });
      const expected = {
        i: ["1", null, "3"],
        u: ["1", "2", "18446744073709551615"],
        f: [0.5, null, -1],
        b: [true, null, false],
        s: ["x", null, "äöü"],
        d: ["p", "q", "p"],
        l: [["1", "2"], null, []],
        t: ["0", null, "5000000"],
        r: [{ a: "1" }, null, { a: "3" }],
      };
      const f = local(`${folder}/apache.parquet`);
      await writeTable(f, table);
      assertEquals(plainColumns(await f.table(EXACT)), expected);
      // Cut amid a byte of its bitmaps, and from two batches.
      const slice = table.slice(1);
      await writeTable(f, slice.concat(slice));
      const twice = Object.entries(expected).map(([name, values]) => [
        name,
        [...values.slice(1), ...values.slice(1)],
      ]);
      assertEquals(plainColumns(await f.table(EXACT)), Object.fromEntries(twice));
    });
  });

  describe("pyarrow", { ignore: PYTHON === undefined }, () => {
    it("finds the values in every format", async () => {
      const paths: string[] = [];
      for (const extension of ["parquet", "arrow", "arrows"]) {
        for (const compression of [undefined, "none", "zstd", "lz4"] as const) {
          const path = `${folder}/${compression}.${extension}`;
          paths.push(path);
          await writeTable(local(path), PLAIN, compression === undefined ? {} : { compression });
        }
      }
      const read = await readByPyarrow(...paths);
      for (const [index, { values, rows }] of read.entries()) {
        assertEquals(rows, 3);
        assertEquals(values, {
          id: ["1", "2", "3"],
          big: [String(2n ** 60n), "-1", "0"],
          ratio: [0.5, "nan", -0],
          name: ["one", null, "drei 🦢"],
          flag: [true, false, null],
          when: ["0", "1732320000123000000", null],
          mixed: [1, 2.5, null],
        }, paths[index]!);
      }
    });

    it("finds the values of compressed text and of arrays of JSON, and polars does", async () => {
      const values = {
        id: [1, 2, 3],
        name: ["", null, 'drei \u{1f9a2}, "x"'],
        ratio: [0.5, null, 2],
      };
      const paths: string[] = [];
      for (
        const name of ["csv", "csv.gz", "csv.zst", "ndjson.gz", "ndjson.zst", "json", "json.gz"]
      ) {
        paths.push(`${folder}/read_by_others.${name}`);
        await writeTable(local(paths.at(-1)!), values);
      }
      const told = { id: ["1", "2", "3"], name: values.name, ratio: values.ratio };
      for (const [index, { values, rows }] of (await readByPyarrow(...paths)).entries()) {
        assertEquals([values, rows], [told as never, 3], paths[index]);
      }
      for (const [index, columns] of (await readByPolars(...paths)).entries()) {
        assertEquals(columns, values, paths[index]);
      }
    });

    it("finds times and dates in Parquet, of units that it has not", async () => {
      const { columnFromArray, dateMillisecond, fixedSizeList, list, timeSecond } = flechette;
      const seconds = flechette.timestamp(flechette.TimeUnit.SECOND, "Europe/Berlin");
      const day = 20_000 * 86_400_000;
      const table = flechette.tableFromColumns({
        moment: columnFromArray([0, 1_732_320_000_000, null], seconds),
        moments: columnFromArray([[5000, null], null, [0, 1000]], fixedSizeList(seconds, 2)),
        time: columnFromArray([0, 86_399, null], timeSecond()),
        times: columnFromArray([[60], null, []], list(timeSecond())),
        day: columnFromArray([new Date(0), new Date(day), null], dateMillisecond()),
      });
      const path = `${folder}/seconds.parquet`;
      await writeTable(local(path), table);
      const [told] = await readByPyarrow(path);
      assertEquals(told!.types, [
        "timestamp[ms, tz=Europe/Berlin]",
        "fixed_size_list<: timestamp[ms, tz=Europe/Berlin]>[2]",
        "time32[ms]",
        "list<: time32[ms]>",
        "date32[day]",
      ]);
      const values = {
        moment: ["0", "1732320000000000000", null],
        moments: [["5000000000", null], null, ["0", "1000000000"]],
        time: ["0", "86399000000000", null],
        times: [["60000000000"], null, []],
        day: ["0", String(day), null],
      };
      assertEquals(told!.values, values);
      assertEquals(plainColumns(await local(path).table(EXACT)), values);
      // So many seconds have no number of milliseconds.
      const far = columnFromArray([2n ** 60n], flechette.int64()).data[0]!.values;
      const late = columnFromArray([0], seconds);
      Object.assign(late.data[0]!, { values: far });
      await assertRejects(
        () => writeTable(local(path), flechette.tableFromColumns({ late })),
        UnsupportedError,
        "late",
      );
    });

    it("finds the values of every type that dipper read and wrote again", async () => {
      const files = (await writtenFiles(folder)).filter(({ name }) => name.endsWith(".parquet"));
      const paths: string[] = [];
      for (const { name } of files) {
        const table = await local(`${folder}/${name}`).table();
        for (const extension of ["parquet", "arrow"]) {
          const path = `${folder}/again_${name}.${extension}`;
          paths.push(path);
          await writeTable(local(path), table);
        }
      }
      const read = await readByPyarrow(...paths);
      assertEquals(read.length, 2 * files.length);
      for (const [index, { values }] of read.entries()) {
        assertEquals(values, files[index >> 1]!.values, paths[index]!);
      }
    });
  });
});
